package acceptance

import (
	"slices"
	"strings"
	"time"

	"portillon/policy"
)

// Verdict is the outcome of a step. The zero Verdict means that nobody has done the step.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Skipped Verdict = "skipped"
)

// Result is the outcome of one step.
type Result struct {
	Step    string    `json:"step"`
	Verdict Verdict   `json:"verdict"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`  // who answered
	Why     string    `json:"why"` // for a skipped step, the person's reason; for a failed step, the failed beat
}

// Progress is the state of a test in progress. The caller stores the Progress on disk, because the test includes power
// cuts. The zero Progress is a test that has not begun.
type Progress struct {
	Wiring string `json:"wiring"` // SHA-256 of the machine.yaml, in hexadecimal
	// The version of portillon. The version of portillon that began the test, because another version may have other
	// steps.
	Program string    `json:"program"`
	By      string    `json:"by"` // who answers
	Began   time.Time `json:"began"`
	At      int       `json:"at"`   // index of the current step in the plan
	Beat    int       `json:"beat"` // index of the current beat in the step
	// The reason why the current step failed; empty once the person has decided what to do.
	Failure string    `json:"failure"`
	Boot    string    `json:"boot"`             // kernel's boot ID when the program asked for the power cut
	Since   time.Time `json:"since,omitzero"`   // time at which the program began to wait for the current sight
	Results []Result  `json:"results,omitzero"` // results of the finished steps
}

// Event is a kind of event that the caller reports to Next. The zero Event reports nothing: the caller only asks Next
// for the next call.
type Event uint8

// The events.
const (
	Begin Event = iota
	Line        // the person typed a line
	Seen        // the daemon's status was read
	Did         // the program has performed the Deed
)

// Input is an event and its time.
type Input struct {
	Event  Event
	Now    time.Time
	Boot   string // the kernel's boot ID
	Line   string
	Status Status
	Err    string // for Did: error of the Deed; empty: success
}

// Call is a kind of action that Next requests from the caller. The zero Call ends the run, because every step is
// finished.
type Call uint8

// The calls.
const (
	End    Call = iota
	Prompt      // show Text, then read a line that the person types
	Look        // read the daemon's status
	Carry       // perform Deed
	Off         // halt the Pi; the run continues after the next boot
	Quit        // the person wants to stop the run now; the run can continue later
)

// Output describes the next action of the caller.
type Output struct {
	Call  Call
	Step  Step
	First bool        // true: the step begins, so the caller shows the step's introduction
	Again policy.Text // reason why the last line was not accepted; shown before Text
	Text  policy.Text // Prompt
	Keys  Keys        // Prompt
	Deed  Deed        // Carry
}

// Keys is the kind of input that a prompt accepts.
type Keys uint8

// These constants are the kinds of prompts.
const (
	Done    Keys = iota + 1 // Enter
	YesNo                   // y or n
	Decide                  // after a failure: r to repeat the step, Enter to leave it as failed
	PowerOn                 // Enter is accepted only after the Pi has booted again
)

// Next computes the next state and the next call of a run. Next is a pure function. The caller must store the returned
// Progress before it executes the call: the power may fail at any moment.
func Next(plan []Step, p Progress, in Input) (Progress, Output) {
	r := run{plan: plan, p: p, in: in}
	switch {
	case in.Event == Line:
		r.handleLine()
	case in.Event == Seen:
		r.compareSight()
	case in.Event == Did && in.Err != "":
		r.fail(in.Err)
	case in.Event == Did:
		r.passBeat()
	default:
		r.resume()
	}
	out := r.output()
	return r.p, out
}

type run struct {
	plan  []Step
	p     Progress
	in    Input
	again policy.Text
	call  Call // Off or Quit, if the person asked to halt the Pi or to stop the run
}

func (r *run) over() bool { return r.p.At < 0 || r.p.At >= len(r.plan) }

// beatIndex returns the index of the current beat. If the index in a Progress file is out of range, the step starts
// again.
func (r *run) beatIndex() int {
	if r.p.Beat < 0 || r.p.Beat >= len(r.plan[r.p.At].Beats) {
		r.p.Beat = 0
	}
	return r.p.Beat
}

func (r *run) beat() Beat {
	if i, beats := r.beatIndex(), r.plan[r.p.At].Beats; len(beats) > 0 {
		return beats[i]
	}
	return Beat{}
}

// resume continues a run after an interruption. A step whose power cut has happened continues after the cut. Any other
// step starts again, because its session may have ended meanwhile.
func (r *run) resume() {
	if r.over() {
		return
	}
	off := func(b Beat) bool { return b.Kind == Cut || b.Kind == Halt }
	switch before := r.plan[r.p.At].Beats[:r.beatIndex()]; {
	// A different boot ID proves that the Pi has booted again since the program asked for the power cut.
	case off(r.beat()) && r.p.Boot != "" && r.p.Boot != r.in.Boot:
		r.p.Boot = ""
		r.passBeat()
	case !slices.ContainsFunc(before, off):
		r.p.Beat, r.p.Since = 0, time.Time{}
	}
}

// repeat restarts the step, or the earlier step whose power cut this step shares.
func (r *run) repeat() {
	if i := slices.IndexFunc(r.plan, func(s Step) bool { return s.ID == r.plan[r.p.At].With }); i >= 0 && i < r.p.At {
		again := r.plan[i:r.p.At]
		r.p.Results = slices.DeleteFunc(slices.Clone(r.p.Results), func(x Result) bool {
			return slices.ContainsFunc(again, func(s Step) bool { return s.ID == x.Step })
		})
		r.p.At = i
	}
	r.p.Beat, r.p.Failure, r.p.Boot, r.p.Since = 0, "", "", time.Time{}
}

// passBeat continues with the next beat, or ends the step as passed.
func (r *run) passBeat() {
	if r.over() {
		return
	}
	r.p.Since = time.Time{}
	if r.p.Beat++; r.p.Beat >= len(r.plan[r.p.At].Beats) {
		r.endStep(Passed, "")
	}
}

func (r *run) fail(why string) {
	if !r.over() {
		r.p.Failure, r.p.Since = OneLine(why), time.Time{}
	}
}

// endStep records the step's result and continues with the next step.
func (r *run) endStep(v Verdict, why string) {
	r.p.Results = append(slices.Clone(r.p.Results), Result{Step: r.plan[r.p.At].ID, Verdict: v, At: r.in.Now,
		By: r.p.By, Why: why})
	r.p.At, r.p.Beat, r.p.Failure, r.p.Boot, r.p.Since = r.p.At+1, 0, "", "", time.Time{}
}

// handleLine handles the line that the person typed.
func (r *run) handleLine() {
	if r.over() {
		return
	}
	word, rest, _ := strings.Cut(OneLine(r.in.Line), " ")
	word, rest = strings.ToLower(word), strings.TrimSpace(rest)
	switch {
	case word == "q":
		r.call = Quit
	case word == "r":
		r.repeat()
	case r.p.Failure != "":
		r.decided(word)
	case word == "s" && rest == "":
		r.again = t("Pour passer une étape il faut une raison : s la machine n’a pas de capot",
			"To skip a step takes a reason: s the machine has no lid")
	case word == "s":
		r.endStep(Skipped, rest)
	default:
		r.answered(word)
	}
}

func (r *run) decided(word string) {
	if word != "" {
		r.again = t("Entrée ou r", "Enter or r")
		return
	}
	r.endStep(Failed, r.p.Failure)
}

func (r *run) answered(word string) {
	switch b := r.beat(); b.Kind {
	case Act:
		if word != "" {
			r.again = t("Appuyez seulement sur Entrée quand c’est fait", "Press only Enter when it is done")
			return
		}
		r.passBeat()
	case Ask:
		yes, no := slices.Contains([]string{"y", "yes", "o", "oui"}, word), slices.Contains([]string{"n", "no",
			"non"}, word)
		switch {
		case !yes && !no:
			r.again = t("Répondez o (oui) ou n (non)", "Answer y (yes) or n (no)")
		case yes == b.Want:
			r.passBeat()
		default:
			r.fail(b.Say.EN + " " + map[bool]string{true: "yes", false: "no"}[yes])
		}
	case Cut:
		switch {
		case word != "":
			r.again = t("Appuyez seulement sur Entrée", "Press only Enter")
		case r.p.Boot == r.in.Boot:
			r.again = t("Le Pi n’a pas été privé de courant : il tourne encore",
				"The Pi has not lost its power: it still runs")
		}
		r.p.Boot = r.in.Boot
	case Halt:
		if word != "" {
			r.again = t("Appuyez seulement sur Entrée", "Press only Enter")
			return
		}
		r.p.Boot, r.call = r.in.Boot, Off
	}
}

// compareSight compares the daemon's status with the sight that the beat requires.
func (r *run) compareSight() {
	if r.over() || r.beat().Kind != Observe {
		return
	}
	b := r.beat()
	// Start the wait when the status is read for the first time, and restart the wait if somebody has set the clock
	// back.
	if r.p.Since.IsZero() || r.in.Now.Before(r.p.Since) {
		r.p.Since = r.in.Now
	}
	switch {
	case b.Sight.in(r.in.Status):
		r.passBeat()
	case r.in.Now.Sub(r.p.Since) > time.Duration(b.Within)*time.Second:
		r.fail("not seen: " + string(b.Sight) + " (" + r.in.Status.String() + ")")
	}
}

func (r *run) output() Output {
	if r.call == Quit || r.over() {
		return Output{Call: r.call}
	}
	step, b := r.plan[r.p.At], r.beat()
	out := Output{Call: Prompt, Step: step, First: r.p.Beat == 0 && r.p.Failure == "" &&
		r.again == policy.Text{}, Again: r.again}
	if r.p.Failure != "" {
		out.Keys, out.Text = Decide, step.Means
		return out
	}
	switch b.Kind {
	case Act:
		out.Text, out.Keys = b.Say, Done
	case Ask:
		out.Text, out.Keys = b.Say, YesNo
	case Cut:
		r.p.Boot = r.in.Boot // store the boot ID now, because the person may cut the power from now on
		out.Text, out.Keys = b.Say, PowerOn
	case Halt:
		out.Text, out.Keys = b.Say, Done
		if r.call == Off {
			out.Call = Off
		}
	case Perform:
		out.Call, out.Deed = Carry, b.Deed
	case Observe:
		out.Call = Look
	default: // a step without beats proves nothing, so it fails
		r.p.Failure = "the step has nothing to do"
		out.Keys, out.Text = Decide, step.Means
	}
	return out
}

func (s Sight) in(st Status) bool {
	fault, isFault := strings.CutPrefix(string(s), "fault ")
	switch {
	case !st.Answers:
		return false
	case isFault:
		return !st.Relay && slices.Contains(st.Faults, fault)
	}
	switch s {
	case RelayOn:
		return st.Relay
	case RelayOff:
		return !st.Relay
	case Ready:
		return !st.Relay && st.Reader && (st.Phase == "off" || st.Phase == "cooling")
	case NoFault:
		return len(st.Faults) == 0
	case ReaderLost:
		return !st.Reader
	case ReaderBack:
		return st.Reader
	}
	return false
}

// String returns the status as a protocol shows it.
func (st Status) String() string {
	if !st.Answers {
		return "the daemon does not answer"
	}
	relay := map[bool]string{true: "on", false: "off"}[st.Relay]
	return strings.TrimSpace("phase " + st.Phase + ", relay " + relay + " " + strings.Join(st.Faults, " "))
}

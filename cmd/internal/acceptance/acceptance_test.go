package acceptance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

// The wiring page marks each step with the step's id.
func TestWiringPageHasTheSameStepsAsTheAcceptanceTest(t *testing.T) {
	want := strings.Fields("supply-without-pi boot switch-left-on tap tap-again e-stop e-stop-wire daemon-killed " +
		"daemon-stopped guard-killed pi-unplugged " +
		"pi-halted reader-unplugged door lid-without-portillon feedback-wire contactor-held busy exhaust isolation")
	var got []string
	for _, s := range Steps() {
		got = append(got, s.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the list holds %q, want %q", got, want)
	}
}

func TestEveryStepHasFrenchAndEnglishTextsAndEndsWithACheck(t *testing.T) {
	said := func(x policy.Text) bool { return x.FR != "" && x.EN != "" && x.FR != x.EN }
	for _, s := range Steps() {
		if !said(s.Title) && s.ID != "exhaust" || !said(s.Do) || !said(s.See) || !said(s.Means) {
			t.Errorf("%s lacks words in a language", s.ID)
		}
		looks := 0
		for _, b := range s.Beats {
			if b.Kind == Ask || b.Kind == Observe && b.Sight != Ready {
				looks++
			}
			if b.Kind != Perform && b.Kind != Observe && !said(b.Say) {
				t.Errorf("%s has a beat without words: %+v", s.ID, b)
			}
			if b.Kind == Observe && b.Within <= 0 {
				t.Errorf("%s gives %q no time", s.ID, b.Sight)
			}
		}
		if looks == 0 {
			t.Errorf("%s looks at nothing", s.ID)
		}
	}
}

func TestPlanLeavesOutStepsWhoseInputsAreNotWired(t *testing.T) {
	ids := func(w Wiring) string {
		var out []string
		for _, s := range Plan(w) {
			out = append(out, s.ID)
		}
		return strings.Join(out, " ")
	}
	bare := "tap tap-again daemon-killed daemon-stopped guard-killed pi-unplugged " +
		"supply-without-pi boot pi-halted switch-left-on isolation"
	if got := ids(Wiring{}); got != bare {
		t.Errorf("a bare relay is tested with %q, want %q", got, bare)
	}
	for w, more := range map[Wiring]string{{EStop: true}: "e-stop e-stop-wire",
		{Door: true}: "door lid-without-portillon", {Feedback: true}: "feedback-wire contactor-held",
		{Busy: true}: "busy", {Exhaust: true}: "exhaust", {Reader: true}: "reader-unplugged"} {
		if got := ids(w); !strings.Contains(got, more) ||
			len(strings.Fields(got)) != len(strings.Fields(bare+" "+more)) {
			t.Errorf("%+v is tested with %q, want %q more", w, got, more)
		}
	}
	for _, tells := range []bool{true, false} { // the daemon cannot detect an unplugged Wiegand reader
		watched := false
		for _, s := range Plan(Wiring{Reader: true, ReaderTells: tells}) {
			watched = watched || slices.ContainsFunc(s.Beats, func(b Beat) bool { return b.Sight == ReaderLost })
		}
		if watched != tells {
			t.Errorf("ReaderTells %t: the reader's loss is watched for: %t", tells, watched)
		}
	}
}

var day = time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)

// sightOf returns a status that shows the sight if shown is true, and otherwise a status that does not.
func sightOf(s Sight, shown bool) Status {
	if !shown {
		return Status{Answers: true, Relay: s != RelayOn, Reader: s == ReaderLost, Phase: "on",
			Faults: []string{"other"}}
	}
	st := Status{Answers: true, Relay: s == RelayOn, Reader: s != ReaderLost, Phase: "off"}
	if fault, is := strings.CutPrefix(string(s), "fault "); is {
		st.Faults = []string{fault}
	}
	return st
}

// driver answers every beat of a run correctly, except for one beat, to which the driver gives the wrong answer that
// the test chooses. The driver also counts the power cuts.
type driver struct {
	plan  []Step
	p     Progress
	now   time.Time
	boot  int
	wrong place
	typed func(Output) (string, bool) // returns the line that the person types; nil: the right answer
}

// place is the position of a beat in a plan. A test never chooses the zero place, because every plan begins with an
// action, which cannot fail.
type place struct{ step, beat int }

// drive runs a plan until its last step has ended.
func (d *driver) drive(t *testing.T) {
	t.Helper()
	in := Input{}
	for n := 0; ; n++ {
		if n > 5000 {
			t.Fatal("the run does not end")
		}
		d.now = d.now.Add(time.Second)
		in.Now, in.Boot = d.now, fmt.Sprint("boot", d.boot)
		var out Output
		d.p, out = Next(d.plan, d.p, in)
		wrong := d.wrong == place{d.p.At, d.p.Beat} && d.wrong != place{}
		switch out.Call {
		case End, Quit:
			return
		case Prompt:
			in = Input{Event: Line}
			line, typed := "", false
			if d.typed != nil {
				line, typed = d.typed(out)
			}
			switch {
			case typed:
				in.Line = line
			case out.Keys == Decide: // the person presses Enter, which leaves the step as failed
			case out.Keys == YesNo:
				yes := d.plan[d.p.At].Beats[d.p.Beat].Want != wrong
				in.Line = map[bool]string{true: "o", false: "n"}[yes]
			case out.Keys == PowerOn:
				d.boot++
				in = Input{}
			}
		case Off:
			d.boot++
			in = Input{}
		case Look:
			b := d.plan[d.p.At].Beats[d.p.Beat]
			in = Input{Event: Seen, Status: sightOf(b.Sight, !wrong)}
		case Carry:
			in = Input{Event: Did}
		}
	}
}

func TestAcceptanceTestPassesOnlyIfEveryBeatPasses(t *testing.T) {
	all := &driver{plan: Plan(Everything()), now: day}
	all.drive(t)
	if got := (Protocol{Results: all.p.Results}); !got.Passed() || got.Count(Passed) != len(Steps()) || all.boot != 2 {
		t.Fatalf("all as it must be: %d steps passed after %d power cuts: %+v", got.Count(Passed), all.boot,
			all.p.Results)
	}
	for i, step := range all.plan {
		for j, b := range step.Beats {
			if b.Kind != Ask && b.Kind != Observe {
				continue
			}
			d := &driver{plan: all.plan, now: day, wrong: place{i, j}}
			d.drive(t)
			if got := (Protocol{Results: d.p.Results}); got.Passed() || got.Count(Failed) != 1 ||
				got.Results[i].Verdict != Failed || len(got.Results) != len(all.plan) {
				t.Errorf("%s: beat %d is wrong, and the test has %d failures", step.ID, j, got.Count(Failed))
			}
		}
	}
}

func TestProtocolContainsTheTypedReasonForASkippedStep(t *testing.T) {
	asked := 0
	d := &driver{plan: Plan(Wiring{}), now: day, typed: func(o Output) (string, bool) {
		if o.Step.ID != "isolation" {
			return "", false
		}
		if asked++; asked == 1 {
			return "s", true // no reason
		}
		return "s  no disconnector\x1b[2J | yet ", true
	}}
	d.drive(t)
	last := d.p.Results[len(d.p.Results)-1]
	if last.Verdict != Skipped || last.Why != "no disconnector[2J | yet" || asked != 2 {
		t.Errorf("%+v after %d questions", last, asked)
	}
}

func TestPowerCutIsAcceptedOnlyAfterAReboot(t *testing.T) {
	pressed := 0
	d := &driver{plan: Plan(Wiring{}), now: day, typed: func(o Output) (string, bool) {
		if o.Keys != PowerOn {
			return "", false
		}
		pressed++
		if pressed > 1 && o.Again.EN == "" {
			t.Error("nothing is said of the power that never went")
		}
		return "", pressed <= 3
	}}
	d.drive(t)
	if pressed != 4 || d.boot != 2 {
		t.Errorf("asked %d times, %d boots", pressed, d.boot)
	}
}

func TestRepeatingAFailedStepRepeatsItsPowerCut(t *testing.T) {
	failed := false
	d := &driver{plan: Plan(Wiring{}), now: day, typed: func(o Output) (string, bool) {
		switch {
		case o.Keys == Decide:
			return "r", true
		case o.Step.ID == "boot" && o.Keys == YesNo && !failed:
			failed = true
			return "n", true
		}
		return "", false
	}}
	d.drive(t)
	if got := (Protocol{Results: d.p.Results}); !failed || !got.Passed() || d.boot != 3 ||
		len(got.Results) != len(d.plan) {
		t.Errorf("%d boots, %+v", d.boot, got.Results)
	}
}

func TestAStepInterruptedByAnUnexpectedPowerCutStartsAgain(t *testing.T) {
	plan := Plan(Everything())
	at := slices.IndexFunc(plan, func(s Step) bool { return s.ID == "e-stop" })
	p, out := Next(plan, Progress{At: at, Beat: 6}, Input{Now: day, Boot: "another"})
	if p.At != at || p.Beat != 0 || out.Call != Carry || out.Deed != Rest {
		t.Errorf("%+v %+v", p, out)
	}
}

// Random input and random progress files must not cause a panic, and no step may pass with fewer checks than it has.
func TestRandomInputNeverPanicsAndNeverPassesAnUncheckedStep(t *testing.T) {
	for seed := range uint64(300) {
		chance := rand.New(rand.NewPCG(seed, 1))
		plan, p := Plan(Everything()), Progress{}
		if chance.IntN(3) == 0 {
			p.At, p.Beat = chance.IntN(60)-20, chance.IntN(60)-20
		}
		lines := []string{"", "y", "n", "o", "r", "s", "s because", "q", "\x00\xff", strings.Repeat("x", 5000)}
		status := []Status{{}, sightOf(RelayOn, true), sightOf(Ready, true), sightOf(FaultEStop, true),
			sightOf(ReaderLost, true)}
		for range 400 {
			in := Input{Event: Event(chance.IntN(5)), Now: day.Add(time.Duration(chance.IntN(100)) * time.Second),
				Boot: fmt.Sprint(chance.IntN(3)),
				Line: lines[chance.IntN(len(lines))], Status: status[chance.IntN(len(status))],
				Err: []string{"", "", "no such process"}[chance.IntN(3)]}
			before := p
			p, _ = Next(plan, p, in)
			for _, r := range p.Results[min(len(before.Results), len(p.Results)):] {
				steps := plan[max(before.At, 0)]
				if r.Verdict == Passed && before.Beat < len(steps.Beats)-1 && before.At >= 0 {
					t.Fatalf("seed %d: %s passed at beat %d of %d", seed, r.Step, before.Beat, len(steps.Beats))
				}
			}
		}
	}
}

func TestMarkdownListNamesEachStepOnce(t *testing.T) {
	for _, l := range []policy.Language{policy.French, policy.English} {
		text := Markdown(Steps(), l)
		for _, s := range Steps() {
			if n := strings.Count(text, Mark(s.ID)); n != 1 {
				t.Errorf("%s is named %d times", s.ID, n)
			}
		}
		if n := strings.Count(text, "\n"); n != len(Steps()) {
			t.Errorf("%d lines for %d steps", n, len(Steps()))
		}
	}
}

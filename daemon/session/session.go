// Package session is the life of a machine between two cards, as a pure function.
//
//	Next(State, Input) (State, []Effect)
//
// It reads no clock, touches no disk and no pin: time comes in with each Input, and what must be done goes out as
// Effects, which the daemon carries out one by one, in order. Three rules hold in every state and are tested on
// random histories:
//
//   - A start is recorded before the relay is switched on. If the record fails, the corridor drops what follows,
//     feeds RecordFailed, and the relay was never on.
//   - An end switches the relay off before it is recorded. If that record fails it waits in State.Ledger.Pending, and
//     no session starts until it is written.
//   - Nothing but a card that was allowed, in front of this machine, now, switches the relay on.
//
// In every list of effects an order to switch off comes before all records: a journal that refuses never keeps a relay
// on.
//
// What the journal refuses is of three kinds. Something that was asked for and must be on record to be true (a start,
// another role, a helper, a tag taken off) has not happened: the State is again what it was. What has happened anyway
// (an end, a tag put on, a fault) waits in State.Ledger.Pending, in order, and is offered again before any later
// record, or every RetryEvery. A refusal, a reader that came or went, and an intervention, of which the person is told,
// are let go.
//
// Time must not run backwards for as long as a session lasts: Input.Now carries Go's monotonic reading, so that
// limits hold when the wall clock is set.
//
// A State is not kept across restarts: no session resumes. Tags outlive the daemon, and what it owes the journal
// (Restore). A State may be read by anyone once Next has returned it: Next never writes to what it was given.
package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// Phase is where the machine stands. The zero Phase is Off.
type Phase uint8

const (
	Off         Phase = iota // waiting for a card
	Awaiting                 // waiting for the supervisor's card; the relay is off
	On                       // a member works
	EndingSoon               // a member works, and has been warned
	Finishing                // nobody works any more, the machine's job does
	Cooling                  // the relay is off, the extraction runs on
	Maintenance              // the relay is under a maintainer's hand
	TaggedOut                // a person locked the machine
	Fault                    // the e-stop, the guard or the relay
)

var phaseNames = [...]string{
	"off", "awaiting", "on", "ending-soon", "finishing", "cooling", "maintenance", "tagged-out", "fault",
}

// String is the phase as logs, the control socket and MQTT name it.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return "off"
}

const (
	// Flap is how soon after an accepted tap the same card counts as the same tap: a card that swings in its holder.
	// It holds for each card by itself: of two cards that flap at once, neither undoes the other's tap.
	Flap = 2 * time.Second
	// RefusedEvery is how often the refusal of one member, or of a card that nobody has, is written down: an emulator
	// makes up ten a second.
	RefusedEvery = 2 * time.Second
	// RefusedMax is how many of these are written down within that time: more is no queue of people.
	RefusedMax = 4
	// RetryEvery is how long a record that the journal did not take waits before it is offered again with nothing else.
	RetryEvery = 5 * time.Second
	// PendingMax bounds State.Ledger.Pending. Past it the oldest fault records are let go, never an end or a tag.
	PendingMax = 64
	// ChooseFor is how long after their tap a member may take another of their roles.
	ChooseFor = time.Minute
	// Coast is how long a machine may go on moving once its relay is open: a spindle, a fan, a laser's tube current.
	Coast = 10 * time.Second
	// AwaitFor is how long a learner's tap waits for the supervisor's card.
	AwaitFor = time.Minute
	// FinishMax bounds the job that goes on after its session: a day of printing.
	FinishMax = 24 * time.Hour
	// TagsMax bounds State.Tags: a machine that hangs full of tags is out of service, and another would say nothing new.
	TagsMax = 32
	// VouchFor is how long after a session its mentor may vouch for it, and how long the choice stays open once their card
	// is there.
	VouchFor = 2 * time.Minute
)

// Settings are the machine's own rules, as its policy gives them now.
type Settings struct {
	Cooldown  time.Duration
	FinishJob bool          // a busy machine finishes its job
	Vouch     bool          // the policy names what a mentor may say that a learner did well
	HasBusy   bool          // there is an input that says whether the machine works
	Ignore    time.Duration // how long after a start the busy input means nothing: the machine finds its home
}

// Tag is a lock that a person put on the machine.
type Tag struct {
	ID     string          `json:"id"`
	By     policy.MemberID `json:"by,omitempty"`
	Role   policy.Role     `json:"role,omitempty"` // as whom; NoRole: from the office, or the machine itself
	Reason string          `json:"reason,omitempty"`
	Since  time.Time       `json:"since"`
}

// State is all that the next step depends on. The zero State is off, with no tag and no fault.
type State struct {
	Phase        Phase
	Current      Current  // who has the machine, or waits for a supervisor
	Power        Power    // what became of the relay
	Activity     Activity // what the busy input says
	Runtime      Runtime  // how long the machine has run in all
	Holds        Holds    // what keeps the machine off
	Handed       Handed
	VouchRequest VouchRequest
	Cards        Cards  // what was presented to the reader
	recent       recent // whose taps were handled lately
	Ledger       Ledger // what the journal has not taken yet
	down         bool   // Shutdown came: nothing starts any more
}

// Current is the session under way, or in Awaiting the learner who waits. The zero Current: nobody has the machine.
type Current struct {
	Session    string // empty: none runs
	Member     policy.MemberID
	Role       policy.Role
	Supervisor policy.MemberID
	Assistant  policy.MemberID // works along in a maintenance
	Others     []policy.Role   // roles the member may take instead, until ChooseFor is over
	Limits     policy.Limits

	Since time.Time // the session's start, or the start of the wait or of the cooling
	// Until is the end if nothing happens: in On and Maintenance the session's limit, else the phase's; zero: none.
	Until  time.Time
	limit  time.Time  // the session's limit; zero: none
	ending wire.Cause // why Finishing ends
}

// Power is the relay as the session orders it.
type Power struct {
	PoweredOff bool      // in Maintenance: the relay is off, and the machine still reserved
	opened     time.Time // when the relay last opened
	cooled     time.Time // until then a machine at rest is cooling
}

// Activity is what the busy input says.
type Activity struct {
	Busy   bool
	Worked time.Time // when the input last said so
}

// Runtime is how long the machine has run in all.
type Runtime struct {
	Ran     Hours
	counted time.Time // until when
}

// Holds are what keeps a machine from being used.
type Holds struct {
	Tags       []Tag
	Faults     []FaultKind // what is wrong, e-stop among them
	ReaderDown bool        // the reader does not answer: nobody can tap
}

// Ledger is what the session owes the journal.
type Ledger struct {
	Broken  bool     // the journal refused a record; cleared when it takes one again
	Pending []Record // what has happened and the journal has not taken yet, oldest first
	retry   time.Time

	sent  []Effect // of the last step: where a record of them fails, those after it were dropped
	undo  *State   // what the last step began from, where it may have to be taken back
	quiet bool     // the last step did nothing but offer Pending again
}

// Hours are how long a machine has run.
type Hours struct {
	Relay time.Duration `json:"relay"` // while its relay was closed
	Busy  time.Duration `json:"busy"`  // while its busy input said that it works
}

// Handed is a machine that a maintainer has just given back: until then they may still take tags off, and log what
// they did.
type Handed struct {
	By    policy.MemberID
	Until time.Time
	Last  Work // the last maintenance that ended here, however it ended
}

// Work is a maintenance, under way or over. The zero Work is none.
type Work struct {
	Session      string
	By, Endorser policy.MemberID // who works, and the maintainer who answers for it
	Since, Ended time.Time       // Ended is zero while it is under way
}

// work is the maintenance under way.
func (c *Current) work() Work {
	w := Work{Session: c.Session, By: c.Member, Endorser: c.Member, Since: c.Since}
	if c.Assistant != "" {
		w.By = c.Assistant
	}
	return w
}

// WorkOf is the maintenance that a member may log: the one under way, or the one that they have just ended.
func (s State) WorkOf(m policy.MemberID, now time.Time) Work {
	switch {
	case s.Phase == Maintenance && (m == s.Current.Member || m == s.Current.Assistant):
		return s.Current.work()
	case s.Handed.By == m && now.Before(s.Handed.Until):
		return s.Handed.Last
	}
	return Work{}
}

// VouchRequest is a session that a mentor answered for, and may say of what the learner did well. It waits for the
// mentor's card, unless that card ended the session; then, Open, for a choice at the panel.
type VouchRequest struct {
	Session         string
	Learner, Mentor policy.MemberID
	Until           time.Time
	Open            bool
}

// String is the phase.
func (s State) String() string { return s.Phase.String() }

// Change is a transition as the log names it, "off=>on"; empty where the phase stays.
func Change(from, to State) string {
	if from.Phase == to.Phase {
		return ""
	}
	return from.String() + "=>" + to.String()
}

// Holder is whose card a session with a slot hangs on: the supervisor's, where there is one, for the learner's had to
// leave it.
func (s State) Holder() policy.MemberID {
	if s.Current.Supervisor != "" {
		return s.Current.Supervisor
	}
	return s.Current.Member
}

// Energised reports whether the relay is meant to be on.
func (s State) Energised() bool { return s.Running() && !s.Power.PoweredOff }

// Running reports whether somebody has the machine. In Maintenance its relay may be off all the same.
func (s State) Running() bool {
	switch s.Phase {
	case On, EndingSoon, Finishing, Maintenance:
		return true
	}
	return false
}

// Restore is the state in which a daemon begins: off, with the tags that outlived the last one, and what it owes the
// journal.
func Restore(tags []Tag, owed ...Record) State {
	s := State{Holds: Holds{Tags: slices.Clone(tags)}, Ledger: Ledger{Pending: owed, Broken: len(owed) > 0}}
	if len(tags) > 0 {
		s.Phase = TaggedOut
	}
	return s
}

// Input is one event and the moment it happened.
type Input struct {
	Now      time.Time
	Settings Settings
	Session  string // a fresh id, used if this step starts a session
	Bundle   uint64 // the bundle that decisions rest on
	Event    Event
}

// Event is one of the types below. Each changes the step that it is handled in.
type Event interface{ apply(*step) }

type (
	// Tap is a member's card with the decision on it. Supervising is the decision on the learner who waits, or who works
	// with a supervisor, with this member as supervisor. Asked says that the panel asks this member what a learner did
	// well, and that their tap is no answer to that: it means the machine.
	Tap struct {
		Member      policy.MemberID
		Card        rfid.UID            // zero: not known
		Strength    policy.CardStrength // what the card proved
		At          time.Time           // as the reader says; zero: not known
		Decision    policy.Decision
		Supervising policy.Decision
		Asked       bool

		Basis, SupervisingBasis *policy.Basis // what the decisions rested on, for the record; nil: nobody knows
	}
	// Stranger is a card that belongs to nobody.
	Stranger struct {
		Decision policy.Decision
		Basis    *policy.Basis // as in Tap
		Sealed   string        // as in wire.RefusedBody
	}
	// ChooseRole asks for another role in a session under way, with the decision on that role.
	ChooseRole struct {
		Decision policy.Decision
		Basis    *policy.Basis // as in Tap
	}
	// Log is an intervention that the maintainer at the machine has done or answers for; with Session, it was in that
	// session, which may have ended since, and whose it was the corridor has judged.
	Log struct {
		What         string
		Minutes      int
		Note         string
		Parts        string
		Photo        string
		Session      string
		By, Endorser policy.MemberID
		ID           string // a fresh one where the endorser is to confirm it
		Attested     bool   // the endorser wrote it themself, after their own tap
	}
	// Attest is the endorser's own word for an intervention that was logged in their session, by its Log.ID.
	Attest struct {
		By           policy.MemberID
		Session      string
		Intervention string
		What         string // its kind, for the answer
	}
	// Extend asks for more time in a session that is about to end, with a fresh decision on its member.
	Extend struct{ Decision policy.Decision }
	// PowerOff opens the relay of a machine in Maintenance, which stays reserved. Nothing but the next card closes it.
	PowerOff struct{ By policy.MemberID }
	// Report is a problem that a member saw. With Tag.ID the machine is tagged out for it, as AddTag does. Without By it
	// is unsigned: Body.Claimed says whose it may be, and it tags nothing.
	Report struct {
		By   policy.MemberID
		Body wire.ReportBody
		Tag  Tag
		Now  bool
	}
	// Vouch is what the mentor of Praise says that the learner did well.
	Vouch struct {
		By     policy.MemberID
		Skills []string
	}
	// AddTag locks the machine: at once with Now, else when the machine is idle, or, where that cannot be known, at the
	// session's end. A maintainer works on under a tag, but not under one put on by another with Now.
	AddTag struct {
		Tag Tag
		Now bool
	}
	// RemoveTag unlocks what AddTag of the same id locked. By is empty for an operator, whom the corridor has judged;
	// a member must be the maintainer at work on this machine, or have given it back a moment ago.
	RemoveTag struct {
		ID string
		By policy.MemberID
	}
	// Stop ends the session by order of an operator, or of a new bundle; Finish after the job under way, where the policy
	// lets jobs finish.
	Stop struct{ Finish bool }
	// Busy is the input that says whether the machine works.
	Busy struct{ Working bool }
	// FaultRaised says that something holds the machine off. The session raises Runs by itself.
	FaultRaised struct {
		What FaultKind
		Why  string
	}
	// FaultCleared takes a FaultRaised back. The machine stays off until the next card.
	FaultCleared struct{ What FaultKind }
	// Reader says whether the reader answers.
	Reader struct {
		Alive bool
		Why   string
	}
	// RecordFailed says that the journal did not take a record; what followed it was dropped.
	RecordFailed struct{ Record Record }
	// Recorded says that the journal takes records (again).
	Recorded struct{}
	// Tick is time passing.
	Tick struct{}
	// Shutdown ends everything, for good.
	Shutdown struct{}
)

// FaultKind is what holds a machine off, as records name it.
type FaultKind string

const (
	EStop     FaultKind = "e-stop"
	Door      FaultKind = "door"
	Contactor FaultKind = "contactor"  // it does not follow the relay
	GuardLost FaultKind = "guard-lost" // nobody holds the pin of the relay
	Lease     FaultKind = "lease"      // the daemon was silent for so long that the guard opened the relay
	Runs      FaultKind = "runs"       // the machine works although its relay is open: something feeds it past the relay
)

// Effect is one of Record, Relay and Tell.
type Effect interface{ effect() }

type (
	// Record is to be committed before the next effect. One that fails goes back as it is in RecordFailed.
	Record struct {
		Kind    wire.Kind
		Session string
		Member  policy.MemberID
		Body    any
		place   int // among the effects of its step, from 1; 0: not of a step
	}
	// Relay is to be switched, and confirmed, before the next effect. FinishJob goes with On: if the daemon dies, the
	// guard waits for the machine's job, at most Finish. Cool is how long the extraction runs on after it.
	Relay struct {
		On        bool
		FinishJob bool
		Finish    time.Duration
		Cool      time.Duration
	}
	// Notify is an answer for whoever stands at the machine; what lasts is in the State.
	Notify struct {
		Notice   Notice
		Member   policy.MemberID
		Role     policy.Role     // with Ended: the role of the session
		Decision policy.Decision // with Denied
		What     string          // with Logged the kind of intervention, with Ended the cause, with Thanked the problem
	}
)

func (Record) effect() {}
func (Relay) effect()  {}
func (Notify) effect() {}

// Notice is what a Tell is about.
type Notice string

const (
	Ended        Notice = "ended"         // a session is over, What is the cause: show the state at once
	Denied       Notice = "denied"        // the decision says why
	Occupied     Notice = "occupied"      // another member works
	Logged       Notice = "logged"        // the intervention is recorded
	NotLogged    Notice = "not-logged"    // no maintainer is at work here
	NotNow       Notice = "not-now"       // the role cannot be taken
	CannotRecord Notice = "cannot-record" // the journal refuses
	WaitOver     Notice = "wait-over"     // no supervisor came
	Thanked      Notice = "thanked"       // a problem is on record
	Vouched      Notice = "vouched"       // what the learner did well is on record
	Attested     Notice = "attested"      // the endorser's word is on record, What is the kind of intervention
	AlreadyRead  Notice = "already-read"  // the same card within Flap: nothing changes
	Welcome      Notice = "welcome"       // a session began, or a role or helper changed: show the state at once
)

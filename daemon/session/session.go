// Package session is the life of a machine between two cards, as a pure function.
//
//	Next(State, Input) (State, []Effect)
//
// It reads no clock, touches no disk and no pin: time comes in with each Input, and what must be done goes out as
// Effects, which the corridor carries out one by one, in order. Three rules hold in every state and are tested on
// random histories:
//
//   - A start is recorded before the relay is switched on. If the record fails, the corridor drops what follows,
//     feeds RecordFailed, and the relay was never on.
//   - An end switches the relay off before it is recorded. If that record fails it waits in State.Pending, and
//     no session starts until it is written.
//   - Nothing but a card that was allowed, in front of this machine, now, switches the relay on.
//
// A State is not kept across restarts: no session resumes. Only tags outlive the daemon (Restore).
package session

import (
	"slices"
	"time"

	"portillon/policy"
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

var phaseNames = [...]string{"off", "awaiting", "on", "ending-soon", "finishing", "cooling", "maintenance", "tagged-out", "fault"}

// String is the phase as logs, the control socket and MQTT name it.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return "off"
}

const (
	// Flap is how soon after an accepted tap the same card counts as the same tap: a card that swings in its holder.
	Flap = 2 * time.Second
	// ChooseFor is how long after their tap a member may take another of their roles.
	ChooseFor = time.Minute
	// DefaultAwait is how long a learner's tap waits for the supervisor's card.
	DefaultAwait = time.Minute
	// DefaultFinish bounds the job that goes on after its session: a day of printing.
	DefaultFinish = 24 * time.Hour
)

// Settings are the machine's own rules, as its policy gives them now.
type Settings struct {
	Cooldown  time.Duration
	FinishJob bool          // a busy machine finishes its job
	HasBusy   bool          // there is an input that says whether the machine works
	Await     time.Duration // 0: DefaultAwait
	Finish    time.Duration // 0: DefaultFinish
}

// Tag is a lock that a person put on the machine.
type Tag struct {
	ID     string          `json:"id"`
	By     policy.MemberID `json:"by,omitempty"`
	Reason string          `json:"reason,omitempty"`
	Since  time.Time       `json:"since"`
}

// State is all that the next step depends on. The zero State is off, with no tag and no fault.
type State struct {
	Phase      Phase
	Session    string // empty: none runs
	Member     policy.MemberID
	Role       policy.Role
	Supervisor policy.MemberID
	Assistant  policy.MemberID // works along in a maintenance
	Others     []policy.Role   // roles the member may take instead, until ChooseFor is over
	Limits     policy.Limits

	Since  time.Time // the session's start, or the start of the wait
	Until  time.Time // the phase's end; zero: none
	Tapped time.Time // the last tap that was acted on, and whose
	tapper policy.MemberID

	Busy   bool
	Worked time.Time  // when the busy input last said so
	ending wire.Cause // why Finishing ends

	Tags       []Tag
	Faults     []string // what is wrong, e-stop among them
	ReaderDown bool
	Broken     bool     // the journal refused a record; cleared when it takes one again
	Pending    []Record // ends that the journal has not taken yet
	down       bool     // Shutdown came: nothing starts any more
}

// Running reports whether the relay is meant to be on.
func (s State) Running() bool {
	switch s.Phase {
	case On, EndingSoon, Finishing, Maintenance:
		return true
	}
	return false
}

// Restore is the state in which a daemon begins: off, with the tags that outlived the last one.
func Restore(tags []Tag) State {
	s := State{Tags: slices.Clone(tags)}
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

// Event is one of the types below.
type Event interface{ event() }

type (
	// Tap is a member's card with the decision on it. Supervising is the decision on the waiting learner
	// with this member as supervisor; it is looked at only in Awaiting.
	Tap struct {
		Member      policy.MemberID
		Decision    policy.Decision
		Supervising policy.Decision
	}
	// Stranger is a card that belongs to nobody.
	Stranger struct{ Decision policy.Decision }
	// ChooseRole asks for another role in a session under way, with the decision on that role.
	ChooseRole struct{ Decision policy.Decision }
	// Log is an intervention that the maintainer at the machine has done or answers for.
	Log struct {
		What    string
		Minutes int
		Note    string
	}
	// AddTag locks the machine: at once with Now, else when nobody works.
	AddTag struct {
		Tag Tag
		Now bool
	}
	// RemoveTag unlocks what AddTag of the same id locked.
	RemoveTag struct {
		ID string
		By policy.MemberID
	}
	// Stop ends the session by order of an operator.
	Stop struct{}
	// Busy is the input that says whether the machine works.
	Busy struct{ Working bool }
	// Broke says that something holds the machine off: "e-stop", "guard-lost", "relay".
	Broke struct{ What, Why string }
	// Mended takes a Broke back. The machine stays off until the next card.
	Mended struct{ What string }
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

func (Tap) event()          {}
func (Stranger) event()     {}
func (ChooseRole) event()   {}
func (Log) event()          {}
func (AddTag) event()       {}
func (RemoveTag) event()    {}
func (Stop) event()         {}
func (Busy) event()         {}
func (Broke) event()        {}
func (Mended) event()       {}
func (Reader) event()       {}
func (RecordFailed) event() {}
func (Recorded) event()     {}
func (Tick) event()         {}
func (Shutdown) event()     {}

// Effect is one of Record, Relay and Tell.
type Effect interface{ effect() }

type (
	// Record is to be committed before the next effect.
	Record struct {
		Kind    wire.Kind
		Session string
		Member  policy.MemberID
		Body    any
	}
	// Relay is to be switched, and confirmed, before the next effect. FinishJob goes with On:
	// if the daemon dies, the guard waits for the machine's job, at most Finish.
	Relay struct {
		On        bool
		FinishJob bool
		Finish    time.Duration
	}
	// Tell is an answer for whoever stands at the machine; what lasts is in the State.
	Tell struct {
		Say      Say
		Member   policy.MemberID
		Decision policy.Decision // with Denied
		What     string          // with Logged
	}
)

func (Record) effect() {}
func (Relay) effect()  {}
func (Tell) effect()   {}

// Say is what a Tell is about.
type Say string

const (
	Denied       Say = "denied"        // the decision says why
	Occupied     Say = "occupied"      // another member works
	Logged       Say = "logged"        // the intervention is recorded
	NotLogged    Say = "not-logged"    // no maintainer is at work here
	NotNow       Say = "not-now"       // the role cannot be taken
	CannotRecord Say = "cannot-record" // the journal refuses
	WaitOver     Say = "wait-over"     // no supervisor came
	Welcome      Say = "welcome"       // a session began, or a role or helper changed: show the state at once
)

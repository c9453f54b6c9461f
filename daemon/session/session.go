// Package session contains the rules of a machine's sessions as a pure function.
//
//	Next(State, Input) (State, []Effect)
//
// Next reads no clock, and uses neither the disk nor a pin. The time is part of each Input, and the result is a list of
// Effects, which the daemon carries out one by one, in order. Three rules are valid in every state and are tested on
// random histories:
//
//   - A start is recorded before the relay is switched on. If the record fails, the daemon drops the later effects
//     and calls Next with RecordFailed, and the relay was never on.
//   - An end switches the relay off before it is recorded. If the record of the end fails, that record
//     waits in State.Ledger.Pending, and no session starts until the record is written.
//   - Only the tap of an allowed card at this machine, handled now, switches the relay on.
//
// In every list of effects, an order to switch off precedes all records: a journal that refuses a record never keeps a
// relay closed.
//
// The journal may refuse three kinds of records. The first kind takes effect only once it is recorded (a start, another
// role, a helper, a removed tag): if the journal refuses the record, the change has not happened, and the previous
// State is restored. The second kind describes an event that has happened anyway (an end, a new tag, a fault): its
// record waits in State.Ledger.Pending, in order, and is offered again before any later record, or every RetryEvery.
// The third kind is dropped if the journal refuses it: a refusal, a reader that fails or recovers, and an intervention.
// In the case of an intervention, the person is told.
//
// Time must not run backwards during a session: Input.Now carries Go's monotonic clock reading, so that limits remain
// correct when the wall clock is set.
//
// A State does not survive a restart, so no session is resumed. The tags and the pending records survive a restart
// (Restore). Any goroutine may read a State once Next has returned it: Next never modifies its arguments.
package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// Phase is a phase of the machine. The zero Phase is Off.
type Phase uint8

const (
	Off         Phase = iota // no session: the machine waits for a card
	Awaiting                 // waiting for the supervisor's card; the relay is off
	On                       // a member uses the machine
	EndingSoon               // a member uses the machine, and was warned that the session ends soon
	Finishing                // the session is over, and the machine finishes its job
	Cooling                  // the relay is off, and the extraction still runs
	Maintenance              // a maintainer works on the machine and controls the relay
	TaggedOut                // a tag has put the machine out of service
	// Stopped by a fault: the e-stop, the guard, the relay, or a machine that runs although its relay is open.
	Fault
)

var phaseNames = [...]string{
	"off", "awaiting", "on", "ending-soon", "finishing", "cooling", "maintenance", "tagged-out", "fault",
}

// String returns the phase as logs, the control socket and MQTT name it.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return "off"
}

const (
	// Flap is the time after an accepted tap during which the same card counts as the same tap, because a card may swing
	// in its holder. The time is measured for each card separately, so that, if two cards flap together, neither undoes
	// the tap of the other.
	Flap = 2 * time.Second
	// RefusedEvery is the shortest time between two recorded refusals of one member, or of unknown cards. Without this
	// limit, an emulator that presents ten cards a second would fill the journal.
	RefusedEvery = 2 * time.Second
	// RefusedMax is the largest number of members whose refusals are recorded within RefusedEvery. A queue of people
	// causes fewer refusals.
	RefusedMax = 4
	// RetryEvery is the time after which the session offers a refused record to the journal again, even without a new
	// record.
	RetryEvery = 5 * time.Second
	// PendingMax is the largest number of records in State.Ledger.Pending. If there are more, the oldest fault records are
	// dropped, but never the record of an end or a tag.
	PendingMax = 64
	// ChooseFor is how long after their tap a member may choose another of their roles.
	ChooseFor = time.Minute
	// Coast is how long a machine may still move after its relay has opened, for example a spindle or a fan.
	Coast = 10 * time.Second
	// AwaitFor is how long, after a learner's tap, the machine waits for the supervisor's card.
	AwaitFor = time.Minute
	// FinishMax is the longest time for which a job may continue after its session, which is a day of printing.
	FinishMax = 24 * time.Hour
	// TagsMax is the largest number of tags in State.Holds.Tags. A machine with so many tags is already out of service, so
	// another tag would change nothing.
	TagsMax = 32
	// VouchFor is the time after a session during which its mentor may vouch for the learner's skills. It is also how long
	// the choice of skills stays open after the mentor's tap.
	VouchFor = 2 * time.Minute
)

// Settings are the rules of the machine from its current policy.
type Settings struct {
	Cooldown  time.Duration
	FinishJob bool // true if a busy machine finishes its job after the session
	Vouch     bool // true if the policy names skills that a mentor may vouch for
	HasBusy   bool // true if the machine has a busy input
	// Time after a start during which the busy input is ignored, because the machine moves to its home position.
	Ignore time.Duration
}

// Tag puts the machine out of service until a maintainer removes the tag.
type Tag struct {
	ID string          `json:"id"`
	By policy.MemberID `json:"by,omitempty"`
	// Role of the person who added the tag; NoRole: an operator or the machine itself.
	Role   policy.Role `json:"role,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Since  time.Time   `json:"since"`
}

// State is the complete state of the session logic. The zero State is a machine that is off, without a tag or a fault.
type State struct {
	Phase        Phase
	Current      Current  // who uses the machine, or who waits for a supervisor
	Power        Power    // orders to the relay
	Activity     Activity // last signals of the busy input
	Runtime      Runtime  // total running time of the machine
	Holds        Holds    // conditions that prevent the use of the machine
	Handed       Handed
	VouchRequest VouchRequest
	Cards        Cards  // cards presented to the reader
	recent       recent // taps handled lately
	Ledger       Ledger // records that the journal has not accepted yet
	down         bool   // true after Shutdown was received: no session starts any more
}

// Current is the current session, or, in the phase Awaiting, the learner who waits. The zero Current means that nobody
// uses the machine.
type Current struct {
	Session    string // id of the session; empty: no session
	Member     policy.MemberID
	Role       policy.Role
	Supervisor policy.MemberID
	Assistant  policy.MemberID // the maintainer's helper in a maintenance
	Others     []policy.Role   // roles that the member may choose instead of the present one, until ChooseFor has passed
	Limits     policy.Limits

	Since time.Time // time at which the session, the wait or the cooling began
	// Until is the time at which the phase ends without a further event. In the phases On and Maintenance, Until is the
	// session's limit; zero: no limit.
	Until  time.Time
	limit  time.Time  // time at which the session must end; zero: no limit
	ending wire.Cause // cause of the session's end, while its job is finishing
}

// Power is the position of the relay that was last ordered.
type Power struct {
	PoweredOff bool      // in the phase Maintenance: true if the relay is open while the machine stays reserved
	opened     time.Time // time at which the relay last opened
	cooled     time.Time // time at which the cooling ends, while no session is running
}

// Activity is what the busy input has last shown.
type Activity struct {
	Busy   bool
	Worked time.Time // last time at which the input showed work
}

// Runtime is the total running time of the machine.
type Runtime struct {
	Ran     Hours
	counted time.Time // time up to which the running time is counted in Ran
}

// Holds are the conditions that prevent the use of a machine.
type Holds struct {
	Tags       []Tag
	Faults     []FaultKind // present faults, among them the open e-stop
	ReaderDown bool        // true if the reader does not answer, so no card can be tapped
}

// Ledger contains the records that the journal has not accepted yet.
type Ledger struct {
	Broken  bool     // true after the journal has refused a record, until it accepts a record again
	Pending []Record // records of events that have happened and that the journal has not accepted yet, oldest first
	retry   time.Time

	sent  []Effect // effects of the last step: if one of its records fails, the daemon drops the effects after that record
	undo  *State   // state before the last step, which is needed if the step must be undone
	quiet bool     // true if the last step only offered the pending records again
}

// Hours are the running times of a machine.
type Hours struct {
	Relay time.Duration `json:"relay"` // time for which the relay was closed
	Busy  time.Duration `json:"busy"`  // time for which the busy input showed work
}

// Handed is a maintenance that has just ended. Until the time in it, the maintainer may still remove tags and log
// interventions.
type Handed struct {
	By    policy.MemberID
	Until time.Time
	Last  Work // the last maintenance that ended on this machine, whatever ended it
}

// Work is a current or past maintenance. The zero Work means no maintenance.
type Work struct {
	Session      string
	By, Endorser policy.MemberID // the person who does the work, and the maintainer who is responsible
	Since, Ended time.Time       // time of the end; zero during the maintenance
}

// work returns the current maintenance.
func (c *Current) work() Work {
	w := Work{Session: c.Session, By: c.Member, Endorser: c.Member, Since: c.Since}
	if c.Assistant != "" {
		w.By = c.Assistant
	}
	return w
}

// WorkOf returns the maintenance in which a member may log an intervention: the current maintenance, or the maintenance
// that this member has just ended.
func (s State) WorkOf(m policy.MemberID, now time.Time) Work {
	switch {
	case s.Phase == Maintenance && (m == s.Current.Member || m == s.Current.Assistant):
		return s.Current.work()
	case s.Handed.By == m && now.Before(s.Handed.Until):
		return s.Handed.Last
	}
	return Work{}
}

// VouchRequest is a request to a mentor, after a session, to vouch for the learner's skills. The request waits until
// the mentor taps, unless the mentor's own tap ended the session. After the mentor's tap, Open is set, and the mentor
// can choose at the panel.
type VouchRequest struct {
	Session         string
	Learner, Mentor policy.MemberID
	Until           time.Time
	Open            bool
}

// String returns the name of the phase.
func (s State) String() string { return s.Phase.String() }

// Change returns a change of phase in the form that the log uses, "off=>on". It is empty if the phase is the same.
func Change(from, to State) string {
	if from.Phase == to.Phase {
		return ""
	}
	return from.String() + "=>" + to.String()
}

// Holder returns the member whose card must stay in the slot. In a supervised session, this is the supervisor, because
// the learner had to remove their card so that the supervisor's card could be inserted.
func (s State) Holder() policy.MemberID {
	if s.Current.Supervisor != "" {
		return s.Current.Supervisor
	}
	return s.Current.Member
}

// Energised reports whether the last order to the relay was to close.
func (s State) Energised() bool { return s.Running() && !s.Power.PoweredOff }

// Running reports whether somebody uses the machine. In the phase Maintenance, the relay may be open although Running
// returns true.
func (s State) Running() bool {
	switch s.Phase {
	case On, EndingSoon, Finishing, Maintenance:
		return true
	}
	return false
}

// Restore returns the state in which a daemon starts: the machine is off, and has the stored tags and the pending
// records of the previous run.
func Restore(tags []Tag, owed ...Record) State {
	s := State{Holds: Holds{Tags: slices.Clone(tags)}, Ledger: Ledger{Pending: owed, Broken: len(owed) > 0}}
	if len(tags) > 0 {
		s.Phase = TaggedOut
	}
	return s
}

// Input is one event and its time.
type Input struct {
	Now      time.Time
	Settings Settings
	Session  string // a new id, which is used if this step starts a session
	Bundle   uint64 // number of the bundle on which the decisions are based
	Event    Event
}

// Event is implemented by the event types below. Its method apply changes the step in which the event is handled.
type Event interface{ apply(*step) }

type (
	// Tap is the tap of a member's card, with the decision about the member. Supervising is the decision about the learner
	// who waits, or who works with a supervisor, with this member as supervisor. Asked means that the panel is already
	// asking this member about a learner's skills. In that case the tap does not answer that question, but is an ordinary
	// tap.
	Tap struct {
		Member      policy.MemberID
		Card        rfid.UID            // number of the card; zero: unknown
		Strength    policy.CardStrength // what the card proved
		At          time.Time           // time of the tap, as the reader reported it; zero: unknown
		Decision    policy.Decision
		Supervising policy.Decision
		Asked       bool

		Basis, SupervisingBasis *policy.Basis // data on which the decisions are based, for the record; nil: unknown
	}
	// Stranger is the tap of a card that belongs to no member.
	Stranger struct {
		Decision policy.Decision
		Basis    *policy.Basis // input and basis of the decision, as in Tap
		Sealed   string        // the card's number, encrypted for the hub as in wire.RefusedBody
	}
	// ChooseRole requests another role in the current session, with the decision about that role.
	ChooseRole struct {
		Decision policy.Decision
		Basis    *policy.Basis // input and basis of the decision, as in Tap
	}
	// Log records an intervention that the maintainer at the machine has done or is responsible for. If Session is set,
	// the intervention belongs to that session, which may have ended. The daemon has checked that this session was the
	// member's own.
	Log struct {
		What         string
		Minutes      int
		Note         string
		Parts        string
		Photo        string
		Session      string
		By, Endorser policy.MemberID
		ID           string // a new id, if an endorser must confirm the intervention
		Attested     bool   // true if the endorser filled in the form themself, after their own tap
	}
	// Attest is the statement of an endorser who confirms an intervention that was logged in their session. ID is the
	// Log.ID of that intervention.
	Attest struct {
		By           policy.MemberID
		Session      string
		Intervention string
		What         string // kind of the intervention, which the notice names
	}
	// Extend requests more time for a session that is about to end. It contains a fresh decision about the session's
	// member.
	Extend struct{ Decision policy.Decision }
	// PowerOff opens the relay of a machine in Maintenance, which stays reserved. The relay closes again only after the
	// next tap of a card.
	PowerOff struct{ By policy.MemberID }
	// Report is a problem that a member noticed. If Tag.ID is set, the machine is also tagged out, as with AddTag. If
	// By is empty, the report is unsigned: Body.Claimed names the possible author, and the machine is not tagged.
	Report struct {
		By   policy.MemberID
		Body wire.ReportBody
		Tag  Tag
		Now  bool
	}
	// Vouch is the mentor's statement, in answer to a VouchRequest, of which skills the learner showed.
	Vouch struct {
		By     policy.MemberID
		Skills []string
	}
	// AddTag puts the machine out of service. If Now is set, the tag takes effect at once. Otherwise it takes effect when
	// the machine is idle, or, without a busy input, at the end of the session. A maintainer may continue to work on a
	// tagged machine, unless another person added the tag with Now.
	AddTag struct {
		Tag Tag
		Now bool
	}
	// RemoveTag removes the tag with the given id. If By is empty, an operator removes the tag, and the daemon has checked
	// that the operator may do so. Otherwise By must be a maintainer who works on this machine, or whose work on it ended
	// a moment ago.
	RemoveTag struct {
		ID string
		By policy.MemberID
	}
	// Stop ends the session because an operator ordered it, or because of a new bundle. If Finish is set, and if the
	// policy lets jobs finish, the session ends only after the current job.
	Stop struct{ Finish bool }
	// Busy is a change of the input that shows whether the machine works.
	Busy struct{ Working bool }
	// FaultRaised reports a condition that prevents the use of the machine. The session raises the fault Runs by itself.
	FaultRaised struct {
		What FaultKind
		Why  string
	}
	// FaultCleared reports that the condition of an earlier FaultRaised is over. The machine stays off until a card is
	// tapped.
	FaultCleared struct{ What FaultKind }
	// Reader reports whether the reader answers.
	Reader struct {
		Alive bool
		Why   string
	}
	// RecordFailed reports that the journal refused a record, and that the daemon has dropped the effects after that
	// record.
	RecordFailed struct{ Record Record }
	// Recorded reports that the journal accepts records, for the first time or again.
	Recorded struct{}
	// Tick reports the passage of time.
	Tick struct{}
	// Shutdown ends the session, and no session starts afterwards.
	Shutdown struct{}
)

// FaultKind names a condition that prevents the use of a machine, in the form that records use.
type FaultKind string

const (
	EStop     FaultKind = "e-stop"     // the emergency stop is open
	Door      FaultKind = "door"       // the door is open
	Contactor FaultKind = "contactor"  // the contactor does not follow the relay
	GuardLost FaultKind = "guard-lost" // no guard process holds the relay's pin
	Lease     FaultKind = "lease"      // the daemon sent nothing for so long that the guard opened the relay
	Runs      FaultKind = "runs"       // the machine works although its relay is open, so another source powers it
)

// Effect is a Record, a Relay or a Notify.
type Effect interface{ effect() }

type (
	// The daemon must commit a Record before it executes the next effect. If the commit fails, the daemon returns the same
	// Record in RecordFailed.
	Record struct {
		Kind    wire.Kind
		Session string
		Member  policy.MemberID
		Body    any
		place   int // position among the effects of its step, counted from 1; 0: the record is not from a step
	}
	// The daemon must switch the Relay, and the guard must confirm it, before the next effect. FinishJob matters only if
	// On is set: if the daemon dies, the guard waits for the end of the machine's job, for at most Finish. Cool is the
	// time for which the extraction runs after the relay has opened.
	Relay struct {
		On        bool
		FinishJob bool
		Finish    time.Duration
		Cool      time.Duration
	}
	// Notify is a short message for the person at the machine. Information that stays valid is in the State.
	Notify struct {
		Notice   Notice
		Member   policy.MemberID
		Role     policy.Role     // with the notice Ended: the role in the session
		Decision policy.Decision // with the notice Denied: the decision that refused the member
		What     string          // with Logged: the intervention; with Ended: the cause of the end; with Thanked: the problem
	}
)

func (Record) effect() {}
func (Relay) effect()  {}
func (Notify) effect() {}

// Notice is the subject of a Notify.
type Notice string

const (
	// A session is over, and What is the cause; the panel shows the machine's state at once.
	Ended        Notice = "ended"
	Denied       Notice = "denied"        // the member is refused, and the decision gives the reason
	Occupied     Notice = "occupied"      // another member uses the machine
	Logged       Notice = "logged"        // an intervention was recorded
	NotLogged    Notice = "not-logged"    // no maintainer works on this machine
	NotNow       Notice = "not-now"       // the member cannot choose this role
	CannotRecord Notice = "cannot-record" // the journal refuses
	WaitOver     Notice = "wait-over"     // no supervisor tapped in time
	Thanked      Notice = "thanked"       // a problem was recorded
	Vouched      Notice = "vouched"       // the mentor's statement was recorded
	Attested     Notice = "attested"      // the endorser's confirmation was recorded; What is the kind of intervention
	AlreadyRead  Notice = "already-read"  // the same card was tapped again within Flap, and nothing has changed
	// A session began, or its role or helper has changed; the panel shows the machine's state at once.
	Welcome Notice = "welcome"
)

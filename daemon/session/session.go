// Package session computes the sessions of a machine, from tap to tap, as a pure function.
//
//	Next(State, Input) (State, []Effect)
//
// Next reads no clock and uses no disk and no pin. The time is part of each Input, and the result is a list of Effects,
// which the daemon carries out one by one, in order. Three rules are valid in every state and are tested on random
// histories:
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
// There are three kinds of records that the journal may refuse. The first kind takes effect only once recorded (a
// start, another role, a helper, a removed tag): such a change has not happened, and the previous State is restored.
// The second kind has happened anyway (an end, a new tag, a fault): its record waits in State.Ledger.Pending, in order,
// and is offered again before any later record, or every RetryEvery. The third kind is dropped: a refusal, a reader
// that fails or recovers, and an intervention, of which the person is notified.
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
	Off         Phase = iota // waiting for a card
	Awaiting                 // waiting for the supervisor's card; the relay is off
	On                       // a member uses the machine
	EndingSoon               // a member uses the machine, and has been warned
	Finishing                // the session is over, and the machine finishes its job
	Cooling                  // the relay is off, and the extraction still runs
	Maintenance              // a maintainer works on the machine and controls the relay
	TaggedOut                // a tag has put the machine out of service
	Fault                    // caused by the e-stop, the guard, the relay or a machine that runs by itself
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
	// Flap is the time after an accepted tap during which the same card counts as the same tap, because a card may
	// swing in its holder. Each card has a separate time, so that of two cards that flap together neither undoes the
	// other's tap.
	Flap = 2 * time.Second
	// RefusedEvery is the shortest time between two recorded refusals of one member, or of unknown cards, because an
	// emulator can present ten cards a second.
	RefusedEvery = 2 * time.Second
	// RefusedMax is the number of refusals that are recorded within RefusedEvery. People in a queue cannot cause more
	// refusals.
	RefusedMax = 4
	// RetryEvery is the time after which a record that the journal refused is offered again without a new record.
	RetryEvery = 5 * time.Second
	// PendingMax is the largest number of records in State.Ledger.Pending. Above this number the oldest fault records
	// are dropped, but never the record of an end or a tag.
	PendingMax = 64
	// ChooseFor is the time after a member's tap during which the member may choose another of their roles.
	ChooseFor = time.Minute
	// Coast is the time for which a machine may still move after its relay has opened, for example a spindle or a fan.
	Coast = 10 * time.Second
	// AwaitFor is the time for which a learner's tap waits for the supervisor's card.
	AwaitFor = time.Minute
	// FinishMax is the longest time for which a job may continue after its session: a day of printing.
	FinishMax = 24 * time.Hour
	// TagsMax is the largest number of tags in State.Holds.Tags. A machine with this many tags is out of service, and
	// another tag would add nothing.
	TagsMax = 32
	// VouchFor is the time after a session during which its mentor may vouch for the learner's skills. It is also the
	// time for which the choice remains open after the mentor's tap.
	VouchFor = 2 * time.Minute
)

// Settings are the rules of the machine from its current policy.
type Settings struct {
	Cooldown  time.Duration
	FinishJob bool          // a busy machine finishes its job after the session
	Vouch     bool          // the policy names skills that a mentor may vouch for
	HasBusy   bool          // the machine has a busy input
	Ignore    time.Duration // time after a start during which the busy input is ignored, as the machine moves home
}

// Tag puts the machine out of service until a maintainer removes the tag.
type Tag struct {
	ID     string          `json:"id"`
	By     policy.MemberID `json:"by,omitempty"`
	Role   policy.Role     `json:"role,omitempty"` // role of that person; NoRole: an operator or the machine itself
	Reason string          `json:"reason,omitempty"`
	Since  time.Time       `json:"since"`
}

// State is the complete state of the session logic. The zero State is off, without a tag or a fault.
type State struct {
	Phase        Phase
	Current      Current  // who uses the machine or waits for a supervisor
	Power        Power    // orders to the relay
	Activity     Activity // last signals of the busy input
	Runtime      Runtime  // total running time of the machine
	Holds        Holds    // conditions that prevent the use of the machine
	Handed       Handed
	VouchRequest VouchRequest
	Cards        Cards  // cards presented to the reader
	recent       recent // taps handled lately
	Ledger       Ledger // records that the journal has not accepted yet
	down         bool   // Shutdown was received: no session starts any more
}

// Current is the current session, or in Awaiting the learner who waits. The zero Current means that nobody uses the
// machine.
type Current struct {
	Session    string // id of the session; empty: no session
	Member     policy.MemberID
	Role       policy.Role
	Supervisor policy.MemberID
	Assistant  policy.MemberID // helper in a maintenance
	Others     []policy.Role   // roles that the member may choose instead, until ChooseFor has passed
	Limits     policy.Limits

	Since time.Time // start of the session, of the wait or of the cooling
	// Until is the time at which the phase ends without a further event. In On and Maintenance this is the session's
	// limit; zero: no limit.
	Until  time.Time
	limit  time.Time  // limit of the session; zero: none
	ending wire.Cause // cause of the session's end, while Finishing
}

// Power is the state of the relay as ordered.
type Power struct {
	PoweredOff bool      // in Maintenance: the relay is off, and the machine remains reserved
	opened     time.Time // when the relay last opened
	cooled     time.Time // end of the cooling of a machine at rest
}

// Activity is the state of the busy input.
type Activity struct {
	Busy   bool
	Worked time.Time // last time at which the input showed work
}

// Runtime is the total running time of the machine.
type Runtime struct {
	Ran     Hours
	counted time.Time // time up to which Ran is counted
}

// Holds are the conditions that prevent the use of a machine.
type Holds struct {
	Tags       []Tag
	Faults     []FaultKind // present faults, including the e-stop
	ReaderDown bool        // the reader does not answer, so no card can be tapped
}

// Ledger contains the records that the journal has not accepted yet.
type Ledger struct {
	Broken  bool     // the journal refused a record; cleared when the journal accepts a record again
	Pending []Record // records of events that have happened and that the journal has not accepted yet, oldest first
	retry   time.Time

	sent  []Effect // effects of the last step: if one of these records fails, the daemon has dropped the later effects
	undo  *State   // state before the last step, if the step may have to be undone
	quiet bool     // the last step only offered Pending again
}

// Hours are the running times of a machine.
type Hours struct {
	Relay time.Duration `json:"relay"` // running time while the relay was closed
	Busy  time.Duration `json:"busy"`  // while the busy input showed work
}

// Handed describes maintenance that has just ended. Until a stated time the maintainer may still remove tags and log
// interventions.
type Handed struct {
	By    policy.MemberID
	Until time.Time
	Last  Work // the last maintenance that ended on this machine, whatever its cause
}

// Work is a current or past maintenance. The zero Work means no maintenance.
type Work struct {
	Session      string
	By, Endorser policy.MemberID // the person who does the work, and the maintainer who is responsible
	Since, Ended time.Time       // Ended is zero during the maintenance
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

// VouchRequest is a request to a mentor, after a session, to vouch for the learner's skills. The request waits for the
// mentor's card, unless that card ended the session. After the mentor's tap, Open is set, and the mentor can choose at
// the panel.
type VouchRequest struct {
	Session         string
	Learner, Mentor policy.MemberID
	Until           time.Time
	Open            bool
}

// String returns the name of the phase.
func (s State) String() string { return s.Phase.String() }

// Change returns a transition as the log names it, "off=>on"; empty: the phase is the same.
func Change(from, to State) string {
	if from.Phase == to.Phase {
		return ""
	}
	return from.String() + "=>" + to.String()
}

// Holder returns the member whose card must stay in the slot. With a supervisor, this is the supervisor, because the
// learner's card had to be removed to insert the supervisor's card.
func (s State) Holder() policy.MemberID {
	if s.Current.Supervisor != "" {
		return s.Current.Supervisor
	}
	return s.Current.Member
}

// Energised reports whether the relay is ordered to be on.
func (s State) Energised() bool { return s.Running() && !s.Power.PoweredOff }

// Running reports whether somebody uses the machine. In Maintenance the relay may nevertheless be off.
func (s State) Running() bool {
	switch s.Phase {
	case On, EndingSoon, Finishing, Maintenance:
		return true
	}
	return false
}

// Restore returns the state in which a daemon starts: off, with the stored tags and the pending records of the previous
// run.
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
	Session  string // a new id, used if this step starts a session
	Bundle   uint64 // number of the bundle on which the decisions are based
	Event    Event
}

// Event is one of the types below. The method apply changes the step in which the event is handled.
type Event interface{ apply(*step) }

type (
	// Tap is the tap of a member's card, with the decision about the member. Supervising is the decision about the
	// learner who waits, or who works with a supervisor, with this member as supervisor. Asked means that the panel
	// already asks this member about a learner's skills. Their tap then does not answer that question, but is a tap for
	// the machine.
	Tap struct {
		Member      policy.MemberID
		Card        rfid.UID            // number of the card; zero: unknown
		Strength    policy.CardStrength // what the card proved
		At          time.Time           // time reported by the reader; zero: unknown
		Decision    policy.Decision
		Supervising policy.Decision
		Asked       bool

		Basis, SupervisingBasis *policy.Basis // what the decisions are based on, for the record; nil: unknown
	}
	// Stranger is the tap of a card that belongs to no member.
	Stranger struct {
		Decision policy.Decision
		Basis    *policy.Basis // input of the decision, as in Tap
		Sealed   string        // encrypted card, as in wire.RefusedBody
	}
	// ChooseRole requests another role in the current session, with the decision about that role.
	ChooseRole struct {
		Decision policy.Decision
		Basis    *policy.Basis // input of the decision, as in Tap
	}
	// Log records an intervention that the maintainer at the machine has done or is responsible for. If Session is set,
	// the intervention belongs to that session, which may have ended. The daemon has then checked whose session it was.
	Log struct {
		What         string
		Minutes      int
		Note         string
		Parts        string
		Photo        string
		Session      string
		By, Endorser policy.MemberID
		ID           string // a new id if the endorser is to confirm the intervention
		Attested     bool   // the endorser filled in the form themself, after their own tap
	}
	// Attest is the endorser's own confirmation of an intervention that was logged in their session. ID is the Log.ID
	// of that intervention.
	Attest struct {
		By           policy.MemberID
		Session      string
		Intervention string
		What         string // kind of the intervention, for the notice
	}
	// Extend requests more time in a session that is about to end, with a fresh decision about its member.
	Extend struct{ Decision policy.Decision }
	// PowerOff opens the relay of a machine in Maintenance, which stays reserved. Only the next card closes the relay
	// again.
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
	// AddTag puts the machine out of service. If Now is set, this happens at once, otherwise when the machine is idle,
	// or, without a busy input, at the end of the session. A maintainer may continue to work under a tag, except under
	// a tag that another person added with Now.
	AddTag struct {
		Tag Tag
		Now bool
	}
	// RemoveTag removes the tag with the given id. By is empty for an operator, whose permission the daemon has
	// checked. Any other By must be the maintainer who works on this machine, or whose work on the machine ended a
	// moment ago.
	RemoveTag struct {
		ID string
		By policy.MemberID
	}
	// Stop ends the session by order of an operator or because of a new bundle. If Finish is set, the session ends
	// after the current job, provided that the policy lets jobs finish.
	Stop struct{ Finish bool }
	// Busy is a change of the input that shows whether the machine works.
	Busy struct{ Working bool }
	// FaultRaised reports a condition that prevents the use of the machine. The session itself raises the fault Runs.
	FaultRaised struct {
		What FaultKind
		Why  string
	}
	// FaultCleared ends the fault that FaultRaised reported. The machine stays off until the next card.
	FaultCleared struct{ What FaultKind }
	// Reader reports whether the reader answers.
	Reader struct {
		Alive bool
		Why   string
	}
	// RecordFailed reports that the journal refused a record, and that the daemon has dropped the effects after that
	// record.
	RecordFailed struct{ Record Record }
	// Recorded reports that the journal accepts records, at first or again.
	Recorded struct{}
	// Tick reports the passage of time.
	Tick struct{}
	// Shutdown ends the session and prevents further starts, permanently.
	Shutdown struct{}
)

// FaultKind is the name, used in records, of a condition that prevents the use of a machine.
type FaultKind string

const (
	EStop     FaultKind = "e-stop"     // the emergency stop is open
	Door      FaultKind = "door"       // the door is open
	Contactor FaultKind = "contactor"  // the contactor does not follow the relay
	GuardLost FaultKind = "guard-lost" // no guard process holds the relay's pin
	Lease     FaultKind = "lease"      // the daemon sent nothing for so long that the guard opened the relay
	Runs      FaultKind = "runs"       // the machine works although its relay is open: another source powers it
)

// Effect is a Record, a Relay or a Notify.
type Effect interface{ effect() }

type (
	// Record must be committed before the next effect. If the commit fails, the daemon returns the Record unchanged in
	// RecordFailed.
	Record struct {
		Kind    wire.Kind
		Session string
		Member  policy.MemberID
		Body    any
		place   int // position among the effects of its step, from 1; 0: not from a step
	}
	// Relay must be switched, and confirmed, before the next effect. FinishJob is used only with On: if the daemon
	// dies, the guard waits for the end of the machine's job, at most Finish. Cool is the time for which the extraction
	// runs after the relay has opened.
	Relay struct {
		On        bool
		FinishJob bool
		Finish    time.Duration
		Cool      time.Duration
	}
	// Notify is a short message for the person at the machine. Lasting information is in the State.
	Notify struct {
		Notice   Notice
		Member   policy.MemberID
		Role     policy.Role     // with Ended: the role of the session
		Decision policy.Decision // the refused decision, with Denied
		What     string          // the intervention (Logged), the cause of the end (Ended), or the problem (Thanked)
	}
)

func (Record) effect() {}
func (Relay) effect()  {}
func (Notify) effect() {}

// Notice is the subject of a Notify.
type Notice string

const (
	Ended        Notice = "ended"         // a session is over, and What is the cause; show the state at once
	Denied       Notice = "denied"        // the decision gives the reason
	Occupied     Notice = "occupied"      // another member uses the machine
	Logged       Notice = "logged"        // the intervention is recorded
	NotLogged    Notice = "not-logged"    // no maintainer works on this machine
	NotNow       Notice = "not-now"       // the role cannot be chosen
	CannotRecord Notice = "cannot-record" // the journal refuses
	WaitOver     Notice = "wait-over"     // no supervisor tapped in time
	Thanked      Notice = "thanked"       // the problem is recorded
	Vouched      Notice = "vouched"       // the mentor's statement is recorded
	Attested     Notice = "attested"      // the endorser's confirmation is recorded; What is the kind of intervention
	AlreadyRead  Notice = "already-read"  // the same card within Flap: no change
	Welcome      Notice = "welcome"       // a session began, or its role or helper changed; show the state at once
)

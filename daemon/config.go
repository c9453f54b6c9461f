package daemon

import (
	"context"
	"log/slog"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// Journal commits records. Append returns nil once the record is on the disk, or an error if the record was not
// written. Keep does the same for facts without a record.
type Journal interface {
	Append(r session.Record, facts map[string][]byte) error
	Keep(facts map[string][]byte) error
	Len() uint64
	Generation() wire.Generation
}

// Switch is the relay, controlled by the guard. Set returns nil when the guard has confirmed the order. If Set returns
// an error, the relay is off.
type Switch interface {
	Set(ctx context.Context, r session.Relay) error
}

// Uplink sends new records and states to the hub. The methods of an Uplink do not block.
type Uplink interface {
	SetState(wire.State)
	Notify()
}

// Signal is a report that the guard sends without a request: a change of an input, or the end of the guard.
type Signal struct {
	What relay.EventKind
	On   bool // by kind: busy: the machine is working; e-stop, door: open; contactor: differs from the order
	Why  string
}

// GuardBack is the signal that the guard runs again after its end.
const GuardBack relay.EventKind = "guard-back"

// Config holds the settings and the dependencies of one machine. All fields except Uplink, Roster and Logger are
// required.
type Config struct {
	Site    policy.SiteID
	Machine policy.MachineID
	Now     func() time.Time
	Trusted func() bool // reports whether the clock is trusted
	// LastTrusted returns the time of the newest record that was written with a trusted clock, or zero if there is no
	// such record. nil: the time is unknown.
	LastTrusted func() time.Time
	NewID       func() string
	Program     string // version of this program
	HasBusy     bool
	Ignore      time.Duration // time after a start during which the busy input is ignored
	Reader      bool          // a reader is configured; it counts as down until its first answer

	Journal Journal
	Switch  Switch
	Panel   *panel.Panel
	Uplink  Uplink
	Roster  *roster.Roster // nil until the first bundle
	Logger  *slog.Logger

	Taps    <-chan rfid.Event
	Signals <-chan Signal

	Tags []session.Tag // present tags, from the journal's facts
	// RemovedTags holds the ids of removed tags, from the journal's facts. A command cannot add these tags again.
	RemovedTags map[string]bool
	// Awaits means that the journal is a new generation and has not yet been compared with the hub's copy of earlier
	// generations. Restored means that the journal has been compared with that copy.
	Awaits, Restored bool
	Practice         map[policy.MemberID]policy.Practice // practice of each member, from the journal's facts
	Done             map[string]policy.Done              // from the facts: when each kind of maintenance was last done
	Ran              session.Hours                       // running hours, from the journal's facts
	// Owed holds the records of the previous run that are not written yet. No session starts until all of them are
	// written.
	Owed  []Owed
	Acked func() uint64 // number of records that the hub holds
	// HubHealth returns the state of the communication with the hub, without blocking. nil: no hub is configured.
	HubHealth func() HubHealth
	// SealKey returns the hub's key of the day for sealed cards (wire.Ack); empty: unknown. The function does not
	// block. nil: no hub is configured.
	SealKey func() string
	// Keys returns, for the machine's state, the keys that the machine uses and the free space of its disk. The
	// function does not block for long. nil: the state omits the keys and the free space.
	Keys func() wire.StateKeys
	// RestartScreen requests the restart of the browser at this computer's own screen. nil: no restart is possible.
	RestartScreen func() error
}

// Owed is the end of a session that the previous daemon left unfinished, with the member's updated practice. If Practice
// is zero, the end adds no practice.
type Owed struct {
	Record   session.Record
	Practice policy.Practice
}

// HubHealth is the state of the communication with the hub. The zero value means that the hub has not answered yet.
type HubHealth struct {
	Acknowledges bool // the hub acknowledges records
	Broker       bool // the broker is connected
	// Since is the time at which the oldest record that the hub has not stored, or the oldest unanswered question to
	// the hub, began to wait for an acknowledgement; zero: no acknowledgement is missing. Owed is the duration since
	// then, measured by a monotonic clock.
	Since   time.Time
	Owed    time.Duration
	Overdue bool   // the acknowledgement is so late that the panel informs people
	Why     string // code of the reason; empty: unknown
	Detail  string // details of the reason, for an operator
}

// BundleState is the state of the machine's copy of the bundle on its disk. The zero value means that the copy is
// undamaged.
type BundleState struct {
	Version uint64 // version that should be in use; 0: unknown
	Damage  string // description of the damage, for an operator; empty: none
	Refused string // reason why a bundle is refused because of its keys, for an operator; empty: none is refused
	// Verifying means that the machine has no members' list yet, because it is verifying the badges of thousands of
	// members for the first time.
	Verifying bool
}

// JournalMismatch means that the records of the hub's copy are not the first records of this journal, because the
// journal was replaced by an older copy or by a new journal. Hub is the number of records in the hub's copy, and Here
// the number in this journal. Tags of the machine may be missing in this journal.
type JournalMismatch struct {
	Hub, Here uint64
	New       bool // the hub's records are of another generation: this journal is new
}

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
// written. Keep writes facts without a record, and returns nil once the facts are on the disk.
type Journal interface {
	Append(r session.Record, facts map[string][]byte) error
	Keep(facts map[string][]byte) error
	Len() uint64
	Generation() wire.Generation
}

// Switch is the relay, controlled by the guard. Set orders the guard to close or open the relay, and returns nil once
// the guard has confirmed the order. If Set returns an error, the relay is off.
type Switch interface {
	Set(ctx context.Context, r session.Relay) error
}

// Uplink sends new records and the machine's states to the hub. The methods of an Uplink do not block.
type Uplink interface {
	SetState(wire.State)
	Notify()
}

// Signal is a report that the guard sends on its own: either an input has changed, or the guard process has ended.
type Signal struct {
	What relay.EventKind
	// By kind of input: busy: the machine is working; e-stop, door: the circuit is open; contactor: it differs from the
	// order.
	On  bool
	Why string
}

// GuardBack is the signal that the guard process runs again after it had ended.
const GuardBack relay.EventKind = "guard-back"

// Config holds the settings and the dependencies of one machine. All fields except Uplink, Roster and Logger are
// required.
type Config struct {
	Site    policy.SiteID
	Machine policy.MachineID
	Now     func() time.Time
	Trusted func() bool // function that reports whether the clock is trusted
	// LastTrusted returns the time of the newest record that was written with a trusted clock, or zero if there is no such
	// record. If LastTrusted is nil, the time is unknown.
	LastTrusted func() time.Time
	NewID       func() string
	Program     string // version of this program
	HasBusy     bool
	Ignore      time.Duration // time after the relay closes during which the busy input is ignored
	// True if a reader is configured; the reader counts as down until it answers for the first time.
	Reader bool

	Journal Journal
	Switch  Switch
	Panel   *panel.Panel
	Uplink  Uplink
	Roster  *roster.Roster // rules of the current bundle; nil until the first bundle is installed
	Logger  *slog.Logger

	Taps    <-chan rfid.Event
	Signals <-chan Signal

	Tags []session.Tag // tags that are on the machine, from the journal's facts
	// RemovedTags holds the ids of removed tags, from the journal's facts. A command cannot add these tags again.
	RemovedTags map[string]bool
	// Awaits means that the journal was newly created and the machine has not yet compared it with the hub's copy of
	// earlier journals. Restored means that the machine has compared the journal with the hub's copy of earlier journals.
	Awaits, Restored bool
	// Practice of each member at this machine, from the journal's facts.
	Practice map[policy.MemberID]policy.Practice
	// Time at which each kind of maintenance was last done, from the journal's facts.
	Done map[string]policy.Done
	Ran  session.Hours // running hours, from the journal's facts
	// Owed holds the ends of sessions that the previous run of the daemon left unfinished. No session starts until all of
	// these records are written.
	Owed  []Owed
	Acked func() uint64 // number of records that the hub holds
	// HubHealth returns the state of the communication with the hub, without blocking. If HubHealth is nil, no hub is
	// configured.
	HubHealth func() HubHealth
	// SealKey returns the key of the day with which the machine encrypts card numbers for the hub (wire.Ack). An empty
	// result means that the key is unknown. SealKey does not block. nil: no hub is configured.
	SealKey func() string
	// Keys returns the keys that the machine uses and the free space of its disk, which the machine's state reports to the
	// hub. Keys does not block for long. If Keys is nil, the state leaves out the keys and the free space.
	Keys func() wire.StateKeys
	// RestartScreen requests the restart of the browser at this computer's own screen. If RestartScreen is nil, the
	// browser cannot be restarted.
	RestartScreen func() error
}

// Owed is the end of a session that the previous daemon left unfinished, with the member's updated practice. If
// Practice is zero, no practice is added.
type Owed struct {
	Record   session.Record
	Practice policy.Practice
}

// HubHealth is the state of the communication with the hub. The zero value means that the hub has not answered yet.
type HubHealth struct {
	Acknowledges bool // true while the hub acknowledges records
	Broker       bool // true while the broker is connected
	// Since is the time at which the machine began to wait for an acknowledgement of the hub: of its oldest record that
	// the hub has not stored, or of its oldest unanswered question. Zero means that no acknowledgement is missing. Owed is
	// the duration since Since, measured by a monotonic clock.
	Since   time.Time
	Owed    time.Duration
	Overdue bool   // true if the acknowledgement is so late that the panel shows the delay
	Why     string // code of the reason why the acknowledgement is missing; empty: unknown
	Detail  string // details of that reason, for an operator
}

// BundleState is the state of the machine's copy of the bundle on its disk. The zero value means that the copy is
// undamaged.
type BundleState struct {
	Version uint64 // version of the bundle that should be in use; 0: unknown
	Damage  string // description of the damage, for an operator; empty: none
	// Reason why the machine refuses a bundle because of its keys, for an operator; empty: no bundle is refused.
	Refused string
	// Verifying means that the machine has no members' list yet, because it is verifying the badges of thousands of
	// members for the first time.
	Verifying bool
}

// JournalMismatch means that this journal does not begin with the records of the hub's copy, because the journal was
// replaced by an older copy or by a new journal. Hub is the number of records in the hub's copy, and Here the number in
// this journal. This journal may lack tags of the machine that the hub's copy contains.
type JournalMismatch struct {
	Hub, Here uint64
	New       bool // true if the hub's copy is of another generation, so this journal is a new one
}

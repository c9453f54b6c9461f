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

// Journal commits records. Append returns when the record is on the disk, or with the reason why it is not; Keep does
// the same with facts alone.
type Journal interface {
	Append(r session.Record, facts map[string][]byte) error
	Keep(facts map[string][]byte) error
	Len() uint64
	Generation() wire.Generation
}

// Switch is the relay as the guard holds it. Set returns when the guard has confirmed, or with an error, and then the
// relay is off.
type Switch interface {
	Set(ctx context.Context, r session.Relay) error
}

// Uplink is told what is new; neither method blocks.
type Uplink interface {
	SetState(wire.State)
	Notify()
}

// Signal is what the guard reports by itself: what the machine's inputs say, and its own end.
type Signal struct {
	What relay.EventKind
	On   bool // busy: it works; e-stop, door: it is open; contactor: it does not follow
	Why  string
}

// GuardBack is the signal that there is a guard again.
const GuardBack relay.EventKind = "guard-back"

// Config is what one machine works with. All but Uplink, Roster and Logger are required.
type Config struct {
	Site    policy.SiteID
	Machine policy.MachineID
	Now     func() time.Time
	Trusted func() bool // the clock can be believed
	// LastTrusted is when the journal last took a record with a trusted clock; zero: never. nil: nobody knows.
	LastTrusted func() time.Time
	NewID       func() string
	Program     string // the version of this program
	HasBusy     bool
	Ignore      time.Duration // how long after a start the busy input means nothing
	Reader      bool          // there is one: until it has answered, it does not

	Journal Journal
	Switch  Switch
	Panel   *panel.Panel
	Uplink  Uplink
	Roster  *roster.Roster // nil until the first bundle
	Logger  *slog.Logger

	Taps    <-chan rfid.Event
	Signals <-chan Signal

	Tags []session.Tag // from the journal's facts
	// RemovedTags holds the ids of tags that were taken off, from the journal's facts. A command cannot add one of them
	// again.
	RemovedTags map[string]bool
	// Awaits says that the journal began anew and has not been compared with what the hub holds of the ones before;
	// Restored that it has been.
	Awaits, Restored bool
	Practice         map[policy.MemberID]policy.Practice // likewise
	Done             map[string]policy.Done              // likewise: when each kind of maintenance was last done
	Ran              session.Hours                       // likewise
	// what happened before and the journal has not taken: nothing starts until it does
	Owed  []Owed
	Acked func() uint64 // records that the hub holds
	// how the way to the hub stands; it does not block; nil: there is no hub
	HubHealth func() HubHealth
	// SealKey is the hub's key of the day for sealed cards (wire.Ack); empty: none is known. It does not block; nil: there
	// is no hub.
	SealKey func() string
	// Keys are the keys that the machine works with, and the room of its disk, for its state. It does not block for long;
	// nil: the state says nothing of them.
	Keys func() wire.StateKeys
	// RestartScreen asks for the restart of the browser at this computer's own screen. nil: nothing can restart it.
	RestartScreen func() error
}

// Owed is the end of a session that the last daemon left open, and its member's practice with it; the zero Practice,
// where it is not known how long the session was.
type Owed struct {
	Record   session.Record
	Practice policy.Practice
}

// HubHealth is how the way to the hub stands. The zero value is a hub that has not answered yet.
type HubHealth struct {
	Acknowledges bool // the hub acknowledges what it is sent
	Broker       bool // the broker is connected
	// Since is since when the hub has owed an acknowledgement: for the oldest record that it does not hold, or a
	// question that it has not answered; zero: it owes none. Owed is the same as a duration, on a clock that nobody
	// sets.
	Since   time.Time
	Owed    time.Duration
	Overdue bool   // it has owed one for so long that people are told
	Why     string // the reason as a code; empty: none is known
	Detail  string // more about it, for an operator
}

// BundleState is how the machine's copy of the bundle stands on its disk. The zero value is an undamaged one.
type BundleState struct {
	Version uint64 // the version that should be in force; 0: not known
	Damage  string // what is damaged, for an operator; empty: nothing is
	Refused string // why a bundle is refused because of its keys, for an operator; empty: none is
	// Verifying says that the machine has no members' list yet because it verifies the badges of thousands of members,
	// which it has not seen before.
	Verifying bool
}

// JournalMismatch says that the hub holds Hub records that are not the first of this journal, which has Here records: a
// copy of an earlier day was put back, or the journal is a new one. Tags that hung on the machine may be missing in it.
type JournalMismatch struct {
	Hub, Here uint64
	New       bool // the hub's records are of another generation: this journal began anew
}

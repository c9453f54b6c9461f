package hub

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"portillon/hub/enrol"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
	"portillon/wire/mqtt"
)

// Machine is the last known state of a machine.
type Machine struct {
	ID        policy.MachineID `json:"machine"`
	Held      uint64           `json:"held"`          // number of records in the ledger
	Online    bool             `json:"online"`        // true: the broker reports that the machine is connected
	Seen      time.Time        `json:"seen,omitzero"` // time of the machine's last message, by the hub's clock
	State     *wire.State      `json:"state,omitempty"`
	Trouble   string           `json:"trouble,omitempty"` // why the hub refused the last batch; empty: it was accepted
	TroubleAt time.Time        `json:"trouble_at,omitzero"`
	// TroubleSince is the time since when the hub has refused all records of the machine, for the reason in Trouble.
	TroubleSince time.Time `json:"trouble_since,omitzero"`
	Dropped      *Dropped  `json:"dropped,omitempty"` // the machine's last message that was too large, or nil

	// Alerts are lost and blocked cards that were tapped in the last 30 days, the newest last.
	Alerts []CardAlert `json:"card_alerts,omitempty"`

	// Journals are the machine's journals, the oldest first; empty if no journal was replaced.
	Journals []Journal `json:"journals,omitempty"`

	notes machineNotes
}

// fleet stores the last known state of all machines.
type fleet struct {
	core    *core
	bundles *bundleStore

	logs struct { // current sessions and tags of each machine, read from its newest journal
		mu sync.Mutex
		of map[policy.MachineID]machineLog
	}
	mu       sync.Mutex // mutex for the fields below
	machines map[policy.MachineID]*Machine
}

// list returns all machines, sorted by id.
func (fl *fleet) list() []Machine {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	var out []Machine
	for _, m := range fl.machines {
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b Machine) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out
}

// change calls f with the state of a machine. change returns false if the fleet does not contain the machine.
func (fl *fleet) change(id policy.MachineID, f func(*Machine)) bool {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	m, ok := fl.machines[id]
	if ok {
		f(m)
	}
	return ok
}

// The type messages handles the messages that machines publish, and sends the hub's answers.
type messages struct {
	core       *core
	fleet      *fleet
	commands   *commands
	bundles    *bundleStore
	health     *health
	cards      *cards
	enrolments *enrolments

	logDropped func(mqtt.Dropped)
}

// has reports whether the fleet contains the machine.
func (fl *fleet) has(id policy.MachineID) bool { return fl.change(id, func(*Machine) {}) }

// remove removes a revoked machine.
func (fl *fleet) remove(id policy.MachineID) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	delete(fl.machines, id)
}

// know adds a machine to the fleet, so that the hub accepts the machine's records.
func (fl *fleet) know(id policy.MachineID) error {
	head, err := fl.core.ledger.Head(id)
	if err != nil {
		return err
	}
	was := &Machine{ID: id, Held: head.Seq}
	if err := fl.loadState(context.Background(), was); err != nil {
		fl.core.log.Warn("reading the state of a machine failed", "machine", id, "err", err)
	}
	fl.mu.Lock()
	if fl.machines[id] == nil {
		fl.machines[id] = was
	}
	fl.mu.Unlock()
	if _, err := fl.takeAlerts(id, 0); errors.Is(err, ledger.ErrChanged) {
		// The machine's records are still accepted; a later read of the changed record returns the error.
		fl.core.log.Error("stored record was changed after it was verified", "err", err)
	} else if err != nil {
		return err
	}
	return nil
}

// standing returns the state of a machine as enrol.Machines lists it.
func (fl *fleet) standing(id policy.MachineID) (out enrol.Standing) {
	fl.change(id, func(m *Machine) {
		out = enrol.Standing{Online: m.Online, Seen: m.Seen, Held: m.Held, RefuseOf: m.Trouble}
		if s := m.newest(); s != nil {
			out.Phase, out.Program, out.Bundle, out.Records = s.Phase, s.Program, s.Bundle, s.Journal
			out.Clock, out.Disk, out.Refused = s.Clock, s.Disk, s.BundleRefused
			out.Keys = s.StateKeys
			if s.SilentScreen != "" {
				out.Faults = append(out.Faults, "screen: "+s.SilentScreen)
			}
			if s.UnackedWhy != "" {
				out.Faults = append(out.Faults, "uplink: "+s.UnackedWhy)
			}
		}
		if m.Dropped != nil {
			out.Faults = append(out.Faults, "message too large")
		}
	})
	_, out.Wanted = fl.bundles.current()
	log := fl.logOf(id)
	out.Session, out.Tags = log.session, log.tags
	return out
}

// machineNotes is what the hub remembers about a machine for its own decisions and never displays.
type machineNotes struct {
	// generation is the generation of the machine's journal in the machine's last state. Acknowledgements contain this
	// generation while the ledger has no record of the machine.
	generation wire.Generation
	acked      time.Time // time of the last acknowledgement to the machine
	offered    time.Time // time when the hub last published the manifest again for the machine
	lags       bool      // the machine's last state names an older bundle; false once the manifest is published
	appeared   time.Time // time when the machine came online
	// troubleLogged is when the machine's trouble was last logged: at most once a minute, so that many refused batches do
	// not fill the log.
	troubleLogged time.Time
	refusal       refusal
	screen        screenNote
	sealed        string // seal key in the last acknowledgement to the machine
	kept          keptState
	last          *wire.State // state that the machine reported before this start of the hub; only displayed
}

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

// Machine is what the hub knows of the state of a machine.
type Machine struct {
	ID        policy.MachineID `json:"machine"`
	Held      uint64           `json:"held"`          // records in the ledger
	Online    bool             `json:"online"`        // as the broker says
	Seen      time.Time        `json:"seen,omitzero"` // when it last said anything, by the hub's clock
	State     *wire.State      `json:"state,omitempty"`
	Trouble   string           `json:"trouble,omitempty"` // why its last batch was refused; empty: it was not
	TroubleAt time.Time        `json:"trouble_at,omitzero"`
	// TroubleSince is when the hub first refused records for this reason, and has since accepted none.
	TroubleSince time.Time `json:"trouble_since,omitzero"`
	Dropped      *Dropped  `json:"dropped,omitempty"` // its last message that was too large; nil: there was none

	// Alerts are lost and blocked cards that were tapped in the last 30 days, the newest last.
	Alerts []CardAlert `json:"card_alerts,omitempty"`

	// Journals are its journals, where one has taken the place of another; the oldest first.
	Journals []Journal `json:"journals,omitempty"`

	notes machineNotes
}

// fleet is what the hub knows of its machines.
type fleet struct {
	core    *core
	bundles *bundleStore

	logs struct { // what the newest journals say of now
		mu sync.Mutex
		of map[policy.MachineID]machineLog
	}
	mu       sync.Mutex // guards what follows
	machines map[policy.MachineID]*Machine
}

// list is all machines, sorted by id.
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

// change changes what is known of a machine; false: there is no such machine.
func (fl *fleet) change(id policy.MachineID, f func(*Machine)) bool {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	m, ok := fl.machines[id]
	if ok {
		f(m)
	}
	return ok
}

// messages handles what machines publish, and answers them.
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

// has reports whether there is such a machine.
func (fl *fleet) has(id policy.MachineID) bool { return fl.change(id, func(*Machine) {}) }

// remove forgets a machine that was revoked.
func (fl *fleet) remove(id policy.MachineID) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	delete(fl.machines, id)
}

// know adds a machine whose records count.
func (fl *fleet) know(id policy.MachineID) error {
	head, err := fl.core.ledger.Head(id)
	if err != nil {
		return err
	}
	was := &Machine{ID: id, Held: head.Seq}
	if err := fl.recall(context.Background(), was); err != nil {
		fl.core.log.Warn("state of a machine not read", "machine", id, "err", err)
	}
	fl.mu.Lock()
	if fl.machines[id] == nil {
		fl.machines[id] = was
	}
	fl.mu.Unlock()
	if _, err := fl.takeAlerts(id, 0); errors.Is(err, ledger.ErrChanged) {
		fl.core.log.Error("record changed", "err", err) // records are still accepted; a reader of this record gets the error
	} else if err != nil {
		return err
	}
	return nil
}

// standing is the state of a machine, for the list of machines (enrol.Machines).
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

// machineNotes is what the hub remembers of a machine for itself; it is not shown.
type machineNotes struct {
	generation    wire.Generation // of its journal, as it last said: while nothing is held, acknowledgements bear it
	acked         time.Time       // when it was last sent an acknowledgement
	offered       time.Time       // when it was last sent a manifest again
	lags          bool            // its last state names an older bundle, and it was not offered the newest again
	appeared      time.Time       // when it came online
	troubleLogged time.Time       // the same trouble is logged once a minute: a flood of batches does not fill the log
	refusal       refusal
	screen        screenNote
	sealed        string // the seal key that its last acknowledgement bears
	kept          keptState
	last          *wire.State // as the hub before this start knew it; it is shown, and nothing is done because of it
}

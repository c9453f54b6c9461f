package hub

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"portillon/hub/fault"
	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// askAgain is how soon a machine whose state shows that it lacks something is sent the same again: a machine that
// refuses a bundle would otherwise be asked for ever.
const askAgain = 30 * time.Second

// Machine is how a machine stands, as far as the hub knows.
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

	generation     wire.Generation // of its journal, as it last said: while nothing is held, acknowledgements bear it
	acked, offered time.Time       // when it was last sent an acknowledgement, a manifest again
	lags           bool            // its last state names an older bundle, and it was not offered the newest again
	appeared       time.Time       // when it came online
	troubleLogged  time.Time       // the same trouble is logged once a minute: a flood of batches does not fill the log

	refusal refusal
	screen  screenNote
	sealed  string // the seal key that its last acknowledgement bears
	kept    keptState
	last    *wire.State // as the hub before this start knew it; it is shown, and nothing is done because of it
}

// list is all machines, sorted by id.
func (h *Hub) list() []Machine {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Machine
	for _, m := range h.machines {
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
func (h *Hub) change(id policy.MachineID, f func(*Machine)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, ok := h.machines[id]
	if ok {
		f(m)
	}
	return ok
}

// took acknowledges a batch. A gap, and records that are held already, are acknowledged as far as they go: the machine
// sends on from there. What cannot be true is not answered.
func (h *Hub) took(l *link, id policy.MachineID, taken ledger.Taken, err error) error {
	var refused *ledger.Refusal
	switch {
	case errors.As(err, &refused):
		if refused.Code != ledger.Gap {
			return h.refuse(l, id, refused)
		}
		h.log.Info("records are missing", "machine", id, "want", taken.Want)
		h.change(id, func(m *Machine) { m.generation = taken.Generation })
	case err != nil: // the machine sends the batch again
		h.noteDatabase(err)
		return nil
	}
	h.noteDatabase(nil)
	var before uint64
	h.change(id, func(m *Machine) {
		before, m.Held = m.Held, taken.Seq
		if err == nil {
			m.Trouble, m.TroubleAt, m.TroubleSince, m.refusal.code = "", time.Time{}, time.Time{}, ""
		}
	})
	if taken.Seq > before {
		h.warnOfAlerts(id, before)
		h.rebinds.noteRecords(id, before)
	}
	return h.acknowledge(l, id)
}

// acknowledge publishes how much of a machine's journal is on this disk. Where the database cannot say so, nothing is
// acknowledged, and all else goes on.
func (h *Hub) acknowledge(l *link, id policy.MachineID) error {
	ack, err := h.signAck(id)
	if err != nil {
		h.noteDatabase(err)
		return nil
	}
	return l.publish(h.topics.Ack(id), true, ack)
}

// signAck is a signed acknowledgement of what is on this disk of a machine's journal.
func (h *Hub) signAck(id policy.MachineID) ([]byte, error) {
	head, err := h.ledger.Head(id)
	if err != nil {
		return nil, err
	}
	var refused *wire.AckRefused
	var seal string
	today := h.renewSeal()
	h.change(id, func(m *Machine) {
		m.acked, refused = h.now(), m.tellRefusal(h.now())
		if m.sealed = ""; m.State != nil && m.State.Format >= wire.SealFormat {
			m.sealed, seal = today, today
		}
		if !head.Known {
			head.Generation = m.generation
		}
	})
	ack, err := wire.SignAck(wire.Ack{Site: h.c.Site, Machine: id, Seq: head.Seq, Root: hex.EncodeToString(head.Root[:]),
		Generation: head.Generation, Refused: refused, Seal: seal}, h.signer)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return ack, nil
}

// state compares what a machine says of itself with what it should have, and sends it what it lacks, but not all the
// time.
func (h *Hub) state(l *link, id policy.MachineID, data []byte) error {
	s, err := wire.ParseState(data)
	if err != nil || s.Machine != id {
		return nil
	}
	now, today := h.now(), h.renewSeal()
	var ack bool
	known := h.change(id, func(m *Machine) {
		h.noteScreen(m, s.SilentScreen, now)
		m.State = &s
		if s.Generation.Check() == nil {
			m.generation = s.Generation
		}
		ack = m.wantsAck(now) || m.wantsSeal(today)
		m.lags = h.version > s.Bundle && now.Sub(m.offered) >= askAgain
	})
	if !known {
		return nil
	}
	h.db.Site(h.c.Site).Tell(store.States)
	h.replaceAwaited(id, s.Generation)
	if ack {
		err = h.acknowledge(l, id)
	}
	return err
}

// reply hands a reply to whoever gave the command.
func (h *Hub) reply(id policy.MachineID, data []byte) {
	var r wire.Reply
	if len(data) > wire.MaxRecord || json.Unmarshal(data, &r) != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if to, ok := h.waiting[string(id)+"/"+r.ID]; ok {
		select {
		case to <- r:
		default: // it has its answer
		}
	}
}

// ErrNoReply says that a machine did not answer within the life of a command. Whether it obeyed is not known; its
// journal will tell.
var ErrNoReply = errors.New("the machine did not answer")

// command signs an order to a machine, sends it, and waits for the reply: at most wire.CommandLife, or until ctx ends.
// c.Do, Tag, Reason and Now are the caller's; the rest is filled in. While the broker is away it waits: an order that
// comes late is refused by the machine.
func (h *Hub) command(ctx context.Context, m policy.MachineID, c wire.Command) (wire.Reply, error) {
	if !h.change(m, func(*Machine) {}) {
		return wire.Reply{}, &fault.NotFound{What: "enrolled machine", ID: string(m)}
	}
	c.Site, c.Machine, c.ID = h.c.Site, m, random(16)
	c.Issued = h.now().UTC()
	c.Expires = c.Issued.Add(wire.CommandLife)
	data, err := wire.SignCommand(c, h.signer)
	if err != nil {
		return wire.Reply{}, fmt.Errorf("command: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wire.CommandLife, ErrNoReply)
	defer cancel()
	return h.deliver(ctx, m, c.ID, data)
}

// deliver sends a signed message on a machine's command topic, and waits for the reply that bears the id until ctx
// ends.
func (h *Hub) deliver(ctx context.Context, m policy.MachineID, id string, data []byte) (wire.Reply, error) {
	answer := h.await(m, id)
	defer h.forget(m, id)
	select {
	case h.orders <- order{topic: h.topics.Command(m), data: data}:
	case <-ctx.Done():
		return wire.Reply{}, fmt.Errorf("command: the broker is away: %w", context.Cause(ctx))
	}
	select {
	case r := <-answer:
		return r, nil
	case <-ctx.Done():
		return wire.Reply{}, fmt.Errorf("command: %w", context.Cause(ctx))
	}
}

func (h *Hub) await(m policy.MachineID, id string) chan wire.Reply {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan wire.Reply, 1)
	h.waiting[string(m)+"/"+id] = c
	return c
}

func (h *Hub) forget(m policy.MachineID, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting, string(m)+"/"+id)
}

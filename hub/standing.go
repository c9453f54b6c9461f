package hub

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"portillon/hub/enrol"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// machineLog is what the newest journal of a machine says of now: who is on it, and its tags.
type machineLog struct {
	generation wire.Generation
	held       uint64
	session    *enrol.Session
	tags       []enrol.Tag
}

// logKinds are the records that change a machineLog.
var logKinds = []wire.Kind{wire.SessionStart, wire.SessionEnd, wire.RoleChanged, wire.Tagged, wire.Untagged}

// logOf reads on in the newest journal of a machine from where it was read before. Where the ledger cannot be read,
// nothing newer is known.
func (h *Hub) logOf(id policy.MachineID) machineLog {
	h.logs.mu.Lock()
	defer h.logs.mu.Unlock()
	if h.logs.of == nil {
		h.logs.of = map[policy.MachineID]machineLog{}
	}
	l := h.logs.of[id]
	head, err := h.ledger.Head(id)
	if err != nil {
		h.log.Warn("ledger not read", "machine", id, "err", err)
		return l
	}
	if l.generation != head.Generation {
		l = machineLog{generation: head.Generation}
	}
	if l.held == head.Seq {
		return l
	}
	q := ledger.Query{Machine: id, Generation: &head.Generation, Kinds: logKinds, After: l.held}
	err = h.ledger.Records(context.Background(), q, func(e ledger.Entry) error {
		l.take(e.Record)
		return nil
	})
	if err != nil {
		h.log.Warn("ledger not read", "machine", id, "err", err)
		return h.logs.of[id]
	}
	l.held = head.Seq
	h.logs.of[id] = l
	return l
}

// take takes a record into account. A body that cannot be read says nothing.
func (l *machineLog) take(r wire.Record) {
	switch r.Kind {
	case wire.SessionStart:
		var b wire.StartBody
		if json.Unmarshal(r.Body, &b) != nil {
			return
		}
		l.session = &enrol.Session{Member: r.Member, Role: b.Role.String(), Since: r.Wall}
		if b.MaxSeconds > 0 {
			l.session.Until = r.Wall.Add(time.Duration(b.MaxSeconds) * time.Second)
		}
	case wire.RoleChanged:
		var b wire.RoleBody
		if l.session != nil && json.Unmarshal(r.Body, &b) == nil {
			changed := *l.session // others may hold the one before
			changed.Role = b.Role.String()
			l.session = &changed
		}
	case wire.SessionEnd:
		l.session = nil
	case wire.Tagged:
		var b wire.TagBody
		if json.Unmarshal(r.Body, &b) == nil {
			l.tags = append(slices.Clip(l.tags), enrol.Tag{ID: b.Tag, By: string(r.Member), Reason: b.Reason, At: r.Wall})
		}
	case wire.Untagged:
		var b wire.TagBody
		if json.Unmarshal(r.Body, &b) == nil {
			l.tags = slices.DeleteFunc(slices.Clone(l.tags), func(t enrol.Tag) bool { return t.ID == b.Tag })
		}
	}
}

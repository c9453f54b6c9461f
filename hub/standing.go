package hub

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"portillon/hub/enrol"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// machineLog is the current state of a machine according to its newest journal: the session and the tags.
type machineLog struct {
	generation wire.Generation
	held       uint64
	session    *enrol.Session
	tags       []enrol.Tag
}

// logKinds are the kinds of records that logOf reads to update a machineLog.
var logKinds = []wire.Kind{wire.SessionStart, wire.SessionEnd, wire.RoleChanged, wire.Tagged, wire.Untagged}

// logOf reads the new records in a machine's newest journal, and returns the machine's current state. If the ledger
// cannot be read, logOf returns the last known state.
func (fl *fleet) logOf(id policy.MachineID) machineLog {
	fl.logs.mu.Lock()
	defer fl.logs.mu.Unlock()
	if fl.logs.of == nil {
		fl.logs.of = map[policy.MachineID]machineLog{}
	}
	l := fl.logs.of[id]
	head, err := fl.core.ledger.Head(id)
	if err != nil {
		fl.core.log.Warn("reading the ledger failed", "machine", id, "err", err)
		return l
	}
	if l.generation != head.Generation {
		l = machineLog{generation: head.Generation}
	}
	if l.held == head.Seq {
		return l
	}
	if err := fl.readLog(&l, id, head); err != nil {
		fl.core.log.Warn("reading the ledger failed", "machine", id, "err", err)
		return fl.logs.of[id]
	}
	l.held = head.Seq
	fl.logs.of[id] = l
	return l
}

// readLog reads a journal's records after the last one that was read. The first call reads only the few records of
// tags and the last start or end of a session, because a journal may contain records of several years.
func (fl *fleet) readLog(l *machineLog, id policy.MachineID, head ledger.Head) error {
	ctx := context.Background()
	take := func(e ledger.Entry) error {
		if e.Seq <= head.Seq { // the next call reads the records that follow
			l.apply(e.Record)
		}
		return nil
	}
	q := ledger.Query{Machine: id, Generation: &head.Generation, Kinds: logKinds, After: l.held, Limit: math.MaxInt32}
	if l.held == 0 {
		tags := ledger.Query{Machine: id, Generation: &head.Generation, Kinds: []wire.Kind{wire.Tagged, wire.Untagged}}
		if err := fl.core.ledger.Records(ctx, tags, take); err != nil {
			return err
		}
		last, ok, err := fl.core.ledger.Last(ctx, id, head.Generation, wire.SessionStart, wire.SessionEnd)
		if err != nil || !ok {
			return err
		}
		if err := take(last); err != nil {
			return err
		}
		q.Kinds, q.After = []wire.Kind{wire.RoleChanged}, last.Seq
	}
	return fl.core.ledger.Records(ctx, q, take)
}

// apply updates the state of the machine with one record. apply ignores a record with a body that it cannot parse.
func (l *machineLog) apply(r wire.Record) {
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
			changed := *l.session // store a new Session, because callers may still use the previous one
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

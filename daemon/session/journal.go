package session

import (
	"slices"

	"portillon/wire"
)

// record adds the effect that commits r. If earlier records are still pending, r is placed after them, so that the
// records stay in order.
func (t *step) record(r Record) {
	t.flush()
	t.do(r)
}

func (t *step) flush() {
	for _, p := range t.state.Ledger.Pending {
		t.do(p)
	}
	t.state.Ledger.Pending = nil
}

// offerAgain offers the pending records to the journal every RetryEvery, even if there is no new record. If a step
// records something, it also offers the pending records.
func (t *step) offerAgain() {
	if len(t.state.Ledger.Pending) == 0 || t.in.Now.Before(t.state.Ledger.retry) {
		return
	}
	t.state.Ledger.quiet = len(t.out)+len(t.notices) == 0
	t.flush()
}

// remember stores the data that RecordFailed needs if the journal refuses one of this step's records.
func (l *Ledger) remember(before State, out []Effect) {
	l.sent, l.undo = nil, nil
	recorded := false
	for i, e := range out {
		r, ok := e.(Record)
		if !ok {
			continue
		}
		r.place = i + 1
		out[i] = r
		recorded = true
		if isOnlyEffectiveOnceRecorded(r.Kind) {
			before.Ledger.sent, before.Ledger.undo = nil, nil
			l.undo = &before
		}
	}
	if recorded {
		l.sent = slices.Clone(out)
	}
}

// isOnlyEffectiveOnceRecorded reports whether an event of this kind takes effect only after its record was written.
func isOnlyEffectiveOnceRecorded(k wire.Kind) bool {
	switch k {
	case wire.SessionStart, wire.RoleChanged, wire.Assisted, wire.Untagged, wire.Extended, wire.HandedOver, wire.Vouched:
		return true
	}
	return false
}

// isFact reports whether records of this kind describe an event that has happened even if the journal refuses the
// record.
func isFact(k wire.Kind) bool {
	switch k {
	case wire.SessionEnd, wire.Tagged, wire.Faulted, wire.FaultCleared, wire.Powered:
		return true
	}
	return false
}

// apply undoes the changes whose records were not written. It keeps the records that must still be written: the record
// that failed, and the later records, which the daemon dropped.
func (e RecordFailed) apply(t *step) {
	r, l := e.Record, &t.state.Ledger
	lost, ours := l.recordsFrom(r)
	owed, mustUndo := t.salvage(lost)
	owed = append(owed, l.Pending...)
	// The panel shows the person the reason, even if no record is written.
	isRefusal := r.Kind == wire.Refused || r.Kind == wire.CardAlert
	if !l.quiet && !isRefusal {
		t.notify(Notify{Notice: CannotRecord})
	}
	// Undo the effects that depend on a record.
	isLateStart := r.Kind == wire.SessionStart && r.Session != "" && r.Session == t.state.Current.Session
	switch {
	case mustUndo && ours:
		t.restoreBefore()
	case isLateStart: // open the relay, because the start of the session is not recorded
		t.state.Cards.leave(t.state.Holder(), false)
		t.setIdlePhase()
	}
	l.sent, l.undo, l.quiet = nil, nil, false
	l.Pending, l.Broken, l.retry = trim(owed), true, t.in.Now.Add(RetryEvery)
	if !t.state.Energised() {
		t.do(Relay{}) // the daemon never drops an order that opens the relay, even if it drops a record
	}
}

// salvage goes through the dropped effects: it repeats the notices that are still true, and returns the records of
// events that have already happened. mustUndo reports whether one of the dropped effects takes effect only once it is
// recorded.
func (t *step) salvage(lost []Effect) (owed []Record, mustUndo bool) {
	for _, effect := range lost {
		switch x := effect.(type) {
		case Record:
			mustUndo = mustUndo || isOnlyEffectiveOnceRecorded(x.Kind)
			if isFact(x.Kind) {
				owed = append(owed, x)
			}
		case Notify:
			if x.Notice == Denied || x.Notice == CardRefused || x.Notice == Ended {
				t.notify(x)
			}
		}
	}
	return owed, mustUndo
}

// recordsFrom returns r and the records that the last step added after r. If r is not a record of the last step,
// recordsFrom returns only r, and false.
func (l *Ledger) recordsFrom(r Record) (lost []Effect, ours bool) {
	i := r.place - 1
	if i < 0 || i >= len(l.sent) {
		return []Effect{r}, false
	}
	if x, ok := l.sent[i].(Record); !ok || x.Kind != r.Kind || x.Session != r.Session {
		return []Effect{r}, false
	}
	return l.sent[i:], true
}

// restoreBefore restores the State that was valid before the last step. If that step began a session, the new State
// still says that the card is in the slot.
func (t *step) restoreBefore() {
	cards, holder, ran := t.state.Cards, t.state.Holder(), t.state.Running()
	t.state = *t.state.Ledger.undo
	t.state.Holds.Tags, t.state.Holds.Faults = slices.Clone(t.state.Holds.Tags), slices.Clone(t.state.Holds.Faults)
	if ran && !t.state.Running() {
		cards.leave(holder, false)
		t.state.Cards.slot = cards.slot
	}
}

// trim limits the number of pending records. Few of them are ends or tags, because no session starts while records are
// pending. But faults may be raised and cleared all night.
func trim(rs []Record) []Record {
	for len(rs) > PendingMax {
		i := slices.IndexFunc(rs, func(r Record) bool { return r.Kind == wire.Faulted || r.Kind == wire.FaultCleared })
		if i < 0 {
			break
		}
		rs = slices.Delete(rs, i, i+1)
	}
	return rs
}

// apply notes that the journal accepts records again.
func (Recorded) apply(t *step) { t.state.Ledger.Broken = len(t.state.Ledger.Pending) > 0 }

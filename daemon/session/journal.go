package session

import (
	"slices"

	"portillon/wire"
)

// record adds the effect that commits r. If records are pending, r comes after them, so that the records stay in order.
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

// offerAgain offers the pending records to the journal again, without a new record, every RetryEvery. A step that
// records something offers the pending records in any case.
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

// isFact reports whether records of this kind describe an event that has happened, even if the journal refuses the
// record.
func isFact(k wire.Kind) bool {
	switch k {
	case wire.SessionEnd, wire.Tagged, wire.Faulted, wire.FaultCleared, wire.Powered:
		return true
	}
	return false
}

// apply undoes the effects that are not recorded, and keeps the records that must still be written: the record that
// failed, and those after it, which the daemon dropped.
func (e RecordFailed) apply(t *step) {
	r, l := e.Record, &t.state.Ledger
	lost, ours := l.recordsFrom(r)
	owed, mustUndo := t.salvage(lost)
	owed = append(owed, l.Pending...)
	isRefusal := r.Kind == wire.Refused || r.Kind == wire.CardAlert // the panel shows the reason in any case
	if !l.quiet && !isRefusal {
		t.notify(Notify{Notice: CannotRecord})
	}
	// Undo the effects that depend on a record.
	isLateStart := r.Kind == wire.SessionStart && r.Session != "" && r.Session == t.state.Current.Session
	switch {
	case mustUndo && ours:
		t.restoreBefore()
	case isLateStart: // open the relay, because the start is not recorded
		t.state.Cards.leave(t.state.Holder(), false)
		t.setIdlePhase()
	}
	l.sent, l.undo, l.quiet = nil, nil, false
	l.Pending, l.Broken, l.retry = trim(owed), true, t.in.Now.Add(RetryEvery)
	if !t.state.Energised() {
		t.do(Relay{}) // an order that opens the relay is never dropped together with a record
	}
}

// salvage goes through the effects that were dropped: it repeats the notices that are still true, and returns the
// records of events that have already happened. mustUndo reports that the dropped effects include one that takes effect
// only once it is recorded.
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

// recordsFrom returns r and the records that the last step added after r. If r is not a record of the last step, it
// returns r alone and false.
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

// restoreBefore restores the State from before the last step. If that step began a session, the card still counts as
// being in the slot.
func (t *step) restoreBefore() {
	cards, holder, ran := t.state.Cards, t.state.Holder(), t.state.Running()
	t.state = *t.state.Ledger.undo
	t.state.Holds.Tags, t.state.Holds.Faults = slices.Clone(t.state.Holds.Tags), slices.Clone(t.state.Holds.Faults)
	if ran && !t.state.Running() {
		cards.leave(holder, false)
		t.state.Cards.slot = cards.slot
	}
}

// trim limits the number of pending records. Only few of them are ends and tags, because no session starts meanwhile,
// but faults may come and go all night.
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

// apply stores that the journal accepts records again.
func (Recorded) apply(t *step) { t.state.Ledger.Broken = len(t.state.Ledger.Pending) > 0 }

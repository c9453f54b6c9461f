package session

import (
	"slices"

	"portillon/wire"
)

// record asks for r to be committed, after what the journal has not taken yet: the order of what happened stays.
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

// offerAgain offers what is pending with nothing else, now and then. A step that records something does so anyway.
func (t *step) offerAgain() {
	if len(t.state.Ledger.Pending) == 0 || t.in.Now.Before(t.state.Ledger.retry) {
		return
	}
	t.state.Ledger.quiet = len(t.out)+len(t.notices) == 0
	t.flush()
}

// remember keeps what recordFailed needs if the journal refuses one of this step's records.
func (t *step) remember(before State) {
	t.state.Ledger.sent, t.state.Ledger.undo = nil, nil
	recorded := false
	for i, e := range t.out {
		r, ok := e.(Record)
		if !ok {
			continue
		}
		r.place = i + 1
		t.out[i] = r
		recorded = true
		if asked(r.Kind) {
			before.Ledger.sent, before.Ledger.undo = nil, nil
			t.state.Ledger.undo = &before
		}
	}
	if recorded {
		t.state.Ledger.sent = slices.Clone(t.out)
	}
}

// asked are the kinds that are true only once they are on record.
func asked(k wire.Kind) bool {
	switch k {
	case wire.SessionStart, wire.RoleChanged, wire.Assisted, wire.Untagged, wire.Extended, wire.HandedOver, wire.Vouched:
		return true
	}
	return false
}

// happened are the kinds that are true whether the journal takes them or not.
func happened(k wire.Kind) bool {
	switch k {
	case wire.SessionEnd, wire.Tagged, wire.Faulted, wire.FaultCleared, wire.Powered:
		return true
	}
	return false
}

// apply takes back what is not on record, and keeps what must still come on record: of the record that
// failed and of those after it, which the corridor dropped.
func (e RecordFailed) apply(t *step) {
	r := e.Record
	var owed []Record
	back, refusal := false, r.Kind == wire.Refused || r.Kind == wire.CardAlert // whoever is refused hears why all the same
	lost, ours := t.state.Ledger.after(r)
	for _, e := range lost {
		switch e := e.(type) {
		case Record:
			back = back || asked(e.Kind)
			if happened(e.Kind) {
				owed = append(owed, e)
			}
		case Notify:
			if e.Notice == Denied || e.Notice == CardRefused || e.Notice == Ended { // still true
				t.notify(e)
			}
		}
	}
	owed = append(owed, t.state.Ledger.Pending...)
	if !t.state.Ledger.quiet && !refusal {
		t.notify(Notify{Notice: CannotRecord})
	}
	switch {
	case back && ours:
		t.takeBack()
	case r.Kind == wire.SessionStart && r.Session != "" && r.Session == t.state.Current.Session: // late; its relay was never to be on
		t.state.Cards.leave(t.state.Holder(), false)
		t.rest()
	}
	t.state.Ledger.sent, t.state.Ledger.undo, t.state.Ledger.quiet = nil, nil, false
	t.state.Ledger.Pending, t.state.Ledger.Broken, t.state.Ledger.retry = trim(owed), true, t.in.Now.Add(RetryEvery)
	if !t.state.Energised() {
		t.do(Relay{}) // an order to switch off is never lost with a record
	}
}

// after are r and what the last step asked for after it; r alone where it is not ours: not of the last step.
func (l *Ledger) after(r Record) (lost []Effect, ours bool) {
	i := r.place - 1
	if i < 0 || i >= len(l.sent) {
		return []Effect{r}, false
	}
	if x, ok := l.sent[i].(Record); !ok || x.Kind != r.Kind || x.Session != r.Session {
		return []Effect{r}, false
	}
	return l.sent[i:], true
}

// takeBack makes the State what it was before the last step. Where that step began a session, the card stands in its
// slot all the same.
func (t *step) takeBack() {
	cards, holder, ran := t.state.Cards, t.state.Holder(), t.state.Running()
	t.state = *t.state.Ledger.undo
	t.state.Holds.Tags, t.state.Holds.Faults = slices.Clone(t.state.Holds.Tags), slices.Clone(t.state.Holds.Faults)
	if ran && !t.state.Running() {
		cards.leave(holder, false)
		t.state.Cards.slot = cards.slot
	}
}

// trim bounds what waits. Ends and tags are few, since nothing starts meanwhile; faults may come and go all night.
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

// apply notes that the journal takes records.
func (Recorded) apply(t *step) { t.state.Ledger.Broken = len(t.state.Ledger.Pending) > 0 }

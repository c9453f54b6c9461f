package session

import (
	"slices"

	"portillon/policy"
	"portillon/wire"
)

// What holds a machine: tags, faults, and a reader that does not answer.

// addTag hangs a tag where it does not hang yet and there is room. What it does to the session under way, it does in
// any case.
func (e AddTag) apply(t *step) {
	if e.Tag.ID == "" {
		return
	}
	hang := len(t.Tags) < TagsMax && !slices.ContainsFunc(t.Tags, func(x Tag) bool { return x.ID == e.Tag.ID })
	if hang {
		if e.Tag.Since.IsZero() {
			e.Tag.Since = t.in.Now
		}
		t.Tags = append(t.Tags, e.Tag)
	}
	switch {
	case e.Now && t.Phase == Maintenance && e.Tag.By != t.Member, e.Now && t.Phase != Maintenance:
		t.end(wire.CauseTag)
	case t.Phase == On || t.Phase == EndingSoon:
		e.endAtIdle(t)
	}
	t.resettle()
	if hang {
		t.record(Record{Kind: wire.Tagged, Member: e.Tag.By, Body: wire.TagBody{Tag: e.Tag.ID, Reason: e.Tag.Reason, Now: e.Now, Role: roleWord(e.Tag.Role)}})
	}
}

// endAtIdle ends the session when the machine is next idle. Where no input says so, that is the session's own end.
func (AddTag) endAtIdle(t *step) {
	switch {
	case !t.in.Settings.HasBusy:
	case !t.Busy:
		t.end(wire.CauseTag)
	default:
		until := t.in.Now.Add(FinishMax)
		if !t.in.Settings.FinishJob && !t.limit.IsZero() && t.limit.Before(until) {
			until = t.limit // a tag makes no session longer
		}
		t.finishing(wire.CauseTag, until)
	}
}

func (e RemoveTag) apply(t *step) {
	atWork := t.Phase == Maintenance && e.By == t.Member
	if e.By != "" && !atWork && (e.By != t.Handed.By || !t.in.Now.Before(t.Handed.Until)) {
		t.notify(Notify{Notice: NotNow, Member: e.By})
		return
	}
	if len(t.Pending) > 0 {
		// the set of tags goes to disk with whichever tag record comes first: not while one of them waits
		t.flush()
		t.notify(Notify{Notice: CannotRecord})
		return
	}
	n := len(t.Tags)
	t.Tags = slices.DeleteFunc(t.Tags, func(x Tag) bool { return x.ID == e.ID })
	if len(t.Tags) == n {
		return
	}
	t.resettle()
	t.record(Record{Kind: wire.Untagged, Member: e.By, Body: wire.TagBody{Tag: e.ID}})
}

// roleWord is a role as a record has it; empty: none.
func roleWord(r policy.Role) string {
	if r == policy.NoRole {
		return ""
	}
	return r.String()
}

func (e FaultRaised) apply(t *step) {
	if slices.Contains(t.Faults, e.What) {
		return
	}
	t.Faults = append(t.Faults, e.What)
	if t.Session == "" {
		t.do(Relay{})
		t.rest()
	}
	t.end(wire.CauseFault)
	t.record(Record{Kind: wire.Faulted, Body: wire.FaultBody{What: string(e.What), Why: e.Why}})
}

func (e FaultCleared) apply(t *step) {
	n := len(t.Faults)
	t.Faults = slices.DeleteFunc(t.Faults, func(x FaultKind) bool { return x == e.What })
	if len(t.Faults) == n {
		return
	}
	t.resettle()
	t.record(Record{Kind: wire.FaultCleared, Body: wire.FaultBody{What: string(e.What)}})
}

func (e Reader) apply(t *step) {
	if t.ReaderDown == !e.Alive {
		return
	}
	t.ReaderDown = !e.Alive
	kind := wire.ReaderBack
	if !e.Alive {
		kind = wire.ReaderLost
	}
	t.record(Record{Kind: kind, Body: wire.FaultBody{What: "reader", Why: e.Why}})
}

package session

import (
	"slices"

	"portillon/policy"
	"portillon/wire"
)

// This file handles the conditions that prevent the use of a machine: tags, faults, and a reader that does not answer.

// apply adds the tag, if the machine does not have it yet and has room for another tag. Even if the tag is not added,
// it affects the current session.
func (e AddTag) apply(t *step) {
	if e.Tag.ID == "" {
		return
	}
	tags := t.state.Holds.Tags
	hang := len(tags) < TagsMax && !slices.ContainsFunc(tags, func(x Tag) bool { return x.ID == e.Tag.ID })
	if hang {
		if e.Tag.Since.IsZero() {
			e.Tag.Since = t.in.Now
		}
		t.state.Holds.Tags = append(t.state.Holds.Tags, e.Tag)
	}
	switch {
	case e.Now && t.state.Phase == Maintenance && e.Tag.By != t.state.Current.Member,
		e.Now && t.state.Phase != Maintenance:
		t.end(wire.CauseTag)
	case t.state.Phase == On || t.state.Phase == EndingSoon:
		e.endAtIdle(t)
	}
	t.updateIdlePhase()
	if hang {
		body := wire.TagBody{Tag: e.Tag.ID, Reason: e.Tag.Reason, Now: e.Now, Role: roleWord(e.Tag.Role)}
		t.record(Record{Kind: wire.Tagged, Member: e.Tag.By, Body: body})
	}
}

// endAtIdle ends the session as soon as the machine is idle. Without a busy input, the tag takes effect at the regular
// end of the session.
func (AddTag) endAtIdle(t *step) {
	switch {
	case !t.in.Settings.HasBusy:
	case !t.state.Activity.Busy:
		t.end(wire.CauseTag)
	default:
		until := t.in.Now.Add(FinishMax)
		if !t.in.Settings.FinishJob && !t.state.Current.limit.IsZero() && t.state.Current.limit.Before(until) {
			until = t.state.Current.limit // a tag does not prolong a session
		}
		t.finishing(wire.CauseTag, until)
	}
}

func (e RemoveTag) apply(t *step) {
	atWork := t.state.Phase == Maintenance && e.By == t.state.Current.Member
	if e.By != "" && !atWork && (e.By != t.state.Handed.By || !t.in.Now.Before(t.state.Handed.Until)) {
		t.notify(Notify{Notice: NotNow, Member: e.By})
		return
	}
	if len(t.state.Ledger.Pending) > 0 {
		// The next record of a tag writes the whole set of tags to the disk, so wait until no other record of a tag is
		// pending.
		t.flush()
		t.notify(Notify{Notice: CannotRecord})
		return
	}
	n := len(t.state.Holds.Tags)
	t.state.Holds.Tags = slices.DeleteFunc(t.state.Holds.Tags, func(x Tag) bool { return x.ID == e.ID })
	if len(t.state.Holds.Tags) == n {
		return
	}
	t.updateIdlePhase()
	t.record(Record{Kind: wire.Untagged, Member: e.By, Body: wire.TagBody{Tag: e.ID}})
}

// roleWord returns the name of a role in records, and "" for NoRole.
func roleWord(r policy.Role) string {
	if r == policy.NoRole {
		return ""
	}
	return r.String()
}

func (e FaultRaised) apply(t *step) {
	if slices.Contains(t.state.Holds.Faults, e.What) {
		return
	}
	t.state.Holds.Faults = append(t.state.Holds.Faults, e.What)
	if t.state.Current.Session == "" {
		t.do(Relay{})
		t.setIdlePhase()
	}
	t.end(wire.CauseFault)
	t.record(Record{Kind: wire.Faulted, Body: wire.FaultBody{What: string(e.What), Why: e.Why}})
}

func (e FaultCleared) apply(t *step) {
	n := len(t.state.Holds.Faults)
	t.state.Holds.Faults = slices.DeleteFunc(t.state.Holds.Faults, func(x FaultKind) bool { return x == e.What })
	if len(t.state.Holds.Faults) == n {
		return
	}
	t.updateIdlePhase()
	t.record(Record{Kind: wire.FaultCleared, Body: wire.FaultBody{What: string(e.What)}})
}

func (e Reader) apply(t *step) {
	if t.state.Holds.ReaderDown == !e.Alive {
		return
	}
	t.state.Holds.ReaderDown = !e.Alive
	kind := wire.ReaderBack
	if !e.Alive {
		kind = wire.ReaderLost
	}
	t.record(Record{Kind: kind, Body: wire.FaultBody{What: "reader", Why: e.Why}})
}

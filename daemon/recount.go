package daemon

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// Recount is what a journal's records say about the facts that are kept beside them. The zero Recount has seen no
// record.
type Recount struct {
	tags     []session.Tag
	tagged   map[string]uint64 // the record that shows a tag on the machine, by the tag's id
	untagged map[string]uint64 // and the one that shows it taken off
	practice map[policy.MemberID]practised
	done     map[string]time.Time // when each kind of maintenance was last recorded with a trusted clock; zero: with none
	ran      map[wire.RanBy]time.Duration
	gaps     bool
}

type practised struct {
	logged time.Duration
	last   time.Time
}

// Gap notes a record whose body is erased or lost: what it said is not known.
func (c *Recount) Gap() { c.gaps = true }

// Add takes the next record. A body that cannot be read counts as a gap.
func (c *Recount) Add(r wire.Record) {
	switch r.Kind {
	case wire.Tagged, wire.Untagged:
		var b wire.TagBody
		if json.Unmarshal(r.Body, &b) != nil || b.Tag == "" {
			c.Gap()
			return
		}
		c.tag(r, b)
	case wire.SessionEnd:
		var b wire.EndBody
		if json.Unmarshal(r.Body, &b) != nil {
			c.Gap()
			return
		}
		c.ended(r, b)
	case wire.Intervened:
		var b wire.InterventionBody
		if json.Unmarshal(r.Body, &b) != nil {
			c.Gap()
			return
		}
		at := c.done[b.What]
		if r.Clock.Believed() {
			at = r.Wall
		}
		put(&c.done, b.What, at)
		put(&c.ran, b.RanBy, time.Duration(b.RanSeconds)*time.Second)
	case wire.Reported:
		var b wire.ReportBody
		if json.Unmarshal(r.Body, &b) != nil {
			c.Gap()
			return
		}
		put(&c.ran, b.RanBy, time.Duration(b.RanSeconds)*time.Second)
	case wire.Restored:
		var b wire.RestoredBody
		if json.Unmarshal(r.Body, &b) != nil {
			c.Gap()
			return
		}
		put(&c.ran, wire.RanByRelay, time.Duration(b.Relay)*time.Second)
		put(&c.ran, wire.RanByBusy, time.Duration(b.Busy)*time.Second)
	}
}

// Done are the kinds of maintenance that a record shows as done.
func (c *Recount) Done() map[string]bool {
	out := map[string]bool{}
	for kind := range c.done {
		out[kind] = true
	}
	return out
}

func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

func (c *Recount) tag(r wire.Record, b wire.TagBody) {
	c.tags = slices.DeleteFunc(c.tags, func(t session.Tag) bool { return t.ID == b.Tag })
	if r.Kind == wire.Untagged {
		put(&c.untagged, b.Tag, r.Seq)
		return
	}
	t := session.Tag{ID: b.Tag, By: r.Member, Reason: b.Reason, Since: r.Wall}
	_ = t.Role.UnmarshalText([]byte(b.Role)) // empty, or a role of a later release: none is known
	c.tags = append(c.tags, t)
	put(&c.tagged, b.Tag, r.Seq)
}

func (c *Recount) ended(r wire.Record, b wire.EndBody) {
	if r.Member == "" {
		return
	}
	p := c.practice[r.Member]
	p.logged += time.Duration(b.Seconds) * time.Second
	// An end that was recorded at the next start has not the time of the session's end.
	late := b.Cause == wire.CausePowerLost || b.Cause == wire.CauseDaemonLost
	if r.Clock.Believed() && b.Seconds > 0 && !late {
		p.last = r.Wall
	}
	put(&c.practice, r.Member, p)
}

// Tags are the tags that the records show on the machine, in the order in which they were put on.
func (c *Recount) Tags() []session.Tag { return slices.Clone(c.tags) }

// Missing are the tags that the records show on the machine and that are not among these.
func (c *Recount) Missing(tags []session.Tag) (out []session.Tag) {
	for _, t := range c.tags {
		if !slices.ContainsFunc(tags, func(x session.Tag) bool { return x.ID == t.ID }) {
			out = append(out, t)
		}
	}
	return out
}

// lateness is how far a fact's time may lie before its record's: the disk may take seconds over a commit.
const lateness = time.Minute

// Compare names each fact that says less than the records do. What the records do not say, a fact may.
func (c *Recount) Compare(facts map[string][]byte) (out []string) {
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	c.compareTags(facts, say)
	for id, p := range c.practice {
		var have policy.Practice
		if err := read(facts[FactPractice+string(id)], &have); err != nil {
			say("the practice of %s cannot be read: %v", id, err)
			continue
		}
		if have.Logged < p.logged {
			say("the practice of %s is %s, and the sessions on record last %s", id, have.Logged, p.logged)
		}
		if have.Last.Before(p.last.Add(-lateness)) {
			say("the practice of %s ends on %s, and the last session on record on %s", id, stamp(have.Last), stamp(p.last))
		}
	}
	for kind, at := range c.done {
		var have policy.Done
		err := read(facts[FactDone+kind], &have)
		switch {
		case err != nil:
			say("when %s was last done cannot be read: %v", kind, err)
		case facts[FactDone+kind] == nil || have.At.Before(at.Add(-lateness)) && !have.At.IsZero():
			say("%s was last done on %s by the facts, and on %s by the records", kind, stamp(have.At), stamp(at))
		}
	}
	var ran session.Hours
	if err := read(facts[FactHours], &ran); err != nil {
		say("the running hours cannot be read: %v", err)
	} else {
		for by, least := range c.ran {
			have := map[wire.RanBy]time.Duration{wire.RanByBusy: ran.Busy, wire.RanByRelay: ran.Relay}[by]
			if by != "" && have < least.Truncate(time.Second) {
				say("the running hours (%s) are %s, and a record says %s", by, have.Round(time.Second), least)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (c *Recount) compareTags(facts map[string][]byte, say func(string, ...any)) {
	var tags []session.Tag
	if err := read(facts[FactTags], &tags); err != nil {
		say("the tags cannot be read: %v", err)
	}
	for _, t := range c.Missing(tags) {
		say("the tag %q (%.60q) is on the machine by record %d, and missing in the facts", t.ID, t.Reason, c.tagged[t.ID])
	}
	for _, t := range tags {
		off, on := c.untagged[t.ID], c.tagged[t.ID]
		switch {
		case off > on:
			say("the tag %q was taken off by record %d, and is on the machine in the facts", t.ID, off)
		case on == 0 && !c.gaps:
			say("the tag %q is on the machine in the facts, and no record put it on", t.ID)
		}
	}
	if !slices.ContainsFunc(keysOf(facts), func(k string) bool { return strings.HasPrefix(k, FactRemoved) }) {
		return // a journal of a release that did not keep them: the daemon adds them at its start
	}
	for id, seq := range c.untagged {
		if facts[FactRemoved+id] == nil {
			say("the tag %q was taken off by record %d, and the facts do not list it as removed", id, seq)
		}
	}
}

func keysOf(m map[string][]byte) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

// read reads a fact; one that is not there is the zero value.
func read(b []byte, v any) error {
	if b == nil {
		return nil
	}
	return json.Unmarshal(b, v)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "an unknown day"
	}
	return t.UTC().Format(time.RFC3339)
}

// Restored are the facts that the records give, for a journal whose own are lost. Days and weeks of practice, and
// running hours beyond the last record that names them, are in no record.
func (c *Recount) Restored(machine policy.MachineID) (map[string][]byte, error) {
	var facts factSet
	if len(c.tagged) > 0 {
		facts.put(FactTags, c.tags)
	}
	for id := range c.untagged {
		facts.set(FactRemoved+id, []byte("1"))
	}
	for id, p := range c.practice {
		facts.put(FactPractice+string(id), policy.Practice{Machine: machine, Last: p.last, Logged: p.logged})
	}
	for kind, at := range c.done {
		facts.put(FactDone+kind, policy.Done{At: at})
	}
	if len(c.ran) > 0 {
		facts.put(FactHours, session.Hours{Busy: c.ran[wire.RanByBusy], Relay: c.ran[wire.RanByRelay]})
	}
	return facts.values, facts.err
}

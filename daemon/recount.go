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

// Recount computes, from a journal's records, what the journal's facts should contain. The zero Recount has read no
// record.
type Recount struct {
	tags     []session.Tag
	tagged   map[string]uint64 // sequence number of the record that added a tag to the machine, by tag id
	untagged map[string]uint64 // sequence number of the record that removed the tag, by tag id
	practice map[policy.MemberID]practised
	// Time of the last record of each kind of maintenance, if its clock was trusted; zero: there is none.
	done map[string]time.Time
	ran  map[wire.RanBy]time.Duration
	gaps bool
}

type practised struct {
	logged time.Duration
	last   time.Time
}

// Gap counts a record whose body is erased or lost, so its content is unknown.
func (c *Recount) Gap() { c.gaps = true }

// Add processes the next record. A record whose body cannot be read counts as a gap.
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

// Done returns the kinds of maintenance that a record shows as done.
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
	_ = t.Role.UnmarshalText([]byte(b.Role)) // an empty role, or a role of a later release, counts as no role
	c.tags = append(c.tags, t)
	put(&c.tagged, b.Tag, r.Seq)
}

func (c *Recount) ended(r wire.Record, b wire.EndBody) {
	if r.Member == "" {
		return
	}
	p := c.practice[r.Member]
	p.logged += time.Duration(b.Seconds) * time.Second
	// If the record was written at the next start of the daemon, it does not contain the time at which the session ended.
	late := b.Cause == wire.CausePowerLost || b.Cause == wire.CauseDaemonLost
	if r.Clock.Believed() && b.Seconds > 0 && !late {
		p.last = r.Wall
	}
	put(&c.practice, r.Member, p)
}

// Tags returns the tags that the records show on the machine, in the order in which they were added.
func (c *Recount) Tags() []session.Tag { return slices.Clone(c.tags) }

// Missing returns the tags that the records show on the machine and that are not in tags.
func (c *Recount) Missing(tags []session.Tag) (out []session.Tag) {
	for _, t := range c.tags {
		if !slices.ContainsFunc(tags, func(x session.Tag) bool { return x.ID == t.ID }) {
			out = append(out, t)
		}
	}
	return out
}

// lateness is how much earlier a fact's time may be than the time of the fact's record: a commit may take seconds.
const lateness = time.Minute

// Compare describes each fact that contains less than the records show. A fact that contains more than the records is
// not a difference.
func (c *Recount) Compare(facts map[string][]byte) (out []string) {
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	c.compareTags(facts, say)
	for id, p := range c.practice {
		var have policy.Practice
		if err := decodeFact(facts[FactPractice+string(id)], &have); err != nil {
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
		err := decodeFact(facts[FactDone+kind], &have)
		switch {
		case err != nil:
			say("when %s was last done cannot be read: %v", kind, err)
		case facts[FactDone+kind] == nil || have.At.Before(at.Add(-lateness)) && !have.At.IsZero():
			say("%s was last done on %s by the facts, and on %s by the records", kind, stamp(have.At), stamp(at))
		}
	}
	var ran session.Hours
	if err := decodeFact(facts[FactHours], &ran); err != nil {
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
	if err := decodeFact(facts[FactTags], &tags); err != nil {
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
		return // a release without these facts wrote the journal, and the daemon adds the facts at its start
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

// decodeFact decodes a fact. If the fact is missing, the result is the zero value.
func decodeFact(b []byte, v any) error {
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

// Restored returns the facts computed from the records, for a journal whose own facts are lost. The records do not
// contain the days and weeks of practice, or the running hours after the last record that contains them.
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

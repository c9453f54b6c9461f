package evidence

import (
	"encoding/json"
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// The rules in this file prevent stacked interventions: several of one kind in one session, more minutes than the
// session had, all on one day, and work that its endorser never confirmed.

// stack records what has been counted so far for one member.
type stack struct {
	rule    Rule
	zone    *time.Location // nil: days cannot be determined
	kinds   map[work]bool
	minutes map[sessionAt]int
	days    map[string]bool
}

// sessionAt identifies a session at a machine, work identifies a kind of intervention in a session.
type (
	sessionAt struct {
		place
		session string
	}
	work struct {
		sessionAt
		kind string
	}
)

func newStack(r Rule) *stack {
	k := &stack{rule: r, kinds: map[work]bool{}, minutes: map[sessionAt]int{}, days: map[string]bool{}}
	if r.Spread > 0 && r.Zone != "Local" { // "Local" is the time zone of the computer that reads the file, not the site's
		k.zone, _ = time.LoadLocation(r.Zone) // unknown zone: nil, and the rule is never complete
	}
	return k
}

func (s seen) at() sessionAt { return sessionAt{placeOf(s.record), s.record.Session} }

// stacked reports whether work of this kind has already been counted in the session.
func (k *stack) stacked(s seen, what wire.InterventionBody) bool {
	return k.kinds[work{s.at(), what.What}]
}

// count records an intervention that counts.
func (k *stack) count(s seen, what wire.InterventionBody) Counted {
	k.kinds[work{s.at(), what.What}] = true
	c := Counted{Record: s.record, What: what}
	c.Minutes = max(0, min(what.Minutes, s.minutes()-k.minutes[s.at()]))
	k.minutes[s.at()] += c.Minutes
	if k.zone != nil {
		c.Day = s.record.Wall.In(k.zone).Format(time.DateOnly)
		k.days[c.Day] = true
	}
	return c
}

// minutes returns the length of the session, in minutes, rounded up: up to the intervention, or the whole session if
// the intervention was logged after its end. Without a session it returns 0.
func (s seen) minutes() int {
	if s.in == nil {
		return 0
	}
	took := between(s.in.start, s.record)
	if s.over != nil {
		took = between(s.in.start, s.over.by)
		var end wire.EndBody
		if s.over.by.Kind == wire.SessionEnd && json.Unmarshal(s.over.by.Body, &end) == nil && end.Seconds > 0 {
			// the wall time of this record may be that of the next start, days later
			took = time.Duration(min(end.Seconds, maxSession)) * time.Second
		}
	}
	return int((min(max(took, 0), maxSession*time.Second) + time.Minute - 1) / time.Minute)
}

// maxSession is the longest session, in seconds, that a record may claim: a year.
const maxSession = 365 * 24 * 3600

// rests returns the records that prove the length of the session and the role in it.
func (s seen) rests() []Ref {
	if s.in == nil {
		return nil
	}
	out := slices.Clone(s.in.rests)
	if s.over != nil {
		out = append(out, refTo(s.over.by))
	}
	return out
}

// attestedID identifies an intervention. attestation records who confirmed it, and in which session.
type (
	attestedID struct {
		place
		id string
	}
	attestation struct {
		by      policy.MemberID
		session string
		at      Ref
	}
)

// attests records a confirmation. It counts only in the endorser's own session, or up to Late after it.
func (j *judge) attests(r wire.Record, in *session) {
	var b wire.AttestBody
	if json.Unmarshal(r.Body, &b) != nil || b.Intervention == "" || in == nil || in.member != r.Member {
		return
	}
	id := attestedID{placeOf(r), b.Intervention}
	if _, twice := j.attested[id]; !twice {
		j.attested[id] = attestation{r.Member, in.id, refTo(r)}
	}
}

// confirmed reports whether the endorser confirmed the intervention at the time, and returns the record of the
// confirmation. The result has no record if the endorser wrote the intervention.
func (j *judge) confirmed(s seen, what wire.InterventionBody) ([]Ref, bool) {
	if what.Attested {
		return nil, true
	}
	a, ok := j.attested[attestedID{placeOf(s.record), what.ID}]
	if !ok || what.ID == "" || a.by != what.Endorser || a.session != s.record.Session || a.at.Seq < s.record.Seq {
		return nil, false
	}
	return []Ref{a.at}, true
}

// newest returns at most n counted interventions: first one for each of the newest days, as many days as the rule
// requires, then the newest of the rest.
func (p Progress) newest(n int) []Counted {
	if len(p.Counted) <= n {
		return p.Counted
	}
	at := make([]int, len(p.Counted)) // indexes in Counted, the newest first
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int { return p.Counted[b].Record.Wall.Compare(p.Counted[a].Record.Wall) })
	take, days := map[int]bool{}, map[string]bool{}
	for _, i := range at {
		if day := p.Counted[i].Day; day != "" && !days[day] && len(days) < min(p.Spread, n) {
			take[i], days[day] = true, true
		}
	}
	for _, i := range at {
		if len(take) < n {
			take[i] = true
		}
	}
	var out []Counted
	for i, c := range p.Counted {
		if take[i] {
			out = append(out, c)
		}
	}
	return out
}

package evidence

import (
	"encoding/json"
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// The rules in this file stop members from collecting interventions that do not prove work: several interventions of
// one kind in one session, more minutes than the session had, all interventions on one day, and work that the endorser
// never confirmed.

// stack records which of a member's interventions have been counted so far, so that the rules of this file can be
// applied to the next one.
type stack struct {
	rule    Rule
	zone    *time.Location // nil: the zone is unknown, so days cannot be determined
	kinds   map[work]bool
	minutes map[sessionAt]int
	days    map[string]bool
}

// sessionAt identifies a session at a machine. work identifies a kind of intervention in a session.
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
	// Refuse "Local", which would be the time zone of the computer that reads the file, not the time zone of the site.
	if r.Spread > 0 && r.Zone != "Local" {
		k.zone, _ = time.LoadLocation(r.Zone) // for an unknown zone the location is nil, and the rule is never complete
	}
	return k
}

func (s loggedWork) at() sessionAt { return sessionAt{placeOf(s.record), s.record.Session} }

// isCounted reports whether an intervention of this kind has already been counted in the session.
func (k *stack) isCounted(s loggedWork, what wire.InterventionBody) bool {
	return k.kinds[work{s.at(), what.What}]
}

// add adds an intervention that counts to the stack.
func (k *stack) add(s loggedWork, what wire.InterventionBody) Counted {
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

// minutes returns the length of the session in minutes, rounded up. The length is counted up to the intervention, or up
// to the session's end if the intervention was logged later. Without a session, minutes returns 0.
func (s loggedWork) minutes() int {
	if s.in == nil {
		return 0
	}
	took := timeBetween(s.in.start, s.record)
	if s.over != nil {
		took = timeBetween(s.in.start, s.over.by)
		var end wire.EndBody
		if s.over.by.Kind == wire.SessionEnd && json.Unmarshal(s.over.by.Body, &end) == nil && end.Seconds > 0 {
			// After a power cut, the machine writes this record at its next start, so that its wall time may be days too late.
			took = time.Duration(min(end.Seconds, maxSession)) * time.Second
		}
	}
	return int((min(max(took, 0), maxSession*time.Second) + time.Minute - 1) / time.Minute)
}

// maxSession is the longest session, in seconds, that a record may claim: a year.
const maxSession = 365 * 24 * 3600

// rests returns the records on which a count rests: those that prove the session's length and the endorser's role in
// the session.
func (s loggedWork) rests() []Ref {
	if s.in == nil {
		return nil
	}
	out := slices.Clone(s.in.proof)
	if s.over != nil {
		out = append(out, refTo(s.over.by))
	}
	return out
}

// attestedID identifies an intervention. attestation states which member confirmed an intervention, and in which
// session.
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

// storeConfirmation stores a confirmation. storeConfirmation ignores a confirmation that was not given in the
// endorser's own session or up to Late after that session.
func (j *judge) storeConfirmation(r wire.Record, in *session) {
	var b wire.AttestBody
	if json.Unmarshal(r.Body, &b) != nil || b.Intervention == "" || in == nil || in.member != r.Member {
		return
	}
	id := attestedID{placeOf(r), b.Intervention}
	if _, twice := j.attested[id]; !twice {
		j.attested[id] = attestation{r.Member, in.id, refTo(r)}
	}
}

// isConfirmed reports whether the endorser confirmed the intervention at the machine, and returns the record of the
// confirmation. If the endorser logged the intervention, no record of a confirmation is needed.
func (j *judge) isConfirmed(s loggedWork, what wire.InterventionBody) ([]Ref, bool) {
	if what.Attested {
		return nil, true
	}
	a, ok := j.attested[attestedID{placeOf(s.record), what.ID}]
	if !ok || what.ID == "" || a.by != what.Endorser || a.session != s.record.Session || a.at.Seq < s.record.Seq {
		return nil, false
	}
	return []Ref{a.at}, true
}

// newest returns at most n counted interventions. newest first selects one intervention for each of the newest days, up
// to the number of days that the rule requires. newest then adds the newest of the other interventions.
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

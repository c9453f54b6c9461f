package directory

import (
	"cmp"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portillon/hub/fold"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/policy/analysis"
)

// index contains every member as of one generation of the rows. Entries never change: a newer index shares the entries
// of unchanged members. The mutex mu guards caches of values that are calculated from the entries.
type index struct {
	generation int64
	entries    []*entry // sorted by sort key, then id
	byID       map[policy.MemberID]*entry

	mu     sync.Mutex
	rights map[rightsKey]map[policy.MemberID]bool
	soon   hourEndings
	busy   map[rightsKey]map[policy.MemberID]bool // members who may use at least one machine
}

// entry is a member in the index. The atomic pointers of an entry cache results for the latest policy; a reader that
// finds no result calculates it.
type entry struct {
	*record
	key    string // folded name, by which lists are sorted
	text   string // folded name, addresses and external id, for searches
	note   string // folded note, which only some actors may search
	person atomic.Pointer[judged]
	earned atomic.Pointer[earnedRoles]
	ends   atomic.Pointer[judgedEnds]
	cards  []cardText
}

// cardText contains the texts of a card that a search compares.
type cardText struct{ last, number, note string }

// judged is a member in the form that policy p requires for its decisions.
type judged struct {
	by *policy.Policy
	*policy.Member
}

// rightsKey is the key of a cached result about rights: the policy, the machine (empty: any machine), and the number of
// the hour since 1970.
type rightsKey struct {
	policy  *policy.Policy
	machine policy.MachineID
	hour    int64
}

// foldText returns a text in the form in which lists are sorted and searched.
func foldText(s string) string { return fold.Text(s) }

// newEntry returns the entry of a member, with the folded texts for searches.
func newEntry(m *record) *entry {
	e := &entry{record: m, key: foldText(m.Name), note: foldText(m.Note)}
	parts := append([]string{e.key, strings.ToLower(string(m.ID)), foldText(m.External)}, m.Emails...)
	for _, c := range m.Cards {
		e.cards = append(e.cards, cardText{strings.ToLower(c.Last), strings.ToLower(c.Number), foldText(c.Note)})
	}
	e.text = strings.ToLower(strings.Join(append(parts, m.Guardians...), "\n"))
	return e
}

// order compares two entries in the order of lists: by folded name, then by id.
func order(a, b *entry) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.ID, b.ID)) }

// as returns the member in the form that decisions under policy p need. as caches the result until the policy changes.
// Callers must not modify the result.
func (e *entry) as(p *policy.Policy) *policy.Member {
	if j := e.person.Load(); j != nil && j.by == p {
		return j.Member
	}
	m := memberUnder(p, e.record)
	e.person.Store(&judged{p, m})
	return m
}

// memberUnder returns a member in the form that decisions under policy p need. memberUnder includes a badge under the
// same conditions as a machine: the badge is proved, the policy names or accepts it, and it was issued to this
// member.
func memberUnder(p *policy.Policy, m *record) *policy.Member {
	out := &policy.Member{ID: m.ID, Blocked: m.Blocked || m.Gone, Until: m.Until}
	who := openbadge.Recipient{Emails: m.Emails, Subjects: m.Subjects}
	for _, h := range m.held {
		matches := matchesOf(p, h.issuer, h.achievement)
		if !h.proved || len(matches) == 0 || !h.to.badge().IsFor(who) {
			continue
		}
		x := policy.Holding{Standing: policy.Verified, From: h.issued, Until: h.until, Checked: h.checked}
		switch h.standing {
		case standingRevoked:
			x.Standing = policy.Revoked
		case standingUnverified:
			x.Standing = policy.Unverified
		}
		if h.hosted {
			x.Assurance = policy.Hosted
		}
		for _, match := range matches {
			x.Badge, x.Other = match.Badge, match.Other
			out.Holdings = append(out.Holdings, x)
		}
	}
	return out
}

// matchesOf returns the policy's badges that an achievement of an issuer satisfies, directly or because the policy
// accepts it. The result is empty if there is no policy or the policy does not name the issuer.
func matchesOf(p *policy.Policy, issuer, achievement string) []policy.Match {
	if p == nil {
		return nil
	}
	for i := range p.Issuers {
		if p.Issuers[i].Profile == issuer {
			return p.Matches(p.Issuers[i].ID, achievement)
		}
	}
	return nil
}

// localOf returns the policy's badge with this achievement. If the policy has no such badge, localOf returns the
// first badge for which the policy accepts the achievement, or an empty string.
func localOf(p *policy.Policy, issuer, achievement string) policy.BadgeID {
	matches := matchesOf(p, issuer, achievement)
	for _, m := range matches {
		if m.Other == nil {
			return m.Badge
		}
	}
	if len(matches) > 0 {
		return matches[0].Badge
	}
	return ""
}

// allowedSomewhere returns the members who may use at least one machine. Like allowed, allowedSomewhere ignores the
// practice that grants require. Callers must not modify the map.
func (x *index) allowedSomewhere(p *policy.Policy, at time.Time) map[policy.MemberID]bool {
	if p == nil {
		return nil
	}
	key := rightsKey{policy: p, hour: at.Unix() / 3600}
	x.mu.Lock()
	out, ok := x.busy[key]
	x.mu.Unlock()
	if ok {
		return out
	}
	out = map[policy.MemberID]bool{}
	for i := range p.Machines {
		maps.Copy(out, x.allowed(p, p.Machines[i].ID, at))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.busy = map[rightsKey]map[policy.MemberID]bool{key: out} // cache only the newest result
	return out
}

// allowed returns the members who may use a machine in any role at time at, according to badges and memberships.
// allowed ignores practice. allowed caches the result for an hour for each policy and machine. Callers must not modify
// the map.
func (x *index) allowed(p *policy.Policy, machine policy.MachineID, at time.Time) map[policy.MemberID]bool {
	if p == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	key := rightsKey{p, machine, at.Unix() / 3600}
	if out, ok := x.rights[key]; ok {
		return out
	}
	people := make([]*policy.Member, len(x.entries))
	for i, e := range x.entries {
		people[i] = e.as(p)
	}
	out := map[policy.MemberID]bool{}
	for i, rights := range analysis.Rights(p, machine, people, at) {
		if len(rights) > 0 {
			out[people[i].ID] = true
		}
	}
	// Limit the cache to 64 results, because a new policy or hour makes all earlier results useless.
	if len(x.rights) > 64 || x.rights == nil {
		x.rights = map[rightsKey]map[policy.MemberID]bool{}
	}
	x.rights[key] = out
	return out
}

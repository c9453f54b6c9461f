package hubd

import (
	"fmt"
	"slices"
	"strings"

	"portillon/daemon/roster"
	"portillon/policy"
	"portillon/policy/analysis"
	"portillon/wire"
)

// changes lists the members whose rights or cards differ between the bundle in force and the new hub's bundle. Both
// bundles are read and verified as on a machine.
func (a *adoption) changes() ([]string, error) {
	s := a.store()
	now, err := s.Current()
	if err != nil {
		return nil, err
	}
	before, err := a.loadRoster(s, a.before)
	if err != nil {
		return nil, err
	}
	after, err := a.loadRoster(s, now)
	if err != nil {
		return nil, err
	}
	cardsBefore, err := cardsOf(s, a.before)
	if err != nil {
		return nil, err
	}
	cardsAfter, err := cardsOf(s, now)
	if err != nil {
		return nil, err
	}
	out := a.rights(before, after)
	for _, id := range members(before, after) {
		out = append(out, cardChanges(id, cardsBefore[id], cardsAfter[id])...)
	}
	return out, nil
}

// loadRoster reads a bundle as a machine does.
func (a *adoption) loadRoster(s wire.Store, m wire.Manifest) (*roster.Roster, error) {
	return roster.Load(s, m, roster.Options{CardKey: a.keyHex, Now: a.now(), Policy: s.Policy})
}

// members returns the members who are in at least one of the rosters, each member once.
func members(rosters ...*roster.Roster) (out []policy.MemberID) {
	for _, r := range rosters {
		for p := range r.Everyone() {
			out = append(out, p.Member.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// rights lists the rights that each member gains or loses between two rosters, at any time of the week.
func (a *adoption) rights(before, after *roster.Roster) (out []string) {
	var twins []analysis.Twin
	for _, id := range members(before, after) {
		twin := analysis.Twin{Before: &policy.Member{ID: id}, After: &policy.Member{ID: id}}
		if p, ok := before.Person(id); ok {
			twin.Before = p.Member
		}
		if p, ok := after.Person(id); ok {
			twin.After = p.Member
		}
		twins = append(twins, twin)
	}
	for _, c := range analysis.CompareMembers(before.Policy, after.Policy, twins, a.now()) {
		verb := "loses"
		if c.Gained {
			verb = "gains"
		}
		out = append(out, fmt.Sprintf("%s %s %s at %s", twins[c.Member].After.ID, verb, c.Role, c.Machine))
	}
	return out
}

// cardsOf returns the cards of each member in a bundle with their states.
func cardsOf(s wire.Store, m wire.Manifest) (map[policy.MemberID][]string, error) {
	out := map[policy.MemberID][]string{}
	for i := range wire.Buckets {
		b, err := s.Chunk(m, wire.RosterChunk(i))
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue
		}
		var bucket wire.RosterBucket
		if err := wire.DecodeChunk(b, &bucket); err != nil {
			return nil, err
		}
		for _, x := range bucket.Members {
			id := policy.MemberID(x.ID)
			for _, c := range x.Cards {
				out[id] = append(out[id], "active "+c)
			}
			for _, c := range x.CardStates {
				out[id] = append(out[id], c.State+" "+c.Card)
			}
		}
	}
	return out, nil
}

// cardChanges lists the differences between a member's cards in two bundles. cardChanges compares cards by the HMAC of
// their numbers.
func cardChanges(id policy.MemberID, before, after []string) (out []string) {
	for _, x := range []struct {
		verb        string
		some, other []string
	}{{"loses", before, after}, {"gains", after, before}} {
		for _, c := range x.some {
			if !slices.Contains(x.other, c) {
				state, hash, _ := strings.Cut(c, " ")
				out = append(out, fmt.Sprintf("%s %s the %s card %.8s…", id, x.verb, state, hash))
			}
		}
	}
	return out
}

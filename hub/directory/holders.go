package directory

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
)

// Held is a member with the badges that are valid under each of two policies.
type Held struct {
	Name          string
	Before, After *policy.Member
}

// Holders returns all members, each with the badges that are valid under each of two policies. Pages use it to show
// the effects of a draft. The stored verdicts apply to the policy in force. Holders therefore verifies the badges of
// issuers whose keys differ again for the other policy, with stored documents and status lists, and fetches nothing.
// The result unknown contains sentences about grants that require practice of which the hub has no record.
func (s *Lookup) Holders(ctx context.Context, before, after *policy.Policy) (all []Held, unknown []string, err error) {
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, nil, err
	}
	practised, unknown, err := s.practice.requiredBy(ctx, before, after)
	if err != nil {
		return nil, nil, err
	}
	other := changedIssuers(before, after)
	var src *sources
	if len(other) > 0 {
		if src, err = s.documents.sources(ctx, false); err != nil {
			return nil, nil, err
		}
		src.fetch = nil
	}
	out := make([]Held, len(x.entries))
	for i, e := range x.entries {
		r := e.record
		if src != nil {
			if r, err = s.judgedAnew(ctx, r, after, other, src); err != nil {
				return nil, nil, err
			}
		}
		was, is := memberUnder(before, e.record), memberUnder(after, r)
		out[i] = Held{Name: e.Name, Before: practised.withPractice(was), After: practised.withPractice(is)}
	}
	return out, unknown, nil
}

// changedIssuers returns the ids of issuers whose badges may have a different verdict under policy before than under
// policy after.
func changedIssuers(before, after *policy.Policy) map[string]bool {
	if after == nil {
		return nil
	}
	var was []openbadge.Issuer
	if before != nil {
		was = site.Trust(before)
	}
	out := map[string]bool{}
	for _, i := range site.Trust(after) {
		same := slices.ContainsFunc(was, func(w openbadge.Issuer) bool {
			return w.ID == i.ID && slices.Equal(w.Keys, i.Keys) && slices.Equal(w.StatusIssuers, i.StatusIssuers)
		})
		if !same {
			out[i.ID] = true
		}
	}
	return out
}

// judgedAnew returns a copy of a member, with the badges of these issuers verified under policy p.
func (s *Lookup) judgedAnew(ctx context.Context, r *record, p *policy.Policy, of map[string]bool,
	src *sources) (*record, error) {
	if !slices.ContainsFunc(r.held, func(h held) bool { return of[h.issuer] }) {
		return r, nil
	}
	other := *r
	other.held = slices.Clone(r.held)
	for i, h := range r.held {
		if !of[h.issuer] {
			continue
		}
		var data []byte
		err := s.core.site.QueryRow(ctx, `SELECT data FROM badge_data WHERE site = $1 AND id = $2`, r.Badges[i].ID).
			Scan(&data)
		if errors.Is(err, sql.ErrNoRows) { // skip a badge that another request has removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		other.held[i] = verify(data, p, src, s.core.now()).held
	}
	return &other, nil
}

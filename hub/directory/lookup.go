package directory

import (
	"context"
	"slices"
	"strings"

	"portillon/hub/actor"
	"portillon/policy"
)

// The methods below are for the hub itself, which asks on nobody's behalf.

// Names are the names of members. One who was erased has none.
func (s *Service) Names(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
	x, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	out := map[policy.MemberID]string{}
	for _, id := range of {
		if e := x.byID[id]; e != nil {
			out[id] = e.Name
		}
	}
	return out, nil
}

// ByAddress are the members whom an e-mail address may sign in: of a member with guardians, the guardians' addresses
// only.
func (s *Service) ByAddress(ctx context.Context, address string) (out []Member, err error) {
	x, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	is := func(other string) bool { return strings.EqualFold(other, address) }
	for _, e := range x.entries {
		addresses := e.Emails
		if len(e.Guardians) > 0 {
			addresses = e.Guardians
		}
		if !e.Blocked && !e.Gone && slices.ContainsFunc(addresses, is) {
			out = append(out, Member{ID: e.ID, Name: e.Name, Language: e.Language})
		}
	}
	return out, nil
}

// Roles are the roles at machines that follow from a member's badges: mentor and maintainer. A badge of another issuer
// that counts as one of the site's gives no role at the hub.
func (s *Service) Roles(ctx context.Context, id policy.MemberID) (map[policy.MachineID]actor.Role, error) {
	p, err := s.o.Policy(ctx)
	if err != nil || p == nil {
		return nil, err
	}
	x, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	e := x.byID[id]
	if e == nil || e.Gone {
		return nil, nil
	}
	m := *e.as(p)
	m.Holdings = slices.DeleteFunc(slices.Clone(m.Holdings), func(h policy.Holding) bool { return h.Other != nil })
	out := map[policy.MachineID]actor.Role{}
	for i := range p.Machines {
		machine := p.Machines[i].ID
		for _, r := range p.Rights(machine, []*policy.Member{&m}, s.o.Now())[0] {
			switch {
			case r.Role == policy.Maintainer && !r.Supervised:
				out[machine] = actor.Maintainer
			case r.Role == policy.Mentor && !r.Supervised && out[machine] == "":
				out[machine] = actor.Mentor
			}
		}
	}
	return out, nil
}

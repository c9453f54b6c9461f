package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
	"portillon/policy/analysis"
)

// Lookup answers questions of the hub itself: its methods accept no actor and check no rights.
type Lookup struct {
	core      *core
	documents *documents
	practice  *practiceSource
}

// Names returns the names of some members, by id, for reports. An erased member has no name.
func (s *Lookup) Names(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
	x, err := s.core.index.current(ctx)
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

// ByAddress returns the members who may sign in with an e-mail address. For a member with guardians, only the
// guardians' addresses are valid. Blocked members are left out; members whose membership has ended may still read their
// own record.
func (s *Lookup) ByAddress(ctx context.Context, address string) (out []Member, err error) {
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	is := func(other string) bool { return strings.EqualFold(other, address) }
	for _, e := range x.entries {
		addresses := e.Emails
		if len(e.Guardians) > 0 {
			addresses = e.Guardians
		}
		if !e.Blocked && slices.ContainsFunc(addresses, is) {
			out = append(out, Member{ID: e.ID, Name: e.Name, Language: e.Language})
		}
	}
	return out, nil
}

// Standing is the state of a member as package account needs it. The zero Standing means that there is no such member.
type Standing struct {
	Known   bool // the directory has the member
	Blocked bool
	Lapsed  bool // the membership has ended by the policy in force, or the member is suspended
	// Roles holds the mentor and maintainer roles at machines that follow from badges. A badge of another issuer that
	// counts as one of the site's badges gives no role at the hub.
	Roles map[policy.MachineID]actor.Role
}

// Standing returns the current standing of a member; the zero Standing if the directory has no such member. Roles may
// be a minute old if a badge began or ended in that minute; a change of the directory or of the policy takes effect at
// once.
func (s *Lookup) Standing(ctx context.Context, id policy.MemberID) (Standing, error) {
	p, err := s.core.policy(ctx)
	if err != nil {
		return Standing{}, err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return Standing{}, err
	}
	e, now := x.byID[id], s.core.now()
	if e == nil {
		return Standing{}, nil
	}
	out := Standing{Known: true, Blocked: e.Blocked, Lapsed: e.Gone}
	zone := time.UTC
	var membership policy.Membership
	if p != nil {
		zone, membership = p.Zone, p.Membership
	}
	out.Lapsed = out.Lapsed || membership.On(policy.DateOf(now, zone), e.Until) == policy.HasLapsed
	if p != nil && !out.Blocked && !out.Lapsed {
		out.Roles = e.rolesOf(p, now)
	}
	return out, nil
}

// rolesKept is how long the roles of a member are cached: they also depend on the time.
const rolesKept = time.Minute

// earnedRoles holds a member's roles under a policy, and the time of their calculation.
type earnedRoles struct {
	by    *policy.Policy
	at    time.Time
	roles map[policy.MachineID]actor.Role // never changed
}

// rolesOf returns the roles of a member at the hub that follow from badges. They are cached for rolesKept, because
// every request of a member needs them.
func (e *entry) rolesOf(p *policy.Policy, now time.Time) map[policy.MachineID]actor.Role {
	if was := e.earned.Load(); was != nil && was.by == p && now.Sub(was.at).Abs() < rolesKept {
		return was.roles
	}
	m := *e.as(p)
	// A badge of another issuer that counts as one of the site's gives no role at the hub.
	m.Holdings = slices.DeleteFunc(slices.Clone(m.Holdings), func(h policy.Holding) bool { return h.Other != nil })
	out := map[policy.MachineID]actor.Role{}
	for i := range p.Machines {
		machine := p.Machines[i].ID
		for _, r := range analysis.Rights(p, machine, []*policy.Member{&m}, now)[0] {
			switch {
			case r.Role == policy.Maintainer && !r.Supervised:
				out[machine] = actor.Maintainer
			case r.Role == policy.Mentor && !r.Supervised && out[machine] == "":
				out[machine] = actor.Mentor
			}
		}
	}
	e.earned.Store(&earnedRoles{p, now, out})
	return out
}

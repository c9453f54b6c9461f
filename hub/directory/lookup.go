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

// Lookup answers the hub itself, which asks on nobody's behalf: its methods take no actor and deny nothing.
type Lookup struct {
	core      *core
	documents *documents
	practice  *practiceSource
}

// Names are the names of some members, by id, for reports. A member who was erased has none.
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

// ByAddress are the members whom an e-mail address may sign in. For a member with guardians, those are the guardians'
// addresses only. Blocked members are left out; members whose membership has ended may read their own record.
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

// Standing is a member as accounts know them. The zero Standing is nobody.
type Standing struct {
	Known   bool // the directory has the member
	Blocked bool
	Lapsed  bool // the membership has ended by the policy in force, or the member is suspended
	// Roles are the roles at machines that follow from badges: mentor and maintainer. A badge of another issuer that
	// counts as one of the site's gives no role at the hub.
	Roles map[policy.MachineID]actor.Role
}

// Standing says how a member stands now; the zero Standing where the directory has no such member. Roles may be a
// minute old where a badge began or ended in that minute; a change of the directory or of the policy takes effect at
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

// rolesKept is how long the roles of a member are kept: rights depend on the time too.
const rolesKept = time.Minute

// earnedRoles are a member's roles under a policy from a moment on.
type earnedRoles struct {
	by    *policy.Policy
	at    time.Time
	roles map[policy.MachineID]actor.Role // never changed
}

// rolesOf are the roles of a member at the hub that follow from badges. They are kept for rolesKept, because every
// request of a member asks for them.
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

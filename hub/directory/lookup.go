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

// Lookup returns data of members that the hub's other packages need. The methods of Lookup have no actor and check no
// rights.
type Lookup struct {
	core      *core
	documents *documents
	practice  *practiceSource
}

// Names returns the names of some members by id, for reports. Names leaves out erased members.
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
// guardians' addresses are valid. ByAddress leaves out blocked members. ByAddress includes members whose membership has
// ended, because they may still read their own data.
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

// Standing is the state of a member as package account needs it. The zero Standing means that the member does not
// exist.
type Standing struct {
	Known   bool // true: the directory contains the member
	Blocked bool
	Lapsed  bool // true: the membership has ended under the policy in force, or the member is suspended
	// Roles are the roles of mentor and maintainer at machines that the member has from badges. A badge of another
	// issuer gives no role at the hub, even if the policy accepts it as one of the site's badges.
	Roles map[policy.MachineID]actor.Role
}

// Standing returns the current standing of a member. Standing returns the zero Standing if the directory does not
// contain the member. A change of the directory or of the policy takes effect at once. When a badge begins or ends,
// the roles change within a minute.
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

// rolesKept is the time for which the roles of a member are cached. rolesKept is short because roles also depend on the
// time.
const rolesKept = time.Minute

// earnedRoles caches a member's roles under a policy, with the time of the calculation.
type earnedRoles struct {
	by    *policy.Policy
	at    time.Time
	roles map[policy.MachineID]actor.Role // callers must not modify the map
}

// rolesOf returns the roles at the hub that a member has from badges. rolesOf caches the roles for rolesKept, because
// every request of a member needs them.
func (e *entry) rolesOf(p *policy.Policy, now time.Time) map[policy.MachineID]actor.Role {
	if was := e.earned.Load(); was != nil && was.by == p && now.Sub(was.at).Abs() < rolesKept {
		return was.roles
	}
	m := *e.as(p)
	// Leave out badges of other issuers, which give no role at the hub.
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

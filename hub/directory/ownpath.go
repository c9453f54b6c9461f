package directory

import (
	"context"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
)

// OwnPath lists the roles at one machine that the actor's own member has from badges, and the more powerful roles that
// the member does not have yet.
type OwnPath struct {
	Machine policy.MachineID
	Held    []policy.Role
	Steps   []OwnStep // the roles that the member does not have yet, least powerful first
	Skills  []OwnSkill
}

// OwnStep is a role that the member does not have yet, with everything that is missing.
type OwnStep struct {
	Role       policy.Role
	Supervised bool // the role is permitted only with a mentor
	Missing    []OwnMissing
}

// OwnMissing is one reason why the member does not have a role. The reason not-enough-hours contains the member's
// progress itself.
type OwnMissing struct {
	policy.Reason
	Work *OwnWork // progress towards the missing badge by work; nil: the policy does not award the badge for work
}

// OwnSkill is a skill that mentors confirm at a machine.
type OwnSkill struct {
	Name  policy.Text
	Times int // number of confirmations for the member
}

// OwnWork is a member's progress towards a badge that the policy awards for work on machines.
type OwnWork struct {
	Badge        policy.BadgeID
	Counted      int // interventions that count
	Needed       int
	Days, Spread int // different days of the interventions that count, and the required number; 0: any days
	Complete     bool
	Rejected     []RejectedWork
}

// RejectedWork is an intervention of the member that does not count.
type RejectedWork struct {
	Machine policy.MachineID
	At      time.Time
	What    string // kind of the intervention, from the policy
	Why     []policy.Text
}

// Achieved is what the machines' records say about a member's way to further badges.
type Achieved struct {
	Work   []OwnWork                           // one entry for each badge that the policy awards for work
	Skills map[policy.MachineID]map[string]int // number of confirmations by machine and by the skill's id
}

// LastingReasons returns the reasons that stay until the member gets a badge or uses the machine: the reasons of a
// Path. All other reasons depend on the time of day, on the machine's state, or on the membership, which pages show
// elsewhere.
func LastingReasons() []policy.Code {
	return []policy.Code{policy.NoBadge, policy.BadgeRevoked, policy.BadgeUnverified, policy.BadgeExpired,
		policy.NotEnoughHours, policy.NotRecent}
}

// Path returns, for each machine of the policy in force, the roles that the actor's own member has from badges, and
// what each further role requires. The actor needs actor.ReadOwn.
func (s *Own) Path(ctx context.Context, a actor.Actor) ([]OwnPath, error) {
	p, e, q, _, err := s.question(ctx, a)
	if err != nil || p == nil {
		return nil, err
	}
	var done Achieved
	if s.achieved != nil {
		if done, err = s.achieved(ctx, p, e.ID); err != nil {
			return nil, err
		}
	}
	var out []OwnPath
	for i := range p.Machines {
		m := &p.Machines[i]
		q.Machine = m.ID
		x := pathAt(p, m, q, done.Work)
		for _, k := range m.Vouch {
			x.Skills = append(x.Skills, OwnSkill{Name: k.Name, Times: done.Skills[m.ID][k.ID]})
		}
		out = append(out, x)
	}
	return out, nil
}

// pathAt returns the roles of the member of q at a machine, and what each more powerful role requires.
func pathAt(p *policy.Policy, m *policy.Machine, q policy.Question, work []OwnWork) OwnPath {
	out := OwnPath{Machine: m.ID}
	d := p.Decide(q)
	for _, r := range policy.Roles() {
		step, exists := stepTo(m, d, r)
		switch {
		case !exists:
		case len(step.Missing) == 0:
			out.Held, out.Steps = append(out.Held, r), nil // less powerful roles lead nowhere any more
		default:
			out.Steps = append(out.Steps, step)
		}
	}
	for i := range out.Steps {
		for k := range out.Steps[i].Missing {
			x := &out.Steps[i].Missing[k]
			at := slices.IndexFunc(work, func(w OwnWork) bool { return w.Badge == x.Badge })
			if at >= 0 && x.Code == policy.NoBadge {
				x.Work = &work[at]
			}
		}
	}
	return out
}

// stepTo returns what a member lacks for a role: of the machine's grants of this role, the grant for which the fewest
// things are missing. exists is false if no grant gives the role.
func stepTo(m *policy.Machine, d policy.Decision, r policy.Role) (out OwnStep, exists bool) {
	for i, o := range d.Outcomes {
		if o.Role != r {
			continue
		}
		step := OwnStep{Role: r, Supervised: m.Grants[i].Supervisor != nil}
		for _, reason := range o.Missing() {
			if slices.Contains(LastingReasons(), reason.Code) {
				step.Missing = append(step.Missing, OwnMissing{Reason: reason})
			}
		}
		if !exists || len(step.Missing) < len(out.Missing) {
			out, exists = step, true
		}
	}
	return out, exists
}

package daemon

import (
	"slices"

	"portillon/policy"
)

// decider evaluates the current policy. A decider changes no state.
type decider struct {
	cfg   *Config
	model *model
}

// decide returns the decision of the policy about a member, with an optional supervisor. If the machine has no policy,
// decide returns no basis and the zero Decision, which refuses the member.
func (d *decider) decide(member, supervisor *policy.Member, card policy.CardStrength) (policy.Decision, *policy.Basis) {
	if d.model.rules.roster == nil {
		return policy.Decision{}, nil
	}
	q := d.question(member, supervisor, policy.NoRole)
	q.Card = card
	return d.judge(q)
}

// judge returns the decision of the current policy, and its basis for the record.
func (d *decider) judge(q policy.Question) (policy.Decision, *policy.Basis) {
	members := d.model.rules.roster
	decision := members.Policy.Decide(q)
	b := policy.BasisOf(q, decision)
	b.Policy, b.Bundle = members.PolicyNumber, members.Version
	return decision, &b
}

func (d *decider) question(member, supervisor *policy.Member, as policy.Role) policy.Question {
	s := &d.model.state
	q := policy.Question{
		At: d.cfg.Now(), Machine: d.cfg.Machine, Member: member, Supervisor: supervisor, As: as, Card: s.Cards.Strength,
		Tagged: len(s.Holds.Tags) > 0, Fault: len(s.Holds.Faults) > 0, Answering: d.countSupervised(member, supervisor),
	}
	if d.cfg.Trusted() {
		q.Clock = policy.Trusted
	}
	if d.model.rules.roster != nil {
		q.Issued = d.model.rules.roster.Issued
	}
	if d.cfg.LastTrusted != nil {
		q.LastTrusted = d.cfg.LastTrusted()
	}
	return q
}

// countSupervised returns the number of sessions at this machine for which the supervisor is responsible, not counting
// the member's own session. A machine knows only its own session, so it cannot check the policy's limit "learners:" for
// a mentor who supervises at several machines.
func (d *decider) countSupervised(member, supervisor *policy.Member) int {
	s := &d.model.state
	if supervisor == nil || !s.Running() || s.Current.Supervisor != supervisor.ID ||
		member != nil && s.Current.Member == member.ID {
		return 0
	}
	return 1
}

// mentors returns the names of the members who tapped here today and may supervise a learner, without the member who
// asks.
func (d *decider) mentors(but policy.MemberID) []string {
	var out []string
	for id := range d.model.presence.visitorsToday {
		p, ok := d.model.rules.roster.Person(id)
		if !ok || id == but {
			continue
		}
		q := d.question(d.model.practice.with(p.Member), nil, policy.Mentor)
		q.Tagged, q.Fault, q.Card = false, false, policy.AES
		x := d.model.rules.roster.Policy.Decide(q)
		if x.Verdict == policy.Allow && x.Role == policy.Mentor {
			out = append(out, d.model.rules.name(id))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// explain returns the view that explains a refusal.
func (d *decider) explain(id policy.MemberID, x policy.Decision) policy.Sentence {
	q := d.question(nil, nil, policy.NoRole)
	if p, ok := d.model.rules.roster.Person(id); ok {
		q.Member = p.Member
	}
	return policy.Explain(d.model.rules.roster.Policy, q, x)
}

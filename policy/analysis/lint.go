package analysis

import (
	"fmt"
	"slices"
	"time"

	"portillon/policy"
)

// Warning is a valid rule that probably does not do what its author meant. «policy check» prints warnings and still
// exits with 0.
type Warning struct {
	// the machine of the warning; empty if the warning is about a badge's accepts:
	Machine policy.MachineID `json:"machine"`
	// index among the machine's grants; -1 if the warning is about the whole machine
	Grant int            `json:"grant"`
	Badge policy.BadgeID `json:"badge,omitempty"` // the badge whose accepts: has the entry, otherwise empty
	Entry int            `json:"entry,omitempty"` // index of the entry in the badge's accepts:
	Text  policy.Text    `json:"text"`            // one sentence, in French and in English
}

// Warnings checks a policy for rules that are valid, but useless or dangerous:
//
//   - a grant that nobody can ever meet;
//   - a grant that another grant of the same role covers: every member with the one grant has the other grant, as often
//     and as long;
//   - a grant whose learners can be each other's mentors;
//   - a number of learners, which limits nobody, because a machine has one session at a time;
//   - a machine that lets every member in (mode: warn);
//   - an entry of accepts: that does not do what its text says.
//
// Warnings evaluates every case from the time from on, so it can take seconds. A machine with too many cases returns a
// *Flaw.
func Warnings(p *policy.Policy, from time.Time) ([]Warning, error) {
	out := acceptsWarnings(p)
	for i := range p.Machines {
		m := &p.Machines[i]
		if m.Mode == policy.Warn {
			out = append(out, Warning{Machine: m.ID, Grant: -1, Text: policy.Text{
				FR: "mode: warn laisse entrer tout membre, avec ou sans badge, à toute heure",
				EN: "mode: warn lets every member in, with a badge or without, at any time",
			}})
		}
		// useless contains, for each grant, the reason why the grant has no effect. Each role has separate cases,
		// because a grant can only cover grants of its own role.
		useless := make([]*policy.Text, len(m.Grants))
		for _, r := range policy.Roles() {
			c, err := newComparison(m.ID, r, p, p, from)
			if err != nil {
				return nil, err
			}
			c.findUseless(p, m, useless)
		}
		for g, t := range useless {
			if t != nil {
				out = append(out, Warning{Machine: m.ID, Grant: g, Text: *t})
			}
			for _, t := range grantWarnings(p, &m.Grants[g]) {
				out = append(out, Warning{Machine: m.ID, Grant: g, Text: t})
			}
		}
	}
	return out, nil
}

// grantWarnings returns the warnings that follow from the text of one grant alone, without asking the evaluator.
func grantWarnings(p *policy.Policy, g *policy.Grant) (out []policy.Text) {
	if g.Learners > 0 {
		// The author of «learners:» probably means the learners at several machines, but a machine knows only its own
		// session.
		const fr = "« learners: %d » n’arrête personne : chaque machine compte pour elle-même, " +
			"et n’a qu’une session à la fois"
		const en = "learners: %d stops nobody: each machine counts for itself, and has one session at a time"
		out = append(out, policy.Text{FR: fmt.Sprintf(fr, g.Learners), EN: fmt.Sprintf(en, g.Learners)})
	}
	if canSuperviseEachOther(p, g) {
		out = append(out, policy.Text{
			FR: "qui satisfait cette règle peut aussi y être mentor : deux apprenants pourraient s’encadrer l’un l’autre",
			EN: "whoever meets this grant may also be its mentor: two learners could supervise each other",
		})
	}
	return out
}

// findUseless sets useless[i] for each grant of the comparison's role that nobody can meet or that another grant
// covers.
func (c *comparison) findUseless(p *policy.Policy, m *policy.Machine, useless []*policy.Text) {
	met, uncovered := c.askEveryCase(p, len(m.Grants))
	for i := range m.Grants {
		switch g := &m.Grants[i]; {
		case g.Role != c.role:
		case !met[i] && g.Booked:
			useless[i] = &policy.Text{
				FR: "aucune réservation à venir ne permet de satisfaire cette règle",
				EN: "no future booking lets anybody meet this grant",
			}
		case !met[i]:
			useless[i] = &policy.Text{
				FR: "personne ne peut jamais satisfaire cette règle",
				EN: "nobody can ever meet this grant",
			}
		default:
			useless[i] = coveredBy(m.Grants, i, uncovered)
		}
	}
}

// askEveryCase asks the evaluator about every state in every time slot. The result met[i] is true if at least one case
// meets grant i. The result uncovered[i*n+j] is true if at least one case meets grant i and does not meet grant j (n is
// the number of grants).
func (c *comparison) askEveryCase(p *policy.Policy, n int) (met, uncovered []bool) {
	met, uncovered = make([]bool, n), make([]bool, n*n)
	for s := range c.states() {
		state := c.state(s)
		for _, slot := range c.timeslots {
			d := p.Decide(c.question(state, slot.at, policy.Trusted))
			for i, o := range d.Outcomes {
				if o.Verdict != policy.Allow {
					continue
				}
				met[i] = true
				for j := range d.Outcomes {
					uncovered[i*n+j] = uncovered[i*n+j] || d.Outcomes[j].Verdict != policy.Allow
				}
			}
		}
	}
	return met, uncovered
}

// coveredBy names the first grant that gives everything that grant i gives, or returns nil. If two grants cover each
// other, coveredBy reports only the later grant as covered.
func coveredBy(grants []policy.Grant, i int, uncovered []bool) *policy.Text {
	n := len(grants)
	for j := range grants {
		if i == j || uncovered[i*n+j] || !covers(&grants[j], &grants[i]) {
			continue
		}
		if mutual := !uncovered[j*n+i]; mutual && j > i {
			continue
		}
		return &policy.Text{
			FR: fmt.Sprintf("grants[%d] donne déjà tout ce que cette règle donne", j),
			EN: fmt.Sprintf("grants[%d] gives all that this grant gives", j),
		}
	}
	return nil
}

// implies reports whether every set of badges that meets the need n also meets the need o. The function same answers
// the question for two needs of a single badge each. implies ignores the ages of badges and the opening hours.
func implies(n policy.Need, o policy.Need, same func(n, o policy.BadgeID) bool) bool {
	implied := func(x policy.Need) bool { return implies(n, x, same) }
	implying := func(x policy.Need) bool { return implies(x, o, same) }
	switch {
	case len(o.All) > 0:
		return !slices.ContainsFunc(o.All, func(x policy.Need) bool { return !implied(x) })
	case len(n.Any) > 0:
		return !slices.ContainsFunc(n.Any, func(x policy.Need) bool { return !implying(x) })
	case len(o.Any) > 0 && slices.ContainsFunc(o.Any, implied):
		return true
	case len(n.All) > 0:
		return slices.ContainsFunc(n.All, implying)
	}
	return same(n.Badge, o.Badge)
}

// covers reports whether the grant g, if met, gives at least as much as the grant o: g gives the same role, g needs a
// mentor only if o also needs a mentor, and sessions under g are at least as long and can be extended at least as
// often.
func covers(g *policy.Grant, o *policy.Grant) bool {
	return g.Role == o.Role && (g.Supervisor == nil || o.Supervisor != nil) &&
		!policy.Outlasts(o.Session.Max, g.Session.Max) &&
		!policy.Outlasts(o.Session.Idle, g.Session.Idle) &&
		o.Session.Extend <= g.Session.Extend
}

package analysis

import (
	"fmt"
	"slices"
	"time"

	"portillon/policy"
)

// Warning is a rule that can be kept and that nobody means.
type Warning struct {
	Machine policy.MachineID `json:"machine"`
	Grant   int              `json:"grant"`           // its index; -1: it is about the machine
	Badge   policy.BadgeID   `json:"badge,omitempty"` // where it is about an entry of a badge's accepts, and no machine
	Entry   int              `json:"entry,omitempty"` // its index
	Text    policy.Text      `json:"text"`
}

// Warnings finds grants that nobody can ever meet, grants that another covers (whoever has the one has the other of the
// same role, as often and as long), grants whose learners may answer for each other, numbers of learners, which stop
// nobody, and machines that let everybody in, and entries of accepts: that do not do what they seem to. It looks at all
// cases that follow from; a machine that has too many is a *Flaw.
func Warnings(p *policy.Policy, from time.Time) ([]Warning, error) {
	out := acceptsWarnings(p)
	for i := range p.Machines {
		m := &p.Machines[i]
		if m.Mode == policy.Warn {
			out = append(
				out,
				Warning{
					Machine: m.ID,
					Grant:   -1,
					Text: policy.Text{
						FR: "mode: warn laisse entrer tout membre, avec ou sans badge, à toute heure",
						EN: "mode: warn lets every member in, with a badge or without, at any time",
					},
				},
			)
		}
		of := make([]*policy.Text, len(m.Grants))
		for _, r := range policy.Roles() {
			c, err := newComparison(m.ID, r, p, p, from)
			if err != nil {
				return nil, err
			}
			c.warnings(p, m, of)
		}
		for g, t := range of {
			if t != nil {
				out = append(out, Warning{Machine: m.ID, Grant: g, Text: *t})
			}
			if l := m.Grants[g].Learners; l > 0 {
				// whoever writes it means more than one machine, and no machine knows of another's sessions
				out = append(
					out,
					Warning{
						Machine: m.ID,
						Grant:   g,
						Text: policy.Text{
							FR: fmt.Sprintf(
								"« learners: %d » n’arrête personne : chaque machine compte pour elle-même, et n’a qu’une session à la fois",
								l,
							),
							EN: fmt.Sprintf("learners: %d stops nobody: each machine counts for itself, and has one session at a time", l),
						},
					},
				)
			}
			if canSuperviseEachOther(p, &m.Grants[g]) {
				out = append(
					out,
					Warning{
						Machine: m.ID,
						Grant:   g,
						Text: policy.Text{
							FR: "qui satisfait cette règle peut aussi y être mentor : deux apprenants pourraient s’encadrer l’un l’autre",
							EN: "whoever meets this grant may also be its mentor: two learners could supervise each other",
						},
					},
				)
			}
		}
	}
	return out, nil
}

// warnings notes what is wrong with the grants of one role.
func (c *comparison) warnings(p *policy.Policy, m *policy.Machine, of []*policy.Text) {
	n := len(m.Grants)
	met, uncovered := make([]bool, n), make([]bool, n*n) // uncovered[i*n+j]: i was met once, and j was not
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
	for i := range m.Grants {
		switch g := &m.Grants[i]; {
		case g.Role != c.role:
		case !met[i] && g.Booked:
			of[i] = &policy.Text{
				FR: "aucune réservation à venir ne permet de remplir cette règle",
				EN: "no booking to come lets anybody meet this grant",
			}
		case !met[i]:
			of[i] = &policy.Text{FR: "personne ne peut jamais remplir cette règle", EN: "nobody can ever meet this grant"}
		default:
			for j := range m.Grants {
				if i != j && !uncovered[i*n+j] && covers(&m.Grants[j], g) && (uncovered[j*n+i] || j < i) {
					of[i] = &policy.Text{
						FR: fmt.Sprintf("grants[%d] donne déjà tout ce que cette règle donne", j),
						EN: fmt.Sprintf("grants[%d] gives all that this grant gives", j),
					}
					break
				}
			}
		}
	}
}

// implies reports whether the badges by which n is met meet o as well; same says it of two needs of one badge each.
// Ages and hours are not looked at.
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

// covers reports whether g, where it is met, gives no less than o.
func covers(g *policy.Grant, o *policy.Grant) bool {
	return g.Role == o.Role && (g.Supervisor == nil || o.Supervisor != nil) &&
		!policy.Outlasts(o.Session.Max, g.Session.Max) &&
		!policy.Outlasts(o.Session.Idle, g.Session.Idle) &&
		o.Session.Extend <= g.Session.Extend
}

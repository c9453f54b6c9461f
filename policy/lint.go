package policy

import (
	"fmt"
	"time"
)

// Warning is a rule that can be kept and that nobody means.
type Warning struct {
	Machine MachineID `json:"machine"`
	Grant   int       `json:"grant"` // its index
	Text    Text      `json:"text"`
}

// Warnings finds grants that nobody can ever meet, grants that another covers (whoever has the one has the other of the same role, as
// often and as long), and numbers of learners, which stop nobody. It looks at all cases in the year that follows from; a machine that has too many is an error that names it.
func (p *Policy) Warnings(from time.Time) ([]Warning, error) {
	var out []Warning
	for i := range p.Machines {
		c, err := newComparison(p.Machines[i].ID, p, p, from)
		if err != nil {
			return nil, err
		}
		out = append(out, c.warnings(p, &p.Machines[i])...)
	}
	return out, nil
}

func (c *comparison) warnings(p *Policy, m *Machine) []Warning {
	n := len(m.Grants)
	met, uncovered := make([]bool, n), make([]bool, n*n) // uncovered[i*n+j]: i was met once, and j was not
	for s := range c.states() {
		state := c.state(s)
		for _, slot := range c.slots {
			d := p.Decide(c.question(state, slot.at, Trusted))
			for i, o := range d.Outcomes {
				if o.Verdict != Allow {
					continue
				}
				met[i] = true
				for j := range d.Outcomes {
					uncovered[i*n+j] = uncovered[i*n+j] || d.Outcomes[j].Verdict != Allow
				}
			}
		}
	}
	var out []Warning
	for i := range m.Grants {
		if l := m.Grants[i].Learners; l > 0 { // whoever writes it means more than one machine, and no machine knows of another's sessions
			out = append(out, Warning{m.ID, i, Text{fmt.Sprintf("« learners: %d » n’arrête personne : chaque machine compte pour elle-même, et n’a qu’une session à la fois", l),
				fmt.Sprintf("learners: %d stops nobody: each machine counts for itself, and has one session at a time", l)}})
		}
		if !met[i] {
			out = append(out, Warning{m.ID, i, Text{"personne ne peut jamais remplir cette règle", "nobody can ever meet this grant"}})
			continue
		}
		for j := range m.Grants {
			if i != j && !uncovered[i*n+j] && m.Grants[j].covers(&m.Grants[i]) && (uncovered[j*n+i] || j < i) {
				out = append(out, Warning{m.ID, i, Text{fmt.Sprintf("la règle %d donne déjà tout ce que celle-ci donne", j+1), fmt.Sprintf("grant %d gives all that this one gives", j+1)}})
				break
			}
		}
	}
	return out
}

// covers reports whether g, where it is met, gives no less than o.
func (g *Grant) covers(o *Grant) bool {
	return g.Role == o.Role && (g.Supervisor == nil || o.Supervisor != nil) && !outlasts(o.Session.Max, g.Session.Max) && !outlasts(o.Session.Idle, g.Session.Idle) && o.Session.Extend <= g.Session.Extend
}

package analysis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/policy"
)

// Change is something that members gain or lose by a change of policy, at its least: as it is for whoever holds no
// other badge, in the plainest circumstances (see cases). Whoever has more gains or loses it too, unless another change
// says otherwise.
type Change struct {
	Machine policy.MachineID `json:"machine"`
	Role    policy.Role      `json:"role"`
	Alone   bool             `json:"alone"`  // false: while a supervisor answers
	Gained  bool             `json:"gained"` // false: lost
	// what the member holds, and the circumstances without which it would not be so
	With   []policy.Text `json:"with"`
	When   []string      `json:"when,omitempty"` // at these times; none: at any but Except
	Except []string      `json:"except,omitempty"`
	Clock  string        `json:"clock,omitempty"` // "untrusted": only while the clock is not
	// where the role is neither gained nor lost, but its session changes; When is empty where it does whenever it is had
	Before policy.Limits `json:"before,omitzero"`
	After  policy.Limits `json:"after,omitzero"`
}

// Limited reports whether the change is one of limits alone.
func (c Change) Limited() bool { return c.Before != c.After }

// Compare says who gains and who loses what between two policies of a site, over every combination that either tells
// apart: badges and their ages, practice, supervisors, cards, quotas, bookings, the clock, and every stretch of time
// that follows from. It takes for granted who holds which badge: see CompareMembers, and Uncompared for the rest. The
// error is a *Flaw: a machine has too many combinations.
func Compare(before, after *policy.Policy, from time.Time) ([]Change, error) {
	var out []Change
	for _, id := range machinesOf(before, after) {
		for _, r := range policy.Roles() {
			c, err := newComparison(id, r, before, after, from)
			if err != nil {
				return nil, err
			}
			out = append(out, c.changes()...)
		}
	}
	return out, nil
}

func machinesOf(policies ...*policy.Policy) []policy.MachineID {
	var out []policy.MachineID
	for _, p := range policies {
		for i := range p.Machines {
			if id := p.Machines[i].ID; !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

// comparison is of one role at one machine under two policies: what other grants ask for makes no difference to it.
// NoRole: of all roles.
type comparison struct {
	cases
	before, after *policy.Policy
	timeslots     year
	from          time.Time
	role          policy.Role
}

func newComparison(
	id policy.MachineID,
	r policy.Role,
	before, after *policy.Policy,
	from time.Time,
) (*comparison, error) {
	a, b := onlyRole(before, id, r), onlyRole(after, id, r)
	c := &comparison{
		cases:  casesOf(id, side{before, a}, side{after, b}),
		before: before,
		after:  after,
		from:   from,
		role:   r,
	}
	c.memberships(before, after)
	c.timeslots = timeslotsOf(after.Zone, from, distinctHours(a, b), bookingsOf(a), bookingsOf(b))
	if n := c.states(); n*len(c.timeslots) > maxCases {
		return nil, &Flaw{Machine: id, Text: policy.Text{
			FR: fmt.Sprintf("ses règles distinguent plus de %d cas : trop pour les essayer tous", maxCases),
			EN: fmt.Sprintf("its rules tell apart more than %d cases: too many to try them all", maxCases)}}
	}
	return c, nil
}

// only is the machine with the grants of one role, or all of them. It is nil where the policy has no such machine.
func onlyRole(p *policy.Policy, id policy.MachineID, r policy.Role) *policy.Machine {
	m, ok := p.Machine(id)
	if !ok || r == policy.NoRole {
		return m
	}
	some := *m
	some.Grants = slices.DeleteFunc(slices.Clone(m.Grants), func(g policy.Grant) bool { return g.Role != r })
	return &some
}

// In is the change in a sentence: who gains or loses what, where and when.
func (c Change) In(l policy.Language) string {
	say := func(fr, en string) string { return policy.Text{FR: fr, EN: en}.In(l) }
	var with []string
	for _, w := range c.With {
		with = append(with, w.In(l))
	}
	if with == nil {
		with = []string{say("sans badge", "without a badge")}
	}
	role := c.Role.In(l)
	if !c.Alone {
		role += say(" avec un mentor", " with a mentor")
	}
	out := string(c.Machine) + say(" : ", ": ") + strings.Join(with, ", ") + say(" : ", ": ")
	switch {
	case c.Limited():
		out += role + say(", durée : ", ", session ") + limitsInWords(c.Before, l) + " → " + limitsInWords(c.After, l)
	case c.Gained:
		out += say("obtient le rôle ", "gains ") + role
	default:
		out += say("perd le rôle ", "loses ") + role
	}
	out += WhenInWords(c.When, c.Except, l)
	if c.Clock != "" {
		out += say(", tant que l’heure n’est pas sûre", ", while the clock is not trusted")
	}
	return out
}

// mostSpans bounds a sentence; all of them stand in the JSON.
const mostSpans = 8

// WhenInWords goes behind what happens at those times: nothing where it is at any.
func WhenInWords(when, except []string, l policy.Language) string {
	list := func(all []string) string {
		if len(all) <= mostSpans {
			return timesIn(strings.Join(all, "; "), l)
		}
		return timesIn(strings.Join(all[:mostSpans], "; "), l) +
			fmt.Sprintf(policy.Text{FR: "; et %d autres fois", EN: "; and %d more times"}.In(l), len(all)-mostSpans)
	}
	switch {
	case len(except) > 0:
		return policy.Text{FR: ", sauf ", EN: ", except "}.In(l) + list(except)
	case len(when) > 0:
		return ", " + list(when)
	}
	return ""
}

// limitsInWords is what is bounded; in English in the words of the policy file.
func limitsInWords(x policy.Limits, l policy.Language) string {
	var out []string
	for _, y := range []struct {
		key policy.Text
		d   time.Duration
	}{{policy.Text{FR: "au plus", EN: "max"}, x.Max},
		{policy.Text{FR: "inactivité", EN: "idle"}, x.Idle},
		{policy.Text{FR: "avertissement", EN: "warn"}, x.Warn},
		{policy.Text{FR: "prolongation", EN: "extend"}, x.Extend}} {
		if y.d > 0 {
			out = append(out, y.key.In(l)+" "+policy.FormatDuration(y.d))
		}
	}
	if len(out) == 0 {
		return policy.Text{FR: "sans limite", EN: "without a limit"}.In(l)
	}
	return strings.Join(out, ", ")
}

// frenchTimes are the days of times such as "Mo-Fr 09:00-21:00", which have no other letters.
var frenchTimes = [...]string{"Mo", "lun.", "Tu", "mar.", "We", "mer.", "Th", "jeu.", "Fr", "ven.", "Sa", "sam.",
	"Su", "dim."}

// timesIn are times in a sentence: in French with French days, in English as the policy file has them.
func timesIn(times string, l policy.Language) string {
	return policy.Text{FR: strings.NewReplacer(frenchTimes[:]...).Replace(times), EN: times}.In(l)
}

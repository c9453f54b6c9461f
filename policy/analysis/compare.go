package analysis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/policy"
)

// Change is a right or a limit that members gain or lose by a change of policy, described for the member with the
// fewest badges in the most ordinary circumstances (see cases). A member with more badges gains or loses the same
// right, unless another Change describes the case of that member.
type Change struct {
	Machine policy.MachineID `json:"machine"`
	Role    policy.Role      `json:"role"`
	Alone   bool             `json:"alone"`  // true if the role needs no mentor
	Gained  bool             `json:"gained"` // true if members gain the right, false if they lose it
	// With lists the badges and circumstances that the change depends on, as phrases.
	With []policy.Text `json:"with"`
	// the times of the change; if empty, the change applies at all times except those in Except
	When   []string `json:"when,omitempty"`
	Except []string `json:"except,omitempty"`
	Clock  string   `json:"clock,omitempty"` // "untrusted" if the change applies only while the clock is not trusted
	// Before and After are set if members keep the role and the limits of their session change. When is empty if the
	// limits change at all times at which members have the role.
	Before policy.Limits `json:"before,omitzero"`
	After  policy.Limits `json:"after,omitzero"`
}

// Limited reports whether only the limits of a session change.
func (c Change) Limited() bool { return c.Before != c.After }

// Compare lists what members gain and lose when a site's policy changes. Compare evaluates both policies for every
// combination that either policy distinguishes: badges and their ages, practice, mentors, cards, quotas, bookings, the
// clock, and every time slot from the time from on. Compare assumes that members hold the same badges under both
// policies. CompareMembers and Uncompared cover the other differences. The error is a *Flaw if a machine has too many
// combinations.
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

// machinesOf returns the machines of all policies, each once, in the order of the policies.
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

// comparison compares one role at one machine under two policies. The grants of other roles are left out, because they
// do not affect this role. NoRole means all roles.
type comparison struct {
	cases
	before, after *policy.Policy
	timeslots     year
	from          time.Time
	role          policy.Role
}

// newComparison builds the cases and the time slots that a comparison evaluates. The error is a *Flaw if there are more
// than maxCases cases.
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
			EN: fmt.Sprintf("its rules distinguish more than %d cases: too many to try all of them", maxCases)}}
	}
	return c, nil
}

// onlyRole returns the machine with only the grants of one role, or with all grants for NoRole. onlyRole returns nil if
// the policy has no such machine.
func onlyRole(p *policy.Policy, id policy.MachineID, r policy.Role) *policy.Machine {
	m, ok := p.Machine(id)
	if !ok || r == policy.NoRole {
		return m
	}
	some := *m
	some.Grants = slices.DeleteFunc(slices.Clone(m.Grants), func(g policy.Grant) bool { return g.Role != r })
	return &some
}

// In returns the change as a sentence: who gains or loses which right, where and when.
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
		out += say(", tant que l’horloge n’est pas réglée", ", while the clock is not trusted")
	}
	return out
}

// mostSpans is the largest number of times in one sentence. The JSON output has all times.
const mostSpans = 8

// WhenInWords returns the end of a sentence that names the times at which the sentence is true, with a leading comma.
// WhenInWords returns "" if the sentence is true at all times.
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

// limitsInWords lists the limits of a session that are set. The English words are the keys of the policy file.
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

// frenchTimes maps the weekdays in times such as "Mo-Fr 09:00-21:00" to French. A text of this form contains no letters
// except those of weekdays.
var frenchTimes = [...]string{"Mo", "lun.", "Tu", "mar.", "We", "mer.", "Th", "jeu.", "Fr", "ven.", "Sa", "sam.",
	"Su", "dim."}

// timesIn translates times. The French text has French weekdays, and the English text has the form of the policy file.
func timesIn(times string, l policy.Language) string {
	return policy.Text{FR: strings.NewReplacer(frenchTimes[:]...).Replace(times), EN: times}.In(l)
}

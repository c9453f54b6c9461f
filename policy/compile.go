package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// machine is a Machine, compiled for the evaluator.
type machine struct {
	*Machine
	grants []grant // compiled Machine.Grants, in the same order
	leaves []*Need // every need of a single badge (a leaf); need.leaf is the leaf's index in this list plus 1
	with   []*need // the leaves that no grant names, but that a «with:» of an accepted badge requires
}

type grant struct {
	*Grant
	needs      need
	supervisor need // the compiled Supervisor, if it is set
}

// need is a compiled Need: a leaf (one badge), all, or any.
type need struct {
	leaf     uint16
	ask      *Need // the Need of a leaf
	all, any []need
	accepts  []accepting // the badges that the badge of a leaf accepts in this grant
}

// MaxNeeds limits the badges that the grants of one machine name, including repetitions. maxDepth limits the nesting of
// needs.
const (
	MaxNeeds   = 4096
	MaxNesting = 8
)

// New checks a model and compiles it. The error joins all faults of the model. The caller must not change the model
// afterwards.
func New(m Model) (*Policy, error) {
	p := &Policy{
		Model:        m,
		machines:     map[MachineID]*machine{},
		badges:       map[BadgeID]*Badge{},
		achievements: map[achievement]BadgeID{},
	}
	if p.Zone == nil {
		p.Zone = time.UTC
	}
	if p.StatusGrace == 0 {
		p.StatusGrace = DefaultStatusGrace
	}
	c := checker{p: p}
	c.all()
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	p.compileMatches()
	for set := range p.roleSets {
		for _, r := range Roles() {
			if set&(1<<r) != 0 {
				p.roleSets[set] = append(p.roleSets[set], r)
			}
		}
		p.roleSets[set] = slices.Clip(p.roleSets[set])
	}
	return p, nil
}

type checker struct {
	p    *Policy
	errs []error
}

func (c *checker) bad(ok bool, format string, a ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf("policy: "+format, a...))
	}
}

func (c *checker) all() {
	c.bad(c.p.Site != "", "no site")
	c.bad(c.p.StatusGrace > 0, "status-grace %v is negative", c.p.StatusGrace)
	for _, d := range []time.Duration{c.p.Membership.Grace, c.p.Membership.Warn} {
		c.bad(d >= 0 && d%(24*time.Hour) == 0, "membership: %v is no number of whole days", d)
	}
	issuers := c.issuers()
	c.badges(issuers)
	c.accepts(issuers)
	for i := range c.p.Machines {
		c.machine(&c.p.Machines[i])
	}
	for _, id := range slices.Sorted(maps.Keys(c.p.Evidence)) {
		r := c.p.Evidence[id]
		c.bad(c.p.badges[id] != nil, "evidence for the badge %q, which is not listed", id)
		c.bad(
			r.EndorsedBy == "" || c.p.badges[r.EndorsedBy] != nil,
			"evidence for %q: endorsed-by %q, which is not listed",
			id,
			r.EndorsedBy,
		)
		c.bad(r.Interventions > 0 && len(r.Kinds) > 0, "evidence for %q: no interventions or no kinds", id)
		c.bad(
			r.Spread >= 0 && r.Spread <= r.Interventions,
			"evidence for %q: %d days for %d interventions",
			id,
			r.Spread,
			r.Interventions,
		)
		c.bad(
			r.Endorsed <= AtTheTime && (r.Endorsed == ByTap || r.EndorsedBy != ""),
			"evidence for %q: endorsed by nobody",
			id,
		)
	}
}

func (c *checker) issuers() map[IssuerID]bool {
	seen := map[IssuerID]bool{}
	for _, x := range c.p.Issuers {
		c.bad(x.ID != "" && !seen[x.ID], "issuer %q stands twice or has no id", x.ID)
		c.bad(x.Profile != "" && len(x.Keys) > 0, "issuer %q has no profile or no keys", x.ID)
		seen[x.ID] = true
	}
	for _, x := range c.p.Issuers {
		for _, id := range x.StatusIssuers {
			c.bad(seen[id] && id != x.ID, "issuer %q: status-issuers name %q, which is not listed or itself", x.ID, id)
		}
	}
	return seen
}

func (c *checker) badges(issuers map[IssuerID]bool) {
	for i := range c.p.Badges {
		b := &c.p.Badges[i]
		known := issuers[b.Issuer]
		c.bad(b.ID != "" && c.p.badges[b.ID] == nil, "badge %q stands twice or has no id", b.ID)
		c.bad(b.Name != Text{}, "badge %q has no name", b.ID)
		c.bad(known, "badge %q: issuer %q is not listed", b.ID, b.Issuer)
		key := achievement{b.Issuer, path(b.Achievement)}
		twin, twice := c.p.achievements[key]
		c.bad(!twice, "badges %q and %q have the same achievement", twin, b.ID)
		c.bad(key.url != "", "badge %q has no achievement", b.ID)
		c.p.badges[b.ID], c.p.achievements[key] = b, b.ID
	}
}

func (c *checker) machine(m *Machine) {
	c.bad(m.ID != "" && c.p.machines[m.ID] == nil, "machine %q stands twice or has no id", m.ID)
	c.bad(len(m.Grants) > 0, "machine %q has no grants", m.ID)
	c.bad(m.WhenIdle <= FinishJob && m.Mode <= Warn, "machine %q: unknown when-idle or mode", m.ID)
	c.bad(m.Cooldown >= 0, "machine %q: cooldown %v is negative", m.ID, m.Cooldown)
	c.bad(
		m.Card <= AES && m.Pass <= PassHours|PassAges|PassEnds && m.Fresh >= 0,
		"machine %q: unknown card, clock or bundle",
		m.ID,
	)
	c.bookings(m)
	for _, u := range m.Maintenance {
		c.bad(
			u.Kind != "" && u.Hours >= 0 && u.Every >= 0 && u.Hours+u.Every > 0,
			"machine %q: maintenance %q comes due by nothing",
			m.ID,
			u.Kind,
		)
	}
	out := &machine{Machine: m}
	for i := range m.Grants {
		where := fmt.Sprintf("machine %q, grant %d", m.ID, i)
		out.grants = append(out.grants, c.grant(out, where, &m.Grants[i]))
	}
	c.bad(len(out.leaves) <= MaxNeeds, "machine %q: more than %d needs", m.ID, MaxNeeds)
	c.p.machines[m.ID] = out
}

// grant checks and compiles a grant of the machine. The text where is the grant's position in the policy, for errors.
func (c *checker) grant(m *machine, where string, g *Grant) grant {
	l := g.Session
	c.bad(g.Role > NoRole && g.Role <= Maintainer, "%s: no role", where)
	c.bad(g.Role != Learner || g.Supervisor != nil, "%s: a learner needs a supervisor", where)
	c.bad(l.Max >= 0 && l.Idle >= 0 && l.Warn >= 0 && l.Extend >= 0, "%s: a limit is negative", where)
	q := g.Quota
	c.bad(q.Day >= 0 && q.Week >= 0 && q.Sessions >= 0 && g.Learners >= 0, "%s: a quota is negative", where)
	out := grant{Grant: g, needs: c.need(m, where, &g.Needs, g.Role, 1)}
	if g.Supervisor != nil {
		out.supervisor = c.need(m, where+", supervisor", g.Supervisor, Mentor, 1)
	}
	return out
}

func (c *checker) bookings(m *Machine) {
	for i, b := range m.Bookings {
		c.bad(b.For != "" && b.From.Before(b.To), "machine %q: booking %d is nobody's, or ends before it begins", m.ID, i)
		c.bad(i == 0 || !b.From.Before(m.Bookings[i-1].To), "machine %q: booking %d begins before another has ended", m.ID, i)
	}
}

// need compiles n for m, for a grant of the role as. For the badges that a grant requires of a supervisor, the caller
// passes the role mentor.
func (c *checker) need(m *machine, where string, n *Need, as Role, depth int) need {
	if depth > MaxNesting {
		c.bad(false, "%s: needs are nested more than %d deep", where, MaxNesting)
		return need{}
	}
	if n.Badge != "" {
		c.bad(c.p.badges[n.Badge] != nil, "%s: badge %q is not listed", where, n.Badge)
		c.bad(len(n.All)+len(n.Any) == 0, "%s: a need is a badge, all or any", where)
		c.bad(n.Within >= 0 && n.UsedWithin >= 0 && n.Hours >= 0, "%s: badge %q: a time is negative", where, n.Badge)
		m.leaves = append(m.leaves, n)
		leaf := uint16(len(m.leaves)) // no overflow, because New refuses more than MaxNeeds
		return need{leaf: leaf, ask: n, accepts: c.accepting(m, n, as)}
	}
	c.bad((len(n.All) > 0) != (len(n.Any) > 0), "%s: a need is a badge, all or any", where)
	c.bad(n.Within == 0 && n.UsedWithin == 0 && n.Hours == 0, "%s: within, used-within and hours belong to a badge", where)
	out := need{}
	for i := range n.All {
		out.all = append(out.all, c.need(m, where, &n.All[i], as, depth+1))
	}
	for i := range n.Any {
		out.any = append(out.any, c.need(m, where, &n.Any[i], as, depth+1))
	}
	return out
}

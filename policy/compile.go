package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// machine is a Machine with what a decision wants to know at once.
type machine struct {
	*Machine
	reasons int // no question gets more reasons than this
}

// maxNesting bounds needs within needs.
const maxNesting = 8

// New checks a model and compiles it. The error joins all that is wrong. The model is taken over: do not change it after.
func New(m Model) (*Policy, error) {
	p := &Policy{Model: m, machines: map[MachineID]*machine{}, badges: map[BadgeID]*Badge{}, achievements: map[achievement]BadgeID{}}
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
	c.badges(c.issuers())
	for i := range c.p.Machines {
		c.machine(&c.p.Machines[i])
	}
	for _, id := range slices.Sorted(maps.Keys(c.p.Evidence)) {
		r := c.p.Evidence[id]
		c.bad(c.p.badges[id] != nil, "evidence for the badge %q, which is not listed", id)
		c.bad(r.EndorsedBy == "" || c.p.badges[r.EndorsedBy] != nil, "evidence for %q: endorsed-by %q, which is not listed", id, r.EndorsedBy)
		c.bad(r.Interventions > 0 && len(r.Kinds) > 0, "evidence for %q: no interventions or no kinds", id)
	}
}

func (c *checker) issuers() map[IssuerID]bool {
	seen := map[IssuerID]bool{}
	for _, x := range c.p.Issuers {
		c.bad(x.ID != "" && !seen[x.ID], "issuer %q stands twice or has no id", x.ID)
		c.bad(x.Profile != "" && len(x.Keys) > 0, "issuer %q has no profile or no keys", x.ID)
		seen[x.ID] = true
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
	out := &machine{Machine: m}
	for i, g := range m.Grants {
		where := fmt.Sprintf("machine %q, grant %d", m.ID, i)
		c.bad(g.Role > NoRole && g.Role <= Maintainer, "%s: no role", where)
		c.bad(g.Role != Learner || g.Supervisor != nil, "%s: a learner needs a supervisor", where)
		c.bad(g.Session.Max >= 0 && g.Session.Idle >= 0 && g.Session.Warn >= 0, "%s: a limit is negative", where)
		out.reasons += general + c.need(where, g.Needs, 1)
		if g.Supervisor != nil {
			c.need(where+", supervisor", *g.Supervisor, 1)
		}
	}
	c.p.machines[m.ID] = out
}

// need returns how many reasons n can give at most.
func (c *checker) need(where string, n Need, depth int) int {
	sum := perBadge
	switch {
	case depth > maxNesting:
		c.bad(false, "%s: needs are nested more than %d deep", where, maxNesting)
		return 0
	case n.Badge != "":
		c.bad(c.p.badges[n.Badge] != nil, "%s: badge %q is not listed", where, n.Badge)
		c.bad(len(n.All)+len(n.Any) == 0, "%s: a need is a badge, all or any", where)
		c.bad(n.Within >= 0 && n.UsedWithin >= 0 && n.Hours >= 0, "%s: badge %q: a time is negative", where, n.Badge)
	default:
		sum = 0
		c.bad((len(n.All) > 0) != (len(n.Any) > 0), "%s: a need is a badge, all or any", where)
		c.bad(n.Within == 0 && n.UsedWithin == 0 && n.Hours == 0, "%s: within, used-within and hours belong to a badge", where)
	}
	for _, list := range [2][]Need{n.All, n.Any} {
		for _, x := range list {
			sum += c.need(where, x, depth+1)
		}
	}
	return sum
}

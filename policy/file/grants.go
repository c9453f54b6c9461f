package file

import (
	"fmt"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

func (r *reader) machines(n yamlfile.Node) {
	for _, e := range n.Pairs() {
		only(e.Value, "name", "grants", "when-idle", "cooldown", "mode")
		m := policy.Machine{ID: policy.MachineID(r.machineIDs.add(e)), Name: words(e.Value.Get("name").Required()),
			Cooldown: e.Value.Get("cooldown").Duration()}
		if e.Value.Get("when-idle").OneOf("off", "finish-job") == "finish-job" {
			m.WhenIdle = policy.FinishJob
		}
		if e.Value.Get("mode").OneOf("enforce", "warn") == "warn" {
			m.Mode = policy.Warn
		}
		grants := e.Value.Get("grants").Required()
		r.named = 0
		for _, g := range grants.List() {
			m.Grants = append(m.Grants, r.grant(g))
		}
		if grants.IsList() && len(m.Grants) == 0 {
			grants.Fault("as - { role: user, needs: BADGE }", "no grant: nobody could use the machine")
		}
		if r.named > policy.MaxNeeds {
			grants.Fault(fmt.Sprintf("at most %d", policy.MaxNeeds), "%d needs stand here", r.named)
		}
		r.m.Machines = append(r.m.Machines, m)
	}
}

func (r *reader) grant(n yamlfile.Node) policy.Grant {
	bare(n)
	only(n, "role", "needs", "supervisor", "hours", "session")
	g := policy.Grant{Session: session(n.Get("session")), Hours: hours(n.Get("hours"))}
	role := n.Get("role").Required()
	if role.Present() {
		g.Role, _ = policy.ParseRole(role.OneOf(r.roles...)) // OneOf reports what is no role
	}
	g.Needs = r.need(n.Get("needs").Required(), 1)
	if s := n.Get("supervisor"); s.Present() {
		need := r.need(s, 1)
		g.Supervisor = &need
	} else if g.Role == policy.Learner {
		n.Fault("add supervisor: BADGE, what the mentor holds; or role: user", "a learner needs a supervisor")
	}
	return g
}

func session(n yamlfile.Node) policy.Limits {
	only(n, "max", "idle", "warn")
	l := policy.Limits{Max: positive(n.Get("max")), Idle: positive(n.Get("idle")), Warn: positive(n.Get("warn"))}
	if w := n.Get("warn"); l.Warn > 0 && l.Max > 0 && l.Warn >= l.Max {
		w.Fault("a warning comes before the end", "%q is not shorter than max", w.Str())
	}
	return l
}

func hours(n yamlfile.Node) *policy.Hours {
	if !n.Present() {
		return nil
	}
	h, err := policy.ParseHours(n.Str(), nil)
	if err != nil {
		if n.IsScalar() { // Str has reported anything else
			n.Fault(`as "Mo-Fr 09:00-21:00; Sa 10:00-18:00"`, "%v", err)
		}
		return new(policy.Hours)
	}
	return h
}

// need reads a badge, all: […] or any: […].
func (r *reader) need(n yamlfile.Node, depth int) policy.Need {
	r.named++
	switch {
	case depth > policy.MaxNesting:
		n.Fault("write it flatter", "needs are nested more than %d deep", policy.MaxNesting)
	case n.IsScalar():
		return policy.Need{Badge: policy.BadgeID(r.badgeIDs.ref(n, "badge"))}
	case n.IsList():
		n.Fault("all: […] or any: […]", "a list alone does not say whether all are needed or any")
	case n.IsMap() && n.Get("all").Present() || n.Get("any").Present():
		return r.several(n, depth)
	case n.IsMap():
		return r.badgeNeed(n)
	default:
		bare(n)
	}
	return policy.Need{}
}

func (r *reader) several(n yamlfile.Node, depth int) policy.Need {
	only(n, "all", "any")
	all, either := n.Get("all"), n.Get("any")
	if all.Present() && either.Present() {
		n.Fault("nest one in the other: all: [A, { any: [B, C] }]", "all and any stand side by side")
	}
	return policy.Need{All: r.needs(all, depth), Any: r.needs(either, depth)}
}

func (r *reader) needs(n yamlfile.Node, depth int) []policy.Need {
	var out []policy.Need
	for _, x := range n.List() {
		out = append(out, r.need(x, depth+1))
	}
	if n.IsList() && len(out) == 0 {
		n.Fault("name at least one badge", "an empty list")
	}
	return out
}

func (r *reader) badgeNeed(n yamlfile.Node) policy.Need {
	only(n, "badge", "within", "used-within", "hours", "assurance")
	if a := n.Get("assurance"); a.Present() {
		a.Fault("remove it: this version counts only badges whose signature it has verified itself", "assurance cannot be judged by this version")
	}
	return policy.Need{
		Badge:      policy.BadgeID(r.badgeIDs.ref(n.Get("badge").Required(), "badge")),
		Within:     positive(n.Get("within")),
		UsedWithin: positive(n.Get("used-within")),
		Hours:      time.Duration(n.Get("hours").Int(1, 10000)) * time.Hour,
	}
}

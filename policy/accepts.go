package policy

import (
	"slices"
)

// OtherBadge names a badge of another issuer that a badge of this policy may accept.
type OtherBadge struct {
	Issuer IssuerID `json:"issuer"`
	// the URL of the badge at its issuer; Portillon compares it without query and fragment
	Achievement string `json:"achievement"`
}

// Same reports whether o and x name the same badge.
func (o OtherBadge) Same(x OtherBadge) bool {
	return o.Issuer == x.Issuer && path(o.Achievement) == path(x.Achievement)
}

// Accept is an entry in the list accepts: of a badge in the policy file. Accept names a badge of another issuer that a
// member may hold instead of this badge. Entries are not transitive: Portillon ignores badges that the other issuer
// accepts, and the member must hold the badge in With itself, not a badge that With accepts.
type Accept struct {
	OtherBadge
	With BadgeID // a badge of this policy that the member must hold as well; empty if no other badge is needed
	// Roles lists the roles: the accepted badge can meet only needs in grants of these roles. With the role Mentor in
	// the list, the accepted badge can also meet the needs of a session's supervisor. If Roles is empty, the entry
	// applies to the roles learner, user and host.
	Roles []Role
}

// For reports whether the entry applies to grants of the role r. An entry for Mentor also applies to the badges that a
// grant requires of a supervisor.
func (a *Accept) For(r Role) bool {
	if len(a.Roles) == 0 {
		return r >= Learner && r <= Host
	}
	return slices.Contains(a.Roles, r)
}

// Match is a badge of the policy that a credential satisfies, directly or because the policy accepts the credential.
type Match struct {
	Badge BadgeID
	Other *OtherBadge // the held badge that Badge accepts; nil if Badge itself is held
}

// Matches returns the policy's badges that a credential with this issuer and achievement.id satisfies: the badge with
// that id, and each badge whose accepts: names the credential's badge. Matches ignores the query and the fragment of
// the achievement's URL. Only Decide judges whether an accepted badge meets the need of a grant.
func (p *Policy) Matches(issuer IssuerID, url string) []Match {
	return p.matches[achievement{issuer, path(url)}]
}

// MatchesOf returns the same as Matches, for a badge in the form of an OtherBadge.
func (p *Policy) MatchesOf(o OtherBadge) []Match { return p.Matches(o.Issuer, o.Achievement) }

// compileMatches fills the table that Matches reads.
func (p *Policy) compileMatches() {
	p.matches = map[achievement][]Match{}
	for i := range p.Badges {
		b := &p.Badges[i]
		key := achievement{b.Issuer, path(b.Achievement)}
		p.matches[key] = append(p.matches[key], Match{Badge: b.ID})
	}
	for i := range p.Badges {
		b := &p.Badges[i]
		for k := range b.Accepts {
			o := &b.Accepts[k].OtherBadge
			key := achievement{o.Issuer, path(o.Achievement)}
			if !slices.ContainsFunc(p.matches[key], func(m Match) bool { return m.Badge == b.ID }) {
				// Several entries may name the same badge with different roles.
				p.matches[key] = append(p.matches[key], Match{b.ID, o})
			}
		}
	}
}

// Accepted is a badge of another issuer that contributed to a decision.
type Accepted struct {
	Badge BadgeID `json:"badge"` // the badge that the grant requires
	OtherBadge
	With BadgeID `json:"with,omitempty"` // the further badge that the entry requires
}

// accepting is an Accept, compiled for the needs of one role.
type accepting struct {
	entry *Accept
	path  string // the achievement's URL without query and fragment
	with  *need  // nil if no other badge is needed
}

// accepts checks the entries of all badges. The caller must have collected the ids of all badges.
func (c *checker) accepts(issuers map[IssuerID]bool) {
	for i := range c.p.Badges {
		b := &c.p.Badges[i]
		for k := range b.Accepts {
			a := &b.Accepts[k]
			c.bad(issuers[a.Issuer], "badge %q accepts a badge of the issuer %q, who is not listed", b.ID, a.Issuer)
			c.bad(path(a.Achievement) != "", "badge %q accepts a badge without an achievement", b.ID)
			c.bad(!a.Same(OtherBadge{b.Issuer, b.Achievement}), "badge %q accepts itself", b.ID)
			c.bad(a.With == "" || c.p.badges[a.With] != nil, "badge %q: accepts: with %q, which is not listed", b.ID, a.With)
			c.bad(a.With != b.ID || a.With == "", "badge %q: accepts: with the badge itself", b.ID)
			for _, r := range a.Roles {
				c.bad(r > NoRole && r <= Maintainer, "badge %q: accepts: no role", b.ID)
			}
			for m := range k {
				c.bad(
					!overlap(a, &b.Accepts[m]),
					"badge %q accepts the badge %q of %q twice for one role",
					b.ID,
					a.Achievement,
					a.Issuer,
				)
			}
		}
	}
}

// overlap reports whether two entries contradict each other about one badge in one role.
func overlap(a, b *Accept) bool {
	return a.Same(b.OtherBadge) && slices.ContainsFunc(Roles(), func(r Role) bool { return a.For(r) && b.For(r) })
}

// accepting compiles the entries under accepts: of the need's badge, for a grant of the role.
func (c *checker) accepting(m *machine, n *Need, as Role) (out []accepting) {
	b := c.p.badges[n.Badge]
	if b == nil {
		return nil
	}
	for i := range b.Accepts {
		if a := &b.Accepts[i]; a.For(as) {
			out = append(out, accepting{a, path(a.Achievement), m.besides(a.With, n.Assurance)})
		}
	}
	return out
}

// besides returns the need for the badge in With of an entry. The badge in With must have at least the assurance that
// is required of the accepted badge. No accepted badge meets this need. The machine stores such a need only once, also
// if several entries share it.
func (m *machine) besides(with BadgeID, least Assurance) *need {
	if with == "" {
		return nil
	}
	for _, w := range m.with {
		if w.ask.Badge == with && w.ask.Assurance == least {
			return w
		}
	}
	ask := &Need{Badge: with, Assurance: least}
	m.leaves = append(m.leaves, ask)
	w := &need{leaf: uint16(len(m.leaves)), ask: ask}
	m.with = append(m.with, w)
	return w
}

// accepting returns the entry by which another issuer's badge meets the need, or nil.
func (n *need) accepting(o *OtherBadge) *accepting {
	for i := range n.accepts {
		if a := &n.accepts[i]; a.entry.Issuer == o.Issuer && a.path == path(o.Achievement) {
			return a
		}
	}
	return nil
}

// accepted judges another issuer's badge h for the need n. The caller has judged h by its dates and status, and passes
// the result as l. The result known is false if the need's badge does not accept h in this role. If the member lacks
// only the badge in With, the finding out names the badge in With.
func (j *evaluator) accepted(l finding, n *need, h *Holding, who *person) (out finding, known bool) {
	a := n.accepting(h.Other)
	if a == nil {
		return l, false
	}
	if l.code != counts || a.with == nil {
		return l, true
	}
	if at, why := j.best(a.with, who); at < 0 {
		if why.code == noBadge {
			why.kind = Besides
		}
		return why, true
	}
	return l, true
}

// acceptedFor appends the badges of other issuers that meet a need. If the member also holds a badge of the site that
// meets the need, acceptedFor appends nothing.
func (j *evaluator) acceptedFor(out []Accepted, n *need) []Accepted {
	switch {
	case n.leaf > 0:
		own := *n
		if own.accepts = nil; j.meets(&own, &j.member) {
			return out
		}
		if at, _ := j.best(n, &j.member); at >= 0 && j.member.all[at].Other != nil {
			out = j.acceptedBy(out, n, j.member.all[at].Other)
		}
	case len(n.all) > 0:
		for i := range n.all {
			out = j.acceptedFor(out, &n.all[i])
		}
	default:
		met := func(x need) bool { return j.meets(&x, &j.member) }
		if i := slices.IndexFunc(n.any, met); i >= 0 {
			out = j.acceptedFor(out, &n.any[i])
		}
	}
	return out
}

// acceptedBy appends the badge that meets a need of a single badge (a leaf), if another issuer issued that badge.
func (j *evaluator) acceptedBy(out []Accepted, n *need, other *OtherBadge) []Accepted {
	if a := n.accepting(other); a != nil {
		if x := (Accepted{Badge: n.ask.Badge, OtherBadge: *other, With: a.entry.With}); !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// issuerName is an issuer's name, or its id if it has no name.
func (p *Policy) issuerName(id IssuerID) string {
	if i, ok := p.Issuer(id); ok && i.Name != "" {
		return i.Name
	}
	return string(id)
}

// In returns a phrase for operators that names the accepted badge and its issuer.
func (a Accepted) In(p *Policy, l Language) string {
	out := string(
		a.Badge,
	) + Text{
		" : badge accepté, émis par ",
		": accepted badge, issued by ",
	}.In(
		l,
	) + p.issuerName(
		a.Issuer,
	) + " (" + a.Achievement + ")"
	if a.With != "" {
		out += Text{", avec ", ", with "}.In(l) + string(a.With)
	}
	return out
}

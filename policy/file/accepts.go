package file

import (
	"portillon/policy"
	"portillon/yamlfile"
)

// maxAccepts bounds the entries under accepts: of one badge.
const maxAccepts = 50

// accepts reads the badges of other issuers that a badge accepts.
func (r *reader) accepts(n yamlfile.Node, own *policy.Badge) {
	for _, x := range entries(n, maxAccepts) {
		own.Accepts = append(own.Accepts, r.accept(x, own))
	}
	if n.IsList() && len(n.List()) == 0 {
		n.Fault("name at least one badge, or remove the key", "an empty list")
	}
}

// accept reads one entry under accepts: { issuer, achievement, with, roles }.
func (r *reader) accept(n yamlfile.Node, own *policy.Badge) (a policy.Accept) {
	fill(r, n, r.tables.accept, &a)
	if with := n.Get("with"); with.Present() && a.With == own.ID && own.ID != "" {
		with.Fault("name another badge, or remove the key", "whoever holds %q needs no other badge to stand for it", own.ID)
	}
	switch known := a.Issuer != "" && a.Achievement != ""; {
	case known && a.Same(policy.OtherBadge{Issuer: own.Issuer, Achievement: own.Achievement}):
		n.Get("achievement").Fault("remove the entry", "this is the badge %q itself", own.ID)
	case known && acceptsAlready(own, &a):
		n.Get("achievement").Fault("once is enough; entries of one badge differ in their roles",
			"this badge stands above, for a role of these")
	}
	return a
}

// acceptRoles reads the roles to which an entry under accepts: applies.
func (r *reader) acceptRoles(n yamlfile.Node) (out []policy.Role) {
	seen := map[policy.Role]bool{}
	for _, x := range listOrOne(n, len(r.siteRoles()),
		"name at least one role, or remove the key for learner, user and host", "an empty list") {
		role := r.siteRole(x)
		if seen[role] && role != policy.NoRole {
			x.Fault("once is enough", "the role %q stands twice", role)
		}
		if seen[role] = true; role != policy.NoRole {
			out = append(out, role)
		}
	}
	return out
}

// acceptsAlready reports whether the badge already accepts the same badge for one of the entry's roles.
func acceptsAlready(own *policy.Badge, a *policy.Accept) bool {
	for i := range own.Accepts {
		x := &own.Accepts[i]
		for _, r := range policy.Roles() {
			if x.Same(a.OtherBadge) && x.For(r) && a.For(r) {
				return true
			}
		}
	}
	return false
}

// heldOf reads an example's badge of another issuer. { badge: laser-user, issuer: autre-lab } means the first badge of
// that issuer that laser-user accepts. The result has one holding for each badge of the policy that accepts that badge.
func (r *reader) heldOf(n yamlfile.Node, h policy.Holding) (out []policy.Holding) {
	id := policy.IssuerID(r.issuerIDs.ref(n, "issuer"))
	other := r.acceptedOf(h.Badge, id)
	if other == nil {
		if id != "" && h.Badge != "" {
			n.Fault("add it under accepts: of the badge", "%q accepts no badge of %q", h.Badge, id)
		}
		return nil
	}
	for i := range r.m.Badges {
		b := &r.m.Badges[i]
		for k := range b.Accepts {
			if b.Accepts[k].Same(*other) {
				x := h
				x.Badge, x.Other = b.ID, other
				out = append(out, x)
				break
			}
		}
	}
	return out
}

// acceptedOf returns the first badge of the issuer that the badge accepts, or nil.
func (r *reader) acceptedOf(badge policy.BadgeID, issuer policy.IssuerID) *policy.OtherBadge {
	for i := range r.m.Badges {
		for k := range r.m.Badges[i].Accepts {
			if a := &r.m.Badges[i].Accepts[k]; r.m.Badges[i].ID == badge && a.Issuer == issuer {
				return &a.OtherBadge
			}
		}
	}
	return nil
}

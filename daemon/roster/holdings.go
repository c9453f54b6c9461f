package roster

import (
	"errors"
	"time"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// verify judges a credential's proof. Dates and status are not judged here: they change, a proof does not.
func (l *loader) verify(credential []byte) verdict {
	v := openbadge.Verify(credential, openbadge.Options{Trust: l.trust.issuers, Documents: l.trust.documents})
	if v.State != openbadge.Valid || v.Badge == nil {
		return verdict{}
	}
	b := v.Badge
	return verdict{
		Valid:       true,
		ID:          b.ID,
		UID:         b.UID,
		Issuer:      b.IssuerID,
		Achievement: b.AchievementID,
		From:        b.ValidFrom,
		Until:       b.ValidUntil,
		Subject:     b.Subject,
		Identifiers: b.Identifiers,
		Status:      b.Status,
		Hosted:      v.Assurance == openbadge.Hosted,
	}
}

// holdings adds the badges of a member that count for them: verified under the keys of their own issuer, of a badge
// that the policy names or accepts, and issued to them.
//
// badges are their places in the memory, at the member's place among the people.
func (l *loader) holdings(m wire.Member, badges []int, at int32) {
	for _, place := range badges {
		v, ok := l.memory.get(place)
		l.claims.list(place, len(l.memory.used), at)
		if !ok || !v.Valid || l.claims.shared[place] {
			continue
		}
		matches := l.r.Policy.Matches(l.trust.ids[v.Issuer], v.Achievement)
		mine := openbadge.Badge{Subject: v.Subject, Identifiers: v.Identifiers}
		if len(matches) == 0 || !mine.IsFor(openbadge.Recipient{Emails: m.Emails, Subjects: m.Subjects}) {
			continue
		}
		l.claims.claim(place, at)
		h := policy.Holding{Standing: policy.Verified, From: v.From, Until: v.Until}
		if v.Hosted {
			h.Assurance = policy.Hosted
		}
		if len(v.Status) > 0 {
			h.Standing, h.Checked = l.standing(v)
		}
		for _, x := range matches { // a badge of another issuer may count as several of ours
			h.Badge, h.Other = x.Badge, x.Other
			l.addHolding(h)
		}
	}
}

// list notes that the member whose place among the people is at lists the credential at place, of so many in all.
func (c *claims) list(place, all int, at int32) {
	if place >= len(c.listed) {
		c.listed = append(c.listed, make([]int32, all-len(c.listed))...)
	}
	if other := c.listed[place]; other != 0 && other != 1+at {
		c.twice[place] = true
	}
	c.listed[place] = 1 + at
}

// claim notes who is the recipient of a credential that two members list. Where both are, it counts for neither.
func (c *claims) claim(place int, at int32) {
	if !c.twice[place] {
		return
	}
	if other := c.owner[place]; other != 0 && other != 1+at {
		c.shared[place] = true
	}
	c.owner[place] = 1 + at
}

// standing reads the status lists that the bundle carries. A badge was never checked if the bundle lacks one of its
// lists, or if the list cannot say: the zero time, which the policy's status-grace does not reach. One that is
// suspended opens no more than a revoked one.
func (l *loader) standing(v verdict) (policy.Standing, time.Time) {
	standing, checked := policy.Verified, l.m.Issued
	for _, e := range v.Status {
		if l.revoked.has(v, e) {
			return policy.Revoked, l.m.Issued
		}
		var f *openbadge.Fault
		list := l.trust.lists[e.List]
		err := list.Judge(&openbadge.Badge{ID: v.ID, UID: v.UID, IssuerID: v.Issuer}, e)
		switch {
		case err == nil && !checked.IsZero():
			checked = l.readAt(list, checked)
		case err == nil:
		case errors.As(err, &f) && (f.Code == "revoked" || f.Code == "suspended"):
			if f.Code == "revoked" { // a suspension may end
				l.revoked.add(v, e)
			}
			return policy.Revoked, l.m.Issued
		default:
			standing, checked = policy.Unverified, time.Time{}
		}
	}
	return standing, checked
}

// readAt is when a list says how its badges stand: when the bundle was issued, for its builder read the list then.
// Where the policy key is apart, whoever signs bundles cannot make an old list younger: the issuer's own date counts,
// if it is earlier.
func (l *loader) readAt(list *openbadge.StatusList, at time.Time) time.Time {
	if l.o.Policy != nil && list != nil && !list.From.IsZero() && list.From.Before(at) {
		return list.From
	}
	return at
}

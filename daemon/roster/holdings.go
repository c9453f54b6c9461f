package roster

import (
	"errors"
	"time"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// verify checks a credential's proof. verify does not check dates and status, because they change while a proof does
// not.
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

// addHoldings adds those badges of a member that the policy may use. Each such badge verifies under the keys of its
// issuer, the policy names or accepts the badge, and it was issued to this member.
//
// badges are places in the verdict cache, and at is the member's place in members.people.
func (l *loader) addHoldings(m wire.Member, badges []int, at int32) {
	for _, place := range badges {
		v, ok := l.memory.get(place)
		l.claims.recordListing(place, len(l.memory.used), at)
		if !ok || !v.Valid || l.claims.shared[place] {
			continue
		}
		matches := l.r.Policy.Matches(l.trust.ids[v.Issuer], v.Achievement)
		mine := openbadge.Badge{Subject: v.Subject, Identifiers: v.Identifiers}
		if len(matches) == 0 || !mine.IsFor(openbadge.Recipient{Emails: m.Emails, Subjects: m.Subjects}) {
			continue
		}
		l.claims.recordClaim(place, at)
		h := policy.Holding{Standing: policy.Verified, From: v.From, Until: v.Until}
		if v.Hosted {
			h.Assurance = policy.Hosted
		}
		if len(v.Status) > 0 {
			h.Standing, h.Checked = l.standing(v)
		}
		for _, x := range matches { // a badge of another issuer may satisfy several of the site's badges
			h.Badge, h.Other = x.Badge, x.Other
			l.addHolding(h)
		}
	}
}

// recordListing records that the member at place at in members.people lists the credential at the given place. all is
// the number of credentials.
func (c *claims) recordListing(place, all int, at int32) {
	if place >= len(c.listed) {
		c.listed = append(c.listed, make([]int32, all-len(c.listed))...)
	}
	if other := c.listed[place]; other != 0 && other != 1+at {
		c.twice[place] = true
	}
	c.listed[place] = 1 + at
}

// recordClaim records that the member at place at is the recipient of a credential that two members list. If two
// members are both recipients, neither of them may use the credential.
func (c *claims) recordClaim(place int, at int32) {
	if !c.twice[place] {
		return
	}
	if other := c.owner[place]; other != 0 && other != 1+at {
		c.shared[place] = true
	}
	c.owner[place] = 1 + at
}

// standing evaluates a badge's status with the status lists of the bundle. If the bundle lacks one of the badge's
// lists, or if the list has no entry for the badge, standing returns a zero time of the check, which the policy's
// status-grace never covers. A suspended badge is treated as a revoked badge.
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
			checked = l.listTime(list, checked)
		case err == nil:
		case errors.As(err, &f) && (f.Code == "revoked" || f.Code == "suspended"):
			if f.Code == "revoked" { // a suspension may end, so the machine does not store it
				l.revoked.add(v, e)
			}
			return policy.Revoked, l.m.Issued
		default:
			standing, checked = policy.Unverified, time.Time{}
		}
	}
	return standing, checked
}

// listTime returns the time from which the age of a status list is measured. Normally this is the time at which the
// bundle was issued, because the builder of the bundle read the list then. If the machine pins a separate policy key,
// the issuer's own date is used if it is earlier, so that the key of bundles alone cannot make an old list look newer.
func (l *loader) listTime(list *openbadge.StatusList, at time.Time) time.Time {
	if l.o.Policy != nil && list != nil && !list.From.IsZero() && list.From.Before(at) {
		return list.From
	}
	return at
}

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
	v := openbadge.Verify(credential, openbadge.Options{Trust: l.trust, Documents: l.web})
	if v.State != openbadge.Valid || v.Badge == nil {
		return verdict{}
	}
	b := v.Badge
	return verdict{Valid: true, ID: b.ID, UID: b.UID, Issuer: b.IssuerID, Achievement: b.AchievementID, From: b.ValidFrom, Until: b.ValidUntil,
		Subject: b.Subject, Identifiers: b.Identifiers, Status: b.Status, Hosted: v.Assurance == openbadge.Hosted}
}

// holdings are the badges of a member that count for them: verified under the keys of their own issuer, of a badge that the policy names or
// accepts, and issued to them.
func (l *loader) holdings(m wire.Member) []policy.Holding {
	var out []policy.Holding
	for _, sha := range m.Badges {
		v, ok := l.memory.get(sha)
		l.list(sha, policy.MemberID(m.ID))
		if !ok || !v.Valid || l.shared[sha] {
			continue
		}
		matches := l.r.Policy.Matches(l.issuer[v.Issuer], v.Achievement)
		mine := openbadge.Badge{Subject: v.Subject, Identifiers: v.Identifiers}
		if len(matches) == 0 || !mine.IsFor(openbadge.Recipient{Emails: m.Emails, Subjects: m.Subjects}) {
			continue
		}
		l.claim(sha, policy.MemberID(m.ID))
		h := policy.Holding{Standing: policy.Verified, From: v.From, Until: v.Until}
		if v.Hosted {
			h.Assurance = policy.Hosted
		}
		if len(v.Status) > 0 {
			h.Standing, h.Checked = l.standing(v)
		}
		for _, x := range matches { // a badge of another issuer may count as several of ours
			h.Badge, h.Other = x.Badge, x.Other
			out = append(out, h)
		}
	}
	return out
}

// list notes who lists a credential.
func (l *loader) list(sha string, id policy.MemberID) {
	if other, listed := l.listed[sha]; listed && other != id {
		l.twice[sha] = true
	}
	l.listed[sha] = id
}

// claim notes who is the recipient of a credential that two members list. Where both are, it counts for neither: a badge has one recipient.
func (l *loader) claim(sha string, id policy.MemberID) {
	if !l.twice[sha] {
		return
	}
	if other, claimed := l.owner[sha]; claimed && other != id {
		l.shared[sha] = true
	}
	l.owner[sha] = id
}

// standing reads the status lists that the bundle carries. A badge was never checked if the bundle lacks one of its lists, or if the
// list cannot say: the zero time, which the policy's status-grace does not reach. One that is suspended opens no more than a revoked one.
func (l *loader) standing(v verdict) (policy.Standing, time.Time) {
	standing, checked := policy.Verified, l.m.Issued
	for _, e := range v.Status {
		if l.revoked.has(v, e) {
			return policy.Revoked, l.m.Issued
		}
		var f *openbadge.Fault
		list := l.lists[e.List]
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
// Where the policy key is apart, whoever signs bundles cannot make an old list younger: the issuer's own date counts, if
// it is earlier.
func (l *loader) readAt(list *openbadge.StatusList, at time.Time) time.Time {
	if l.o.Policy != nil && list != nil && !list.From.IsZero() && list.From.Before(at) {
		return list.From
	}
	return at
}

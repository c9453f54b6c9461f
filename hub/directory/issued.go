package directory

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// IssuedBadge is a badge that the hub itself has issued to a member. Name and Data are needed only for a new badge.
type IssuedBadge struct {
	Member policy.MemberID
	ID     string // SHA-256 of the badge's bytes, in hexadecimal; empty for a new badge
	Name   string // file name
	Data   []byte
}

// IssuedChange is a change of badges that the hub itself has issued.
type IssuedChange struct {
	Add    []IssuedBadge // new badges, which their members receive
	Remove []IssuedBadge // badges that their members lose; a badge that the member does not have is ignored
	Check  []IssuedBadge // badges whose status has changed; a badge that the member does not have is ignored
	// Lists and Documents are the issuer's current status lists and documents; the key is the address.
	Lists, Documents map[string][]byte
}

// ChangeIssued changes badges that the hub has issued, in one transaction with the function with, which returns the
// detail of the audit entry. The error is *fault.Invalid if a new badge would not be valid or would count as no badge
// of the policy. The actor needs actor.AwardBadges.
func (s *Badges) ChangeIssued(ctx context.Context, a actor.Actor, ch IssuedChange,
	with func(*store.Tx) (detail string, err error)) error {
	if err := a.May(actor.AwardBadges, about("")); err != nil {
		return err
	}
	p, err := s.core.policy(ctx)
	if err != nil {
		return err
	}
	src, err := s.documents.sources(ctx, false)
	if err != nil {
		return err
	}
	for address, data := range ch.Lists {
		src.gotLists[address], src.accepted[address] = data, true
	}
	for address, data := range ch.Documents {
		src.gotWeb[address] = data
	}
	added, err := s.verifyNew(ctx, ch.Add, p, src)
	if err != nil {
		return err
	}
	checked, err := s.verifyAgain(ctx, ch.Check, p, src)
	if err != nil {
		return err
	}
	return s.core.write(ctx, a, actor.AwardBadges, func(c *change) (string, string, error) {
		if err := c.writeIssued(ctx, ch, added, checked); err != nil {
			return "", "", err
		}
		detail, err := with(c.Tx)
		if err != nil {
			return "", "", err
		}
		return ch.auditName(), detail, c.writeSources(ctx, src)
	})
}

// auditName returns the name of the member in the audit log; empty: the change concerns no member, or several members.
func (ch IssuedChange) auditName() string {
	all := append(append(append([]IssuedBadge(nil), ch.Add...), ch.Remove...), ch.Check...)
	if len(all) != 1 {
		return ""
	}
	return auditName(all[0].Member)
}

// verifyNew verifies new badges, and checks that each badge counts for its member.
func (s *Badges) verifyNew(ctx context.Context, all []IssuedBadge, p *policy.Policy, src *sources) ([]verified, error) {
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	var out []verified
	faults, now, owners := &fault.Invalid{}, s.core.now(), x.newOwnerSearch()
	for _, n := range all {
		e := x.byID[n.Member]
		if e == nil {
			return nil, &fault.NotFound{What: "member", ID: clip(string(n.Member), 64)}
		}
		v := verify(n.Data, p, src, now)
		sum := sha256.Sum256(n.Data)
		v.ID, v.From, v.File = hex.EncodeToString(sum[:]), n.Name, fileName(upload{name: n.Name, data: n.Data})
		v.Member, v.Refused = owners.find(n.Member, &v)
		switch {
		case v.Refused != "":
			faults.Faults = append(faults.Faults, fault.Field{Field: "member", Given: e.Name, Wrong: v.Refused})
		case v.Verdict != openbadge.Valid.String():
			faults.Faults = append(faults.Faults, fault.Field{Field: "badge", Given: clip(v.why, 300),
				Wrong: "the badge that the hub has signed would not be valid",
				Right: "an issuer of the access policy with the key of this hub"})
		case v.Local == "":
			faults.Faults = append(faults.Faults, fault.Field{Field: "badge", Given: v.Name,
				Wrong: "the badge counts as no badge of the access policy"})
		}
		src.accept()
		out = append(out, v)
	}
	if len(faults.Faults) > 0 {
		return nil, faults
	}
	return out, nil
}

// verifyAgain verifies stored badges. verifyAgain leaves out a badge that the directory does not have.
func (s *Badges) verifyAgain(ctx context.Context, all []IssuedBadge, p *policy.Policy, src *sources) ([]verified,
	error) {
	var out []verified
	for _, n := range all {
		data, err := s.core.badgeBytes(ctx, n.ID)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		v := verify(data, p, src, s.core.now())
		src.accept()
		v.ID, v.Member = n.ID, n.Member
		out = append(out, v)
	}
	return out, nil
}

// writeIssued writes new badges, removes badges, and writes the new verdicts of stored badges.
func (c *change) writeIssued(ctx context.Context, ch IssuedChange, added, checked []verified) error {
	for i := range added {
		if err := c.writeMemberBadge(ctx, &added[i], ch.Add[i].Data, true); err != nil {
			return err
		}
	}
	for _, n := range ch.Remove {
		var gone *fault.NotFound
		if _, err := c.removeBadge(ctx, n.Member, n.ID); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	for i := range checked {
		var member policy.MemberID
		err := c.QueryRow(ctx, `SELECT member, file FROM badge WHERE site = $1 AND id = $2`, checked[i].ID).
			Scan(&member, &checked[i].File)
		if errors.Is(err, sql.ErrNoRows) { // another request has removed the badge since it was verified
			continue
		}
		if err == nil {
			err = c.writeBadge(ctx, &checked[i], 0) // place 0 is not used, because the row exists
		}
		if err != nil {
			return err
		}
		c.touch(member)
	}
	return nil
}

package account

import (
	"context"
	"errors"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// Merge has the account of a member whom the directory merges into another go with them, in the directory's
// transaction. Left behind, it would keep the person's address after an erasure. Where both have an account, the one of
// the member who goes is removed, unless somebody gave it a role: an owner decides about that first. Printed codes of
// the member who goes end.
func (s *Service) Merge(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error {
	if err := a.May(actor.WriteMembers, actor.Target{}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND member = $2 AND member <> ''`,
		string(drop)); err != nil {
		return err
	}
	x, err := byMember(ctx, tx, drop)
	if gone := (*fault.NotFound)(nil); errors.As(err, &gone) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = byMember(ctx, tx, keep)
	switch gone := (*fault.NotFound)(nil); {
	case errors.As(err, &gone):
		return s.give(ctx, tx, a, x, keep)
	case err != nil:
		return err
	case x.isTrusted() || len(x.Machines) > 0:
		return &fault.Invalid{Faults: []fault.Field{{Field: "drop", Given: shorten(string(drop), 60),
			Wrong: "both members have an account, and this one has a role",
			Right: "the other way round, or have an owner remove the account"}}}
	}
	if err := s.remove(ctx, tx, x); err != nil {
		return err
	}
	return s.Audit(ctx, tx, a, actor.WriteMembers, "account "+x.ID, "removed "+describe(x.Account))
}

// give makes an account another member's. Its sessions end, as with every change of its member.
func (s *Service) give(ctx context.Context, tx *store.Tx, a actor.Actor, x row, to policy.MemberID) error {
	before := x.Account
	x.Member = to
	x.Version++
	if err := update(ctx, tx, x); err != nil {
		return err
	}
	if err := endSessions(ctx, tx, &x); err != nil {
		return err
	}
	return s.Audit(ctx, tx, a, actor.WriteMembers, "account "+x.ID, "was "+describe(before)+"; is "+describe(x.Account))
}

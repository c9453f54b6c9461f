package account

import (
	"context"
	"errors"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// Forget removes the data of a member whom the directory erases, in the directory's transaction: the account, codes,
// mails, and the personal part of the audit log. addresses are the e-mail addresses of the member and of the guardians.
// The actor needs actor.EraseMembers. Forget refuses the last owner. Without actor.WriteAccounts, the actor cannot
// erase any owner or administrator, because otherwise the right to change members would suffice to remove an owner.
func (s *Registry) Forget(ctx context.Context, tx *store.Tx, a actor.Actor, m policy.MemberID,
	addresses []string) error {
	if err := a.May(actor.EraseMembers, actor.Target{Member: m}); err != nil {
		return err
	}
	about, accounts := []string{"member " + string(m)}, []string(nil)
	// Remove the account, if the member has one.
	x, err := byMember(ctx, tx, m)
	switch gone := (*fault.NotFound)(nil); {
	case err == nil:
		about, accounts = append(about, "account "+x.ID), []string{x.ID}
		if x.isTrusted() && x.ID != a.Account && a.May(actor.WriteAccounts, actor.Target{}) != nil {
			return &fault.Invalid{Faults: []fault.Field{{Field: "member", Given: string(m),
				Wrong: "the member is an administrator or an owner",
				Right: "have an owner take the role, or erase the member"}}}
		}
		if err := s.rows.remove(ctx, tx, x); err != nil {
			return err
		}
	case !errors.As(err, &gone):
		return err
	}
	// Remove codes and mails that name the member or one of the addresses.
	if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND member = $2 AND member <> ''`,
		string(m)); err != nil {
		return err
	}
	for _, address := range addresses {
		if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND address = $2 AND address <> ''`,
			nameKey(address)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM account_mail WHERE site = $1 AND recipient = $2`,
			nameKey(address)); err != nil {
			return err
		}
	}
	if s.core.auditLog == nil {
		return nil
	}
	return s.core.auditLog.Forget(ctx, tx, a, about, accounts)
}

// reassign assigns an account to another member, and ends the account's sessions.
func (s *Registry) reassign(ctx context.Context, tx *store.Tx, a actor.Actor, x row, to policy.MemberID) error {
	before := x.Account
	x.Member = to
	x.Version++
	if err := update(ctx, tx, x); err != nil {
		return err
	}
	if err := endSessions(ctx, tx, &x); err != nil {
		return err
	}
	return s.core.audit(
		ctx,
		tx,
		a,
		actor.WriteMembers,
		"account "+x.ID,
		"was "+describe(before)+"; is "+describe(x.Account),
	)
}

// Merge moves the account of the member drop to the member keep when the directory merges these members, in the
// directory's transaction. If the account stayed with drop, a later erasure of keep would leave the person's address in
// the account. If both members have an account, Merge removes the account of drop. If drop's account has a role, Merge
// returns *fault.Invalid, because an owner must first decide about the role. The printed codes of drop become invalid.
// The actor needs actor.WriteMembers.
func (s *Registry) Merge(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error {
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
		return s.reassign(ctx, tx, a, x, keep)
	case err != nil:
		return err
	case x.isTrusted() || len(x.Machines) > 0:
		return &fault.Invalid{Faults: []fault.Field{{Field: "drop", Given: shorten(string(drop), 60),
			Wrong: "both members have an account, and this one has a role",
			Right: "the other way round, or have an owner remove the account"}}}
	}
	if err := s.rows.remove(ctx, tx, x); err != nil {
		return err
	}
	return s.core.audit(ctx, tx, a, actor.WriteMembers, "account "+x.ID, "removed "+describe(x.Account))
}

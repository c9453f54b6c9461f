package issue

import (
	"context"

	"portillon/hub/store"
	"portillon/policy"
)

// Forget removes the data of a member whom the directory erases, in the directory's transaction. The entries of the
// member's badges in the status lists stay, so that no other badge gets them.
func (s *Service) Forget(ctx context.Context, tx *store.Tx, id policy.MemberID) error {
	_, err := tx.Exec(ctx, `UPDATE issue_badge SET member = '', credential = '', data = $3, why = '', evidence = '{}',
		reason = '', shown = 0, shown_name = '' WHERE site = $1 AND member = $2`, string(id), []byte{})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE issue_badge SET decided_by = '', decided_member = '' WHERE site = $1
		AND decided_member = $2`, string(id)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE issue_badge SET revoked_by = '', revoked_member = '' WHERE site = $1
		AND revoked_member = $2`, string(id))
	return err
}

// Merged moves the badges of the member drop to the member keep, in the directory's transaction.
func (s *Service) Merged(ctx context.Context, tx *store.Tx, keep, drop policy.MemberID) error {
	_, err := tx.Exec(ctx, `UPDATE issue_badge SET member = $2 WHERE site = $1 AND member = $3`, string(keep),
		string(drop))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE issue_badge SET decided_member = $2 WHERE site = $1 AND decided_member = $3`,
		string(keep), string(drop)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE issue_badge SET revoked_member = $2 WHERE site = $1 AND revoked_member = $3`,
		string(keep), string(drop))
	return err
}

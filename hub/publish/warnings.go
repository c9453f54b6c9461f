package publish

import (
	"context"
	"encoding/json"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/site"
)

// Forget removes the warnings of all bundles in the transaction that erases a member, because the warnings may name the
// member. The next build writes the warnings of the bundle in force again, without the member.
func (s *Bundles) Forget(ctx context.Context, tx *store.Tx, a actor.Actor) error {
	if err := a.May(actor.EraseMembers, actor.Target{}); err != nil {
		return err
	}
	return s.rows.forget(ctx, tx)
}

// forget removes all warnings, and makes the next two builds remove the warnings of earlier bundles. One build is not
// enough, because a build that began before the erasure may still write the member's name.
func (s *bundleRows) forget(ctx context.Context, tx *store.Tx) error {
	s.erasures.Store(2)
	_, err := tx.Exec(ctx, `UPDATE bundles SET warnings = '[]' WHERE site = $1 AND warnings <> '[]'`)
	return err
}

// forgetWarnings removes the warnings of the bundles before a version, because warnings name people and old warnings
// are not needed. A build that was running during an erasure may have written the erased person's name again.
func (s *bundleRows) forgetWarnings(ctx context.Context, tx *store.Tx, version int64, forgot bool) error {
	_, err := tx.Exec(ctx, `UPDATE bundles SET warnings = '[]' WHERE site = $1 AND version < $2 AND warnings <> '[]'`,
		version)
	if err == nil && forgot {
		tx.Erased()
		s.erasures.Add(-1)
	}
	return err
}

// updateWarnings updates the warnings and the policy number of the bundle in force, after a build that did not change
// the bundle's content.
func (s *bundleRows) updateWarnings(ctx context.Context, version uint64, policy int64, b *site.Built,
	forgot bool) error {
	warnings, err := json.Marshal(warningsOf(b))
	if err != nil {
		return err
	}
	var same int
	err = s.site.QueryRow(ctx, `SELECT COUNT(*) FROM bundles WHERE site = $1 AND version = $2 AND warnings = $3
		AND policy = $4`, int64(version), string(warnings), policy).Scan(&same)
	if err != nil || same > 0 && !forgot {
		return err
	}
	return s.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE bundles SET warnings = $3, policy = $4 WHERE site = $1 AND version = $2`,
			int64(version), string(warnings), policy)
		if err != nil {
			return err
		}
		tx.Changed(store.Bundle)
		return s.forgetWarnings(ctx, tx, int64(version), forgot)
	})
}

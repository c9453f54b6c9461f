package directory

import (
	"context"
	"database/sql"

	"portillon/hub/actor"
	"portillon/policy"
)

// Verify judges every badge anew, under the policy in force: the hub calls it when the policy changed, and once a day.
// With fetch, status lists and documents are fetched again first, where the hub may fetch. Only what differs is
// written; nothing differs where nothing changed, so that no bundle is built for it.
func (s *Service) Verify(ctx context.Context, fetch bool) error {
	p, err := s.o.Policy(ctx)
	if err != nil {
		return err
	}
	src, err := s.sources(ctx, fetch)
	if err != nil {
		return err
	}
	x, err := s.current(ctx)
	if err != nil {
		return err
	}
	now := s.o.Now()
	var changed []verified
	for _, e := range x.entries {
		for i, b := range e.Badges {
			if err := ctx.Err(); err != nil {
				return err
			}
			var data []byte
			switch err := s.site.QueryRow(ctx, `SELECT data FROM badge_data WHERE site = $1 AND id = $2`,
				b.ID).Scan(&data); err {
			case nil:
			case sql.ErrNoRows: // removed meanwhile
				continue
			default:
				return err
			}
			v := verify(data, p, src, now)
			src.accept()
			if v.badge == nil { // it stands at its issuer's address, and does not any more
				v.Name, v.Issued, v.Expires, v.Issuer = b.Name, b.Issued, b.Expires, b.Issuer
				v.held = e.held[i]
				v.proved, v.hosted, v.standing = false, false, standingUnverified
			}
			if v.same(&b, &e.held[i]) {
				continue
			}
			v.ID, v.Member, v.File, v.From = b.ID, e.ID, b.File, b.From
			changed = append(changed, v)
		}
	}
	src.forgetSame()
	if len(changed) == 0 && len(src.gotLists) == 0 && len(src.gotWeb) == 0 {
		return nil
	}
	return s.write(ctx, actor.System("verify badges"), actor.WriteBadges, func(c *change) (string, string, error) {
		for i := range changed {
			v := &changed[i]
			var member policy.MemberID
			switch err := c.QueryRow(ctx, `SELECT member FROM badge WHERE site = $1 AND id = $2`, v.ID).Scan(&member); err {
			case nil:
			case sql.ErrNoRows:
				continue
			default:
				return "", "", err
			}
			if err := c.writeBadge(ctx, v, 0); err != nil { // the row is there: its place stays
				return "", "", err
			}
			c.touch(member)
		}
		return "", "badges verified", c.keepSources(ctx, src)
	})
}

// same reports whether a badge still is what its row says.
func (v *verified) same(b *Badge, h *held) bool {
	return v.Verdict == b.Verdict && v.proved == h.proved && v.hosted == h.hosted && v.standing == h.standing &&
		v.checked.IsZero() == h.checked.IsZero() && v.Name == b.Name
}

// forgetSame leaves out what was fetched and stands in the database as it is.
func (s *sources) forgetSame() {
	for url, b := range s.gotLists {
		if old, ok := s.lists[url]; ok && string(old) == string(b) || !s.accepted[url] {
			delete(s.gotLists, url)
		}
	}
	for url, b := range s.gotWeb {
		if old, ok := s.web[url]; ok && string(old) == string(b) || !s.accepted[url] {
			delete(s.gotWeb, url)
		}
	}
}

package issue

import (
	"context"
	"fmt"

	"portillon/hub/actor"
	"portillon/openbadge/bake"
)

// Baked returns the picture of an issued badge as a PNG that contains the badge, and a file name. The actor needs
// actor.AwardBadges, or must be the member who has the badge. The error is *fault.NotFound if there is no such badge.
func (s *Service) Baked(ctx context.Context, a actor.Actor, id string) (name string, data []byte, err error) {
	denied := a.May(actor.AwardBadges, actor.Target{})
	if denied != nil && a.Member == "" {
		return "", nil, denied
	}
	n, err := s.get(ctx, id)
	if denied != nil && (err != nil || n.Member != a.Member ||
		a.May(actor.ReadOwn, actor.Target{Member: a.Member}) != nil) {
		return "", nil, denied
	}
	if err != nil {
		return "", nil, err
	}
	var badge []byte
	if err := s.o.Site.QueryRow(ctx, `SELECT data FROM issue_badge WHERE site = $1 AND id = $2`, id).
		Scan(&badge); err != nil {
		return "", nil, err
	}
	if len(badge) == 0 {
		return "", nil, invalid("badge", id, "the member was erased, with the badge", "")
	}
	picture, err := s.picture(ctx, n.Badge)
	if isMissing(err) { // the policy has the badge no more
		picture, err = draw(string(n.Badge), 0)
	}
	if err != nil {
		return "", nil, err
	}
	data, err = bake.Bake(picture, badge, bake.OB3)
	return fmt.Sprintf("%s-%s.png", n.Badge, n.ID), data, err
}

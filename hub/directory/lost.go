package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"portillon/hub/actor"
	"portillon/hub/fault"
)

// errUnchanged ends a transaction that has nothing to change.
var errUnchanged = errors.New("nothing to change")

// ReportLost sets an active card of the actor's own member to lost, so that machines refuse the card. A card that is
// not active stays as it is, so ReportLost never weakens a block, and a request that arrives twice does no harm. Only
// SetCard makes a card active again. The actor needs actor.LoseOwnCard, which every member has. The error is
// *fault.NotFound if the actor's member has no such card.
func (s *Cards) ReportLost(ctx context.Context, a actor.Actor, cardID string) error {
	if err := a.May(actor.LoseOwnCard, about(a.Member)); err != nil {
		return err
	}
	err := s.core.write(ctx, a, actor.LoseOwnCard, func(c *change) (string, string, error) {
		r, err := loadOne(ctx, c, a.Member)
		if err != nil {
			return "", "", err
		}
		at := slices.IndexFunc(r.Cards, func(x Card) bool { return x.ID == cardID })
		if at < 0 {
			return "", "", &fault.NotFound{What: "card", ID: clip(cardID, 64)}
		}
		if r.Cards[at].State != Active {
			return "", "", errUnchanged
		}
		_, err = c.Exec(ctx, `UPDATE card SET state = $4, since = $5 WHERE site = $1 AND member = $2 AND id = $3`,
			string(a.Member), cardID, string(Lost), millis(c.now))
		if err != nil {
			return "", "", err
		}
		return auditName(a.Member), fmt.Sprintf("card %s is %s", cardID, Lost), c.save(ctx, r)
	})
	return ignoreUnchanged(err)
}

// ignoreUnchanged returns nil for errUnchanged, and every other error as it is.
func ignoreUnchanged(err error) error {
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

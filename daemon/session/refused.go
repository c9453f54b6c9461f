package session

import (
	"time"

	"portillon/policy"
	"portillon/wire"
)

// AlertEvery is how often the alert of one member's card is written down: whoever found it tries it more than once.
const AlertEvery = time.Minute

// RefusedCard is a card that the site refuses, and whose it is. It changes nothing, whatever runs: its member's
// session least of all, since somebody else may hold the card.
type RefusedCard struct {
	Member   policy.MemberID
	State    policy.CardState
	Since    string // the day on which the site wrote it down
	Decision policy.Decision
	Basis    *policy.Basis // as in Tap
}

// CardRefused says that the site refuses the card. It names nobody, and not why.
const CardRefused Notice = "card-refused"

// apply tells whoever stands there that the card is refused. A lost or blocked one is an alert on record; a
// replaced one a refusal.
func (e RefusedCard) apply(t *step) {
	if t.state.down {
		return
	}
	switch {
	case e.State.Alerts() && t.state.recent.isFirstAlert(e.Member, t.in.Now):
		body := wire.CardAlertBody{State: e.State.String(), Since: e.Since}
		t.record(Record{Kind: wire.CardAlert, Member: e.Member, Body: body})
	case !e.State.Alerts() && t.state.recent.isFirstRefusal(e.Member, t.in.Now):
		body := wire.RefusedBody{Reasons: []policy.Code{policy.CardBlocked}}
		body.Basis = fit(e.Basis, body)
		t.record(Record{Kind: wire.Refused, Member: e.Member, Body: body})
	}
	t.notify(Notify{Notice: CardRefused, Decision: e.Decision})
}

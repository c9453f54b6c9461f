package session

import (
	"time"

	"portillon/policy"
	"portillon/wire"
)

// AlertEvery is the shortest time between two recorded alerts about one member's cards, because a person who found a
// lost card tries it more than once.
const AlertEvery = time.Minute

// RefusedCard is the tap of a card that the site refuses. It names the member to whom the card belongs. The tap changes
// nothing. It does not even end the session of the card's owner, because another person may have the card.
type RefusedCard struct {
	Member   policy.MemberID
	State    policy.CardState
	Since    string // day on which the site recorded the refusal of the card
	Decision policy.Decision
	Basis    *policy.Basis // input and basis of the decision, as in Tap
}

// CardRefused means that the site refuses the card. The notice names no member and no reason.
const CardRefused Notice = "card-refused"

// apply tells the person at the machine that the card is refused. A lost or blocked card is recorded as an alert, and a
// replaced card as a refusal.
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
		body.Basis = fitBasis(e.Basis, body)
		t.record(Record{Kind: wire.Refused, Member: e.Member, Body: body})
	}
	t.notify(Notify{Notice: CardRefused, Decision: e.Decision})
}

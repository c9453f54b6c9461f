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

func (RefusedCard) event() {}

// CardRefused says that the site refuses the card. It names nobody, and not why.
const CardRefused Say = "card-refused"

// refuseCard tells whoever stands there that the card is refused. A lost or blocked one is an alert on record; a
// replaced one a refusal.
func (t *step) refuseCard(e RefusedCard) {
	if t.down {
		return
	}
	switch {
	case e.State.Alerts() && t.anew(t.alerted[:], AlertEvery, e.Member):
		body := wire.CardAlertBody{State: e.State.String(), Since: e.Since}
		t.record(Record{Kind: wire.CardAlert, Member: e.Member, Body: body})
	case !e.State.Alerts() && t.refusedAnew(e.Member):
		body := wire.RefusedBody{Reasons: []policy.Code{policy.CardBlocked}}
		body.Basis = fit(e.Basis, body)
		t.record(Record{Kind: wire.Refused, Member: e.Member, Body: body})
	}
	t.tell(Tell{Say: CardRefused, Decision: e.Decision})
}

// anew reports whether something about m is to be written down, and notes that it is: not within every of the last
// time, nor where there is no room.
func (t *step) anew(slots []tapped, every time.Duration, m policy.MemberID) bool {
	room := -1
	for i, x := range slots {
		switch fresh := t.in.Now.Sub(x.at) < every; {
		case fresh && x.by == m:
			return false
		case !fresh:
			room = i
		}
	}
	if room < 0 {
		return false
	}
	slots[room] = tapped{m, t.in.Now}
	return true
}

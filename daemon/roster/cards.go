package roster

import (
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// RefusedCard is a card that the site refuses, and the member whose card it is.
type RefusedCard struct {
	Person Person
	State  policy.CardState
	Since  string // the day on which the site wrote it down; empty: it did not
}

// refusedCard is a RefusedCard with its member's place among the people.
type refusedCard struct {
	at    int32
	state policy.CardState
	since string
}

// Refused finds a card that the site refuses. Lookup does not find it.
func (r *Roster) Refused(uid rfid.UID) (RefusedCard, bool) {
	c, ok := r.refused[Card(r.key, uid)]
	if !ok {
		return RefusedCard{}, false
	}
	return RefusedCard{Person: r.people[c.at], State: c.state, Since: c.since}, true
}

// addCards adds the cards of the member whose place among the people is at. A card that is refused for anybody
// opens nothing for anybody.
func (l *loader) addCards(m wire.Member, at int32) {
	for _, c := range m.CardStates {
		state, err := policy.ParseCardState(c.State)
		if err != nil || state == policy.ActiveCard { // a state of a later version, or one that does not belong here
			state = policy.BlockedCard
		}
		delete(l.r.cards, c.Card)
		l.r.refused[c.Card] = refusedCard{at, state, c.Since}
	}
	for _, c := range m.Cards {
		if other, twice := l.r.cards[c]; twice {
			// Nobody can tell whose card this is: it opens nothing.
			l.r.people[other].Member.Blocked, l.r.people[at].Member.Blocked = true, true
		}
		if _, refused := l.r.refused[c]; !refused {
			l.r.cards[c] = at
		}
	}
}

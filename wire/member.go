package wire

import (
	"fmt"
	"regexp"

	"portillon/policy"
)

// MemberTerms are the parts of a Member on which it depends when, and with which cards, they may use a machine.
type MemberTerms struct {
	Until string `json:"until,omitempty"` // the last day of the membership, at the site: 2026-09-30; empty: it has no end
	// CardStates are cards that the site refuses, with their states. They are not listed in Cards: a machine that
	// does not know this field takes them for unknown cards.
	CardStates []CardState `json:"card_states,omitempty"`
}

// CardState is the state of a card that the site refuses.
type CardState struct {
	Card  string `json:"card"`            // as in Member.Cards
	State string `json:"state"`           // lost, blocked or replaced; what a machine does not know counts as blocked
	Since string `json:"since,omitempty"` // the day at the site; empty: it was not written down
}

// dayForm is a day of the calendar.
var dayForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// LastDay is the last day of the membership; the zero Date: it has no end. A day that cannot be read is an error,
// and must deny.
func (t MemberTerms) LastDay() (policy.Date, error) {
	if t.Until == "" {
		return policy.Date{}, nil
	}
	d, err := policy.ParseDate(t.Until)
	if err != nil || !dayForm.MatchString(t.Until) {
		return policy.Date{}, fmt.Errorf("until %.40q is no day, want one as 2026-09-30", t.Until)
	}
	return d, nil
}

// SetLastDay writes the last day down, and lists the field as critical: a machine that did not know it would let
// the member in for ever.
func (m *Member) SetLastDay(d policy.Date) {
	if d != (policy.Date{}) {
		m.Until, m.Critical = d.String(), append(m.Critical, "until")
	}
}

// CardAlert is the kind of a record of a lost or blocked card that was tapped: CardAlertBody. The member of the
// record is the card's owner: who tapped it is unknown.
const CardAlert Kind = "card-alert"

// CardAlertBody is the body of a card-alert record. It holds no card number.
type CardAlertBody struct {
	State string `json:"state"`           // lost or blocked
	Since string `json:"since,omitempty"` // the day from which the state holds
}

package wire

import (
	"fmt"
	"regexp"

	"portillon/policy"
)

// MemberTerms contains those fields of a Member that restrict until when, and with which cards, the member may use
// machines.
type MemberTerms struct {
	// Last day of the membership in the site's time zone, such as 2026-09-30; empty: the membership does not end.
	Until string `json:"until,omitempty"`
	// CardStates lists cards that the site refuses, with their states. Cards does not contain these cards, so a machine
	// that does not know CardStates treats them as unknown cards.
	CardStates []CardState `json:"card_states,omitempty"`
}

// CardState is the state of a card that the site refuses.
type CardState struct {
	Card string `json:"card"` // the card's entry, as in Member.Cards
	// State of the card: lost, blocked or replaced; an unknown state is treated as blocked.
	State string `json:"state"`
	Since string `json:"since,omitempty"` // day on which the state changed, in the site's time zone; empty: not recorded
}

// dayForm matches a calendar date, YYYY-MM-DD.
var dayForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// LastDay returns the last day of the membership, or the zero Date if the membership has no end. If the date cannot be
// read, LastDay returns an error, and the caller must deny the member.
func (t MemberTerms) LastDay() (policy.Date, error) {
	if t.Until == "" {
		return policy.Date{}, nil
	}
	d, err := policy.ParseDate(t.Until)
	if err != nil || !dayForm.MatchString(t.Until) {
		return policy.Date{}, fmt.Errorf("until %.40q is not a date, want YYYY-MM-DD such as 2026-09-30", t.Until)
	}
	return d, nil
}

// SetLastDay sets the last day of the membership, and lists the field as critical: a machine that does not know the
// field would admit the member forever.
func (m *Member) SetLastDay(d policy.Date) {
	if d != (policy.Date{}) {
		m.Until, m.Critical = d.String(), append(m.Critical, "until")
	}
}

// CardAlert is the kind of a record that reports the tap of a lost or blocked card. The body of such a record is
// CardAlertBody. The record names the member to whom the card was issued. It may be that another person has tapped the
// card.
const CardAlert Kind = "card-alert"

// CardAlertBody is the body of a card-alert record. The body contains no card number.
type CardAlertBody struct {
	State string `json:"state"`           // state of the card: lost or blocked
	Since string `json:"since,omitempty"` // day on which the state began
}

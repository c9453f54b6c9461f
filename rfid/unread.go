package rfid

import (
	"fmt"
	"log/slog"
)

// Unread is input from a reader that is not a card's number.
type Unread struct {
	Raw string // the input as received, which may contain a card's number: use it only in reader tests, never in a log
	Why string // why the reader refused the input, and the remedy, without any number; empty: the reader refused nothing
	// Random reports whether a card or a telephone sent a random number, which differs at each tap.
	Random bool
}

// RandomNumber returns the Unread for a random number.
func RandomNumber() Unread {
	return Unread{Raw: "08…", Random: true,
		Why: "number begins with 08, so it is random and changes at each tap (ISO 14443-3), as with telephones"}
}

// String returns Why, so that Raw never appears in a log.
func (u Unread) String() string { return u.Why }

// LogValue returns Why, so that Raw never appears in a log.
func (u Unread) LogValue() slog.Value { return slog.StringValue(u.Why) }

// Format prints Why for every verb of fmt.
func (u Unread) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.Why) }

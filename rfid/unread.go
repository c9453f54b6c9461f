package rfid

import (
	"fmt"
	"log/slog"
)

// Unread is something that a reader sent and that is no card's number.
type Unread struct {
	Raw string // what came. It may hold a card's number: only for whoever tests a reader, never for a log
	Why string // what is wrong with it, and what would be right. It holds no number; empty: nothing was unread
	// Random says that a card or a telephone gave a number that it makes up for each tap.
	Random bool
}

// RandomNumber is the Unread of a number that was made up for one tap.
func RandomNumber() Unread {
	return Unread{Raw: "08…", Random: true,
		Why: "number is made up anew for each tap (ISO 14443-3: it begins with 08), as telephones do; it belongs to no card"}
}

// String keeps what came out of logs.
func (u Unread) String() string { return u.Why }

// LogValue keeps what came out of logs.
func (u Unread) LogValue() slog.Value { return slog.StringValue(u.Why) }

// Format keeps what came out of every verb of fmt.
func (u Unread) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.Why) }

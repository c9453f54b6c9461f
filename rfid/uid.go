package rfid

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
)

// UID is a card's number: 1 to 10 bytes. It is a value: equal numbers are equal UIDs, and the zero UID is no card.
//
// A number can be copied and must not travel: String and LogValue hide it, Hex and Bytes give it to those who say they
// want it.
type UID struct {
	n uint8
	b [MaxUID]byte
}

// MaxUID is the longest number in bytes (ISO 14443-3: 4, 7 or 10; EM4100: 5).
const MaxUID = 10

// UIDOf makes a UID of 1 to MaxUID bytes.
func UIDOf(b []byte) (UID, error) {
	if len(b) == 0 || len(b) > MaxUID {
		return UID{}, fmt.Errorf("a card's number has 1 to %d bytes, %d given", MaxUID, len(b))
	}
	u := UID{n: uint8(len(b))}
	copy(u.b[:], b)
	return u, nil
}

// ParseUID reads a number in hexadecimal; colons, spaces and hyphens between the digits do not count. Its errors do not
// quote the number.
func ParseUID(s string) (UID, error) {
	b, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "", "-", "").Replace(s))
	if err != nil {
		return UID{}, fmt.Errorf("a card's number is hexadecimal, two digits a byte: %d characters given", len(s))
	}
	return UIDOf(b)
}

// Bytes is the number.
func (u UID) Bytes() []byte { return append([]byte(nil), u.b[:u.n]...) }

// Hex is the number in upper-case hexadecimal.
func (u UID) Hex() string { return strings.ToUpper(hex.EncodeToString(u.b[:u.n])) }

// String says that there is a card, and not which.
func (u UID) String() string { return fmt.Sprintf("card of %d bytes", u.n) }

// LogValue keeps the number out of logs.
func (u UID) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Format keeps the number out of every verb of fmt.
func (u UID) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

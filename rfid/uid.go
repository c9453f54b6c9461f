package rfid

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
)

// UID is a card's number: 1 to 10 bytes. UIDs with equal numbers compare as equal. The zero UID means no card.
//
// A number can be copied and must stay secret: String and LogValue hide it. Only Hex, Bytes and the other explicit
// methods return it.
type UID struct {
	n uint8
	b [MaxUID]byte
}

// MaxUID is the longest number in bytes (ISO 14443-3: 4, 7 or 10; EM4100: 5).
const MaxUID = 10

// UIDOf returns the UID with the bytes b, of which there must be 1 to MaxUID.
func UIDOf(b []byte) (UID, error) {
	if len(b) == 0 || len(b) > MaxUID {
		return UID{}, fmt.Errorf("card number has %[2]d bytes, want 1 to %[1]d", MaxUID, len(b))
	}
	u := UID{n: uint8(len(b))}
	copy(u.b[:], b)
	return u, nil
}

// ParseUID parses a number in hexadecimal. Colons, spaces and hyphens between the digits are ignored. Errors do not
// quote the number.
func ParseUID(s string) (UID, error) {
	b, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "", "-", "").Replace(s))
	if err != nil {
		return UID{}, fmt.Errorf("card number of %d characters is not hexadecimal, want two digits a byte", len(s))
	}
	return UIDOf(b)
}

// Bytes returns a copy of the number's bytes.
func (u UID) Bytes() []byte { return append([]byte(nil), u.b[:u.n]...) }

// Hex returns the number in upper-case hexadecimal.
func (u UID) Hex() string { return strings.ToUpper(hex.EncodeToString(u.b[:u.n])) }

// String returns the length of the number instead of the number.
func (u UID) String() string { return fmt.Sprintf("card of %d bytes", u.n) }

// LogValue returns the length instead of the number, so that no log contains the number.
func (u UID) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Format prints the length instead of the number for every verb of fmt.
func (u UID) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

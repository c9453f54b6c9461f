package rfid

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
)

// UID is a card's number: 1 to 10 bytes. UIDs with the same bytes are equal (==). The zero UID means that no card is
// present.
//
// Anyone can copy a number, so numbers must stay secret: String and LogValue hide the number. Only Hex, Bytes and
// other explicit methods return the number.
type UID struct {
	n uint8
	b [MaxUID]byte
}

// MaxUID is the length of the longest number, in bytes (ISO 14443-3 numbers: 4, 7 or 10; EM4100: 5).
const MaxUID = 10

// UIDOf returns the UID with the bytes b. It returns an error unless b has 1 to MaxUID bytes.
func UIDOf(b []byte) (UID, error) {
	if len(b) == 0 || len(b) > MaxUID {
		return UID{}, fmt.Errorf("card number has %[2]d bytes, want 1 to %[1]d", MaxUID, len(b))
	}
	u := UID{n: uint8(len(b))}
	copy(u.b[:], b)
	return u, nil
}

// ParseUID parses a number in hexadecimal. ParseUID ignores colons, spaces and hyphens between the digits. Errors do
// not quote the number.
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

// String returns a text with the length of the number instead of the number.
func (u UID) String() string { return fmt.Sprintf("card of %d bytes", u.n) }

// LogValue returns the length instead of the number, so that no log contains the number.
func (u UID) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Format prints the length instead of the number for every verb of fmt.
func (u UID) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

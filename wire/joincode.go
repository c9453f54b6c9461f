package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"portillon/policy"
)

// JoinCode is the code that an administrator creates at the hub, and types once at the computer of a machine. Pins
// authenticates the hub to the machine. Secret authorises the enrolment of one machine.
//
// Written as text, a code has 27 characters of Crockford's base 32, in groups of three: 16 characters for the hash, 10
// for the secret, and one check character. The check character is a sum in GF(32) in which each position has a
// different weight. It detects any single wrong character, and any two exchanged characters. Crockford's own check
// character, modulo 37, is not used, because it may be one of * ~ $ =, which a shell interprets.
type JoinCode struct {
	Pins   [PinsHashSize]byte
	Secret uint64 // the code's secret, which has 50 bits
}

const (
	// PinsHashSize is the number of bytes of the hash of the hub's keys in a code: 80 bits.
	PinsHashSize = 10
	// JoinSecretBits is the size of the secret, in bits.
	JoinSecretBits = 50

	joinHashDigits, joinSecretDigits = PinsHashSize * 8 / 5, JoinSecretBits / 5

	joinDigits = joinHashDigits + joinSecretDigits + 1
	// maxJoinText is the largest length of a code as a person types it, in bytes.
	maxJoinText = 200
)

// ErrJoinCode means that a text is not a code, or that a character is wrong.
var ErrJoinCode = errors.New("invalid code for a machine")

// NewJoinSecret returns a random secret. random is crypto/rand.Reader, except in tests.
func NewJoinSecret(random io.Reader) (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return 0, fmt.Errorf("read random bytes for a secret: %w", err)
	}
	return binary.BigEndian.Uint64(b[:]) >> (64 - JoinSecretBits), nil
}

// String returns the code as people copy it, in groups of three characters.
func (c JoinCode) String() string {
	d := c.digits()
	var b strings.Builder
	for i, x := range d {
		if i > 0 && i%3 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(codeLetters[x])
	}
	return b.String()
}

func (c JoinCode) digits() (d [joinDigits]byte) {
	for i := range joinHashDigits { // each digit stands for five bits, beginning with the most significant ones
		at := i * 5
		pair := uint(c.Pins[at/8]) << 8
		if at/8+1 < PinsHashSize {
			pair |= uint(c.Pins[at/8+1])
		}
		d[i] = byte(pair >> (11 - at%8) & 31)
	}
	for i := range joinSecretDigits {
		d[joinHashDigits+i] = byte(c.Secret >> (5 * (joinSecretDigits - 1 - i)) & 31)
	}
	d[joinDigits-1] = joinSum(d)
	return d
}

// joinSum returns the weighted sum of all digits in GF(32). In the sum, the last digit has the weight 1. If the last
// digit is 0, the sum is the check character of the other digits. If the last digit is the right check character, the
// sum is 0.
func joinSum(d [joinDigits]byte) (sum byte) {
	for _, x := range d { // this is Horner's scheme: each step multiplies the sum by the element x of the field
		if sum <<= 1; sum&32 != 0 {
			sum ^= 0x25 // the polynomial x⁵ + x² + 1 is primitive, so the 27 weights are all different
		}
		sum ^= x
	}
	return sum
}

// ParseJoinCode parses a code as a person types it. ParseJoinCode ignores case, blanks and hyphens. It reads I and L as
// 1, and O as 0.
func ParseJoinCode(s string) (JoinCode, error) {
	if len(s) > maxJoinText {
		return JoinCode{}, fmt.Errorf("%w: %d characters, want %d", ErrJoinCode, len(s), joinDigits)
	}
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\t", "", "\n", "", "\r", "", "-", "", "I", "1", "L", "1", "O", "0").
		Replace(strings.ToUpper(s))
	if len(s) != joinDigits {
		return JoinCode{}, fmt.Errorf("%w: %d characters, want %d", ErrJoinCode, len(s), joinDigits)
	}
	var d [joinDigits]byte
	for i := range joinDigits {
		x := strings.IndexByte(codeLetters, s[i])
		if x < 0 {
			return JoinCode{}, fmt.Errorf("%w: character %d is %q, want one of %s", ErrJoinCode, i+1, s[i], codeLetters)
		}
		d[i] = byte(x)
	}
	if joinSum(d) != 0 {
		return JoinCode{}, fmt.Errorf(
			"%w: wrong check character, so a character is wrong or two are exchanged: compare the code with the hub's page",
			ErrJoinCode,
		)
	}
	return joinCodeOf(d), nil
}

func joinCodeOf(d [joinDigits]byte) (c JoinCode) {
	for i := range joinHashDigits {
		at := i * 5
		bits := uint(d[i]) << (11 - at%8)
		c.Pins[at/8] |= byte(bits >> 8)
		if at/8+1 < PinsHashSize {
			c.Pins[at/8+1] |= byte(bits)
		}
	}
	for i := range joinSecretDigits {
		c.Secret = c.Secret<<5 | uint64(d[joinHashDigits+i])
	}
	return c
}

// Pins are the keys that a machine trusts after joining.
type Pins struct {
	Site      policy.SiteID `json:"site"`
	CA        []byte        `json:"ca"`         // certificate (DER) of the authority that signs the hub's certificate
	PolicyKey string        `json:"policy_key"` // verifier key that verifies bundles: name+hash+key
	HubKey    string        `json:"hub_key"`    // verifier key that verifies acknowledgements and commands
}

// Hash returns the hash of the pins, which a JoinCode contains.
func (p Pins) Hash() (out [PinsHashSize]byte) {
	ca := sha256.Sum256(p.CA)
	h := sha256.Sum256(fmt.Appendf(nil, "portillon join 1\n%s\n%x\n%s\n%s\n", p.Site, ca, p.PolicyKey, p.HubKey))
	copy(out[:], h[:])
	return out
}

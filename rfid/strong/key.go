package strong

import (
	"crypto/aes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Key is an AES-128 key that fmt and logs never print. The zero Key is sixteen zero bytes, which is the key of a card
// from the factory.
//
// The key is a variable of a function value, because fmt prints unexported fields and, for a wrong verb, the targets
// of pointers, but never the variables of a function.
type Key struct{ secret func() block }

func keyOf(b block) Key { return Key{func() block { return b }} }

var errKey = errors.New("AES card key is malformed, want 32 hexadecimal digits on one line, not all zero")

// ParseKey parses a line of 32 hexadecimal digits as a key. Errors do not quote the line, because it may be a key.
// ParseKey refuses a key of zeros, because it is the factory's key.
func ParseKey(line []byte) (Key, error) {
	b, err := hex.DecodeString(strings.TrimSpace(string(line)))
	if err != nil || len(b) != aes.BlockSize {
		return Key{}, errKey
	}
	k := keyOf(block(b))
	if k.zero() {
		return Key{}, errKey
	}
	return k, nil
}

// GenerateKey returns a new key for a site.
func GenerateKey(rand io.Reader) (Key, error) {
	var b block
	_, err := io.ReadFull(rand, b[:])
	return keyOf(b), err
}

// Line returns the key as a line for ParseKey. The line is secret, so write the line only to a file of mode 0600.
func (k Key) Line() []byte { return fmt.Appendf(nil, "%X\n", k.block()) }

func (k Key) block() block {
	if k.secret == nil {
		return block{}
	}
	return k.secret()
}

func (k Key) zero() bool {
	b := k.block()
	return isEqual(b[:], make([]byte, aes.BlockSize))
}

// String returns a text that does not contain the key.
func (k Key) String() string { return "card key (hidden)" }

// Format prints a text without the key for every verb of fmt.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue returns a text without the key, so that no log contains the key.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

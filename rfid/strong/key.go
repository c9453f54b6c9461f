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

// Key is an AES-128 key that is never printed. The zero Key is sixteen zero bytes, the key of a card from the factory.
//
// The key is inside a function value, because fmt prints unexported fields and, for wrong verbs, the target of
// pointers, but never the variables of a function.
type Key struct{ secret func() block }

func keyOf(b block) Key { return Key{func() block { return b }} }

var errKey = errors.New("malformed AES card key, want 32 hexadecimal digits on one line, not all zero")

// ParseKey reads a line of 32 hexadecimal digits. Errors do not quote the line. The factory's key, all zero, is an
// error.
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

// Line returns the key as a line for ParseKey. The line is secret: write it only to a file of mode 0600.
func (k Key) Line() []byte { return fmt.Appendf(nil, "%X\n", k.block()) }

func (k Key) block() block {
	if k.secret == nil {
		return block{}
	}
	return k.secret()
}

func (k Key) zero() bool {
	b := k.block()
	return same(b[:], make([]byte, aes.BlockSize))
}

// String hides the key.
func (k Key) String() string { return "card key (hidden)" }

// Format hides the key from every verb of fmt.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue hides the key from logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

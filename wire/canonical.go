package wire

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/tlog"
)

// Canonical returns the record as canonical JSON (RFC 8785). These bytes are stored, hashed and sent.
func (r Record) Canonical() ([]byte, error) {
	r.Wall = r.Wall.UTC().Truncate(time.Millisecond)
	return Canonical(r)
}

// Canonical returns v as canonical JSON (RFC 8785).
func Canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	out, err := jcs.Transform(b)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return out, nil
}

// Salt is a random value in a leaf's hash. Because of the salt, nobody can guess the content of an erased record from
// its leaf hash.
type Salt [16]byte

// MarshalText returns the salt in hexadecimal.
func (s Salt) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", s[:]), nil }

// UnmarshalText reads the output of MarshalText.
func (s *Salt) UnmarshalText(b []byte) error {
	if n, err := hex.Decode(s[:], b[:min(len(b), 2*len(s))]); err != nil || len(b) != 2*len(s) || n != len(s) {
		return fmt.Errorf("malformed salt, want %d hexadecimal digits", 2*len(s))
	}
	return nil
}

// Leaf returns the record's hash in the journal's tree: the leaf hash of RFC 6962 of salt ‖ canonical record.
func Leaf(salt Salt, canonical []byte) tlog.Hash {
	return tlog.RecordHash(append(salt[:], canonical...))
}

package wire

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/tlog"
)

// Canonical is the record's canonical JSON (RFC 8785): what is stored, hashed and sent.
func (r Record) Canonical() ([]byte, error) {
	r.Wall = r.Wall.UTC().Truncate(time.Millisecond)
	return Canonical(r)
}

// Canonical marshals v as canonical JSON (RFC 8785).
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

// Salt makes a leaf's hash say nothing of its record once the record is erased.
type Salt [16]byte

// MarshalText writes a salt in hexadecimal.
func (s Salt) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", s[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Salt) UnmarshalText(b []byte) error {
	if n, err := hex.Decode(s[:], b[:min(len(b), 2*len(s))]); err != nil || len(b) != 2*len(s) || n != len(s) {
		return fmt.Errorf("malformed salt, want %d hexadecimal digits", 2*len(s))
	}
	return nil
}

// Leaf is the record's hash in the journal's tree: RFC 6962's leaf hash of salt ‖ canonical record.
func Leaf(salt Salt, canonical []byte) tlog.Hash {
	return tlog.RecordHash(append(salt[:], canonical...))
}

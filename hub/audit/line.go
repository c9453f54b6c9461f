package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"portillon/hub/actor"
	"portillon/wire"
)

// Maximum lengths of the texts in an entry, in bytes. Longer texts are cut and end with "…".
const (
	maxName   = 200
	maxAbout  = 200
	maxDetail = 2000
	maxLine   = 64 << 10 // longest exported line; JSON may need six bytes for one byte of a text
)

// sealed is the part of an entry that the tree covers and that cannot be erased. The field Personal is the hash of the
// personal part, which can be erased.
type sealed struct {
	Seq      uint64    `json:"seq"`
	At       time.Time `json:"at"` // in UTC, with milliseconds
	Account  string    `json:"account"`
	Act      actor.Act `json:"act"`
	Request  string    `json:"request,omitempty"`
	Erases   []uint64  `json:"erases,omitempty"` // entries whose personal parts were erased when this entry was added
	Personal string    `json:"personal"`         // SHA-256 of salt and personal part, in hexadecimal
}

// personal is the part of an entry that is erased when the person's data are erased.
type personal struct {
	Name   string `json:"name"`
	On     string `json:"on,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// line is a line of an export: an entry, or the checkpoint at the end of the file.
type line struct {
	Entry json.RawMessage `json:"entry,omitempty"`
	// salt of the personal part; absent if the personal part was erased
	Salt       *wire.Salt      `json:"salt,omitempty"`
	Personal   json.RawMessage `json:"personal,omitempty"` // canonical JSON
	Checkpoint string          `json:"checkpoint,omitempty"`
}

// hashOf returns the hash by which the tree covers a personal part: SHA-256 of the salt and the canonical JSON, in
// hexadecimal. Without the salt, an erased part cannot be guessed from its hash.
func hashOf(salt wire.Salt, canonical []byte) string {
	h := wire.Leaf(salt, canonical)
	return hex.EncodeToString(h[:])
}

// clip shortens s to at most n bytes without splitting a character, and replaces invalid UTF-8.
func clip(s string, n int) string {
	s = string(bytes.ToValidUTF8([]byte(s), []byte("�")))
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// parseCanonical parses JSON only in the canonical form (RFC 8785) and without unknown fields, so that two different
// texts never have the same content.
func parseCanonical(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("trailing data after the JSON value")
	}
	again, err := wire.Canonical(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return fmt.Errorf("text is not canonical JSON (RFC 8785)")
	}
	return nil
}

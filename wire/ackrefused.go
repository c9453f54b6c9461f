package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// AckRefused is the part of an acknowledgement that states why the hub refuses the machine's records. The hub sends the
// field only to machines whose state has format AckRefusedFormat or later: older machines reject an acknowledgement
// that has an unknown field.
type AckRefused struct {
	Code   string `json:"code"`             // a code of the hub's ledger: bad-checkpoint, rolled-back
	Detail string `json:"detail,omitempty"` // one sentence, for an administrator
}

// AckRefusedFormat is the first format of a state whose sender can read AckRefused.
const AckRefusedFormat = 2

// These are the limits of an AckRefused, in bytes. The longest sentence that the ledger writes has about 250 bytes.
const (
	maxRefusedCode   = 40
	maxRefusedDetail = 300
)

// NewAckRefused returns an AckRefused within the limits: text that is too long is cut, and control characters become
// spaces.
func NewAckRefused(code, detail string) *AckRefused {
	return &AckRefused{Code: OneLine(code, maxRefusedCode), Detail: OneLine(detail, maxRefusedDetail)}
}

// bounded returns r with its texts cut to the limits, or nil if r is nil or has no code.
func (r *AckRefused) bounded() *AckRefused {
	if r == nil || r.Code == "" {
		return nil
	}
	return NewAckRefused(r.Code, r.Detail)
}

// OneLine returns at most n bytes of s as valid UTF-8 without control characters. Callers use OneLine for text from
// another program before they show or log that text.
func OneLine(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s[:min(len(s), 4*n)])
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.TrimSpace(s)
}

package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// AckRefused says in an acknowledgement why the hub refuses the machine's records. The hub sends it only to
// machines whose state has format AckRefusedFormat or more: older machines refuse an acknowledgement with a field
// that they do not know.
type AckRefused struct {
	Code   string `json:"code"`             // a code of the hub's ledger: bad-checkpoint, rolled-back
	Detail string `json:"detail,omitempty"` // one sentence, for an administrator
}

// AckRefusedFormat is the first format of a state whose machine reads AckRefused.
const AckRefusedFormat = 2

// Limits of an AckRefused, in bytes. The longest sentence of the ledger has about 250.
const (
	maxRefusedCode   = 40
	maxRefusedDetail = 300
)

// NewAckRefused makes one that fits its limits: text that is too long is cut, control characters become spaces.
func NewAckRefused(code, detail string) *AckRefused {
	return &AckRefused{Code: OneLine(code, maxRefusedCode), Detail: OneLine(detail, maxRefusedDetail)}
}

// bounded is r within its limits; nil where r is nil or has no code.
func (r *AckRefused) bounded() *AckRefused {
	if r == nil || r.Code == "" {
		return nil
	}
	return NewAckRefused(r.Code, r.Detail)
}

// OneLine is at most n bytes of s, as valid UTF-8 without control characters: text of others, to be shown or logged.
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

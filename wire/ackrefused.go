package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// AckRefused is the part of an acknowledgement that says why the hub refuses the machine's records. The hub sends this
// part only to machines whose state has the format AckRefusedFormat or a later one: older machines reject an
// acknowledgement that has an unknown field.
type AckRefused struct {
	Code   string `json:"code"`             // code of the refusal in the hub's ledger: bad-checkpoint or rolled-back
	Detail string `json:"detail,omitempty"` // explanation in one sentence, for an administrator
}

// AckRefusedFormat is the first format of states in which machines understand AckRefused.
const AckRefusedFormat = 2

// These constants limit the texts of an AckRefused, in bytes. The longest sentence that the ledger writes has about 250
// bytes.
const (
	maxRefusedCode   = 40
	maxRefusedDetail = 300
)

// NewAckRefused returns an AckRefused within the limits: it cuts a text that is too long, and replaces control
// characters by spaces.
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

// OneLine returns at most n bytes of s as valid UTF-8 without control characters. Callers use OneLine before they show
// or log a text that another program has sent.
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

package ld

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// MaxBytes is the largest accepted size of a credential. A credential with an embedded image has a few hundred KB.
	MaxBytes = 1 << 20
	// MaxListBytes is the largest accepted size of a status list. If gzip cannot compress a list of 16 Mi entries, the
	// list has 2.8 MB of base64url.
	MaxListBytes = 4 << 20
	maxDepth     = 32
	// maxValues is the maximum number of values in a document. 1EdTech's most complete sample has about 700 values.
	maxValues = 20_000
)

// Object is a JSON object. The numbers of an Object have the type json.Number.
type Object = map[string]any

// Parse parses one JSON object. Parse rejects documents that two parsers could read differently: documents with a
// repeated key, an unpaired surrogate, invalid UTF-8, or an integer that a double cannot represent.
func Parse(b []byte) (Object, error) { return parse(b, MaxBytes, maxValues) }

// ParseList parses a status list of at most MaxListBytes, with another limit for the number of values.
func ParseList(b []byte, values int) (Object, error) { return parse(b, MaxListBytes, values) }

// parse parses one JSON object, with limits for the size in bytes and the number of values.
func parse(b []byte, bytes, values int) (Object, error) {
	if len(b) > bytes {
		return nil, Faultf("too-complex", "%d bytes, want at most %d", len(b), bytes)
	}
	if !utf8.Valid(b) {
		return nil, Faultf("malformed", "the document is not UTF-8")
	}
	p := &parser{in: b, left: values}
	if p.peek() != '{' {
		return nil, Faultf("malformed", "not a JSON object")
	}
	v, err := p.value(maxDepth)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at != len(b) {
		return nil, p.fault("trailing data")
	}
	return v.(Object), nil
}

// parser is a recursive descent parser for JSON (RFC 8259).
type parser struct {
	in   []byte
	at   int
	left int // number of further values that the document may have
}

// fault returns a Fault that names the current position.
func (p *parser) fault(what string) error {
	return Faultf("malformed", "invalid JSON: byte %d: %s", p.at, what)
}

// space skips white space.
func (p *parser) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte after white space, or 0 at the end.
func (p *parser) peek() byte {
	if p.space(); p.at == len(p.in) {
		return 0
	}
	return p.in[p.at]
}

// next skips white space and consumes the next byte if it is c.
func (p *parser) next(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

// value parses any value. depth is the number of further levels of nesting that are allowed.
func (p *parser) value(depth int) (any, error) {
	if p.left--; p.left < 0 {
		return nil, Faultf("too-complex", "too many JSON values")
	}
	switch c := p.peek(); {
	case (c == '{' || c == '[') && depth == 0:
		return nil, Faultf("too-complex", "more than %d levels of nesting", maxDepth)
	case c == '{':
		return p.object(depth - 1)
	case c == '[':
		return p.array(depth - 1)
	case c == '"':
		return p.text()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	return p.literal()
}

// literal parses true, false or null.
func (p *parser) literal() (any, error) {
	for _, w := range [...]struct {
		text string
		v    any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if len(p.in)-p.at >= len(w.text) && string(p.in[p.at:p.at+len(w.text)]) == w.text {
			p.at += len(w.text)
			return w.v, nil
		}
	}
	return nil, p.fault("value is missing")
}

// array parses an array. When array is called, the next byte is the opening bracket.
func (p *parser) array(depth int) (any, error) {
	p.at++
	out := []any{}
	if p.next(']') {
		return out, nil
	}
	for {
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		switch {
		case p.next(','):
		case p.next(']'):
			return out, nil
		default:
			return nil, p.fault("want , or ]")
		}
	}
}

// object parses an object. When object is called, the next byte is the opening brace. A repeated key is an error.
func (p *parser) object(depth int) (any, error) {
	p.at++
	out := Object{}
	if p.next('}') {
		return out, nil
	}
	for {
		if p.peek() != '"' {
			return nil, p.fault("want a key")
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if _, twice := out[key]; twice {
			return nil, p.fault("the key " + strconv.Quote(key[:min(len(key), 60)]) + " is repeated")
		}
		if !p.next(':') {
			return nil, p.fault("want :")
		}
		if out[key], err = p.value(depth); err != nil {
			return nil, err
		}
		switch {
		case p.next(','):
		case p.next('}'):
			return out, nil
		default:
			return nil, p.fault("want , or }")
		}
	}
}

// text parses a string. When text is called, p.at is the position of the opening quote.
func (p *parser) text() (string, error) {
	p.at++
	for start := p.at; p.at < len(p.in); p.at++ {
		switch c := p.in[p.at]; {
		case c == '"':
			p.at++
			return string(p.in[start : p.at-1]), nil
		case c == '\\':
			return p.escaped(append(make([]byte, 0, 2*(p.at-start)+16), p.in[start:p.at]...))
		case c < 0x20:
			return "", p.fault("control character in a string")
		}
	}
	return "", p.fault("string is not closed")
}

// escaped parses the rest of a string, beginning at its first escape sequence. s is the part of the string before the
// escape sequence.
func (p *parser) escaped(s []byte) (string, error) {
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		switch {
		case c == '"':
			return string(s), nil
		case c < 0x20:
			return "", p.fault("control character in a string")
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			s = utf8.AppendRune(s, r)
		default:
			s = append(s, c)
		}
	}
	return "", p.fault("string is not closed")
}

// escape parses an escape sequence after the backslash.
func (p *parser) escape() (rune, error) {
	if p.at == len(p.in) {
		return 0, p.fault("string is not closed")
	}
	c := p.in[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return p.unicode()
	}
	return 0, p.fault("invalid escape sequence")
}

// unicode parses the digits of a \u escape, including the second half of a surrogate pair.
func (p *parser) unicode() (rune, error) {
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if len(p.in)-p.at < 2 || p.in[p.at] != '\\' || p.in[p.at+1] != 'u' {
		return 0, p.fault("unpaired surrogate")
	}
	p.at += 2
	low, err := p.hex4()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, p.fault("unpaired surrogate")
	}
	return r, nil
}

// hex4 parses four hexadecimal digits.
func (p *parser) hex4() (rune, error) {
	if len(p.in)-p.at < 4 {
		return 0, p.fault("string is not closed")
	}
	var r rune
	for _, c := range p.in[p.at : p.at+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, p.fault(`\u needs four hexadecimal digits`)
		}
	}
	p.at += 4
	return r, nil
}

// number parses a number, and checks that a double can represent it.
func (p *parser) number() (any, error) {
	start := p.at
	if p.in[p.at] == '-' {
		p.at++
	}
	whole := p.skipDigits()
	if whole == 0 || whole > 1 && p.in[p.at-whole] == '0' {
		return nil, p.fault("invalid number")
	}
	if p.at < len(p.in) && p.in[p.at] == '.' {
		p.at++
		if p.skipDigits() == 0 {
			return nil, p.fault("invalid number")
		}
	}
	if p.at < len(p.in) && p.in[p.at]|0x20 == 'e' {
		p.at++
		if p.at < len(p.in) && (p.in[p.at] == '+' || p.in[p.at] == '-') {
			p.at++
		}
		if p.skipDigits() == 0 {
			return nil, p.fault("invalid number")
		}
	}
	text := string(p.in[start:p.at])
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > 64 {
		return nil, p.fault("number is out of range for a double")
	}
	if math.Abs(f) >= 1<<53 && !strings.ContainsAny(text, ".eE") && !isDouble(text, f) {
		return nil, p.fault("integer beyond 2^53 that a double cannot represent exactly")
	}
	return json.Number(text), nil
}

// isDouble reports whether an integer is written in one of the two ways in which a double is written: with all
// digits, as in JSON-LD, or with the fewest digits that identify the double, as in RFC 8785.
func isDouble(text string, f float64) bool {
	return text == strconv.FormatFloat(f, 'f', 0, 64) || text == strconv.FormatFloat(f, 'f', -1, 64)
}

// skipDigits skips decimal digits and returns the number of skipped digits.
func (p *parser) skipDigits() int {
	start := p.at
	for p.at < len(p.in) && '0' <= p.in[p.at] && p.in[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

// List returns the elements of v. A value that is not a list is returned as a list of one element. For an absent
// value and for null, List returns an empty list.
func List(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// Str returns the string in o at key, or an empty string.
func Str(o Object, key string) string {
	s, _ := o[key].(string)
	return s
}

// Obj returns the object in o at key, or nil.
func Obj(o Object, key string) Object {
	x, _ := o[key].(Object)
	return x
}

// Without returns a copy of o without one key.
func Without(o Object, key string) Object {
	out := make(Object, len(o))
	for k, v := range o {
		if k != key {
			out[k] = v
		}
	}
	return out
}

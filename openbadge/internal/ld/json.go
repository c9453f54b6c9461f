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
	// MaxBytes bounds a credential: those with an image within are a few hundred KB.
	MaxBytes = 1 << 20
	// MaxListBytes bounds a status list: one of 16 Mi entries that no gzip makes smaller has 2.8 MB of base64url.
	MaxListBytes = 4 << 20
	maxDepth     = 32
	// maxValues bounds all values of a document together. 1EdTech's fullest sample has about 700.
	maxValues = 20_000
)

// Object is a JSON object; numbers are json.Number.
type Object = map[string]any

// Parse reads one JSON Object, so that no two readers can see two documents: a key that stands twice, half a surrogate
// pair, bytes that are not UTF-8 and whole numbers that a double cannot hold are refused.
func Parse(b []byte) (Object, error) { return parse(b, MaxBytes, maxValues) }

// ParseList is Parse of a status list: of at most MaxListBytes and so many values.
func ParseList(b []byte, values int) (Object, error) { return parse(b, MaxListBytes, values) }

// parse parses one JSON object of at most this many bytes and values. It refuses JSON that two readers could understand
// differently.
func parse(b []byte, bytes, values int) (Object, error) {
	if len(b) > bytes {
		return nil, Faultf("too-complex", "%d bytes: at most %d are read", len(b), bytes)
	}
	if !utf8.Valid(b) {
		return nil, Faultf("malformed", "it is not UTF-8")
	}
	p := &parser{in: b, left: values}
	if p.peek() != '{' {
		return nil, Faultf("malformed", "it is no JSON object")
	}
	v, err := p.value(maxDepth)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at != len(b) {
		return nil, p.fault("something follows the JSON")
	}
	return v.(Object), nil
}

// parser reads JSON (RFC 8259) by descent.
type parser struct {
	in   []byte
	at   int
	left int // values that may still come
}

// fault is a malformed document, with the position in bytes.
func (p *parser) fault(what string) error {
	return Faultf("malformed", "it is no JSON: byte %d: %s", p.at, what)
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

// peek is the next byte after white space, 0 at the end.
func (p *parser) peek() byte {
	if p.space(); p.at == len(p.in) {
		return 0
	}
	return p.in[p.at]
}

// next takes the next byte after white space if it is c.
func (p *parser) next(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

// value parses any value. depth is how deep values may still be nested.
func (p *parser) value(depth int) (any, error) {
	if p.left--; p.left < 0 {
		return nil, Faultf("too-complex", "more values than a badge has")
	}
	switch c := p.peek(); {
	case (c == '{' || c == '[') && depth == 0:
		return nil, Faultf("too-complex", "nested more than %d deep", maxDepth)
	case c == '{':
		return p.object(depth - 1)
	case c == '[':
		return p.array(depth - 1)
	case c == '"':
		return p.text()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	return p.word()
}

// word parses true, false or null.
func (p *parser) word() (any, error) {
	for _, w := range [...]struct {
		text string
		v    any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if len(p.in)-p.at >= len(w.text) && string(p.in[p.at:p.at+len(w.text)]) == w.text {
			p.at += len(w.text)
			return w.v, nil
		}
	}
	return nil, p.fault("no value here")
}

// array parses an array.
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

// object parses an object. A key that occurs twice is a fault.
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
			return nil, p.fault("the key " + strconv.Quote(key[:min(len(key), 60)]) + " stands twice")
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

// text reads a string; p.at stands on its quote.
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
			return "", p.fault("a control character in a text")
		}
	}
	return "", p.fault("a text without an end")
}

// escaped reads the rest of a text from its first escape on.
func (p *parser) escaped(s []byte) (string, error) {
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		switch {
		case c == '"':
			return string(s), nil
		case c < 0x20:
			return "", p.fault("a control character in a text")
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
	return "", p.fault("a text without an end")
}

// escape parses an escape sequence behind the backslash.
func (p *parser) escape() (rune, error) {
	if p.at == len(p.in) {
		return 0, p.fault("a text without an end")
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
	return 0, p.fault("an escape that JSON does not have")
}

// unicode parses \u and its digits. Half of a surrogate pair is a fault.
func (p *parser) unicode() (rune, error) {
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if len(p.in)-p.at < 2 || p.in[p.at] != '\\' || p.in[p.at+1] != 'u' {
		return 0, p.fault("half of a surrogate pair")
	}
	p.at += 2
	low, err := p.hex4()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, p.fault("half of a surrogate pair")
	}
	return r, nil
}

// hex4 parses four hexadecimal digits.
func (p *parser) hex4() (rune, error) {
	if len(p.in)-p.at < 4 {
		return 0, p.fault("a text without an end")
	}
	var r rune
	for _, c := range p.in[p.at : p.at+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, p.fault(`\u wants four hexadecimal digits`)
		}
	}
	p.at += 4
	return r, nil
}

// number parses a number. A whole number that no float64 can hold exactly is a fault, because readers would round it
// differently.
func (p *parser) number() (any, error) {
	start := p.at
	if p.in[p.at] == '-' {
		p.at++
	}
	whole := p.digits()
	if whole == 0 || whole > 1 && p.in[p.at-whole] == '0' {
		return nil, p.fault("no number")
	}
	if p.at < len(p.in) && p.in[p.at] == '.' {
		p.at++
		if p.digits() == 0 {
			return nil, p.fault("no number")
		}
	}
	if p.at < len(p.in) && p.in[p.at]|0x20 == 'e' {
		p.at++
		if p.at < len(p.in) && (p.in[p.at] == '+' || p.in[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return nil, p.fault("no number")
		}
	}
	text := string(p.in[start:p.at])
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > 64 {
		return nil, p.fault("a number that no double can hold")
	}
	if math.Abs(f) >= 1<<53 && !strings.ContainsAny(text, ".eE") && !isDouble(text, f) {
		return nil, p.fault("a whole number beyond 2^53 that no double can hold: readers round it differently")
	}
	return json.Number(text), nil
}

// isDouble reports whether a whole number is written as one of the two texts that a double has: all its digits, as
// JSON-LD writes it, or the fewest that mean it, as RFC 8785 does.
func isDouble(text string, f float64) bool {
	return text == strconv.FormatFloat(f, 'f', 0, 64) || text == strconv.FormatFloat(f, 'f', -1, 64)
}

// digits skips decimal digits and returns their number.
func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.in) && '0' <= p.in[p.at] && p.in[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

// List is v's elements; one alone is a list of one; absent and null are none.
func List(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// Str is o's text at key; empty where there is none.
func Str(o Object, key string) string {
	s, _ := o[key].(string)
	return s
}

// Obj is o's object at key; nil where there is none.
func Obj(o Object, key string) Object {
	x, _ := o[key].(Object)
	return x
}

// Without is o but for one key. o is not changed.
func Without(o Object, key string) Object {
	out := make(Object, len(o))
	for k, v := range o {
		if k != key {
			out[k] = v
		}
	}
	return out
}

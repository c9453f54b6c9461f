package ld

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// JCS is v as canonical JSON (RFC 8785). v is what Parse makes: objects, arrays, texts, json.Number, true, false and
// nil.
func JCS(v any) ([]byte, error) { return appendJCS(nil, v, maxDepth) }

// appendJCS appends a value in canonical form (RFC 8785). depth is how deep values may still be nested.
func appendJCS(b []byte, v any, depth int) (_ []byte, err error) {
	if depth < 0 {
		return nil, Faultf("too-complex", "nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendText(b, v)
	case json.Number:
		return appendNumber(b, v)
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJCS(b, x, depth-1); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case Object:
		return appendObject(b, v, depth)
	}
	return nil, Faultf("malformed", "a %T is no JSON", v)
}

// appendObject appends an object with its keys in the order of their UTF-16 code units (RFC 8785, section 3.2.3).
func appendObject(b []byte, o Object, depth int) (_ []byte, err error) {
	b = append(b, '{')
	for i, k := range slices.SortedFunc(maps.Keys(o), compareUTF16) {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendText(b, k); err != nil {
			return nil, err
		}
		if b, err = appendJCS(append(b, ':'), o[k], depth-1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// compareUTF16 is the order of section 3.2.3: by UTF-16 code units, where what is beyond U+FFFF stands before U+E000
// and its followers.
func compareUTF16(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && i < len(a) && !utf8.RuneStart(a[i]) {
		i--
	}
	x, _ := utf8.DecodeRuneInString(a[i:])
	y, _ := utf8.DecodeRuneInString(b[i:])
	if i == len(a) || i == len(b) || (x > 0xFFFF) == (y > 0xFFFF) {
		return cmp.Compare(a[i:], b[i:])
	}
	return cmp.Compare(firstUnit(x), firstUnit(y))
}

// firstUnit is the first UTF-16 code unit of a character: those beyond U+FFFF begin with one from 0xD800 on.
func firstUnit(r rune) rune {
	if r > 0xFFFF {
		r, _ = utf16.EncodeRune(r)
	}
	return r
}

// appendText writes a text as section 3.2.2.2 says.
func appendText(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, Faultf("malformed", "a text is not UTF-8")
	}
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"'), nil
}

// appendNumber writes a number as ECMAScript does (section 3.2.2.3), which is how encoding/json writes a float64, but
// for -0.
func appendNumber(b []byte, n json.Number) ([]byte, error) {
	f, err := n.Float64()
	if err != nil {
		return nil, Faultf("malformed", "%.40q is no number that JSON can hold", n)
	}
	if f == 0 {
		return append(b, '0'), nil
	}
	text, err := json.Marshal(f)
	return append(b, text...), err
}

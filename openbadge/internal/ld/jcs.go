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

// JCS returns v as canonical JSON (RFC 8785). The value v has the types that Parse returns: objects, arrays, strings,
// json.Number, true, false and nil.
func JCS(v any) ([]byte, error) { return appendJCS(nil, v, maxDepth) }

// appendJCS appends a value in canonical form. depth is the number of further levels of nesting that are allowed.
func appendJCS(b []byte, v any, depth int) (_ []byte, err error) {
	if depth < 0 {
		return nil, Faultf("too-complex", "more than %d levels of nesting", maxDepth)
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
	return nil, Faultf("malformed", "cannot write a %T as JSON", v)
}

// appendObject appends an object, with its keys sorted.
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

// compareUTF16 compares keys as section 3.2.3 requires: by UTF-16 code units. In this order, the characters beyond
// U+FFFF come before the characters U+E000 to U+FFFF.
func compareUTF16(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	// Move i back to the start of the first character that differs.
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

// firstUnit returns the first UTF-16 code unit of a character: a surrogate from 0xD800 on for characters beyond U+FFFF.
func firstUnit(r rune) rune {
	if r > 0xFFFF {
		r, _ = utf16.EncodeRune(r)
	}
	return r
}

// appendText appends a string with the escapes that section 3.2.2.2 requires.
func appendText(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, Faultf("malformed", "a string is not UTF-8")
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

// appendNumber appends a number as ECMAScript writes it (section 3.2.2.3). encoding/json writes a float64 in this
// form, except for -0.
func appendNumber(b []byte, n json.Number) ([]byte, error) {
	f, err := n.Float64()
	if err != nil {
		return nil, Faultf("malformed", "%.40q is not a JSON number", n)
	}
	if f == 0 {
		return append(b, '0'), nil
	}
	text, err := json.Marshal(f)
	return append(b, text...), err
}

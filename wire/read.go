package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
)

// UnknownField is the error for an object that lists a critical field which this program does not know.
type UnknownField struct{ Name string }

// Error implements error.
func (e *UnknownField) Error() string {
	return fmt.Sprintf("requires the field %.64q, unknown to this program: upgrade the program", e.Name)
}

// Decode parses exactly one JSON object into v, a pointer to a struct. Decode skips fields of the object that v does
// not have. If the object lists such a field as "critical", the error is an *UnknownField. Decode ignores "critical" in
// nested objects.
func Decode(b []byte, v any) error {
	if err := decodeHint(b, v); err != nil {
		return err
	}
	if !mayBeCritical(b) {
		return nil
	}
	var c struct {
		Critical []string `json:"critical"`
	}
	if err := decodeHint(b, &c); err != nil {
		return err
	}
	if name := firstUnknown(c.Critical, reflect.TypeOf(v).Elem()); name != "" {
		return &UnknownField{name}
	}
	return nil
}

// decodeHint parses exactly one JSON value into v. decodeHint skips every field that v does not have, even a critical
// field.
func decodeHint(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("text is not the expected JSON: %w", err)
	}
	return nil
}

// mayBeCritical reports whether b may contain the key "critical". If not, Decode need not decode a large chunk a second
// time. The check is needed because a key may be written with escapes, and because encoding/json ignores case.
func mayBeCritical(b []byte) bool {
	const key = "critical"
	for i := 0; i+len(key) <= len(b); i++ {
		if b[i]|0x20 == key[0] && bytes.EqualFold(b[i:i+len(key)], []byte(key)) {
			return true
		}
	}
	return bytes.Contains(b, []byte(`\u`))
}

// firstUnknown returns the first of the names that is not a JSON field of the struct t, or "" if t has all these
// fields.
func firstUnknown(names []string, t reflect.Type) string {
	if len(names) == 0 {
		return ""
	}
	known := map[string]bool{"critical": true}
	for _, f := range fieldNames(t) {
		known[f] = true
	}
	for _, n := range names {
		if !known[n] {
			return n
		}
	}
	return ""
}

// fieldNames returns the JSON names of a struct's fields, including those of embedded structs.
func fieldNames(t reflect.Type) (out []string) {
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "" && f.Anonymous:
			out = append(out, fieldNames(f.Type)...)
		case name != "" && name != "-":
			out = append(out, name)
		}
	}
	return out
}

// IsCanonical reports whether b is canonical JSON (RFC 8785), whatever fields it contains.
func IsCanonical(b []byte) bool {
	if !utf8.Valid(b) {
		return false // the package jcs copies the bytes of strings without checking them
	}
	c, err := jcs.Transform(b)
	return err == nil && bytes.Equal(c, b)
}

// misspeltKey returns a key of the object b that differs only in case from a field of the struct t, or "" if there is
// no such key. encoding/json would accept such a key, but programs in other languages would not.
func misspeltKey(b []byte, t reflect.Type) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(b, &all) != nil {
		return ""
	}
	known := fieldNames(t)
	for key := range all {
		for _, name := range known {
			if key != name && strings.EqualFold(key, name) {
				return key
			}
		}
	}
	return ""
}

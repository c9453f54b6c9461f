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

// UnknownField is the error for a critical field that this program does not know.
type UnknownField struct{ Name string }

func (e *UnknownField) Error() string {
	return fmt.Sprintf("requires %.64q, which this program does not know; upgrade it", e.Name)
}

// Decode reads one JSON object, and nothing after it, into v, which points to a struct. Fields that v lacks are
// skipped, unless the object's field "critical" names one: then the error is an *UnknownField. The "critical" of an
// object inside does not count here.
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

// decodeHint reads one JSON value, and nothing after it, into v. Every field that v lacks is skipped, also a critical
// one.
func decodeHint(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("not the JSON that is expected: %w", err)
	}
	return nil
}

// mayBeCritical spares large chunks a second reading. A key can be written with escapes too, and encoding/json does not
// tell upper from lower case.
func mayBeCritical(b []byte) bool {
	const key = "critical"
	for i := 0; i+len(key) <= len(b); i++ {
		if b[i]|0x20 == key[0] && bytes.EqualFold(b[i:i+len(key)], []byte(key)) {
			return true
		}
	}
	return bytes.Contains(b, []byte(`\u`))
}

// firstUnknown is the first of names that is no JSON field of the struct t; empty: t has all of them.
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

// fieldNames are the JSON names of a struct's fields, those of embedded structs included.
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

// IsCanonical reports whether b is canonical JSON (RFC 8785), whatever its fields are.
func IsCanonical(b []byte) bool {
	if !utf8.Valid(b) {
		return false // jcs passes the bytes of strings on as they are
	}
	c, err := jcs.Transform(b)
	return err == nil && bytes.Equal(c, b)
}

// misspelt is a field of the object b that encoding/json takes for a field of the struct t though its letters differ in
// case; empty: there is none. Other programs would not read such a field.
func misspelt(b []byte, t reflect.Type) string {
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

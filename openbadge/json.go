package openbadge

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"
)

const (
	// MaxBytes bounds a credential: those with an image within are a few hundred KB.
	MaxBytes = 1 << 20
	maxDepth = 32
)

// object is a JSON object; numbers are json.Number.
type object = map[string]any

// parseJSON reads one JSON object. It refuses a key that stands twice, because two readers could see two documents.
func parseJSON(b []byte) (object, error) {
	if len(b) > MaxBytes {
		return nil, fault("too-complex", "%d bytes: at most %d are read", len(b), MaxBytes)
	}
	if !utf8.Valid(b) {
		return nil, fault("malformed", "it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := value(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fault("malformed", "something follows the JSON")
	}
	o, ok := v.(object)
	if !ok {
		return nil, fault("malformed", "it is no JSON object")
	}
	return o, nil
}

func value(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, fault("malformed", "it is no JSON: %v", err)
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth >= maxDepth {
		return nil, fault("too-complex", "nested more than %d deep", maxDepth)
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := value(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, wrapJSON(err)
	}
	o := object{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, wrapJSON(err)
		}
		key, ok := k.(string)
		if !ok {
			return nil, fault("malformed", "a key is no string")
		}
		if _, twice := o[key]; twice {
			return nil, fault("malformed", "the key %.60q stands twice", key)
		}
		if o[key], err = value(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = d.Token()
	return o, wrapJSON(err)
}

func wrapJSON(err error) error {
	if err == nil {
		return nil
	}
	return fault("malformed", "it is no JSON: %v", err)
}

// list is v's elements; one alone is a list of one; absent and null are none.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func str(o object, key string) string {
	s, _ := o[key].(string)
	return s
}

func obj(o object, key string) object {
	x, _ := o[key].(object)
	return x
}

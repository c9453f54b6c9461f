package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"portillon/hub/fault"
	"portillon/hub/httpd"
	"portillon/policy"
	"portillon/yamlfile"
)

// maxDepth is the maximum nesting of a body; valid bodies have three levels.
const maxDepth = 16

// decode decodes a JSON value strictly: valid UTF-8, no trailing data, no unknown or repeated fields, exact names. The
// error is a *fault.Invalid with all faults.
func decode(data []byte, into any, l policy.Language) error {
	r := &reader{dec: json.NewDecoder(bytes.NewReader(data)), lang: l}
	r.dec.UseNumber()
	// First check the syntax of the JSON text and the names of its fields.
	if bad := bytes.ToValidUTF8(data, nil); len(bad) != len(data) {
		return r.malformedJSON(errors.New("UTF-8"))
	}
	if err := r.checkValue(reflect.TypeOf(into).Elem(), "", 0); err != nil {
		return r.malformedJSON(err)
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return r.malformedJSON(errors.New("trailing data"))
	}
	if len(r.faults) > 0 {
		return &fault.Invalid{Faults: r.faults}
	}
	// Then decode the text, because package json checks the types of the values.
	err := json.Unmarshal(data, into)
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		return &fault.Invalid{Faults: []fault.Field{{Field: fieldPath(reflect.TypeOf(into).Elem(), kind.Field),
			Given: clip(kind.Value),
			Wrong: httpd.Text{FR: "mauvais type", EN: "wrong type"}.In(l), Right: kindName(kind.Type)}}}
	}
	return r.malformedJSON(err)
}

// fieldPath removes the names of embedded types from a path of encoding/json, because clients do not know these names.
func fieldPath(t reflect.Type, path string) string {
	if t.Kind() != reflect.Struct {
		return path
	}
	for _, f := range reflect.VisibleFields(t) {
		if rest, ok := strings.CutPrefix(path, f.Name+"."); ok && f.Anonymous {
			return rest
		}
	}
	return path
}

// reader compares a JSON value with the type that it is decoded into.
type reader struct {
	dec    *json.Decoder
	faults []fault.Field
	lang   policy.Language
}

// malformedJSON returns the error for malformed JSON.
func (r *reader) malformedJSON(err error) error {
	s := clip(strings.TrimPrefix(err.Error(), "json: "))
	wrong := httpd.Text{FR: "JSON illisible : " + s, EN: "unreadable JSON: " + s}
	return &fault.Invalid{Faults: []fault.Field{{Field: "body", Wrong: wrong.In(r.lang)}}}
}

// checkValue checks one JSON value, with its fields or elements, against the Go type t. path names the value in faults.
// If t is nil, every value is valid.
func (r *reader) checkValue(t reflect.Type, path string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("JSON objects and lists are nested more than %d levels deep", maxDepth)
	}
	token, err := r.dec.Token()
	if err != nil {
		return err
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch token {
	case json.Delim('{'):
		return r.checkObject(t, path, depth)
	case json.Delim('['):
		var of reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			of = t.Elem()
		}
		for i := 0; r.dec.More(); i++ {
			if err := r.checkValue(of, fmt.Sprintf("%s[%d]", path, i), depth+1); err != nil {
				return err
			}
		}
		_, err = r.dec.Token()
		return err
	}
	return nil
}

// checkObject checks the names and values of an object's fields.
func (r *reader) checkObject(t reflect.Type, path string, depth int) error {
	fields, closed := fieldsOf(t)
	seen := map[string]bool{}
	for r.dec.More() {
		token, err := r.dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		at := strings.TrimPrefix(path+"."+clip(name), ".")
		of := fields[name]
		switch {
		case seen[name]:
			r.add(fault.Field{Field: at, Wrong: repeatedName().In(r.lang)})
		case closed && of == nil:
			f := unknownField(clip(name), fieldNames(fields), r.lang)
			f.Field = at
			r.add(f)
		}
		seen[name] = true
		if of == nil && !closed && t != nil && t.Kind() == reflect.Map {
			of = t.Elem()
		}
		if err := r.checkValue(of, at, depth+1); err != nil {
			return err
		}
	}
	_, err := r.dec.Token()
	return err
}

// add records a fault. Only the first 20 faults are recorded.
func (r *reader) add(f fault.Field) {
	if len(r.faults) < 20 {
		r.faults = append(r.faults, f)
	}
}

// fieldsOf returns the field names of a type, and whether other names are forbidden.
func fieldsOf(t reflect.Type) (map[string]reflect.Type, bool) {
	if t == nil || t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil, false
	}
	out := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && f.IsExported() && (out[name] == nil || len(f.Index) == 1) {
			out[name] = f.Type
		}
	}
	return out, true
}

// fieldNames returns the names in a map, in random order.
func fieldNames(m map[string]reflect.Type) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

// unknownField returns the fault for an unknown name, with the most similar known name.
func unknownField(name string, known []string, l policy.Language) fault.Field {
	f := fault.Field{Field: name, Wrong: httpd.Text{FR: "champ inconnu", EN: "unknown field"}.In(l)}
	hint := yamlfile.Parse("", nil).Root().DidYouMean(name, known)
	if near, ok := strings.CutPrefix(hint, `did you mean "`); ok {
		f.Right = strings.TrimSuffix(near, `"?`)
	}
	return f
}

// kindName returns the name of the JSON type (such as "string" or "array") to which a Go type is encoded.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return "number"
}

// mergePatch applies a JSON merge patch (RFC 7396, section 2) to a decoded value.
func mergePatch(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, v := range p {
		if v == nil {
			delete(t, name)
		} else {
			t[name] = mergePatch(t[name], v)
		}
	}
	return t
}

// applyPatch returns current with a merge patch applied. Unknown fields are rejected. A null sets a field to the zero
// value.
func applyPatch[T any](current T, patch []byte, l policy.Language) (out T, err error) {
	var check T
	if err := decode(patch, &check, l); err != nil {
		return out, err
	}
	var change any
	if err := unmarshalNumbers(patch, &change); err != nil {
		return out, err
	}
	if _, ok := change.(map[string]any); !ok {
		return out, (&reader{lang: l}).malformedJSON(errors.New("merge patch is not a JSON object"))
	}
	b, err := json.Marshal(current)
	if err != nil {
		return out, err
	}
	var target any
	if err := unmarshalNumbers(b, &target); err != nil {
		return out, err
	}
	if b, err = json.Marshal(mergePatch(target, change)); err != nil {
		return out, err
	}
	return out, decode(b, &out, l)
}

// unmarshalNumbers decodes JSON with numbers as json.Number, because a float64 cannot represent all int64 values.
func unmarshalNumbers(b []byte, into *any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(into)
}

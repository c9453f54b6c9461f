package analysis

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"portillon/policy"
)

// Setting is a part of a policy that differs and that Compare does not cover. If the values are too long to print,
// Before and After are both empty. If the part was added or removed, Before or After is empty.
type Setting struct {
	Path   string `json:"path"` // the path in policy.yaml, such as machines.laser.cooldown
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Badges bool   `json:"badges,omitempty"` // true if this setting determines who holds which badge
}

// Uncompared lists the settings that differ and that Compare does not cover. A setting that applies to all machines is
// listed at each machine.
func Uncompared(before, after *policy.Policy) []Setting {
	var d uncompared
	d.fields("", reflect.ValueOf(before.Model), reflect.ValueOf(after.Model))
	d.keyed(
		"issuers",
		byID(before.Issuers, func(x policy.Issuer) policy.IssuerID { return x.ID }),
		byID(after.Issuers, func(x policy.Issuer) policy.IssuerID { return x.ID }),
	)
	d.keyed(
		"badges",
		byID(before.Badges, func(x policy.Badge) policy.BadgeID { return x.ID }),
		byID(after.Badges, func(x policy.Badge) policy.BadgeID { return x.ID }),
	)
	d.keyed(
		"machines",
		byID(before.Machines, func(x policy.Machine) policy.MachineID { return x.ID }),
		byID(after.Machines, func(x policy.Machine) policy.MachineID { return x.ID }),
	)
	d.keyed("evidence", reflect.ValueOf(before.Evidence), reflect.ValueOf(after.Evidence))
	return d
}

// uncompared collects the settings that Uncompared returns.
type uncompared []Setting

// weighed contains the fields of the model whose changes Compare reports, or that Uncompared compares part by part.
// Uncompared lists every field that is missing in this map. Therefore Uncompared lists a new field of the model until
// somebody adds the field to the map.
var weighed = map[string]bool{
	"Holidays": true,
	"Issuers":  true,
	"Badges":   true,
	"Machines": true,
	"Evidence": true,
	"ID":       true,
	"Grants":   true,
	"Mode":     true,
	"Card":     true,
	"Pass":     true,
	"Fresh":    true,
	"Stale":    true,
	"Bookings": true,
}

// decideHolders lists the settings that determine which members hold which badge.
var decideHolders = map[string]bool{
	"status-grace":   true,
	"issuers":        true,
	"keys":           true,
	"id":             true,
	"issuer":         true,
	"achievement":    true,
	"status-issuers": true,
}

// namesOfFields contains the fields whose key in policy.yaml does not follow from the Go name of the field.
var namesOfFields = map[string]string{
	"Zone":           "timezone",
	"Names":          "panel.names",
	"Look":           "panel.look",
	"Profile":        "id",
	"SignedBindings": "bindings",
}

// fields compares two values of one struct, field by field.
func (d *uncompared) fields(path string, a, b reflect.Value) {
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !weighed[name] && !alike(x, y) {
			key := keyOf(name)
			*d = append(*d, Setting{path + key, brief(x), brief(y), decideHolders[key]})
		}
	}
}

// alike reports whether two values are equal. Time zones are compared by name.
func alike(a, b any) bool {
	if zone, ok := a.(*time.Location); ok {
		return zone.String() == b.(*time.Location).String()
	}
	return reflect.DeepEqual(a, b)
}

// keyed compares two maps of structs, in the sorted order of their keys.
func (d *uncompared) keyed(path string, a, b reflect.Value) {
	var keys []string
	for _, k := range append(a.MapKeys(), b.MapKeys()...) {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		key := reflect.ValueOf(k).Convert(a.Type().Key())
		switch x, y := a.MapIndex(key), b.MapIndex(key); {
		case !x.IsValid():
			*d = append(*d, Setting{Path: path + "." + k, After: k, Badges: decideHolders[path]})
		case !y.IsValid():
			*d = append(*d, Setting{Path: path + "." + k, Before: k, Badges: decideHolders[path]})
		default:
			d.fields(path+"."+k+".", x, y)
		}
	}
}

// byID returns a map from the id of each element of a list to the element.
func byID[K comparable, V any](all []V, id func(V) K) reflect.Value {
	out := map[K]V{}
	for _, v := range all {
		out[id(v)] = v
	}
	return reflect.ValueOf(out)
}

// keyOf returns a field's key in policy.yaml, such as when-idle for WhenIdle.
func keyOf(name string) string {
	if known, ok := namesOfFields[name]; ok {
		return known
	}
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// brief returns a value as text, or "" if the text does not fit into a line.
func brief(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return policy.FormatDuration(v)
	case []string:
		return strings.Join(v, ", ")
	case fmt.Stringer:
		return v.String()
	}
	if reflect.TypeOf(v).Kind() == reflect.String {
		return fmt.Sprint(v)
	}
	return ""
}

package file

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// judgeBy implements the part of JSON Schema that Schema uses. judgeBy is not a general validator: it reports an
// unknown schema keyword as a fault.
func judgeBy(root, s map[string]any, v any, at string) (faults []string) {
	bad := func(format string, a ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, a...)) }
	for _, word := range slices.Sorted(maps.Keys(s)) {
		switch of := s[word]; word {
		case "$ref":
			faults = append(
				faults,
				judgeBy(
					root,
					root["$defs"].(map[string]any)[strings.TrimPrefix(of.(string), "#/$defs/")].(map[string]any),
					v,
					at,
				)...)
		case "anyOf":
			if forms := of.([]any); !slices.ContainsFunc(
				forms,
				func(x any) bool { return len(judgeBy(root, x.(map[string]any), v, at)) == 0 },
			) {
				bad("none of %d forms", len(forms))
			}
		case "not":
			if len(judgeBy(root, of.(map[string]any), v, at)) == 0 {
				bad("%v must not be as %v", v, of)
			}
		case "const":
			if fmt.Sprint(of) != fmt.Sprint(v) {
				bad("%v, want %v", v, of)
			}
		case "enum":
			if !contains(of.([]any), v) {
				bad("%v is none of %v", v, of)
			}
		case "type":
			if kindOf(v) != of {
				bad("%v is no %v", v, of)
			}
		case "description", "title", "$schema", "$defs":
		default:
			faults = append(faults, judgeMore(root, s, word, v, at)...)
		}
	}
	return faults
}

// judgeMore applies the schema keywords that concern only one kind of value.
func judgeMore(root, s map[string]any, word string, v any, at string) (faults []string) {
	bounds := map[string]func(n, of float64) bool{
		"min": func(n, of float64) bool { return n >= of },
		"max": func(n, of float64) bool { return n <= of },
	}
	size, sized := map[string]float64{}, s[word]
	switch v := plain(v).(type) {
	case string:
		size["Length"] = float64(utf8.RuneCountInString(v))
		if word == "pattern" && !regexp.MustCompile(sized.(string)).MatchString(v) {
			faults = append(faults, fmt.Sprintf("%s: %q is not as %v", at, v, sized))
		}
	case int:
		size["imum"] = float64(v)
	case []any:
		size["Items"] = float64(len(v))
		for i := 0; word == "items" && i < len(v); i++ {
			faults = append(faults, judgeBy(root, sized.(map[string]any), v[i], fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		size["Properties"] = float64(len(v))
		faults = append(faults, judgeObject(root, s, word, v, at)...)
	}
	for way, holds := range bounds {
		what, is := strings.CutPrefix(word, way)
		if n, has := size[what]; is && has && !holds(n, sized.(float64)) {
			faults = append(faults, fmt.Sprintf("%s: %v, and %s is %v", at, n, word, sized))
		}
	}
	if known := "pattern items minLength maxLength minimum maximum minItems maxItems minProperties maxProperties " +
		"properties additionalProperties propertyNames required dependentRequired"; !slices.Contains(
		strings.Fields(known),
		word,
	) {
		faults = append(faults, "the judge does not know "+word)
	}
	return faults
}

func judgeObject(root, s map[string]any, word string, v map[string]any, at string) (faults []string) {
	properties, _ := s["properties"].(map[string]any)
	for k, x := range v {
		of, known := properties[k].(map[string]any)
		switch names, _ := s["propertyNames"].(map[string]any); {
		case word == "properties" && known:
			faults = append(faults, judgeBy(root, of, x, at+"."+k)...)
		case word == "additionalProperties" && !known && s[word] == false:
			faults = append(faults, at+"."+k+": unknown")
		case word == "additionalProperties" && !known:
			faults = append(faults, judgeBy(root, s[word].(map[string]any), x, at+"."+k)...)
		case word == "propertyNames":
			faults = append(faults, judgeBy(root, names, k, at+"."+k)...)
		}
	}
	needs := []any{}
	if word == "required" {
		needs = s[word].([]any)
	}
	if word == "dependentRequired" {
		for k, more := range s[word].(map[string]any) {
			if _, there := v[k]; there {
				needs = append(needs, more.([]any)...)
			}
		}
	}
	for _, k := range needs {
		if _, there := v[k.(string)]; !there {
			faults = append(faults, fmt.Sprintf("%s: no %v", at, k))
		}
	}
	return faults
}

// plain converts a date without quotes to text. The YAML library of the test returns a date, but Portillon and editors
// read a text.
func plain(v any) any {
	t, is := v.(time.Time)
	switch {
	case !is:
		return v
	case t.Hour() == 0 && t.Minute() == 0:
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339)
}

func kindOf(v any) string {
	switch plain(v).(type) {
	case string:
		return "string"
	case int:
		return "integer"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "other"
}

func contains(list []any, v any) bool {
	return slices.ContainsFunc(list, func(x any) bool { return reflect.DeepEqual(x, v) })
}

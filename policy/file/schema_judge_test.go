package file

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// judgeBy is the part of JSON Schema that Schema uses: enough to try it, no validator.
func judgeBy(root, s map[string]any, v any, at string) (faults []string) {
	bad := func(format string, a ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, a...)) }
	if r, ok := s["$ref"].(string); ok {
		return judgeBy(root, root["$defs"].(map[string]any)[strings.TrimPrefix(r, "#/$defs/")].(map[string]any), v, at)
	}
	if forms, ok := s["anyOf"].([]any); ok {
		for _, x := range forms {
			if len(judgeBy(root, x.(map[string]any), v, at)) == 0 {
				return nil
			}
		}
		bad("none of %d forms", len(forms))
	}
	if c, ok := s["const"]; ok && fmt.Sprint(c) != fmt.Sprint(v) {
		bad("%v, want %v", v, c)
	}
	if e, ok := s["enum"].([]any); ok && !contains(e, v) {
		bad("%v is none of %v", v, e)
	}
	switch s["type"] {
	case "string":
		if t, ok := v.(time.Time); ok { // a date without quotes: YAML has a type for it, Portillon reads the text
			v = t.Format(time.RFC3339)
		}
		text, ok := v.(string)
		if p, has := s["pattern"].(string); !ok || has && !regexp.MustCompile(p).MatchString(text) {
			bad("%v is no such text", v)
		}
	case "integer":
		if _, ok := v.(int); !ok {
			bad("%v is no whole number", v)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			bad("%v is not true or false", v)
		}
	case "array":
		l, ok := v.([]any)
		if !ok {
			bad("no list")
		}
		for i, x := range l {
			faults = append(faults, judgeBy(root, s["items"].(map[string]any), x, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case "object":
		faults = append(faults, judgeObject(root, s, v, at)...)
	}
	return faults
}

func judgeObject(root, s map[string]any, v any, at string) (faults []string) {
	m, ok := v.(map[string]any)
	if !ok {
		return []string{at + ": no mapping"}
	}
	properties, _ := s["properties"].(map[string]any)
	for k, x := range m {
		p, known := properties[k].(map[string]any)
		if !known {
			if p, known = s["additionalProperties"].(map[string]any); !known {
				faults = append(faults, at+"."+k+": unknown")
				continue
			}
		}
		faults = append(faults, judgeBy(root, p, x, at+"."+k)...)
	}
	required, _ := s["required"].([]any)
	for _, k := range required {
		if _, there := m[k.(string)]; !there {
			faults = append(faults, fmt.Sprintf("%s: no %v", at, k))
		}
	}
	return faults
}

func contains(list []any, v any) bool {
	for _, x := range list {
		if reflect.DeepEqual(x, v) {
			return true
		}
	}
	return false
}

package ld

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portillon/openbadge/internal/otherstest"
)

// The tables against the contexts as others publish them: every term, its IRI, coercion, container and scope, and no more.
func TestTablesAreThePublishedContexts(t *testing.T) {
	var index map[string]struct{ File string }
	if err := json.Unmarshal(otherstest.File(t, "contexts", "index.json"), &index); err != nil {
		t.Fatal(err)
	}
	if len(known) < 5 {
		t.Fatalf("only %d contexts", len(known))
	}
	for _, k := range known {
		var doc struct {
			Context map[string]any `json:"@context"`
		}
		if err := json.Unmarshal(otherstest.File(t, "contexts", index[k.url].File), &doc); err != nil {
			t.Fatalf("%s: %v", k.url, err)
		}
		compareTable(t, filepath.Base(k.url), k.ctx, []map[string]any{doc.Context})
	}
}

func compareTable(t *testing.T, at string, c *context, scope []map[string]any) {
	t.Helper()
	want := scope[0]
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(want)), func(s string) bool { return s[0] == '@' || s == "id" || s == "type" })
	var got []string
	for _, x := range *c {
		got = append(got, x.name)
	}
	if !slices.Equal(got, names) {
		t.Errorf("%s has %q, want %q", at, got, names)
		return
	}
	for i := range *c {
		compareTerm(t, at+" "+names[i], &(*c)[i], want[names[i]], scope)
	}
}

func compareTerm(t *testing.T, at string, x *term, def any, scope []map[string]any) {
	t.Helper()
	d, ok := def.(map[string]any)
	if !ok {
		d = map[string]any{"@id": def}
	}
	iri, typ := expand(d["@id"], scope), expand(d["@type"], scope)
	kind := map[any]container{nil: 0, "@set": 0, "@list": inList, "@graph": inGraph}[d["@container"]]
	if x.iri != iri || x.typ != typ || x.container != kind {
		t.Errorf("%s is %q %q %d, want %q %q %d", at, x.iri, x.typ, x.container, iri, typ, kind)
	}
	if !strings.Contains(x.iri, ":") {
		t.Errorf("%s: %q is not absolute", at, x.iri)
	}
	scoped, has := d["@context"]
	switch {
	case !has && x.scoped != nil, has && x.scoped == nil:
		t.Errorf("%s: a scoped context on one side alone", at)
	case scoped == nil && has:
		if x.scoped != &refused {
			t.Errorf("%s: a null context that is not refused", at)
		}
	case has:
		compareTable(t, at, x.scoped, append([]map[string]any{scoped.(map[string]any)}, scope...))
	}
}

// expand is an IRI in the words of the contexts around it: another term, as in AchievementCredential, or prefix:rest, as in xsd:float.
func expand(v any, scope []map[string]any) string {
	s, _ := v.(string)
	find := func(name string) (any, bool) {
		for _, m := range scope {
			if d, ok := m[name]; ok {
				return d, true
			}
		}
		return nil, false
	}
	if d, ok := find(s); ok && d.(map[string]any)["@id"] != s {
		return expand(d.(map[string]any)["@id"], scope)
	}
	prefix, rest, _ := strings.Cut(s, ":")
	if d, ok := find(prefix); ok && !strings.HasPrefix(rest, "//") {
		return expand(d, scope) + rest
	}
	return s
}

func TestContextsThatDisagreeAreRefused(t *testing.T) {
	for want, list := range map[string][]any{
		"":                 {VC, OB, Extensions},
		"unknown-context":  {VC, OB, "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json"},
		"too-complex":      slices.Repeat([]any{VC}, 9),
		"unsupported-form": {"https://www.w3.org/2018/credentials/v1", OB},
	} {
		_, err := contexts(list, nil)
		if got, _, _ := strings.Cut(errText(err), ":"); got != want {
			t.Errorf("%q: %v, want %q", list, err, want)
		}
	}
	for _, near := range []string{VC + "/", VC + "#", "http://www.w3.org/ns/credentials/v2", strings.ToUpper(VC), " " + VC, ""} {
		if _, err := contexts([]any{near}, nil); !strings.Contains(errText(err), "unknown-context") {
			t.Errorf("%q: %v", near, err)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

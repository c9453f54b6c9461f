package ld

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"portillon/openbadge/internal/otherstest"
)

// The test compares the tables with the published contexts: they must have the same terms, with their IRI, coercion,
// container and scope.
func TestTablesEqualThePublishedContexts(t *testing.T) {
	var index map[string]struct{ File string }
	if err := json.Unmarshal(otherstest.File(t, "contexts", "index.json"), &index); err != nil {
		t.Fatal(err)
	}
	if len(known) != 13 {
		t.Fatalf("%d contexts, 13 are expected", len(known))
	}
	for _, k := range known {
		var doc struct {
			Context map[string]any `json:"@context"`
		}
		if err := json.Unmarshal(otherstest.File(t, "contexts", index[k.url].File), &doc); err != nil {
			t.Fatalf("%s: %v", k.url, err)
		}
		compareTable(t, k.url, k.ctx, []map[string]any{doc.Context})
	}
}

func compareTable(t *testing.T, at string, c *context, scope []map[string]any) {
	t.Helper()
	want := scope[0]
	names := slices.DeleteFunc(
		slices.Sorted(maps.Keys(want)),
		func(s string) bool { return s[0] == '@' || s == "id" || s == "type" },
	)
	var got []string
	for _, x := range c.terms {
		got = append(got, x.name)
	}
	if !slices.Equal(got, names) {
		t.Errorf("%s has %q, want %q", at, got, names)
		return
	}
	if protected, _ := want["@protected"].(bool); c.protected != protected {
		t.Errorf("%s is protected: %v", at, c.protected)
	}
	for i := range c.terms {
		compareTerm(t, at+" "+names[i], &c.terms[i], want[names[i]], scope)
	}
}

func compareTerm(t *testing.T, at string, x *term, def any, scope []map[string]any) {
	t.Helper()
	d, ok := def.(map[string]any)
	if !ok {
		d = map[string]any{"@id": def}
	}
	iri, typ := expand(d["@id"], scope), expand(d["@type"], scope)
	kind := map[any]container{nil: 0, "@set": inSet, "@list": inList, "@graph": inGraph}[d["@container"]]
	if x.iri != iri || x.typ != typ || x.container != kind {
		t.Errorf("%s is %q %q %d, want %q %q %d", at, x.iri, x.typ, x.container, iri, typ, kind)
	}
	if !strings.Contains(x.iri, ":") {
		t.Errorf("%s: %q is not absolute", at, x.iri)
	}
	scoped, has := d["@context"]
	switch {
	case !has && x.scoped != nil, has && x.scoped == nil:
		t.Errorf("%s: only the table or only the published context has a scoped context", at)
	case scoped == nil && has:
		if x.scoped != &refused {
			t.Errorf("%s: the table does not refuse the null context", at)
		}
	case has:
		compareTable(t, at, x.scoped, append([]map[string]any{scoped.(map[string]any)}, scope...))
	}
}

// expand returns the IRI for a value in the surrounding contexts. The value is another term, such as
// AchievementCredential, or prefix:rest, such as xsd:float.
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

const (
	vc1   = "https://www.w3.org/2018/credentials/v1"
	ob300 = "https://purl.imsglobal.org/spec/ob/v3p0/context.json"
	ob301 = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json"
)

func TestConflictingContextsAreRejected(t *testing.T) {
	for _, c := range []struct {
		want string
		list []any
	}{
		{"", []any{VC, OB, Extensions}},
		{"", []any{VC, VC, OB, OB, VC}},
		{"", []any{vc1, OB}},
		{"", []any{vc1, ob300, "https://w3id.org/security/suites/ed25519-2020/v1"}},
		{"", []any{VC, OB, "https://w3id.org/security/data-integrity/v2"}},
		{"", []any{ob300, ob301}}, // the terms are not protected, so the last definition is valid
		{"", []any{ob301, ob300}},
		{"unknown-context", []any{VC, ob301}}, // ob301 defines name and description as xsd:string
		{"unknown-context", []any{VC, vc1}},
		{"unknown-context", []any{ob301, OB}}, // context OB uses the prefix xsd, which OB itself does not define
		{"unknown-context", []any{nil}},
		{"unknown-context", []any{[]any{VC}}},
		{"unknown-context", []any{Object{}}},
		{"unknown-context", nil},
		{"too-complex", slices.Repeat([]any{VC}, 9)},
		{"unsupported-form", []any{"https://w3id.org/openbadges/v2"}},
	} {
		_, err := readContexts(c.list, nil)
		if got, _, _ := strings.Cut(errText(err), ":"); got != c.want {
			t.Errorf("%q: %v, want %q", c.list, err, c.want)
		}
	}
	for _, near := range []string{
		VC + "/",
		VC + "#",
		"http://www.w3.org/ns/credentials/v2",
		strings.ToUpper(VC),
		" " + VC,
		"",
	} {
		if _, err := readContexts([]any{near}, nil); !strings.Contains(errText(err), "unknown-context") {
			t.Errorf("%q: %v", near, err)
		}
	}
}

// A protected term stays protected if an unprotected context repeats its definition.
func TestProtectedTermsStayProtected(t *testing.T) {
	guard := &context{protected: true, terms: []term{{name: "a", iri: "urn:1"}}}
	alike := &context{terms: []term{{name: "a", iri: "urn:1"}}}
	other := &context{terms: []term{{name: "a", iri: "urn:2"}}}
	listed := &context{terms: []term{{name: "a", iri: "urn:1", container: inList}}}
	stack := func(override bool, all ...*context) (a *active, err error) {
		for _, c := range all {
			if a, err = a.with(c, override && c == alike); err != nil {
				return nil, err
			}
		}
		return a, nil
	}
	if _, err := stack(false, guard, alike, other); !strings.Contains(errText(err), "unknown-context") {
		t.Error(err)
	}
	if _, err := stack(false, guard, listed); !strings.Contains(errText(err), "unknown-context") {
		t.Error(err)
	}
	if _, err := stack(false, alike, other, alike, guard, guard); err != nil {
		t.Error(err)
	}
	if a, err := stack(true, guard, alike, other); err != nil {
		t.Error("the scope of a property could not redefine a protected term:  ", err)
	} else if x, _ := a.find("a"); x.iri != "urn:2" {
		t.Error(x.iri)
	}
}

func TestContextComparisonCoversEveryProperty(t *testing.T) {
	of := func(scoped *context) *context {
		return &context{terms: []term{{name: "a", iri: "urn:1", scoped: scoped}}}
	}
	base := &active{
		ctx: of(&context{protected: true}),
		up:  &active{ctx: &context{terms: []term{{name: "p", iri: "urn:p"}}}},
	}
	if !base.contains(of(&context{protected: true})) {
		t.Error("contains returned false for the same context")
	}
	for what, c := range map[string]*context{
		"a scope that protects nothing":         of(&context{}),
		"no scope":                              of(nil),
		"a prefix that means something else":    {leans: []term{{name: "p", iri: "urn:other"}}},
		"a prefix that it took for a whole IRI": {leans: []term{{name: "p"}}},
	} {
		if base.contains(c) {
			t.Errorf("contains returned true although %s differs", what)
		}
	}
}

// A nested node may repeat contexts of the document if the repetition changes the meaning of no term.
func TestNestedContextsMustChangeNothing(t *testing.T) {
	open := func(root, within string) error {
		d, err := Parse(
			[]byte(
				`{"@context":` + root + `,"type":"VerifiableCredential",` +
					`"evidence":{"@context":` + within + `,"id":"urn:x:e","type":"Evidence"}}`,
			),
		)
		if err == nil {
			_, err = Open(d)
		}
		return err
	}
	list := func(urls ...string) string { return `["` + strings.Join(urls, `","`) + `"]` }
	for _, c := range []struct{ want, root, within string }{
		{"", list(VC, OB, Extensions), list(VC, OB)},
		{"", list(VC, OB), `"` + VC + `"`},
		{"", list(VC, OB), `[]`},
		{"", list(vc1, ob300), list(vc1, ob300)},
		{"", list(vc1, ob300), list(ob300, vc1)},
		{"", list(vc1, ob301, ob300), list(ob300)},
		{"unknown-context", list(vc1, ob301, ob300), list(ob301)}, // as a nested context, ob301 would redefine terms of ob300
		{"unknown-context", list(VC, OB), list(VC, OB, Extensions)},
		// the nested context has the same definitions as VC, but the document does not name it
		{"unknown-context", list(VC, OB), list("https://www.w3.org/ns/credentials/status/v1")},
		{"unknown-context", list(VC, OB), `null`},
		{"unknown-context", list(VC, OB), `[null]`},
		{"unknown-context", list(VC, OB), `{"validFrom":"urn:x"}`},
		{"unknown-context", list(VC, OB), `["` + VC + `",{"validFrom":"urn:x"}]`},
		{"unknown-context", list(VC, OB), list("https://evil.example/")},
		{"unknown-context", list(VC, OB), `[` + list(VC) + `]`},
		{"too-complex", list(VC, OB), list(slices.Repeat([]string{VC}, 9)...)},
		{"unsupported-form", list(VC, OB), list("https://w3id.org/openbadges/v2")},
	} {
		if got, _, _ := strings.Cut(errText(open(c.root, c.within)), ":"); got != c.want {
			t.Errorf("%s within %s: %v, want %q", c.within, c.root, got, c.want)
		}
	}
	many := `[` + strings.Repeat(`{"@context":[]},`, maxAgain) + `{"@context":[]}]`
	d, err := Parse([]byte(`{"@context":` + list(VC, OB) + `,"type":"VerifiableCredential","evidence":` + many + `}`))
	if err == nil {
		_, err = Open(d)
	}
	if !strings.Contains(errText(err), "too-complex") {
		t.Error(err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

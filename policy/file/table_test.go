package file

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"portillon/policy"
)

func TestEveryKeyHasAReaderAnOrderAndASchema(t *testing.T) {
	all := newTables()
	mappings := all.mappings()
	listed := map[string]bool{}
	tablesValue := reflect.ValueOf(all).Elem()
	for i := range tablesValue.NumField() {
		table := tablesValue.Field(i)
		name, keys := table.FieldByName("name").String(), table.FieldByName("keys")
		listed[name] = true
		if len(mappings[name].keys) != keys.Len() || keys.Len() == 0 {
			t.Errorf("%s has %d keys, its mapping has %d", name, keys.Len(), len(mappings[name].keys))
		}
		for k := range keys.Len() {
			if keys.Index(k).FieldByName("read").IsNil() {
				t.Errorf("%s.%s has no reader", name, mappings[name].keys[k].name)
			}
		}
	}
	for name, m := range mappings {
		if !listed[name] && name != "need" { // "need" consists of two tables
			t.Errorf("%s is no table", name)
		}
		for i, k := range m.keys {
			if k.name == "" || k.about == "" || len(k.schema) == 0 {
				t.Errorf("%s.%s: description %q, schema %v", name, k.name, k.about, k.schema)
			}
			if _, known := mappings[k.below]; k.below != "" && !known {
				t.Errorf("%s.%s: no mapping is called %q", name, k.name, k.below)
			}
			if at := (shape{all: mappings, name: name}).place(k.name); at != i {
				t.Errorf("%s.%s is written at place %d, and stands at %d in the table", name, k.name, at, i)
			}
		}
	}
}

// everyKey returns the sample with every key, as text and as a tree.
func everyKey(t *testing.T) ([]byte, *yaml.Node) {
	t.Helper()
	b, err := os.ReadFile("testdata/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return b, &doc
}

// visit calls f for each mapping of known keys below n.
func visit(n *yaml.Node, s shape, f func(n *yaml.Node, s shape)) {
	switch n.Kind {
	case yaml.MappingNode:
		if !s.ids {
			f(n, s)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			visit(n.Content[i+1], s.under(n.Content[i].Value), f)
		}
	default:
		for _, x := range n.Content {
			visit(x, s, f)
		}
	}
}

func TestTheSampleHasEveryKeyInCanonicalOrder(t *testing.T) {
	text, doc := everyKey(t)
	missing := map[string]bool{}
	for name, m := range newTables().mappings() {
		if name == "badge-need" || name == "several-needs" { // both mappings occur under the name need
			continue
		}
		for _, k := range m.keys {
			missing[name+"."+k.name] = true
		}
	}
	visit(doc, top(), func(n *yaml.Node, s shape) {
		for i := 0; i < len(n.Content); i += 2 {
			delete(missing, s.name+"."+n.Content[i].Value)
		}
	})
	if len(missing) > 0 {
		t.Errorf("testdata/every-key.yaml lacks %s", strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	}
	if out, err := Format("every-key.yaml", text); err != nil || string(out) != string(text) {
		t.Errorf("testdata/every-key.yaml is not in the canonical order: %v\n%s", err, out)
	}
}

// If any key is removed from the sample, the policy must differ or the sample must be refused.
func TestEveryKeyIsReadIntoTheModel(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads hundreds of changed policies")
	}
	text, doc := everyKey(t)
	whole := mustParse(t, string(text))
	visit(doc, top(), func(n *yaml.Node, s shape) {
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if s.name == "policy" && key == "roles" { // the key roles only limits the values of other keys
				continue
			}
			all := n.Content
			n.Content = slices.Concat(all[:i], all[i+2:])
			less, err := yaml.Marshal(doc)
			n.Content = all
			if err != nil {
				t.Fatal(err)
			}
			if p, err := Parse("p", less); err == nil && reflect.DeepEqual(p.Model, whole.Model) {
				t.Errorf("line %d: %s.%s does not change the model", n.Content[i].Line, s.name, key)
			}
		}
	})
}

// A new field of the model must have a key in the tables, or be listed here with a reason.
func TestEveryFieldOfTheModelHasAKey(t *testing.T) {
	text, _ := everyKey(t)
	filled := map[string]bool{}
	fields(reflect.ValueOf(mustParse(t, string(text)).Model), filled)
	withoutKey := map[string]string{
		"Limits.Most":          "what hours and quotas leave: only a decision has it",
		"Holding.Checked":      "an example's badges are verified at the moment of the question",
		"Holding.Assurance":    "an example's badges are signed",
		"Question.LastTrusted": "an example's machine has no history",
		"Member.Blocked":       "card-state says it",
	}
	for name, is := range filled {
		if _, none := withoutKey[name]; is == none {
			t.Errorf("%s: filled by the sample of every key: %v; without a key: %q", name, is, withoutKey[name])
		}
	}
}

// fields records for each exported field below v whether some value of its type sets it.
func fields(v reflect.Value, filled map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fields(v.Elem(), filled)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fields(v.Index(i), filled)
		}
	case reflect.Map:
		for _, x := range v.Seq2() {
			fields(x, filled)
		}
	case reflect.Struct:
		ours := v.Type().PkgPath() == reflect.TypeFor[policy.Model]().PkgPath()
		for i := range v.NumField() {
			if f := v.Type().Field(i); ours && f.IsExported() {
				name := fmt.Sprintf("%s.%s", v.Type().Name(), f.Name)
				filled[name] = filled[name] || !v.Field(i).IsZero()
				fields(v.Field(i), filled)
			}
		}
	}
}

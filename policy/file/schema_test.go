package file

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The keys that the reader takes, from its source, against the keys of the schema: each set of the one is a set of the
// other.
func TestSchemaAndReaderKnowTheSameKeys(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	properties(schema, said)
	read := keySets(t)
	for s := range read {
		if !said[s] {
			t.Errorf("the reader takes %s: the schema does not", s)
		}
	}
	for s := range said {
		if !read[s] {
			t.Errorf("the schema says %s: the reader does not take it", s)
		}
	}
	if len(read) < 18 {
		t.Errorf("only %d sets of keys were found", len(read))
	}
}

func properties(v any, out map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if p, ok := v["properties"].(map[string]any); ok {
			out[strings.Join(slices.Sorted(maps.Keys(p)), " ")] = true
		}
		for _, x := range v {
			properties(x, out)
		}
	case []any:
		for _, x := range v {
			properties(x, out)
		}
	}
}

// keySets are the arguments of each call of only. machineKeys and sections stand for themselves.
func keySets(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, p := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, 0)
		if err != nil || strings.HasSuffix(p, "_test.go") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if name, isName := callName(call, ok); isName && name == "only" {
				keys := literals(call.Args[1:])
				slices.Sort(keys)
				out[strings.Join(keys, " ")] = true
			}
			return true
		})
	}
	// { all: … } and { any: … } are one set for the reader, which refuses both together, and two for the schema.
	delete(out, "all any")
	out["all"], out["any"] = true, true
	return out
}

func callName(call *ast.CallExpr, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	id, ok := call.Fun.(*ast.Ident)
	if !ok {
		return "", false
	}
	return id.Name, true
}

func literals(args []ast.Expr) []string {
	var out []string
	for _, a := range args {
		ast.Inspect(a, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil {
					out = append(out, s)
				}
			case *ast.Ident:
				out = append(out, map[string][]string{"machineKeys": machineKeys, "sections": sections}[n.Name]...)
			}
			return true
		})
	}
	return out
}

// The shipped samples are good by the schema, and a key that the reader refuses is refused by the schema too.
func TestSamplesAreGoodByTheSchema(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"testdata/policy.yaml", "../../site-example/policy.yaml"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if faults := judgeBy(schema, schema, decode(t, b), ""); len(faults) > 0 {
			t.Errorf("%s: %q", path, faults)
		}
	}
	for _, swapped := range []string{swap(t, "cooldown: 3m", "cooldwon: 3m"), swap(t, "role: maintainer, needs", "role: boss, needs"), swap(t, "portillon: 1", "portillon: 2"),
		swap(t, "site: biklab\n", ""), swap(t, "max: 2h,", "max: long,"), swap(t, "interventions: 5", "interventions: five")} {
		if faults := judgeBy(schema, schema, decode(t, []byte(swapped)), ""); len(faults) == 0 {
			t.Errorf("the schema takes what the reader refuses")
		}
	}
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

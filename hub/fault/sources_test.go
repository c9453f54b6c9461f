package fault

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// speakers returns the source files that create faults which people read at the hub.
func speakers() []string {
	return []string{
		"../cardkeys.go",
		"../settings.go",
		"../directory/*.go",
		"../membersource/*.go",
		"../publish/*.go",
		"../enrol/*.go",
		"../cardkey/*.go",
		"../issue/*.go",
		"../account/*.go",
		"../report/*.go",
		"../display/*.go",
		"../search/*.go",
		"../visitor/*.go",
		"../training/*.go",
		"../web/*.go",
		"../../policy/file/*.go",
		"../../yamlfile/*.go",
		"../../site/*.go",
		"../../policy/hours.go",
		"../../rfid/card.go",
	}
}

// sinks are the functions that create a fault from their arguments. The value of each entry is the index of the first
// argument that is a sentence.
var sinks = map[string]int{"Fault": 0, "at": 0, "bad": 0, "wrong": 0, "wrongFile": 0, "refuse": 0, "add": 2, "here": 1,
	"suspect": 2, "space": 2, "warn": 1, "invalid": 2, "failure": 0}

// errorsToo matches the source files whose errors a fault quotes.
var errorsToo = regexp.MustCompile(`/policy/hours\.go$|/rfid/card\.go$`)

// unread matches the source files whose sentences the hub sends only to machines, so that no person reads them.
var unread = regexp.MustCompile(
	`/enrol/(answer|join|routes_public)\.go$|/policy/file/(format|schema.*)\.go$|_test\.go$`)

// sentence is one English sentence of a fault, with 7 in place of each inserted value.
type sentence struct{ text, where string }

// sentences returns all sentences about wrong values in the sources of one package.
func sentences(t *testing.T, glob string) (out []sentence) {
	t.Helper()
	names, err := filepath.Glob(glob)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", glob, len(names), err)
	}
	sinks := maps.Clone(sinks)
	if errorsToo.MatchString(names[0]) {
		sinks["Errorf"], sinks["New"] = 0, 0
	}
	set := token.NewFileSet()
	var all []*ast.File
	consts := map[string]ast.Expr{}
	for _, name := range names {
		if unread.MatchString(name) {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) == len(v.Values) {
				for i, id := range v.Names {
					consts[id.Name] = v.Values[i]
				}
			}
			return true
		})
	}
	take := func(e ast.Expr, hint bool) {
		s := spell(e, consts)
		if strings.IndexFunc(s, unicode.IsLetter) < 0 || hint && !strings.Contains(strings.TrimSpace(s), " ") {
			return
		}
		out = append(out, sentence{s, set.Position(e.Pos()).String()})
	}
	for _, f := range all {
		ast.Inspect(f, func(n ast.Node) bool { takeFrom(n, sinks, take); return true })
	}
	return out
}

// takeFrom collects the sentences of one syntax node: arguments of a function in sinks, values of the fields Wrong and
// Right, and values of variables called wrong, right, why or taken.
func takeFrom(n ast.Node, sinks map[string]int, take func(ast.Expr, bool)) {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if from, ok := sinks[name]; ok && len(n.Args) > from {
			for _, a := range n.Args[from:] {
				take(a, true)
			}
		}
	case *ast.KeyValueExpr:
		if id, ok := n.Key.(*ast.Ident); ok && (id.Name == "Wrong" || id.Name == "Right" || id.Name == "Refused") {
			take(n.Value, id.Name == "Right")
		}
	case *ast.AssignStmt:
		for i, l := range n.Lhs {
			id, ok := l.(*ast.Ident)
			if ok && slices.Contains([]string{"wrong", "right", "why", "taken", "tooMuch", "hint", "name"}, id.Name) &&
				len(n.Rhs) == len(n.Lhs) {
				take(n.Rhs[i], true)
			}
		}
	case *ast.FuncDecl:
		if n.Type.Results == nil || n.Body == nil {
			return
		}
		for _, r := range n.Type.Results.List {
			if len(r.Names) > 0 && slices.Contains([]string{"wrong", "why", "right"}, r.Names[len(r.Names)-1].Name) {
				ast.Inspect(n.Body, func(n ast.Node) bool {
					if ret, ok := n.(*ast.ReturnStmt); ok {
						for _, e := range ret.Results {
							take(e, true)
						}
					}
					return true
				})
			}
		}
	}
}

var verb = regexp.MustCompile(`%(?:\.?\d+)*[a-z]`)

// spell returns the text of a string expression, with 7 in place of values that are known only at run time.
func spell(e ast.Expr, consts map[string]ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return strings.ReplaceAll(verb.ReplaceAllString(s, "7"), "%%", "%")
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return spell(e.X, consts) + spell(e.Y, consts)
		}
	case *ast.ParenExpr:
		return spell(e.X, consts)
	case *ast.Ident:
		if v, ok := consts[e.Name]; ok {
			if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				return spell(v, nil)
			}
			if bin, ok := v.(*ast.BinaryExpr); ok {
				return spell(bin, nil)
			}
		}
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" && len(e.Args) > 0 {
			return spell(e.Args[0], consts)
		}
	}
	return "7"
}

// messages.txt must contain every sentence about a wrong value from a service, a page or a file reader, so that each
// sentence exists in both languages.
func TestEveryFaultHasAFrenchSentence(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads all sources of the hub")
	}
	w, err := ReadWords()
	if err != nil {
		t.Fatal(err)
	}
	for _, glob := range speakers() {
		all := sentences(t, glob)
		if len(all) < 2 {
			t.Errorf("%s: only %d sentences were found", glob, len(all))
		}
		for _, s := range all {
			if _, _, ok := w.French(s.text); !ok {
				t.Errorf("%s: no French for %q", s.where, s.text)
			}
		}
	}
}

package portillon_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// bubbles lists the functions that take a function as an argument and call it in a bubble of testing/synctest.
var bubbles = []string{"synctest.Test", "daemon/relay.withSwitch", "hub/api.runInBubble", "hub/publish.runInBubble"}

// sleepers lists the functions that call time.Sleep outside such a bubble, with the reason.
var sleepers = map[string]string{
	"daemon.Append":            "a journal with a slow disk, for tests in a bubble",
	"daemon/relay.WaitForEdge": "an input without edges, for tests in a bubble",
	"daemon/relay.wait":        "passes the time of a bubble",
	"daemon/relay.TestSetReturnsWhenTheGuardHasConfirmed": "a guard that answers late, in the bubble of withSwitch",
	"hub/enrol.TestRenewalIsRefusedOnceAnotherComputerHasJoined": "nothing shows that a transaction waits for another; " +
		"a wait that is too short makes the test weaker, and never fails it",
}

// A test that sleeps for a guessed time fails on a busy computer and wastes time on an idle one. A bubble of
// testing/synctest has a simulated clock, in which time.Sleep takes no time.
func TestNoTestSleepsOutsideASynctestBubble(t *testing.T) {
	found := map[string][]string{}
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(path)):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		sleeps, err := sleepsOf(path)
		for _, s := range sleeps {
			key := filepath.ToSlash(filepath.Dir(path)) + "." + s.function
			found[key] = append(found[key], filepath.ToSlash(path)+":"+strconv.Itoa(s.line))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Fatalf("only %d test files were read", files)
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if sleepers[key] == "" {
			t.Errorf("%s sleeps (%s): wait for a channel or in a synctest bubble, or name the reason in sleepers", key,
				strings.Join(found[key], ", "))
		}
	}
	for key := range sleepers {
		if found[key] == nil {
			t.Errorf("sleepers names %s, which does not sleep", key)
		}
	}
}

type sleep struct {
	function string
	line     int
}

// sleepsOf returns the calls of time.Sleep in a file, except those in a function that is passed to one of bubbles.
func sleepsOf(path string) (out []sleep, err error) {
	dir, files := filepath.ToSlash(filepath.Dir(path)), token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			switch {
			case !ok:
				return true
			case slices.Contains(bubbles, called(dir, call)):
				return false
			case called(dir, call) == "time.Sleep":
				out = append(out, sleep{fn.Name.Name, files.Position(call.Pos()).Line})
			}
			return true
		})
	}
	return out, nil
}

// called returns the name of the called function, preceded by its package or, for a function of the same package, the
// folder dir.
func called(dir string, c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return dir + "." + f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

package portillon_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

var writeDrawing = flag.Bool("update", false,
	"write docs/accessibilite.md and the drawings of docs/architecture.md anew")

// drawn names the folders that the drawing of the packages shows. A folder that the list does not name is drawn as the
// nearest folder above it that the list names: all readers are drawn as "rfid", for example.
var drawn = []string{
	"cmd/portillond", "cmd/portillon-hub", "cmd/portillon", "cmd/internal/daemoncmd", "cmd/internal/hubd", "rfid",
	"openbadge", "policy", "policy/analysis", "policy/file", "wire", "wire/mqtt", "site",
	"daemon", "daemon/session", "daemon/relay", "daemon/journal", "daemon/uplink", "daemon/roster", "daemon/panel",
	"daemon/control",
	"hub", "hub/web", "hub/api", "hub/account", "hub/directory", "hub/publish", "hub/enrol", "hub/report", "hub/issue",
	"hub/maintenance",
	"hub/training",
	"hub/evidence", "hub/ledger", "hub/broker", "hub/store",
}

// notDrawn names folders that the drawing omits: benchmarks, and small packages that many other packages use, because
// their arrows would hide the other arrows.
var notDrawn = []string{
	"bench", "internal", "dberror", "keykind", "yamlfile", "firmware-config", ".", "site-example",
	"hub/actor", "hub/apiclient", "hub/audit", "hub/cardkey", "hub/chunks", "hub/decided", "hub/display", "hub/fault",
	"hub/fold", "hub/httpd", "hub/memberlist", "hub/search", "hub/visitor",
}

// arrows is a graph: from each node to the nodes that it uses.
type arrows map[string]map[string]bool

func (a arrows) add(from, to string) {
	if from == to {
		return
	}
	if a[from] == nil {
		a[from] = map[string]bool{}
	}
	a[from][to] = true
}

// reaches reports whether a path of two or more arrows leads from one node to another.
func (a arrows) reaches(from, to string) bool {
	seen := map[string]bool{from: true}
	var walk func(node string) bool
	walk = func(node string) bool {
		if node == to {
			return true
		}
		seen[node] = true
		for next := range a[node] {
			if !seen[next] && walk(next) {
				return true
			}
		}
		return false
	}
	for next := range a[from] {
		if next != to && walk(next) {
			return true
		}
	}
	return false
}

// cycle returns the nodes of one cycle of the graph, or nil if the graph has no cycle.
func (a arrows) cycle() []string {
	done := map[string]bool{}
	var path []string
	var walk func(node string) []string
	walk = func(node string) []string {
		if i := slices.Index(path, node); i >= 0 {
			return append(slices.Clone(path[i:]), node)
		}
		if done[node] {
			return nil
		}
		path = append(path, node)
		for _, next := range slices.Sorted(maps.Keys(a[node])) {
			if found := walk(next); found != nil {
				return found
			}
		}
		path, done[node] = path[:len(path)-1], true
		return nil
	}
	for _, node := range slices.Sorted(maps.Keys(a)) {
		if found := walk(node); found != nil {
			return found
		}
	}
	return nil
}

// mermaid returns the graph as a Mermaid drawing for Markdown. mermaid leaves out an arrow if a longer path of arrows
// connects the same nodes.
func (a arrows) mermaid() string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	for _, from := range slices.Sorted(maps.Keys(a)) {
		for _, to := range slices.Sorted(maps.Keys(a[from])) {
			if !a.reaches(from, to) {
				fmt.Fprintf(&b, "  %s --> %s\n", from, to)
			}
		}
	}
	b.WriteString("```\n")
	return b.String()
}

func drawnAs(dir string) (string, bool) {
	if slices.ContainsFunc(notDrawn, func(n string) bool {
		return dir == n ||
			n != "." && strings.HasPrefix(dir, n+"/")
	}) {
		return "", false
	}
	best := ""
	for _, n := range drawn {
		if (dir == n || strings.HasPrefix(dir, n+"/")) && len(n) > len(best) {
			best = n
		}
	}
	return best, best != ""
}

// packageArrows returns the graph of the packages' imports, without those of tests.
func packageArrows(t *testing.T) arrows {
	a := arrows{}
	walkGo(t, func(dir, file string, imports []string) {
		from, ok := drawnAs(dir)
		if !ok || strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, imp := range imports {
			if to, ok := drawnAs(imp); ok {
				a.add(from, to)
			}
		}
	})
	if len(a) < 15 {
		t.Fatalf("read imports of %d packages, want at least 15", len(a))
	}
	return a
}

// fileArrows returns the graph of calls between the files of one package, without tests. If a function is passed as a
// value, fileArrows treats the function as called.
//
// The type checker distinguishes methods of the same name. The type checker reads only this package and not the
// imported packages, which is enough for the types that this package declares.
func fileArrows(t *testing.T, dir string) arrows {
	t.Helper()
	var files []*ast.File
	names := map[*ast.File]string{}
	for _, f := range readGoFiles(t) {
		if f.dir() == dir && !f.isTest() {
			files = append(files, f.ast)
			names[f.ast] = path.Base(f.path)
		}
	}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	check := types.Config{Importer: emptyImports{}, Error: func(error) {}}
	// Ignore the type checker's errors, because they concern only imported packages.
	_, _ = check.Check(dir, goFileSet, files, info)

	declared := map[types.Object]string{} // for each function and method, the file that declares it
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				declared[info.Defs[fn.Name]] = names[f]
			}
		}
	}
	a := arrows{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if fn, ok := info.Uses[id].(*types.Func); ok && declared[fn.Origin()] != "" {
					a.add(names[f], declared[fn.Origin()])
				}
			}
			return true
		})
	}
	return a
}

// emptyImports replaces every imported package by a package without declarations.
type emptyImports struct{}

func (emptyImports) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

// daemonFiles returns the graph of calls between the files of package daemon.
func daemonFiles(t *testing.T) arrows {
	t.Helper()
	a := fileArrows(t, "daemon")
	if len(a) < 10 {
		t.Fatalf("read the calls of %d files of daemon, want at least 10", len(a))
	}
	return a
}

const drawingsFile = "docs/architecture.md"

// TestArchitectureDrawingsShowTheCode compares the drawings of docs/architecture.md with the code. The command go test
// . -run Architecture -update writes new drawings.
func TestArchitectureDrawingsShowTheCode(t *testing.T) {
	text, err := os.ReadFile(drawingsFile)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	for name, a := range map[string]arrows{"packages": packageArrows(t), "files of daemon": daemonFiles(t)} {
		begin, end := "<!-- drawing: "+name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(got, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s has no drawing between %q and %q", drawingsFile, begin, end)
		}
		got = before + begin + a.mermaid() + end + after
	}
	if got == string(text) {
		return
	}
	if !*writeDrawing {
		t.Fatalf("%s does not show the code: go test . -run Architecture -update", drawingsFile)
	}
	if err := os.WriteFile(drawingsFile, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestImportsAndCallsHaveNoCycle checks that packages, and the files of package daemon, depend on each other in one
// direction only.
func TestImportsAndCallsHaveNoCycle(t *testing.T) {
	if c := packageArrows(t).cycle(); c != nil {
		t.Errorf("packages of the drawing import in a circle: %s", strings.Join(c, " -> "))
	}
	if c := daemonFiles(t).cycle(); c != nil {
		t.Errorf("files of daemon call in a circle: %s", strings.Join(c, " -> "))
	}
}

func TestCycleFindsACycleOfTheGraph(t *testing.T) {
	a := arrows{}
	a.add("tap.go", "decide.go")
	a.add("decide.go", "journal.go")
	if c := a.cycle(); c != nil {
		t.Errorf("found the circle %v in a graph that has none", c)
	}
	a.add("journal.go", "tap.go")
	if c := a.cycle(); len(c) != 4 {
		t.Errorf("found %v, want a circle of three files", c)
	}
}

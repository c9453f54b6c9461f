package portillon_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// The limits of the shape of our code. They are the project's own (CONTRIBUTING.md gives the reasons).
const (
	longestLine     = 120 // characters; a tab counts as one, as golangci-lint's lll counts it
	longestFunction = 60  // lines, from func to the closing brace
	highComplexity  = 15  // cyclomatic, as gocyclo counts it
	mostComplex     = 12  // functions outside tests that may be above highComplexity
	mostMethods     = 25
	mostFields      = 12
	fewestComments  = 12 // percent of the lines outside tests
	mostComments    = 20
)

var printShape = flag.Bool("shape", false, "print the comments of each package and every function above 15")

// goFile is one parsed file of this repository.
type goFile struct {
	path  string // relative to the root, with slashes
	src   []byte
	ast   *ast.File
	lines *token.File
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// dir is the folder of the file: its package.
func (f goFile) dir() string { return filepath.ToSlash(filepath.Dir(f.path)) }

func (f goFile) line(p token.Pos) int { return f.lines.Line(p) }

// goFileSet holds the positions of goFiles.
var goFileSet = token.NewFileSet()

// goFiles parses every Go file of the repository once, those of tests, .ci and nested modules too.
var goFiles = sync.OnceValues(func() (all []goFile, err error) {
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "testdata" || path == ".ci/out"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(goFileSet, path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, goFile{filepath.ToSlash(path), src, parsed, goFileSet.File(parsed.Pos())})
		return nil
	})
	return all, err
})

func readGoFiles(t *testing.T) []goFile {
	t.Helper()
	all, err := goFiles()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 500 {
		t.Fatalf("found %d Go files, want at least 500: the walk missed most of the repository", len(all))
	}
	return all
}

func TestLinesAreAtMost120Characters(t *testing.T) {
	for _, f := range readGoFiles(t) {
		for i, line := range bytes.Split(f.src, []byte("\n")) {
			if n := utf8.RuneCount(line); n > longestLine {
				t.Errorf("%s:%d: line has %d characters, want at most %d", f.path, i+1, n, longestLine)
			}
		}
	}
}

func TestFunctionsAreAtMost60Lines(t *testing.T) {
	for _, f := range readGoFiles(t) {
		if f.isTest() {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.line(fn.End()) - f.line(fn.Pos()) + 1; n > longestFunction {
				t.Errorf("%s:%d: function %s has %d lines, want at most %d",
					f.path, f.line(fn.Pos()), fn.Name.Name, n, longestFunction)
			}
		}
	}
}

func TestFewFunctionsAreComplex(t *testing.T) {
	var above []string
	for _, f := range readGoFiles(t) {
		if f.isTest() {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if n := complexity(fn); n > highComplexity {
					above = append(above, fmt.Sprintf("%3d %s:%d %s", n, f.path, f.line(fn.Pos()), fn.Name.Name))
				}
			}
		}
	}
	slices.Sort(above)
	slices.Reverse(above)
	t.Logf("%d functions have a cyclomatic complexity above %d, want at most %d", len(above), highComplexity, mostComplex)
	if len(above) > mostComplex || *printShape {
		t.Logf("\n%s", strings.Join(above, "\n"))
	}
	if len(above) > mostComplex {
		t.Fail()
	}
}

// complexity counts the ways through a function: one, and one more at each branch, case, && and ||, as gocyclo does.
func complexity(fn *ast.FuncDecl) int {
	n := 1
	ast.Inspect(fn, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.CommClause:
			if x.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

func TestCommentsAreBetween12And20PercentOfLines(t *testing.T) {
	type count struct{ comments, lines int }
	var all count
	each := map[string]*count{}
	for _, f := range readGoFiles(t) {
		if f.isTest() {
			continue
		}
		c := each[f.dir()]
		if c == nil {
			c = new(count)
			each[f.dir()] = c
		}
		c.lines += bytes.Count(f.src, []byte("\n"))
		for _, group := range f.ast.Comments {
			c.comments += f.line(group.End()) - f.line(group.Pos()) + 1
		}
	}
	dirs := make([]string, 0, len(each))
	for dir, c := range each {
		all.comments += c.comments
		all.lines += c.lines
		dirs = append(dirs, dir)
	}
	if *printShape {
		slices.Sort(dirs)
		for _, dir := range dirs {
			t.Logf("%5.1f %% of %5d lines  %s", 100*float64(each[dir].comments)/float64(each[dir].lines), each[dir].lines, dir)
		}
	}
	percent := 100 * float64(all.comments) / float64(all.lines)
	t.Logf("%.1f %% of %d lines outside tests are comments", percent, all.lines)
	if percent < fewestComments || percent > mostComments {
		t.Errorf("%.1f %% of the lines are comments, want %d to %d %%", percent, fewestComments, mostComments)
	}
}

// structType is a struct of daemon or hub, with what is declared for it in all files of its package.
type structType struct {
	where    string // file and line
	fields   int
	methods  int
	pointers int      // methods with a pointer receiver: the type has state that they change
	embedded []string // names of the types of its own package that it embeds
}

// TestTypesOfDaemonAndHubAreSmall holds what no reader could keep in mind otherwise: how many methods and fields a type
// has, and that no type embeds another one whose methods change it.
func TestTypesOfDaemonAndHubAreSmall(t *testing.T) {
	types := readStructs(readGoFiles(t))
	if len(types) < 200 {
		t.Fatalf("found %d struct types below daemon and hub, want at least 200", len(types))
	}
	for name, s := range types {
		_, base, _ := strings.Cut(name, " ")
		if strings.HasSuffix(base, "Config") || strings.HasSuffix(base, "Options") {
			continue
		}
		left, listed := largeTypes[name]
		if !listed {
			left = size{mostMethods, mostFields}
		} else if s.methods <= mostMethods && s.fields <= mostFields {
			t.Errorf("%s: type %s is small now: remove it from largeTypes", s.where, base)
		}
		if s.methods > left.methods {
			t.Errorf("%s: type %s has %d methods, want at most %d", s.where, base, s.methods, left.methods)
		}
		if s.fields > left.fields {
			t.Errorf("%s: type %s has %d fields, want at most %d", s.where, base, s.fields, left.fields)
		}
		for _, e := range s.embedded {
			dir, _, _ := strings.Cut(name, " ")
			if inner := types[dir+" "+e]; inner != nil && inner.pointers > 0 {
				t.Errorf("%s: type %s embeds %s, whose methods change it: name the field", s.where, base, e)
			}
		}
	}
	for name := range largeTypes {
		if _, ok := types[name]; !ok {
			t.Errorf("largeTypes names %q, which is no type", name)
		}
	}
}

// size is how many methods and fields a type has.
type size struct{ methods, fields int }

// largeTypes are the shapes of JSON documents, whose fields are the document's: to group them would change what a
// script reads. The list may only shrink.
var largeTypes = map[string]size{
	"daemon/control Status": {25, 29}, // JSON: GET status of the control socket
	"hub/api State":         {25, 15}, // JSON: GET /hub
	"hub/directory Badge":   {25, 13}, // JSON: GET /members/{member}
	"hub/directory Erasure": {25, 13}, // JSON: kept in the row of an erased member
	"hub/directory Member":  {25, 16}, // JSON: GET /members/{member}
	"hub/directory Preview": {25, 14}, // JSON: POST /imports
	"hub/enrol Standing":    {25, 17}, // JSON: GET /machines
	"hub/publish Bundle":    {25, 14}, // JSON: GET /bundle
}

// readStructs collects the struct types below daemon and hub by "folder name".
func readStructs(files []goFile) map[string]*structType {
	types := map[string]*structType{}
	at := func(dir, name string) *structType {
		key := dir + " " + name
		if types[key] == nil {
			types[key] = new(structType)
		}
		return types[key]
	}
	for _, f := range files {
		top, _, _ := strings.Cut(f.dir(), "/")
		if f.isTest() || top != "daemon" && top != "hub" {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if name, pointer := receiver(d); name != "" {
					s := at(f.dir(), name)
					s.methods++
					if pointer {
						s.pointers++
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					ts, ok := spec.(*ast.TypeSpec)
					if !ok {
						continue
					}
					s := at(f.dir(), ts.Name.Name)
					s.where = fmt.Sprintf("%s:%d", f.path, f.line(ts.Pos()))
					if st, ok := ts.Type.(*ast.StructType); ok {
						s.readFields(st)
					}
				}
			}
		}
	}
	return types
}

func (s *structType) readFields(st *ast.StructType) {
	for _, field := range st.Fields.List {
		s.fields += max(1, len(field.Names))
		if len(field.Names) > 0 {
			continue
		}
		if name := typeName(field.Type); name != "" {
			s.embedded = append(s.embedded, name)
		}
	}
}

// receiver returns the type that a method is declared for, and whether it is a pointer. A function has none.
func receiver(fn *ast.FuncDecl) (name string, pointer bool) {
	if fn.Recv == nil {
		return "", false
	}
	_, pointer = fn.Recv.List[0].Type.(*ast.StarExpr)
	return typeName(fn.Recv.List[0].Type), pointer
}

// typeName is the name of a type of the same package, without its star and type parameters; empty for others.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

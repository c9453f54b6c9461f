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

// These constants are limits on the size and complexity of the project's code. CONTRIBUTING.md explains the reasons.
const (
	longestLine     = 120 // in characters; a tab counts as one, as in golangci-lint's lll
	longestFunction = 60  // in lines, from func to the closing brace
	highComplexity  = 15  // cyclomatic complexity, calculated like gocyclo
	mostComplex     = 12  // number of functions outside tests that may be above highComplexity
	mostMethods     = 25
	mostFields      = 12
	fewestComments  = 12 // in percent of the lines outside tests
	mostComments    = 20
)

var printShape = flag.Bool("shape", false, "print the comments of each package and every function above 15")

// goFile is one parsed file of this repository.
type goFile struct {
	path  string // path relative to the root, with slashes
	src   []byte
	ast   *ast.File
	lines *token.File
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// dir returns the folder of the file, which is that of the file's package.
func (f goFile) dir() string { return filepath.ToSlash(filepath.Dir(f.path)) }

func (f goFile) line(p token.Pos) int { return f.lines.Line(p) }

// goFileSet contains the positions of goFiles.
var goFileSet = token.NewFileSet()

// goFiles parses every Go file of the repository once, including those of tests, .ci and nested modules.
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

func TestNumberOfComplexFunctionsIsLimited(t *testing.T) {
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

// complexity returns the cyclomatic complexity of a function: one, plus one for each branch, case, && and ||, like
// gocyclo.
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

// structType is a struct of daemon or hub, with its declarations in all files of the package.
type structType struct {
	where    string // file and line
	fields   int
	methods  int
	pointers int      // number of methods with a pointer receiver, which may change the type's state
	embedded []string // names of embedded types of the same package
}

// TestTypesOfDaemonAndHubAreSmall limits the number of methods and fields of a type, so that a reader can understand
// each type. No type may embed another type whose methods change that other type.
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

// size contains the number of methods and the number of fields of a type.
type size struct{ methods, fields int }

// largeTypes lists types that may be larger, because their fields are those of a JSON document that scripts read.
// Nobody may add a type to this list.
var largeTypes = map[string]size{
	"daemon/control Status": {25, 29}, // JSON: GET status of the control socket
	"hub/api State":         {25, 15}, // JSON: GET /hub
	"hub/directory Badge":   {25, 13}, // JSON: GET /members/{member}
	"hub/directory Erasure": {25, 13}, // JSON: stored in the row of an erased member
	"hub/directory Member":  {25, 16}, // JSON: GET /members/{member}
	"hub/directory Preview": {25, 14}, // JSON: POST /imports
	"hub/enrol Standing":    {25, 17}, // JSON: GET /machines
	"hub/publish Bundle":    {25, 14}, // JSON: GET /bundle
}

// readStructs returns the struct types below daemon and hub; the key is the type's folder and name.
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

// receiver returns the type of a method's receiver, and whether the receiver is a pointer. For a function, the type is
// empty.
func receiver(fn *ast.FuncDecl) (name string, pointer bool) {
	if fn.Recv == nil {
		return "", false
	}
	_, pointer = fn.Recv.List[0].Type.(*ast.StarExpr)
	return typeName(fn.Recv.List[0].Type), pointer
}

// typeName returns the name of a type of the same package without star and type parameters, or "" for other types.
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

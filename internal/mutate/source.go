package mutate

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// source is the source of a package without tests: the files that the compiler uses on this computer.
type source struct {
	dir     string         // folder of the package
	path    string         // import path of the package
	name    string         // package name in the package clauses
	fset    *token.FileSet // positions of all files
	names   []string       // names of the files, in the order of the field files
	files   []*ast.File    // parsed files
	texts   []string       // source text of each file
	info    *types.Info    // types of expressions and objects of names
	imports types.Importer // importer that reads the export data of imports
}

// load reads and type-checks the package in dir.
func load(dir string) (*source, error) {
	found, err := build.Default.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	s := &source{dir: dir, name: found.Name, names: found.GoFiles, fset: token.NewFileSet()}
	for _, name := range s.names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(s.fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.texts, s.files = append(s.texts, string(text)), append(s.files, file)
	}
	if err := s.readExports(); err != nil {
		return nil, err
	}
	// Type-check the package, because the operators need the types of expressions and the objects of names.
	s.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{}}
	if _, err := s.check(s.fset, s.files, s.info); err != nil {
		return nil, err
	}
	return s, nil
}

// readExports runs the go command to find the export data of all imports of the package and of switches.
func (s *source) readExports() error {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,DepOnly,Standard", ".")
	cmd.Args = append(cmd.Args, switchesImport...)
	cmd.Dir, cmd.Stderr = s.dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	exports := map[string]string{}
	for d := json.NewDecoder(out); ; {
		var p struct {
			ImportPath, Export string
			DepOnly, Standard  bool
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return errors.Join(err, cmd.Wait())
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly && !p.Standard {
			s.path = p.ImportPath
		}
	}
	s.imports = importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("go list returned no export data for the imported package %s", path)
		}
		return os.Open(exports[path])
	})
	return cmd.Wait()
}

// check type-checks the files as this package and returns the position of every error. check accepts the same code as
// the compiler, but takes a fraction of the compiler's time.
func (s *source) check(fset *token.FileSet, files []*ast.File, info *types.Info) ([]token.Pos, error) {
	var faults []token.Pos
	var first error
	c := types.Config{Importer: s.imports, Sizes: types.SizesFor("gc", build.Default.GOARCH), Error: func(err error) {
		if e, ok := errors.AsType[types.Error](err); ok {
			faults = append(faults, e.Pos)
		}
		if first == nil {
			first = err
		}
	}}
	if _, err := c.Check(s.path, fset, files, info); err != nil && first == nil {
		first = err
	}
	return faults, first
}

// text returns the source between two positions of one file.
func (s *source) text(file int, from, to token.Pos) string {
	return s.texts[file][s.offset(from):s.offset(to)]
}

// offset returns the byte offset of a position in its file.
func (s *source) offset(p token.Pos) int { return s.fset.Position(p).Offset }

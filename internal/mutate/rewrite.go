package mutate

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// switches is Go source that rewrite adds to the package under test. If PORTILLON_MUTANT is a number, the mutant with
// that number is active in a test process. If PORTILLON_MUTANT_REACHED names a file, the process appends to this file
// the number of each mutant that it reaches.
const switches = `package %s

import (
	"os"
	"strconv"
	"sync/atomic"
)

var (
	mutateNumber, _  = strconv.Atoi(os.Getenv("PORTILLON_MUTANT"))
	mutateReached, _ = os.OpenFile(os.Getenv("PORTILLON_MUTANT_REACHED"), os.O_APPEND|os.O_WRONLY, 0)
	mutateSeen       [%d]atomic.Bool
)

func mutateOn(i int) bool {
	if mutateReached != nil && !mutateSeen[i].Swap(true) {
		mutateReached.WriteString(strconv.Itoa(i) + "\n")
	}
	return i == mutateNumber
}

func mutatePick[T any](i int, as, changed T) T {
	if mutateOn(i) {
		return changed
	}
	return as
}
`

// switchesImport lists the import paths of the source switches.
var switchesImport = []string{"os", "strconv", "sync/atomic"}

// rewrite returns the files of the package with the given mutants, and the file with the switches, by file name. Switch
// 1 belongs to the first mutant; 0 means no mutant.
func (s *source) rewrite(mutants []mutant) map[string]string {
	out := map[string]string{"mutate_switches.go": fmt.Sprintf(switches, s.name, len(mutants)+1)}
	for i, name := range s.names {
		if text := s.rewriteFile(i, mutants); text != s.texts[i] {
			out[name] = text
		}
	}
	return out
}

// insertion is a text to insert at an offset of a file.
type insertion struct {
	at    int
	text  string
	order [3]int // order of insertions at the same offset
}

// rewriteFile returns a file's text with all mutants of the file, each behind a switch.
func (s *source) rewriteFile(file int, mutants []mutant) string {
	var all []insertion
	for i, m := range mutants {
		if m.file != file {
			continue
		}
		from, to, n := s.offset(m.from), s.offset(m.to), strconv.Itoa(i+1)
		// At the same offset, insertions that end a mutant come before insertions that begin a mutant. If two mutants begin
		// or end at the same offset, the longer mutant is outside.
		all = append(all,
			insertion{from, strings.ReplaceAll(m.before, number, n), [3]int{1, -to, m.inner*len(mutants) + i}},
			insertion{to, strings.ReplaceAll(m.after, number, n), [3]int{0, -from, -(m.inner*len(mutants) + i)}})
	}
	slices.SortFunc(all, func(a, b insertion) int {
		return cmp.Or(cmp.Compare(a.at, b.at), slices.Compare(a.order[:], b.order[:]))
	})
	var out strings.Builder
	done := 0
	for _, x := range all {
		out.WriteString(s.texts[file][done:x.at])
		out.WriteString(x.text)
		done = x.at
	}
	out.WriteString(s.texts[file][done:])
	return out.String()
}

// choose returns up to n mutants that compile. The choice depends only on the seed and on the ids of the mutants.
func (s *source) choose(all []mutant, seed string, n int) ([]mutant, error) {
	type ranked struct {
		mutant
		rank [sha256.Size]byte
	}
	order := make([]ranked, len(all))
	for i, m := range all {
		order[i] = ranked{m, sha256.Sum256([]byte(seed + "\n" + m.id))}
	}
	slices.SortFunc(order, func(a, b ranked) int { return slices.Compare(a.rank[:], b.rank[:]) })
	var picked []mutant
	for len(picked) < n && len(order) > 0 {
		want := min(n-len(picked), len(order))
		for _, o := range order[:want] {
			picked = append(picked, o.mutant)
		}
		order = order[want:]
		var err error
		if picked, err = s.compiling(picked); err != nil {
			return nil, err
		}
	}
	return picked, nil
}

// compiling returns the mutants that compile both separately and together. compiling checks all mutants at once.
// After an error, compiling checks each mutant of the functions with errors separately.
func (s *source) compiling(mutants []mutant) ([]mutant, error) {
	alone := map[string]bool{} // true: the mutant with this id compiles alone
	for {
		bad, err := s.faulty(mutants)
		if len(bad) == 0 {
			return mutants, nil
		}
		n := len(mutants)
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool {
			if !bad[functionOf(m)] || alone[m.id] {
				return false
			}
			faults, _ := s.faulty([]mutant{m})
			alone[m.id] = len(faults) == 0
			return !alone[m.id]
		})
		if len(mutants) < n {
			continue
		}
		// If the remaining mutants compile only separately, remove the last mutant of each function with an error.
		for fn := range bad {
			last := -1
			for i, m := range mutants {
				if functionOf(m) == fn {
					last = i
				}
			}
			if last < 0 {
				return nil, fmt.Errorf("package with mutants does not compile, but the error is not in a mutated function: %w", err)
			}
			mutants = slices.Delete(mutants, last, last+1)
		}
	}
}

// functionOf returns the name of the function in a mutant's id.
func functionOf(m mutant) string {
	fn, _, _ := strings.Cut(m.id, ": ")
	return fn
}

// faulty type-checks the package with the mutants. faulty returns the functions that contain an error, and the first
// error.
func (s *source) faulty(mutants []mutant) (map[string]bool, error) {
	fset := token.NewFileSet()
	var files []*ast.File
	changed := s.rewrite(mutants)
	bad := map[string]bool{}
	parse := func(name, text string) {
		f, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err == nil {
			files = append(files, f)
			return
		}
		for _, m := range mutants { // parse each mutant alone, because a syntax error does not identify its mutant
			if s.names[m.file] == name {
				bad[functionOf(m)] = true
			}
		}
	}
	for i, name := range s.names {
		parse(name, cmp.Or(changed[name], s.texts[i]))
	}
	parse("mutate_switches.go", changed["mutate_switches.go"])
	faults, err := s.check(fset, files, nil)
	for _, p := range faults {
		bad[enclosing(files, p)] = true
	}
	return bad, err
}

// enclosing returns the name of the function around a position.
func enclosing(files []*ast.File, p token.Pos) string {
	for _, f := range files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Pos() <= p && p < d.End() {
				return functionName(d)
			}
		}
	}
	return ""
}

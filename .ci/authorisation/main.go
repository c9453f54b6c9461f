// Command authorisation removes each check of a right from the hub's services, one after the other, and reports which
// removals the tables of authorisation find:
//
//	go run ./.ci/authorisation                 all of them; some minutes
//	go run ./.ci/authorisation directory       those of one package
//	go run ./.ci/authorisation hub/directory/card.go:171
//
// The checks are the calls a.May(act, target). A test program is built once, in which each of them answers "allowed"
// where an environment variable names its number; the sources are not changed (go build -overlay). It is no part of the
// continuous integration: the tables themselves are.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// variable names the check that is removed.
const variable = "PORTILLON_REMOVED_CHECK"

// rowsOf are the routes that may show that a package lost a check.
var rowsOf = map[string]string{
	"directory": "member|badge|card|tap|import|export|endings|record|/today|/me$",
	"enrol":     "machines|/today",
	"publish":   "policy|bundle",
	"account":   "account|settings|/me|printed|audit|codes|DELETE .*member|erase",
	"audit":     "audit",
	"report":    "report",
}

// site is one check.
type site struct {
	number   int
	pkg, at  string
	from, to int // offsets in the file
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "authorisation:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only []string) error {
	var lines []string // as hub/directory/card.go:171
	only = slices.DeleteFunc(only, func(s string) bool {
		if strings.Contains(s, ":") {
			lines = append(lines, s)
		}
		return strings.Contains(s, ":")
	})
	work, err := os.MkdirTemp("", "authorisation-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	sites, overlay, err := change(work, only)
	if err != nil {
		return err
	}
	program := filepath.Join(work, "hub.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", program, "./hub")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	if out, err := ask(ctx, program, "", "machines$"); err != nil {
		return fmt.Errorf("with all checks: %w\n%s", err, out)
	}
	var survived []site
	asked := 0
	for _, s := range sites {
		if len(lines) > 0 && !slices.Contains(lines, s.at) {
			continue
		}
		asked++
		_, err := ask(ctx, program, fmt.Sprint(s.number), rowsOf[s.pkg])
		var failed *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &failed):
			fmt.Printf("found     %s\n", s.at)
		case err != nil:
			return err
		default:
			fmt.Printf("NOT FOUND %s\n", s.at)
			survived = append(survived, s)
		}
	}
	fmt.Printf("%d of %d removed checks are found\n", asked-len(survived), asked)
	return nil
}

func ask(ctx context.Context, program, removed, rows string) ([]byte, error) {
	c := exec.CommandContext(ctx, program, "-test.run", "EachReader",
		"-rows", rows)
	c.Dir, c.Env = "hub", append(os.Environ(), variable+"="+removed)
	return c.CombinedOutput()
}

// change writes copies of the services' files in which each check can be removed, and the overlay that names them.
func change(work string, only []string) (all []site, overlay string, err error) {
	replaced := map[string]string{}
	put := func(path string, text []byte) error {
		to := filepath.Join(work, strings.ReplaceAll(path, string(filepath.Separator), "_"))
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		replaced[abs] = to
		return os.WriteFile(to, text, 0o600)
	}
	for pkg := range rowsOf {
		if len(only) > 0 && !slices.Contains(only, pkg) {
			continue
		}
		files, err := filepath.Glob(filepath.Join("hub", pkg, "*.go"))
		if err != nil {
			return nil, "", err
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, found, err := checks(path, pkg, len(all))
			if err != nil {
				return nil, "", err
			}
			if all = append(all, found...); len(found) == 0 {
				continue
			}
			if err := put(path, text); err != nil {
				return nil, "", err
			}
		}
	}
	actor, err := os.ReadFile("hub/actor/actor.go")
	if err != nil {
		return nil, "", err
	}
	actor = bytes.Replace(actor, []byte("\t\"fmt\"\n"), []byte("\t\"fmt\"\n\t\"os\"\n\t\"strconv\"\n"), 1)
	actor = append(actor, "\nfunc Removed(n int, err error) error {\n\tif os.Getenv(\""+variable+
		"\") == strconv.Itoa(n) {\n\t\treturn nil\n\t}\n\treturn err\n}\n"...)
	if err := put("hub/actor/actor.go", actor); err != nil {
		return nil, "", err
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return nil, "", err
	}
	overlay = filepath.Join(work, "overlay.json")
	return all, overlay, os.WriteFile(overlay, list, 0o600)
}

// checks wraps each x.May(act, target) of a file.
func checks(path, pkg string, first int) (text []byte, found []site, err error) {
	if text, err = os.ReadFile(path); err != nil {
		return nil, nil, err
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, text, 0)
	if err != nil {
		return nil, nil, err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok || len(c.Args) != 2 {
			return true
		}
		if sel, ok := c.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "May" { // of any value: they are all actors
			at := set.Position(c.Pos())
			found = append(found, site{pkg: pkg, at: fmt.Sprintf("%s:%d", at.Filename, at.Line), from: at.Offset,
				to: set.Position(c.End()).Offset})
		}
		return true
	})
	for i := range found {
		found[i].number = first + i
	}
	for _, s := range slices.Backward(found) {
		wrapped := fmt.Sprintf("actor.Removed(%d, %s)", s.number, text[s.from:s.to])
		text = slices.Concat(text[:s.from], []byte(wrapped), text[s.to:])
	}
	return text, found, nil
}

// Command authorisation removes each authorisation check from the hub, one at a time, and reports which removals are
// detected by the tests of the package and by the hub's tables of authorisation:
//
//	go run ./.ci/authorisation                 all checks; takes some minutes
//	go run ./.ci/authorisation .               the checks of package hub itself
//	go run ./.ci/authorisation directory       the checks of one package
//	go run ./.ci/authorisation hub/directory/card.go:171
//
// The checks are the calls a.May(act, target), and the calls of the packages' functions that are based on May (see
// function gone). One test program is built for each package. In that program, a check is skipped if an environment
// variable contains the check's number; the source files are not changed (go build -overlay). Continuous integration
// does not run this command; it runs the tests and tables.
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
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// variable names the environment variable with the number of the removed check.
const variable = "PORTILLON_REMOVED_CHECK"

// proof names the tests that should detect a removed check of a package. The package's tests are run first: they are
// faster, and cover calls that no route makes.
type proof struct {
	own  string // tests of the package itself; empty: none
	rows string // routes of the hub's tables; empty: none
}

// hubPackage is the package of the tables.
const hubPackage = "."

// proofs returns the proof of each package below hub.
func proofs() map[string]proof {
	return map[string]proof{
		"directory": {"EveryMethodRefuses|MayNotSee|MoreThanItsActorMay",
			"member|badge|card|tap|import|export|endings|record|/today|/me$"},
		"enrol":    {"MayDoWhat|MayKnow|MayRead", "machines|/today"},
		"publish":  {"MayDoWhat|MayReadPolicies|ReadTheList|EachMachineIsShown|WhoGainsAndWhoLoses", "policy|bundle"},
		"account":  {"MayDoWhat|ForOwnersAlone", "account|settings|/me|printed|audit|codes|DELETE .*member|erase"},
		"audit":    {"OnlyThoseWhoMay", "audit"},
		"report":   {"MaySee", "report"},
		"cardkey":  {"OnlyAdministrators", "card-key"},
		"api":      {"OwnRight|MayNot|ByRights|OpenNothing", "note|badges|imports|events"},
		"web":      {"FollowTheRole|FollowsTheRole", "^GET /(members|cards|settings|today|machines|.$)"},
		hubPackage: {"", "settings|/hub$"},
	}
}

// exceptions returns the checks whose removal no test can detect, with the reason.
func exceptions() map[string]string { return map[string]string{} }

// site is the position of one check in the sources.
type site struct {
	number   int    // value of the environment variable that removes the check
	pkg, at  string // package below hub, and FILE:LINE
	from, to int    // byte offsets in the file
	then     string // value of the call once the check is removed
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "authorisation:", err)
		os.Exit(1)
	}
}

// run removes the checks in only, or all checks if only is empty, and prints the result of each.
func run(ctx context.Context, only []string) error {
	var lines []string // arguments such as hub/directory/card.go:171
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
	if len(lines) > 0 {
		sites = slices.DeleteFunc(sites, func(s site) bool { return !slices.Contains(lines, s.at) })
	}
	p := &programs{overlay: overlay, folder: work, ready: map[string]bool{}}
	found, excepted := 0, 0
	for _, s := range sites {
		by, err := p.find(ctx, s)
		if err != nil {
			return err
		}
		reason := exceptions()[s.at]
		switch {
		case by != "":
			found++
			fmt.Printf("found     %s by %s\n", s.at, by)
		case reason != "":
			excepted++
			fmt.Printf("excepted  %s: %s\n", s.at, reason)
		default:
			fmt.Printf("NOT FOUND %s\n", s.at)
		}
	}
	fmt.Printf("%d of %d removed checks found, %d excepted\n", found, len(sites), excepted)
	if found+excepted < len(sites) {
		return errors.New("no test detects the removal of some checks, listed above as NOT FOUND")
	}
	return nil
}

// programs builds each test program once.
type programs struct {
	overlay, folder string          // path of the overlay file, and folder of the programs
	ready           map[string]bool // tests, with package, that pass if no check is removed
}

// find returns the tests that fail without a check; empty: none.
func (p *programs) find(ctx context.Context, s site) (by string, err error) {
	tests := proofs()[s.pkg]
	if tests.own != "" {
		failed, err := p.fails(ctx, s, s.pkg, "-test.run", tests.own)
		if err != nil || failed {
			return "its package", err
		}
	}
	if tests.rows != "" {
		failed, err := p.fails(ctx, s, hubPackage, "-test.run", "EachReader", "-rows", tests.rows)
		if err != nil || failed {
			return "the tables", err
		}
	}
	return "", nil
}

// fails reports whether the tests of a package fail without a check. The tests are first run with all checks, because
// tests that always fail prove nothing.
func (p *programs) fails(ctx context.Context, s site, pkg string, tests ...string) (bool, error) {
	program := filepath.Join(p.folder, "hub-"+pkg+".test")
	key := strings.Join(append([]string{pkg}, tests...), " ")
	if !p.ready[key] {
		build := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", p.overlay, "-o", program, "./hub/"+pkg)
		if out, err := build.CombinedOutput(); err != nil {
			return false, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
		out, err := ask(ctx, program, pkg, "", tests)
		if err != nil || bytes.Contains(out, []byte("no tests to run")) {
			return false, fmt.Errorf("hub/%s with all checks: %w\n%s", pkg, err, out)
		}
		p.ready[key] = true
	}
	_, err := ask(ctx, program, pkg, fmt.Sprint(s.number), tests)
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.As(err, &failed):
		return true, nil
	}
	return false, err
}

// ask runs tests of a program with one check removed; removed is its number, or empty for all checks.
func ask(ctx context.Context, program, pkg, removed string, tests []string) ([]byte, error) {
	c := exec.CommandContext(ctx, program, append(tests, "-test.failfast")...)
	c.Dir, c.Env = filepath.Join("hub", pkg), append(os.Environ(), variable+"="+removed)
	return c.CombinedOutput()
}

// change writes copies of the services' files in which each check can be removed, and an overlay that refers to them.
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
	for _, pkg := range slices.Sorted(maps.Keys(proofs())) {
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
	// Every package of the hub imports actor, so the switch is added there.
	actor, err := os.ReadFile("hub/actor/actor.go")
	if err != nil {
		return nil, "", err
	}
	actor = bytes.Replace(actor, []byte("\t\"fmt\"\n"), []byte("\t\"fmt\"\n\t\"os\"\n\t\"strconv\"\n"), 1)
	actor = append(actor, "\nfunc Removed[T any](n int, answer, gone T) T {\n\tif os.Getenv(\""+variable+
		"\") == strconv.Itoa(n) {\n\t\treturn gone\n\t}\n\treturn answer\n}\n"...)
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

// gone returns the value that replaces the call of a removed check, by the name of the called function; empty: the call
// is not a check. Checks are May and the packages' functions that are based on May.
func gone(c *ast.CallExpr) string {
	name := ""
	switch f := c.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	switch name {
	case "May": // any receiver: only actors have this method
		if len(c.Args) == 2 {
			return "nil"
		}
	case "mayAccount", "maySee", "mayImport", "mayUpload":
		return "nil"
	case "own", "mayHear":
		return "true"
	}
	return ""
}

// checks wraps each check of a file, and numbers the checks from first on. It returns the file's new text.
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
		if !ok {
			return true
		}
		if then := gone(c); then != "" {
			at := set.Position(c.Pos())
			found = append(found, site{pkg: pkg, at: fmt.Sprintf("%s:%d", at.Filename, at.Line), from: at.Offset,
				to: set.Position(c.End()).Offset, then: then})
		}
		return true
	})
	for i := range found {
		found[i].number = first + i
	}
	// From the end of the file, so that the offsets of earlier checks remain valid.
	for _, s := range slices.Backward(found) {
		wrapped := fmt.Sprintf("actor.Removed(%d, %s, %s)", s.number, text[s.from:s.to], s.then)
		text = slices.Concat(text[:s.from], []byte(wrapped), text[s.to:])
	}
	return text, found, nil
}

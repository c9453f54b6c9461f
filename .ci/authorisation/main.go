// Command authorisation removes each authorisation check from the hub, one at a time, and reports which removals are
// detected by the tests of the package and by the hub's tables of authorisation:
//
//	go run ./.ci/authorisation                 tests all checks, in some minutes
//	go run ./.ci/authorisation .               tests the checks of package hub itself
//	go run ./.ci/authorisation directory       tests the checks of one package
//	go run ./.ci/authorisation hub/directory/card.go:171   tests one check
//
// The checks are the calls a.May(act, target), and the calls of the packages' functions that are based on May (see
// function replacementOf). The command builds one test program for each package. A test program skips one
// authorisation check: the check whose number is in an environment variable. The source files stay unchanged, because
// the changed copies are in an overlay of go build. Continuous integration runs the tests and the tables, but not
// this command.
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

// variable is the name of the environment variable that contains the number of the removed check.
const variable = "PORTILLON_REMOVED_CHECK"

// proof names the tests that should fail when a check of a package is removed. The package's tests run first, because
// they are faster than the tables and cover calls that no route makes.
type proof struct {
	own  string // -run pattern of the package's own tests; empty: the package has no such tests
	rows string // pattern of the routes to test with the hub's tables; empty: no routes
}

// hubPackage is the folder of the package whose tests contain the tables of authorisation; folders are relative to
// hub.
const hubPackage = "."

// proofs returns, for each package below hub, the tests that should fail.
func proofs() map[string]proof {
	return map[string]proof{
		"directory": {"EveryMethodRefuses|MayNotSee|MoreThanItsActorMay",
			"member|badge|card|tap|import|export|endings|record|/today|/me$"},
		"enrol":       {"MayDoWhat|MayKnow|MayRead", "machines|/today"},
		"publish":     {"MayDoWhat|MayReadPolicies|ReadTheList|EachMachineIsShown|WhoGainsAndWhoLoses", "policy|bundle"},
		"account":     {"MayDoWhat|ForOwnersAlone", "account|settings|/me|printed|audit|codes|DELETE .*member|erase"},
		"audit":       {"OnlyThoseWhoMay", "audit"},
		"report":      {"MaySee", "report"},
		"cardkey":     {"OnlyAdministrators", "card-key"},
		"issue":       {"OnlyAdministratorsIssueBadges|PictureContains", "awards|badge-classes"},
		"display":     {"OnlyAdministratorsChoose", "public|screens"},
		"search":      {"LeavesOutWhatTheActorMayNotRead", "search"},
		"training":    {"OnlyMentorsOfTheMachine", "trainings|checks"},
		"maintenance": {"OnlyMaintainersMentors|OnlyForThoseWhoMay|ActorsOnly", "maintenance"},
		"api":         {"OwnRight|MayNot|ByRights|OpenNothing", "note|badges|imports|events"},
		"web":         {"FollowTheRole|FollowsTheRole", "^GET /(members|cards|settings|today|machines|.$)"},
		hubPackage:    {"SearchOfAHub", "settings|/hub$"},
	}
}

// exceptions returns, with the reason, the checks whose removal no test can detect.
func exceptions() map[string]string { return map[string]string{} }

// site is the position of one authorisation check in the sources.
type site struct {
	number   int    // value of the environment variable with which a test program removes this check
	pkg, at  string // folder of the package, relative to hub, and position as FILE:LINE
	from, to int    // offsets of the check's start and end in the file, in bytes
	then     string // expression that stands in the place of the call when the check is removed
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "authorisation:", err)
		os.Exit(1)
	}
}

// run removes one access check at a time from a copy of the code and prints whether a test fails then. The list «only»
// names the checks. An empty list means all checks.
func run(ctx context.Context, only []string) error {
	var lines []string // checks to remove, such as hub/directory/card.go:171
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
	sites, overlay, err := writeOverlay(work, only)
	if err != nil {
		return err
	}
	if len(lines) > 0 {
		sites = slices.DeleteFunc(sites, func(s site) bool { return !slices.Contains(lines, s.at) })
	}
	p := &programs{overlay: overlay, folder: work, ready: map[string]bool{}}
	found, excepted := 0, 0
	for _, s := range sites {
		by, err := p.findFailingTests(ctx, s)
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
	overlay, folder string          // path of the overlay file, and folder with the built test programs
	ready           map[string]bool // names of the test runs that have passed with all checks present
}

// findFailingTests returns which tests fail when the check s is removed: "its package", "the tables", or "" if no
// test fails.
func (p *programs) findFailingTests(ctx context.Context, s site) (by string, err error) {
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

// fails reports whether the tests of a package fail when one check is removed. findFailingTests first runs the tests
// with all checks, because tests that always fail prove nothing.
func (p *programs) fails(ctx context.Context, s site, pkg string, tests ...string) (bool, error) {
	program := filepath.Join(p.folder, "hub-"+pkg+".test")
	key := strings.Join(append([]string{pkg}, tests...), " ")
	if !p.ready[key] {
		build := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", p.overlay, "-o", program, "./hub/"+pkg)
		if out, err := build.CombinedOutput(); err != nil {
			return false, fmt.Errorf("building the tests of hub/%s failed: %w\n%s", pkg, err, out)
		}
		out, err := runTests(ctx, program, pkg, "", tests)
		if err != nil || bytes.Contains(out, []byte("no tests to run")) {
			return false, fmt.Errorf("tests of hub/%s fail although no check is removed: %w\n%s", pkg, err, out)
		}
		p.ready[key] = true
	}
	_, err := runTests(ctx, program, pkg, fmt.Sprint(s.number), tests)
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.As(err, &failed):
		return true, nil
	}
	return false, err
}

// runTests runs tests of a test program with one check removed. The argument removed is the number of the removed
// check, or "" to keep all checks.
func runTests(ctx context.Context, program, pkg, removed string, tests []string) ([]byte, error) {
	c := exec.CommandContext(ctx, program, append(tests, "-test.failfast")...)
	c.Dir, c.Env = filepath.Join("hub", pkg), append(os.Environ(), variable+"="+removed)
	return c.CombinedOutput()
}

// writeOverlay writes copies of the services' files in which each check can be removed, and an overlay file that
// names these copies.
func writeOverlay(work string, only []string) (all []site, overlay string, err error) {
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
			text, found, err := wrapChecks(path, pkg, len(all))
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
	// Every package of the hub imports package actor, so writeOverlay adds the function that skips a check to package
	// actor.
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

// replacementOf returns the expression that replaces the call c when its check is removed, or "" if c is not a check.
// The checks are the calls of May, and the calls of those functions of the packages that call May.
func replacementOf(c *ast.CallExpr) string {
	name := ""
	switch f := c.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	switch name {
	case "May": // the type of the receiver is not checked, because only actors have a method of this name
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

// wrapChecks changes each check in a file so that it can be removed, numbers the checks beginning with first, and
// returns the file's new text.
func wrapChecks(path, pkg string, first int) (text []byte, found []site, err error) {
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
		if then := replacementOf(c); then != "" {
			at := set.Position(c.Pos())
			found = append(found, site{pkg: pkg, at: fmt.Sprintf("%s:%d", at.Filename, at.Line), from: at.Offset,
				to: set.Position(c.End()).Offset, then: then})
		}
		return true
	})
	for i := range found {
		found[i].number = first + i
	}
	// Replace the checks from the end of the file to its beginning, so that the offsets of the remaining checks stay
	// valid.
	for _, s := range slices.Backward(found) {
		wrapped := fmt.Sprintf("actor.Removed(%d, %s, %s)", s.number, text[s.from:s.to], s.then)
		text = slices.Concat(text[:s.from], []byte(wrapped), text[s.to:])
	}
	return text, found, nil
}

package portillon_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The flag allRecipes makes the test build a copy of the tree for each recipe, as .ci/run does. Without the flag, the
// test builds the copy of one recipe, and checks of the others that the patch applies and how many files the patch
// changes. buildAll makes each recipe build every package, not only the packages in the recipe's header.
var (
	allRecipes = flag.Bool("recipes", false, "build and test each recipe, not only "+alwaysTried)
	buildAll   = flag.Bool("build-all", false, "build every package with each recipe")
)

// alwaysTried is the recipe whose packages build fastest.
const alwaysTried = "panel-state"

// Each patch in testdata/recipes adds one feature of a kind that administrators or contributors often add: a policy
// key, a reader, a topic, a panel state, a page of the hub. The patch is both the recipe of docs/architecture.md and
// the proof that the recipe is short. The patch begins with header lines, which `git apply` skips:
//
//	recipe: a policy key
//	new: policy/closed_test.go   (a file or a folder that the patch creates; may be repeated or left out)
//	most: 4                                 (files that the patch may change outside what is new)
//	test: ./policy ./policy/file            (packages whose tests must pass)
//
// Regenerate a patch that no longer applies: apply it by hand on a clean tree (git apply --reject), mend it, then
// `git diff` below the same header lines.
func TestEachRecipeAppliesChangesFewFilesAndPassesItsTests(t *testing.T) {
	patches, err := filepath.Glob("testdata/recipes/*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("no recipes in testdata/recipes (%v)", err)
	}
	names := make([]string, len(patches))
	for i, path := range patches {
		names[i] = strings.TrimSuffix(filepath.Base(path), ".patch")
	}
	if !slices.Contains(names, alwaysTried) {
		t.Errorf("no recipe %s, so go test without -recipes builds no copy of the tree; have %s", alwaysTried, names)
	}
	for i, path := range patches {
		t.Run(names[i], func(t *testing.T) {
			r, err := readRecipe(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(r.touched); n > r.most {
				t.Errorf("the patch touches %d files, want at most %d: %s", n, r.most, strings.Join(r.touched, ", "))
			}
			if out, err := exec.CommandContext(t.Context(), "git", "apply", "--check", r.path).CombinedOutput(); err != nil {
				t.Fatalf("the patch no longer applies: regenerate it (see above): %v\n%s", err, out)
			}
			if testing.Short() || names[i] != alwaysTried && !*allRecipes {
				t.Skip("the patch applies, and its files are counted; -recipes without -short builds a copy of the tree")
			}
			r.test(t)
		})
	}
}

// recipe is a patch file with its header.
type recipe struct {
	path    string // absolute
	most    int
	news    []string // files or folders that the patch creates
	tests   []string // packages
	touched []string // files of the patch that are not below a path in news
}

// readRecipe reads the header and the names of the files in the diff.
func readRecipe(path string) (recipe, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return recipe{}, err
	}
	r := recipe{most: -1}
	if r.path, err = filepath.Abs(path); err != nil {
		return recipe{}, err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	inDiff := false
	for lines.Scan() {
		line := lines.Text()
		if files, is := strings.CutPrefix(line, "diff --git a/"); is {
			inDiff = true
			name, _, _ := strings.Cut(files, " b/")
			if !r.creates(name) {
				r.touched = append(r.touched, name)
			}
			continue
		}
		if inDiff {
			continue
		}
		name, value, _ := strings.Cut(line, ": ")
		value, _, _ = strings.Cut(strings.TrimSpace(value), "   (")
		switch name {
		case "new":
			r.news = append(r.news, strings.TrimSuffix(value, "/"))
		case "most":
			if r.most, err = strconv.Atoi(value); err != nil {
				return recipe{}, fmt.Errorf("%s: most: %w", path, err)
			}
		case "test":
			r.tests = append(r.tests, strings.Fields(value)...)
		}
	}
	if r.most < 0 || len(r.tests) == 0 || len(r.touched) == 0 {
		return recipe{}, fmt.Errorf("%s: the header has no most: or no test:, or no diff follows it", path)
	}
	return r, lines.Err()
}

// creates reports whether a file is a new file of the patch, or is in a new folder.
func (r recipe) creates(name string) bool {
	return slices.ContainsFunc(r.news, func(n string) bool { return name == n || strings.HasPrefix(name, n+"/") })
}

// test applies the patch to a copy of the tree, and tests the packages that the header names.
func (r recipe) test(t *testing.T) {
	t.Helper()
	tree := t.TempDir()
	copyTree(t, tree)
	// Set the ceiling, because otherwise git apply would resolve paths from the root of a repository that contains the
	// temporary folder.
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = tree
		// -trimpath lets the copy use the build cache of the original tree.
		cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(tree), "GOFLAGS=-trimpath", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	run("git", "apply", "--whitespace=error", r.path)
	if *buildAll {
		run("go", "build", "./...")
	}
	run("go", append([]string{"test", "-short"}, r.tests...)...)
}

// copyTree copies the source tree, without its history, build output and binaries.
func copyTree(t *testing.T, to string) {
	t.Helper()
	const largest = 4 << 20 // limit in bytes; larger files are binaries that somebody has built in the tree
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := e.Name(); e.IsDir() {
			if name == ".git" || name == "node_modules" || path == ".ci/out" {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > largest {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), b, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}

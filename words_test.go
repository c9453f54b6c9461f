package portillon_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	wordSeed = flag.Uint64("words", 0, "print 60 random sentences of the code and the docs, drawn with this seed")
	wordsIn  = flag.String("words-in", "", "print all sentences of the files below this folder")
)

// TestWordsSample prints random sentences for a reader who does not see the code: 20 of comments, 20 of errors and log
// lines, 10 test names and 10 of docs. Run it with go test . -run WordsSample -words 1 -v; -words-in hub/store/ prints
// all sentences of a folder.
func TestWordsSample(t *testing.T) {
	all := readWords(t)
	for kind, least := range map[string]int{"comment": 1000, "error or log": 500, "test": 1000, "docs": 200} {
		if len(all[kind]) < least {
			t.Errorf("found %d sentences of kind %q, want at least %d", len(all[kind]), kind, least)
		}
	}
	if *wordsIn != "" {
		for kind := range all {
			for _, s := range all[kind] {
				if strings.HasPrefix(s, *wordsIn) {
					fmt.Printf("[%s] %s\n", kind, s)
				}
			}
		}
	}
	if *wordSeed == 0 {
		return
	}
	random := rand.New(rand.NewPCG(*wordSeed, 0))
	for _, part := range []struct {
		kind  string
		count int
	}{{"comment", 20}, {"error or log", 20}, {"test", 10}, {"docs", 10}} {
		for _, i := range random.Perm(len(all[part.kind]))[:part.count] {
			fmt.Printf("[%s] %s\n", part.kind, all[part.kind][i])
		}
	}
}

// readWords returns each sentence, with its file and line, by kind.
func readWords(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			return goWords(path, all)
		case strings.HasSuffix(path, ".md"):
			return docWords(path, all)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind := range all {
		slices.Sort(all[kind])
	}
	return all
}

// goWords adds the sentences of a Go file: comments, texts of errors and log lines, and names of tests.
func goWords(path string, all map[string][]string) error {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil || ast.IsGenerated(f) {
		return err
	}
	add := func(kind string, at token.Pos, text string) {
		text = strings.Join(strings.Fields(text), " ")
		all[kind] = append(all[kind], fmt.Sprintf("%s:%d: %s", path, files.Position(at).Line, text))
	}
	for _, c := range f.Comments {
		for _, s := range sentences(c.Text()) {
			add("comment", c.Pos(), s)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if strings.HasPrefix(n.Name.Name, "Test") && strings.HasSuffix(path, "_test.go") {
				add("test", n.Pos(), n.Name.Name)
			}
		case *ast.CallExpr:
			if text, ok := reported(n); ok && !strings.HasSuffix(path, "_test.go") {
				add("error or log", n.Pos(), text)
			}
		}
		return true
	})
	return nil
}

// reporters are the names of functions that make an error or write a log line.
var reporters = []string{"Errorf", "New", "Error", "Warn", "Info", "Debug"}

// reported returns the text of a call that makes an error or writes a log line.
func reported(call *ast.CallExpr) (string, bool) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains(reporters, f.Sel.Name) {
		return "", false
	}
	for _, arg := range call.Args {
		if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			return text, err == nil && len(strings.Fields(text)) >= 3
		}
	}
	return "", false
}

// docWords adds the sentences of a Markdown file, without code blocks, tables and headings.
func docWords(path string, all map[string][]string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(string(data), "")
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(paragraph, "#") || strings.Contains(paragraph, "|") {
			continue
		}
		for _, s := range sentences(paragraph) {
			all["docs"] = append(all["docs"], path+": "+s)
		}
	}
	return nil
}

// sentences splits text at the ends of its sentences and drops those of fewer than four words.
func sentences(text string) []string {
	text = strings.Join(strings.Fields(text), " ")
	var all []string
	start := 0
	for _, end := range append(regexp.MustCompile(`[.?!] +`).FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		if s := strings.TrimSpace(text[start:end[1]]); len(strings.Fields(s)) >= 4 && !strings.HasPrefix(s, "<!--") {
			all = append(all, s)
		}
		start = end[1]
	}
	return all
}

package hubd

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestHubPrintsFrenchInATerminalWithAFrenchLocale(t *testing.T) {
	for _, c := range []struct {
		all, messages, lang string
		want                bool
	}{
		{"", "", "fr_FR.UTF-8", true}, {"", "", "fr", true}, {"", "", "fr.UTF-8", true}, {"", "", "", false},
		{"", "", "C", false}, {"", "", "de_DE.UTF-8", false}, {"", "", "fry_NL", false},
		{"C", "", "fr_FR.UTF-8", false}, {"", "C", "fr_FR.UTF-8", false}, {"", "fr_CA", "de_DE", true},
		{"fr_BE", "C", "C", true},
	} {
		set := map[string]string{"LC_ALL": c.all, "LC_MESSAGES": c.messages, "LANG": c.lang}
		if got := isFrench(func(name string) string { return set[name] }); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// frenchOf returns what a terminal with a French locale shows for a text.
func frenchOf(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w, err := inFrench(&out)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatal(n, err)
	}
	return strings.NewReplacer("\u00a0", " ", "\u202f", " ", "’", "'").Replace(out.String())
}

func TestLinesOfTheHubAreTranslatedIntoFrench(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"portillon-hub: open http://127.0.0.1:8040\n  no owner yet: open http://127.0.0.1:8040/code/owner?code=A\n",
			"portillon-hub: ouvrir http://127.0.0.1:8040\n" +
				"  pas encore de propriétaire : ouvrir http://127.0.0.1:8040/code/owner?code=A\n"},
		{"portillon-hub: restore: the folder x is not empty: a restore overwrites nothing\n",
			"portillon-hub: restauration : le dossier x n'est pas vide : une restauration n'écrase rien\n"},
		{"portillon-hub: hint: stop the hub of before first; what it has stays as it is\n",
			"portillon-hub: conseil : arrêter d'abord l'ancien hub ; ce qu'il a reste en l'état\n"},
		{"portillon-hub: changes: m-lea gains user at laser\n",
			"portillon-hub: changement : m-lea gagne Utilisation sur laser\n"},
		{"portillon-hub: changes: m-lea loses the lost card 1a2b3c4d…\n",
			"portillon-hub: changement : m-lea perd une carte (perdue) : 1a2b3c4d…\n"},
		{"portillon-hub: ready", "portillon-hub: prêt"},
		{"time=2026-11-30 level=INFO msg=\"bundle in force\"\n", "time=2026-11-30 level=INFO msg=\"bundle in force\"\n"},
		{"portillon-hub: open /x: permission denied, perhaps\n", "portillon-hub: ouvrir /x: permission denied, perhaps\n"},
		{"", ""},
	} {
		if got := frenchOf(t, c.given); got != c.want {
			t.Errorf("%q: %q, want %q", c.given, got, c.want)
		}
	}
	w, err := inFrench(broken{})
	if _, werr := w.Write([]byte("x")); err != nil || werr == nil {
		t.Error(err, werr)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the pipe is closed") }

// Each sentence that this package writes has a French translation, whatever values are inserted.
func TestEverySentenceOfTheHubHasAFrenchTranslation(t *testing.T) {
	found := 0
	for _, s := range sentencesHere(t) {
		for line := range strings.SplitSeq(s.text, "\n") {
			line = strings.TrimPrefix(strings.TrimSpace(line), "portillon-hub: ")
			if whole := putIn[line]; whole != "" {
				line = whole
			}
			if strings.Count(line, " ") < 2 || line == "portillon-hub -config hub.yaml" ||
				strings.HasPrefix(line, "portillon-hub ") && strings.Contains(line, "[") {
				continue // texts without a translation: a name, a value, or the usage of a command
			}
			found++
			if got := frenchOf(t, line); got == strings.ReplaceAll(line, "’", "'") {
				t.Errorf("%s: %q has no French", s.where, line)
			}
		}
	}
	if found < 50 {
		t.Errorf("%d sentences, want at least 50", found)
	}
}

// putIn lists sentences whose subject or verb is an inserted value.
var putIn = map[string]string{"7: 7 lines above": "hub cannot be adopted without a loss or a change of rights: 7 " +
	"lines above",
	"7 7 7 at 7": "7 gains 7 at 7", "7 7 the 7 card 7…": "7 loses the 7 card 7…"}

type sentence struct{ text, where string }

// sentencesHere returns the sentences in calls that write to a terminal or create an error. In each sentence, the
// number 7 stands for each inserted value.
func sentencesHere(t *testing.T) (out []sentence) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile(`^(Fprintf|Fprintln|Fprint|New|Errorf|complain|Sprintf)$`)
	verb := regexp.MustCompile(`%[-+#0-9.]*[a-zA-Z]`)
	set := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !calls.MatchString(nameOf(call.Fun)) {
				return true
			}
			for _, a := range call.Args {
				if text := literalText(a); text != "" {
					out = append(out, sentence{verb.ReplaceAllString(text, "7"), set.Position(a.Pos()).String()})
				}
			}
			return true
		})
	}
	return out
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// literalText returns the text of a string literal or of concatenated literals, with the number 7 for each value
// between them.
func literalText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, err := strconv.Unquote(e.Value)
			if err == nil {
				return s
			}
		}
	case *ast.BinaryExpr:
		if a, b := literalText(e.X), literalText(e.Y); a != "" && b != "" {
			return a + b
		}
	}
	return ""
}

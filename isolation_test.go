package portillon_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// isolationWords matches words that call a machine safe to work on. An open relay does not make it safe to work on a
// machine, because the wires before the relay stay live and the relay can close again (EN 60204-1, 5.3 and 5.4; NF C
// 18-510 calls the electrician's procedure «consignation»).
var isolationWords = regexp.MustCompile(`(?i)consign|isolat|locked out|safe to open`)

// denials matches words that negate such a sentence.
var denials = regexp.MustCompile(
	`(?i)\b(no|not|never|nothing|nor|neither|pas|jamais|aucune?|ni)\b|\b[nN]['’]|n't\b|` +
		`still (be )?live|(encore|reste) sous tension`,
)

// isolators matches devices and persons that do isolate a machine. If a sentence contains such a word, it calls this
// device or person the isolation, and not the relay.
var isolators = regexp.MustCompile(
	`(?i)disconnector|main switch|padlock|electrician|sectionneur|interrupteur principal|` +
		`cadenas|électricien|NF C 18-510|EN 60204`,
)

// relayWords matches words for Portillon's own devices and actions. If a sentence contains such a word and an isolation
// word, the sentence must also contain a denial, even if it names an isolator.
var relayWords = regexp.MustCompile(
	`(?i)\brelays?\b|\brelais\b|\btag(ged|s)?\b|hors service|out of service|étiquette|panel|panneau|portillon`,
)

var sentenceEnd = regexp.MustCompile(`[.!?;\n]\s+|\n`)

// insulation matches phrases about insulation, for which French has the same word: «isolation renforcée». The pattern
// insulation also matches the name of the acceptance step «isolation» between back quotes.
var insulation = regexp.MustCompile(
	"(?i)isolation (renforcée|principale|supplémentaire)|double isolation|\\*\\*isolation\\*\\*|`isolation`",
)

// unseen matches the parts of a page that a reader does not see: comments, and the targets of links.
var unseen = regexp.MustCompile(`<!--.*?-->|\]\([^)]*\)`)

// isolationClaims returns the sentences of text that call an action of Portillon an isolation.
func isolationClaims(text string) (claims []string) {
	for _, s := range sentenceEnd.Split(text, -1) {
		s = strings.TrimSpace(insulation.ReplaceAllString(s, ""))
		switch {
		case !isolationWords.MatchString(s), denials.MatchString(s):
		case !strings.Contains(s, " "): // skip a text that is only an identifier, such as the name of an acceptance step
		case isolators.MatchString(s) && !relayWords.MatchString(s):
		default:
			claims = append(claims, s)
		}
	}
	return claims
}

// A person who reads that a tag, a button or an open relay isolates a machine may touch the machine's live terminals.
func TestNoTextCallsAnOpenRelayAnIsolation(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads all sources")
	}
	read := 0
	for _, root := range []string{"daemon", "policy", "cmd", "packaging/man", "README.md", "docs",
		"firmware-config/README.md", "firmware-config/LISEZMOI.md"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			texts, err := textsOf(path)
			for _, text := range texts {
				read++
				for _, claim := range isolationClaims(text) {
					t.Errorf("%s calls what Portillon does an isolation: %q", path, claim)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 1000 {
		t.Fatalf("only %d texts were read", read)
	}
}

// textsOf returns the texts of a file that people may read: the strings of a program, or the whole text of a page, a
// drawing or a manual. In this repository's Markdown, each paragraph is one line.
func textsOf(path string) (texts []string, err error) {
	switch ext := filepath.Ext(path); {
	case strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata"):
		return nil, nil
	case ext == ".go":
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return nil, err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil {
					texts = append(texts, s)
				}
			}
			return true
		})
		return texts, nil
	case ext == ".md":
		b, err := os.ReadFile(path)
		return []string{unseen.ReplaceAllString(string(b), "")}, err
	case strings.Contains(".html .js .svg .yaml .txt .1 .8", ext) && ext != "":
		b, err := os.ReadFile(path)
		return []string{string(b)}, err
	}
	return nil, nil
}

func TestIsolationClaimsFindsSentencesThatCallTheRelayAnIsolation(t *testing.T) {
	for text, want := range map[string]int{
		"Machine consignée par Inès":                                           1,
		"Power off: the machine is isolated":                                   1,
		"Locked out. Maintenance by Inès":                                      1,
		"The relay is open: it is safe to open the lid":                        1,
		"Tagged out; the main switch of the relay isolates it":                 1, // in this sentence the relay isolates
		"An open relay is not isolation":                                       0,
		"Une étiquette n’est jamais une consignation":                          0,
		"L’électricien consigne la machine":                                    0,
		"A lockable disconnector isolates the machine (EN 60204-1, 5.3)":       0,
		"An open relay is not isolation. The machine is isolated by its relay": 1,
		"isolation": 0, // the name of an acceptance step
		"Isolate the machine: with the relay open it may still be live":        0,
		"Contact miroir du relais à isolation renforcée":                       0, // insulation
		"Isolation renforcée ; la machine est isolée, consignée par Portillon": 1,
	} {
		if got := isolationClaims(text); len(got) != want {
			t.Errorf("%q: %q, want %d claims", text, got, want)
		}
	}
}

package store_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// statement is an SQL text that a package of the hub passes to Query, QueryRow or Exec.
type statement struct {
	at, text string
}

// statements returns the statements of all packages below hub, except hub/store and tests. The text of a statement must
// be a constant expression: a literal, a constant of the same package, or a concatenation of these.
func statements(t *testing.T, root string) (out []statement) {
	t.Helper()
	set := token.NewFileSet()
	packages := map[string][]*ast.File{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil ||
			e.IsDir() &&
				(e.Name() == "testdata" || path == filepath.Join(root, "store") || strings.HasSuffix(e.Name(), "test")) {
			if err == nil {
				err = filepath.SkipDir
			}
			return err
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, path, nil, 0)
		packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range packages {
		constants := map[string]ast.Expr{}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
					for _, s := range d.Specs {
						v := s.(*ast.ValueSpec)
						for i := range v.Values {
							constants[v.Names[i].Name] = v.Values[i]
						}
					}
				}
				return true
			})
		}
		for _, f := range files {
			if !importsStore(f) {
				continue // skip these calls of database/sql, which read the ledger of an old release without the store
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := statementOf(set, n, constants); ok {
					out = append(out, s)
				}
				return true
			})
		}
	}
	return out
}

func importsStore(f *ast.File) bool {
	imports := func(path string) bool {
		return slices.ContainsFunc(f.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == strconv.Quote(path) })
	}
	return imports("portillon/hub/store") || !imports("database/sql")
}

// statementOf returns the statement in a call such as x.Query(ctx, "SELECT …", …). If the text is not constant,
// statementOf returns "?" as the text.
func statementOf(set *token.FileSet, n ast.Node, constants map[string]ast.Expr) (statement, bool) {
	c, ok := n.(*ast.CallExpr)
	if !ok || len(c.Args) < 2 {
		return statement{}, false
	}
	f, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"Query", "QueryRow", "Exec"}, f.Sel.Name) {
		return statement{}, false
	}
	text, ok := constant(c.Args[1], constants, 20)
	if !ok {
		text = "?"
	}
	return statement{set.Position(c.Pos()).String(), text}, true
}

func constant(e ast.Expr, constants map[string]ast.Expr, depth int) (string, bool) {
	if depth == 0 {
		return "", false
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.ParenExpr:
		return constant(e.X, constants, depth-1)
	case *ast.Ident:
		if c, ok := constants[e.Name]; ok {
			return constant(c, constants, depth-1)
		}
	case *ast.BinaryExpr:
		a, ok := constant(e.X, constants, depth-1)
		b, too := constant(e.Y, constants, depth-1)
		return a + b, ok && too && e.Op == token.ADD
	}
	return "", false
}

var (
	words  = regexp.MustCompile(`'(?:[^']|'')*'|[A-Za-z_][A-Za-z_0-9]*|\$[0-9]+|[(),.=]|\S`)
	within = regexp.MustCompile(`(?i)(?:\bWITH(?:\s+RECURSIVE)?|,)\s*([a-z_0-9]+)\s*(?:\([^)]*\))?\s+AS\s*\(`)
)

// statementFault returns the fault of a statement; empty: the statement is correct. A statement must restrict each
// table to the site by "site = $1" (with the alias of the table, if there is one). An INSERT must set the first column
// of the table to $1.
func statementFault(text string) string {
	if text == "?" {
		return "the statement is not a constant"
	}
	w := words.FindAllString(text, -1)
	lower := func(i int) string {
		if i < 0 || i >= len(w) {
			return ""
		}
		return strings.ToLower(w[i])
	}
	named := map[string]bool{} // names of the tables that WITH defines
	for _, m := range within.FindAllStringSubmatch(text, -1) {
		named[strings.ToLower(m[1])] = true
	}
	conditions := map[string]int{}
	for i := range w {
		if lower(i) == "site" && lower(i+1) == "=" && w[min(i+2, len(w)-1)] == "$1" {
			alias := ""
			if lower(i-1) == "." {
				alias = lower(i - 2)
			}
			conditions[alias]++
		}
	}
	tables := 0
	for i := range w {
		var name string
		switch lower(i) {
		case "into":
			if lower(i+2) != "(" || lower(i+3) != "site" || !givesSite(w[i:]) {
				return fmt.Sprintf("INSERT INTO %s does not give $1 as its first column, site", lower(i+1))
			}
			tables++
			continue
		case "from", "join":
			name = lower(i + 1)
			if lower(i-1) == "distinct" { // skip a FROM that is part of IS DISTINCT FROM
				continue
			}
		case "update":
			if lower(i-1) == "do" || lower(i+1) == "set" {
				continue
			}
			name = lower(i + 1)
		default:
			continue
		}
		if name == "(" || lower(i+2) == "(" || named[name] { // skip a subquery, a function, or a table that WITH defines
			continue
		}
		tables++
		alias, at := "", i+2
		if lower(at) == "as" {
			at++
		}
		if s := lower(at); s != "" && regexp.MustCompile(`^[a-z_]`).MatchString(s) && !slices.Contains(keywords(), s) {
			alias = s
		}
		if lower(at+1) == "," || lower(at) == "," {
			return "tables stand in a list: join them"
		}
		key := ""
		for _, k := range []string{alias, name, ""} {
			if conditions[k] > 0 && (k != "" || alias == "") {
				key = k
				break
			}
		}
		if conditions[key] == 0 {
			return fmt.Sprintf("%s (alias %q) has no condition site = $1", name, alias)
		}
		conditions[key]--
	}
	if tables == 0 {
		return "the statement names no table"
	}
	return ""
}

// givesSite reports whether the first value of every row of an INSERT is $1.
func givesSite(w []string) bool {
	for i := range w {
		switch strings.ToLower(w[i]) {
		case "values":
			for j, depth := i+1, 0; j < len(w); j++ {
				switch {
				case w[j] == "(":
					if depth == 0 && (j+1 >= len(w) || w[j+1] != "$1") {
						return false
					}
					depth++
				case w[j] == ")":
					depth--
				case depth == 0 && w[j] != ",":
					return true
				}
			}
			return true
		case "select":
			return i+1 < len(w) && w[i+1] == "$1"
		}
	}
	return false
}

func keywords() []string {
	return []string{
		"where",
		"on",
		"join",
		"left",
		"inner",
		"cross",
		"order",
		"group",
		"limit",
		"set",
		"union",
		"using",
		"having",
		"returning",
		"except",
		"intersect",
		"natural",
	}
}

func TestStatementsOfTheHubRestrictEachTableToTheSite(t *testing.T) {
	all := statements(t, "..")
	if len(all) < 15 {
		t.Fatalf("only %d statements were found", len(all))
	}
	for _, s := range all {
		if fault := statementFault(s.text); fault != "" {
			t.Errorf("%s: %s\n\t%s", s.at, fault, s.text)
		}
	}
}

func TestStatementsWithoutSiteConditionAreDetected(t *testing.T) {
	for text, fault := range map[string]string{
		"SELECT x FROM a WHERE site = $1":        "",
		"SELECT x FROM a WHERE other = $1":       "no condition",
		"SELECT x FROM a":                        "no condition",
		"SELECT x FROM a WHERE site = $2":        "no condition",
		"SELECT x FROM a AS t WHERE t.site = $1": "",
		"SELECT x FROM a t WHERE t.site = $1":    "",
		"SELECT x FROM a AS t JOIN b AS u ON u.site = $1 AND u.x = t.x WHERE t.site = $1":    "",
		"SELECT x FROM a AS t JOIN b AS u ON u.x = t.x WHERE t.site = $1":                    `"u"`,
		"SELECT x FROM a AS t JOIN b AS u ON u.site = t.site WHERE t.site = $1":              `"u"`,
		"SELECT x FROM a, b WHERE site = $1 AND site = $1":                                   "list",
		"SELECT x FROM a WHERE site = $1 AND y IN (SELECT y FROM b WHERE site = $1)":         "",
		"SELECT x FROM a WHERE site = $1 AND y IN (SELECT y FROM b)":                         "no condition",
		"SELECT x FROM a WHERE 'site = $1' = y":                                              "no condition",
		"WITH r AS (SELECT x FROM a WHERE site = $1) SELECT x FROM r":                        "",
		"WITH r AS (SELECT x FROM a) SELECT x FROM r":                                        "no condition",
		"INSERT INTO a (site, x) VALUES ($1, $2)":                                            "",
		"INSERT INTO a (site, x) VALUES ($1, $2), ($1, $3)":                                  "",
		"INSERT INTO a (site, x) VALUES ($1, $2), ($2, $3)":                                  "INTO a",
		"INSERT INTO a (x, site) VALUES ($2, $1)":                                            "INTO a",
		"INSERT INTO a VALUES ($1, $2)":                                                      "INTO a",
		"INSERT INTO a (site, x) SELECT $1, x FROM b WHERE site = $1":                        "",
		"INSERT INTO a (site, x) SELECT site, x FROM b WHERE site = $1":                      "INTO a",
		"INSERT INTO a (site, x) VALUES ($1, $2) ON CONFLICT (site, x) DO UPDATE SET x = $2": "",
		"UPDATE a SET x = $2 WHERE site = $1":                                                "",
		"UPDATE a SET x = $2":                                                                "no condition",
		"DELETE FROM a WHERE site = $1 AND x = $2":                                           "",
		"DELETE FROM a WHERE x = $2":                                                         "no condition",
		"SELECT 1":                                                                           "no table",
		"?":                                                                                  "constant",
	} {
		if got := statementFault(text); (got == "") != (fault == "") || !strings.Contains(got, fault) {
			t.Errorf("%s\n\t%q, want %q", text, got, fault)
		}
	}
}

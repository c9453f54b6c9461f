package ld

import (
	"crypto"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/otherstest"
)

var nquadLine = regexp.MustCompile(
	`^\s*(<[^>]*>|_:\S+)\s+<([^>]*)>\s+(<[^>]*>|_:\S+|"(?:[^"\\]|\\.)*"(?:\^\^<[^>]*>|@[A-Za-z0-9-]+)?)` +
		`\s*(<[^>]*>|_:\S+)?\s*\.\s*(#.*)?$`,
)

// parseNQuads parses the N-Quads files of the W3C's test vectors. parseNQuads supports only the syntax that these
// files use.
func parseNQuads(t testing.TB, text string) []quad {
	t.Helper()
	var out []quad
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		m := nquadLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no quad: %s", line)
		}
		out = append(out, quad{parseTerm(t, m[1]), unescape(t, m[2]), parseTerm(t, m[3]), parseTerm(t, m[4])})
	}
	return out
}

func parseTerm(t testing.TB, s string) node {
	switch {
	case s == "":
		return node{}
	case s[0] == '<':
		return node{kind: iri, value: unescape(t, s[1:len(s)-1])}
	case s[0] == '_':
		return node{kind: blank, value: s[2:]}
	}
	end := strings.LastIndex(s, `"`)
	n := node{kind: literal, value: unescape(t, s[1:end]), datatype: xsdString}
	switch rest := s[end+1:]; {
	case strings.HasPrefix(rest, "^^"):
		n.datatype = unescape(t, rest[3:len(rest)-1])
	case strings.HasPrefix(rest, "@"):
		n.lang, n.datatype = rest[1:], langString
	}
	return n
}

func unescape(t testing.TB, s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	q := strings.ReplaceAll(s, `\'`, `'`)
	out, err := strconv.Unquote(`"` + q + `"`)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return out
}

// vector is an entry in the W3C's manifest of test vectors.
type vector struct{ ID, Type, Action, Result, HashAlgorithm string }

// The W3C's RDFC-1.0 vectors (rdf-canon) contain canonical forms, one graph that must be rejected, and names of blank
// nodes.
func TestCanonicalFormsMatchTheW3CVectors(t *testing.T) {
	dir := otherstest.Path(t, "w3c+rdf-canon", "tests")
	var manifest struct{ Entries []vector }
	if err := json.Unmarshal(file(t, filepath.Join(dir, "manifest.jsonld")), &manifest); err != nil {
		t.Fatal(err)
	}
	all, passed := map[string]int{}, map[string]int{}
	for _, e := range manifest.Entries {
		kind := strings.TrimSuffix(strings.TrimPrefix(e.Type, "rdfc:RDFC10"), "Test")
		all[kind]++
		if why := e.judge(t, dir); why != "" {
			t.Errorf("%s: %s", e.ID, why)
			continue
		}
		passed[kind]++
	}
	for kind, want := range map[string]int{"Eval": 64, "NegativeEval": 1, "Map": 21} {
		t.Logf("%d of %d %s vectors", passed[kind], all[kind], kind)
		if all[kind] != want {
			t.Errorf("%d %s vectors in the manifest, %d are known", all[kind], kind, want)
		}
	}
}

// judge returns how our result differs from the result of a vector.
func (v vector) judge(t *testing.T, dir string) string {
	h, ok := map[string]crypto.Hash{"": crypto.SHA256, "SHA384": crypto.SHA384}[v.HashAlgorithm]
	if !ok {
		return "unknown hash " + v.HashAlgorithm
	}
	start := time.Now()
	c := newCanon(sortedSet(parseNQuads(t, string(file(t, filepath.Join(dir, v.Action))))), h)
	err := c.nameNodes()
	if v.Type == "rdfc:RDFC10NegativeEvalTest" {
		t.Logf("%s: refused after %v", v.ID, time.Since(start))
		if err == nil {
			return "the poison graph has a name for each node"
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	if v.Type == "rdfc:RDFC10MapTest" {
		var want map[string]string
		if err := json.Unmarshal(file(t, filepath.Join(dir, v.Result)), &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for came := range c.index {
			got[came] = strings.TrimPrefix(c.label(came), "_:")
		}
		if !maps.Equal(got, want) {
			return fmt.Sprintf("%v, want %v", got, want)
		}
		return ""
	}
	if got, err := canonicalise(c.quads, h); err != nil || string(got) != string(file(t, filepath.Join(dir, v.Result))) {
		return fmt.Sprintf("%v\n%s", err, got)
	}
	return ""
}

// A graph in which all n blank nodes refer to each other has n! paths. The limit of work must reject such a graph
// before any time limit does.
func TestGraphsThatNeedTooMuchWorkAreRejected(t *testing.T) {
	var quads []quad
	for i := range 12 {
		for j := range 12 {
			if i != j {
				quads = append(
					quads,
					quad{s: node{kind: blank, value: fmt.Sprint(i)}, p: "urn:p", o: node{kind: blank, value: fmt.Sprint(j)}},
				)
			}
		}
	}
	start := time.Now()
	_, err := canonicalise(sortedSet(quads), crypto.SHA256)
	if err == nil || !strings.Contains(err.Error(), "too-complex") {
		t.Fatal(err)
	}
	t.Logf("refused after %v", time.Since(start))
}

func FuzzCanonicalise(f *testing.F) {
	f.Add([]byte{0, 1, 1, 2, 2, 0})
	f.Add([]byte{0, 1, 1, 0, 2, 3, 3, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		build := func(name func(byte) string, reverse bool) []quad {
			var q []quad
			for i := 0; i+1 < len(b) && i < 40; i += 2 {
				x := quad{
					s: node{kind: blank, value: name(b[i] % 8)},
					p: "urn:p" + strconv.Itoa(int(b[i]>>6)),
					o: node{kind: blank, value: name(b[i+1] % 8)},
				}
				if reverse {
					q = append([]quad{x}, q...)
				} else {
					q = append(q, x)
				}
			}
			return q
		}
		one, err1 := canonicalise(sortedSet(build(func(x byte) string { return strconv.Itoa(int(x)) }, false)), crypto.SHA256)
		two, err2 := canonicalise(sortedSet(build(func(x byte) string { return string(rune('z' - x)) }, true)), crypto.SHA256)
		if err1 == nil && err2 == nil && string(one) != string(two) {
			t.Fatalf("the canonical form depends on names or order of the input:\n%s\n%s", one, two)
		}
	})
}

func file(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

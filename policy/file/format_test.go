package file

import (
	"os"
	"strings"
	"testing"
	"time"

	"portillon/policy/analysis"
)

func TestTheCanonicalFormIsTheSamePolicyWithItsComments(t *testing.T) {
	for _, path := range []string{"testdata/policy.yaml", "../../site-example/policy.yaml"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		once, err := Format(path, b)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := Format(path, once)
		if err != nil || string(twice) != string(once) {
			t.Errorf("%s: %v: the canonical form has another", path, err)
		}
		for _, line := range strings.Split(string(b), "\n") {
			if _, comment, ok := strings.Cut(line, " #"); ok && !strings.Contains(string(once), strings.TrimSpace(comment)) {
				t.Errorf("%s: lost %q", path, comment)
			}
		}
		before, after := mustParse(t, string(b)), mustParse(t, string(once))
		changes, err := analysis.Compare(before, after, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
		if err != nil || len(changes) > 0 || len(before.Tests) != len(after.Tests) || len(before.Never) != len(after.Never) ||
			len(before.Evidence) != len(after.Evidence) {
			t.Errorf("%s: %v %v", path, changes, err)
		}
	}
}

func TestKeysAreOrderedAndSectionsSeparated(t *testing.T) {
	in := strings.Replace(
		sample(t),
		"role: maintainer, needs: laser-maintainer",
		"needs: laser-maintainer, role: maintainer",
		1,
	)
	in = strings.Replace(in, "portillon: 1\nsite: biklab\n", "site: biklab\n\n\nportillon: 1\n", 1)
	out, err := Format("policy.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nsite: biklab\nlanguage: fr\n",
		"{ role: maintainer, needs: laser-maintainer }",
		"\n\nmachines:\n  laser:\n",
		"\n\nnever:\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Index(string(out), "portillon: 1\n") > strings.Index(string(out), "site: biklab\n") {
		t.Errorf("the key site is before the key portillon in\n%s", out)
	}
	if _, err := Format("policy.yaml", []byte("portillon: 2")); err == nil {
		t.Error("Format accepted an invalid file")
	}
}

// A comment must stay with its key when the keys are reordered.
func TestCommentsStayWithTheirKeys(t *testing.T) {
	in := strings.Replace(sample(t), "holidays: [", "holidays:   # what PH means\n  [", 1)
	out, err := Format("policy.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "# what PH means\nholidays: [") {
		t.Errorf("the comment has moved:\n%s", out)
	}
}

// The YAML library writes some folded texts in a form that it reads back as another text.
func TestMultilineScalarIsFormattedUnchanged(t *testing.T) {
	for _, text := range []string{
		">-\n      One\n       further in\n      and back",
		">\n      a\n\n      b\n",
		"|2-\n        one in\n       none",
		"|\n      a # no comment\n     # a comment",
		"\"a\n      b\n\n      c\"",
		"'it''s\n      one'",
		"one\n      and the same",
	} {
		in := swap(t, "    cooldown: 3m", "    vouch:\n     x: "+text+"\n    cooldown: 3m")
		before, err := tree([]byte(in))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		doc := newPage([]byte(in), before)
		root := doc.layout(before)
		root.arrange(top())
		p := &printer{g: doc}
		p.file(root)
		if err := checkKept("policy.yaml", doc, before, []byte(p.String())); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

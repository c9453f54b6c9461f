package file

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// sprinkle inserts comments at random places of a policy: on lines of their own and beside lines, with more or less
// indentation, one or two at a time, with and without blank lines around them, and inside brackets.
func sprinkle(r *rand.Rand, text string) (out string, comments []string) {
	one := func() string {
		comments = append(comments, fmt.Sprintf("# K%03d, { it's: \"one\" ]", len(comments)))
		return comments[len(comments)-1]
	}
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		in := len(l) - len(strings.TrimLeft(l, " "))
		for range r.IntN(8) - 5 {
			if r.IntN(5) == 0 {
				lines = append(lines, "")
			}
			lines = append(lines, strings.Repeat(" ", []int{in, in, 0, 2, 4, 6, 8}[r.IntN(7)])+one())
			if r.IntN(5) == 0 {
				lines = append(lines, "")
			}
		}
		if open := strings.IndexAny(l, "{["); open > 0 && !strings.Contains(l, "#") && r.IntN(6) == 0 {
			// Insert the comments inside a bracket and after the commas of the bracket.
			cut := open + 1
			if comma := strings.LastIndex(l, ", "); comma > open && strings.Count(l[:comma], `"`)%2 == 0 && r.IntN(2) == 0 {
				cut = comma + 1
			}
			switch r.IntN(3) {
			case 0:
				lines = append(lines, l[:cut], strings.Repeat(" ", in+4)+one())
			default:
				lines = append(lines, l[:cut]+" "+one())
			}
			l = strings.Repeat(" ", in+4) + l[cut:]
		}
		if l != "" && !strings.Contains(l, "#") && r.IntN(8) == 0 {
			l += "  " + one()
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "\n"), comments
}

// Wherever comments are in a policy, Format must keep each comment exactly once, write a canonical file, and not change
// the policy.
func TestFormatKeepsEveryComment(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads hundreds of changed policies")
	}
	for _, path := range []string{"testdata/policy.yaml", "../../site-example/policy.yaml"} {
		base, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(60) {
			in, comments := sprinkle(rand.New(rand.NewPCG(seed, 1)), string(base))
			if seed%2 == 1 {
				in = strings.ReplaceAll(in, "\n", "\r\n")
			}
			if problem := formatted(in, comments); problem != "" {
				t.Fatalf("%s, seed %d: %s\nof\n%s", path, seed, problem, in)
			}
		}
	}
}

func formatted(in string, comments []string) string {
	once, err := Format("policy.yaml", []byte(in))
	if err != nil {
		return err.Error()
	}
	twice, err := Format("policy.yaml", once)
	if err != nil {
		return err.Error()
	}
	for _, c := range comments {
		if n := strings.Count(string(once), c); n != 1 {
			return fmt.Sprintf("%q stands there %d times", c, n)
		}
	}
	a, b := strings.Split(string(once), "\n"), strings.Split(string(twice), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is written\n%s\nand then\n%s", i+1, a[i], b[i])
		}
	}
	if !bytes.Equal(once, twice) || bytes.Contains(once, []byte("\r")) {
		return "the canonical form has another, or carriage returns"
	}
	return ""
}

// A comment above or beside a key must move together with the key. A comment at the end of a block, or at the top or
// the end of the file, must stay there.
func TestCommentsMoveWithTheirKeys(t *testing.T) {
	for _, path := range []string{"messy", "brackets"} {
		in, err := os.ReadFile("testdata/" + path + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile("testdata/" + path + ".formatted.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, end := range []string{"\n", "\r\n", "\r"} {
			got, err := Format(path, bytes.ReplaceAll(in, []byte("\n"), []byte(end)))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, lines end with %q: %v, got\n%s", path, end, err, got)
			}
		}
	}
}

func TestTheExampleIsCanonical(t *testing.T) {
	b, err := os.ReadFile("../../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Format("policy.yaml", b); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%v: portillon policy fmt -w site-example/policy.yaml", err)
	}
}

// Format must fail if its output lacks a comment of the input, and the error must name the comment's position.
func TestFormatReportsThePositionOfALostComment(t *testing.T) {
	in := []byte(strings.Replace(sample(t), "cooldown: 3m", "cooldown: 3m # the fan", 1))
	doc, err := tree(in)
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Replace(in, []byte(" # the fan"), nil, 1)
	err = checkKept("policy.yaml", newPage(in, doc), doc, out)
	if err == nil || !strings.Contains(err.Error(), "policy.yaml:") ||
		!strings.Contains(err.Error(), "this comment would be lost, so nothing is written (put it on a line of its own") {
		t.Errorf("got %v", err)
	}
	if err := checkKept(
		"policy.yaml",
		newPage(in, doc),
		doc,
		bytes.Replace(in, []byte("cooldown: 3m"), []byte("cooldown: 4m"), 1),
	); err == nil {
		t.Error("sameMeaning returned true for two different policies")
	}
}

// The output of Format must be canonical for every file that Format accepts.
func FuzzFormat(f *testing.F) {
	f.Add([]byte(sample(f)))
	for _, s := range []string{"portillon: 1 # a\nsite: s\ntimezone: UTC\nissuers: {} # b\nbadges: { # c\n}\n" +
		"machines: {} # d\n# e",
		"{portillon: 1, # a\n site: s, timezone: UTC, issuers: {}, badges: {}\n , # b\n machines: {}} # c",
		"portillon: 1\nsite: s\ntimezone: UTC\nissuers: {}\nbadges: {}\nmachines:\n  m:\n    name: >2-\n        a\n\n" +
			"      # b\n     # c\n    grants: []\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if once, err := Format("f", b); err == nil {
			if twice, err := Format("f", once); err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("%v\n%s\n%s", err, once, twice)
			}
		}
	})
}

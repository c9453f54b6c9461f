package yamlfile

import (
	"strings"
	"testing"
	"time"
)

func TestFaultsHavePositionValueAndHint(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"unknown key", "levle: 3\n", `f.yaml:1:1: unknown key "levle" (did you mean "level"?)`},
		{"twice", "level: 3\nlevel: 4\n", `f.yaml:2:1: the key "level" stands twice (it stands on line 1 already)`},
		{"alias", "level: &a 3\n", `anchors are not read: &a (write it out where it is wanted)`},
		{"wrong kind", "level: [1]\n", `f.yaml:1:8: level: must be one value`},
		{"range", "level: 99\n", `f.yaml:1:8: level: "99" does not do (a whole number from 1 to 9)`},
		{"not YAML", "level: 3\n  x: [\n", `f.yaml:`},
		{"empty", "", `f.yaml: the file is empty`},
		{"two documents", "level: 3\n---\nlevel: 4\n", `more than one document`},
		{"depth", strings.Repeat("[", 4000), `nested too deep`},
		{"tag", "level: !!binary aGk=\n", `tags are not read`},
		{"absent", "wait: 3m\n", `level: is missing`},
		{"caret", "wait: 3m\nlevel: x\n", "     2 | level: x\n       |        ^"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := read(c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func read(in string) error {
	d := Parse("f.yaml", []byte(in))
	r := d.Root().Only("level", "wait")
	r.Get("level").Required().Int(1, 9)
	r.Get("wait").Duration()
	return d.Err()
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	err := read("wiat: 3m\nlevel: 0\nwait: soon\n")
	if f, ok := err.(Faults); !ok || len(f) != 2 && len(f) != 3 {
		t.Fatalf("got %v", err)
	}
}

func TestValidFileCausesNoFault(t *testing.T) {
	if err := read("level: 3 # of nine\nwait: 180d\n"); err != nil {
		t.Fatal(err)
	}
	if d, err := ParseDuration("180d"); err != nil || d != 180*24*time.Hour {
		t.Fatal(d, err)
	}
}

func TestKeyFileGivenByMistakeIsNotShown(t *testing.T) {
	for _, in := range []string{
		`{"secretKeyMultibase": "z3u2SECRET"}`,
		"key: PRIVATE+KEY+x+SECRET\n",
		`{"kty":"RSA", "d" : "` + strings.Repeat("SECRET", 99) + `"}`,
	} {
		if err := read(in); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v", err)
		}
	}
}

// A value of the wrong kind must cause only one fault: the empty text that Str then returns must not cause a second
// fault.
func TestFaultIsReportedOnce(t *testing.T) {
	d := Parse("f.yaml", []byte("int: [1]\nbool: {}\nword: [x]\ntime: [2h]\nslug: [a]\nmap: 3\n"))
	r := d.Root().Only("int", "bool", "word", "time", "slug", "map")
	r.Get("int").Int(1, 9)
	r.Get("bool").Bool()
	r.Get("word").OneOf("x")
	r.Get("time").Duration()
	r.Get("slug").Slug()
	r.Get("map").Only("a")
	r.Get("map").Pairs()
	if f, ok := d.Err().(Faults); !ok || len(f) != 6 {
		t.Errorf("want six faults, got\n%v", d.Err())
	}
}

func TestHintNamesTheLookalikeLetterOfAKey(t *testing.T) {
	for in, want := range map[string]string{
		"\u00a0level: 3\n": "a non-breaking space (U+00A0) is a letter of it: write ordinary spaces",
		"“level”: 3\n":     "“ is a letter of it: write straight quotation marks",
	} {
		if err := read(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A fault in a long line, such as a line with grants, must show the part of the line around the fault.
func TestLongLineIsShownAroundTheFault(t *testing.T) {
	words := strings.Repeat("é, ", 100)
	for _, c := range []struct{ name, in, want string }{
		{
			"middle",
			"wait: 3m\nx: [" + words + "{ levle: 3 }, " + words + "]\nlevel: 3",
			"f.yaml:2:307: x[100]: unknown key \"levle\" (did you mean \"level\"?)\n     2 | … ",
		},
		{
			"beginning",
			"levle: [" + words + "]\nlevel: 3",
			"unknown key \"levle\" (did you mean \"level\"?)\n     1 | levle: [é, ",
		},
		{"end", "x: [" + words + "{ levle: 3 }]\nlevel: 3", ", é, { levle: 3 }]\n"},
	} {
		d := Parse("f.yaml", []byte(c.in))
		r := d.Root().Only("level", "wait", "x")
		for _, x := range r.Get("x").List() {
			if x.IsMap() {
				x.Only("level")
			}
		}
		err := d.Err()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		shown, caret := []rune(lines[1]), strings.Index(lines[2], "^")
		if len(shown) > 160 || !strings.HasPrefix(string(shown[caret:]), "levle") {
			t.Errorf("%s: %d letters, or the caret is elsewhere:\n%v", c.name, len(shown), err)
		}
	}
	// A secret in the part of the line that is not shown must also suppress the excerpt.
	in := "level: x # " + strings.Repeat("-", 300) + " secretKeyMultibase"
	if err := read(in); err == nil || strings.Contains(err.Error(), "level: x #") {
		t.Errorf("a line with a key is shown: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"level: 3",
		"a: {b: [c, d]}",
		"- &x 1\n- *x",
		"? [a]\n: b",
		"{",
		"\t",
		"level: !!int x",
		"<<: {a: b}",
		"a: [\"b\n\"c",
		"x: {y: 'z\n'w",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := Parse("f", b)
		walk(d.Root())
		if err := d.Err(); err != nil && err.Error() == "" {
			t.Fatal("a fault without words")
		}
	})
}

func walk(n Node) {
	n.Str()
	n.Duration()
	for _, p := range n.Pairs() {
		walk(p.Value)
	}
	for _, x := range n.List() {
		walk(x)
	}
}

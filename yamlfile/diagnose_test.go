package yamlfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const machines = `site: lab
machines:
  laser:
    name: { fr: "Découpe laser", en: Laser }
    grants:
      - { role: user, needs: laser-user }
      - { role: mentor, needs: laser-mentor }
    when-idle: off
    cooldown: 1m
  saw:
    grants:
      - role: user
        needs: saw-user
never: []
`

func TestMistakesAreReportedWithPlaceAndHint(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{
			"a space short",
			"    cooldown",
			"   cooldown",
			"f.yaml:9:4: this is not YAML: this line begins in column 4, those around it in column 3 or 5 (begin it where " +
				"its neighbours begin)",
		},
		{
			"two spaces far",
			"    cooldown",
			"      cooldown",
			"f.yaml:9:7: this is not YAML: this line is further in than the one above it, which has its value already " +
				"(begin it in column 5)",
		},
		{
			"an entry short",
			"      - { role: mentor",
			"    - { role: mentor",
			"f.yaml:7:5: this is not YAML: an entry of a list stands where the keys around it begin (begin it in column 7; " +
				"or mend line 6, where its block begins)",
		},
		{
			"an entry far",
			"      - { role: mentor",
			"       - { role: mentor",
			"f.yaml:7:8: this is not YAML: this line is further in",
		},
		{
			"a key of an entry short",
			"        needs: saw",
			"       needs: saw",
			"f.yaml:13:8: this is not YAML: this line begins in column 8, those around it in column 7 or 9",
		},
		{
			"a key in a list",
			"      - { role: mentor, needs: laser-mentor }",
			"      role: mentor",
			"f.yaml:7:7: this is not YAML: a key stands where the entries of a list begin",
		},
		{
			"a tab",
			"    cooldown",
			"\tcooldown",
			"f.yaml:9:1: this is not YAML: a tab (U+0009) stands where the line begins (write ordinary spaces)",
		},
		{
			"a non-breaking space",
			"    cooldown",
			"\u00a0\u00a0\u00a0\u00a0cooldown",
			"f.yaml:9:1: this is not YAML: a non-breaking space (U+00A0) stands where the line begins (write ordinary spaces)",
		},
		{
			"one behind a dash",
			"- { role: mentor",
			"-\u00a0{ role: mentor",
			"f.yaml:7:8: this is not YAML: a non-breaking space (U+00A0) stands behind the dash",
		},
		{
			"one behind a colon",
			"when-idle: off",
			"when-idle:\u00a0off",
			"f.yaml:8:15: this is not YAML: a non-breaking space (U+00A0) stands behind the colon",
		},
		{
			"no space behind a dash",
			"- { role: mentor",
			"-{ role: mentor",
			"f.yaml:7:7: this is not YAML: a dash that touches what follows begins no entry (write a space behind it)",
		},
		{
			"no space behind a colon",
			"when-idle: off",
			"when-idle:off",
			"f.yaml:8:14: this is not YAML: a colon that touches what follows makes no key (write a space behind it)",
		},
		{"no colon", "when-idle: off", "when-idle off", "f.yaml:8:5: this is not YAML: this line has no key"},
		{
			"colon in braces",
			`fr: "Découpe laser"`,
			"fr: Découpe: laser",
			"f.yaml:4:24: this is not YAML: a second colon, with a space behind it, in one entry (put the value in quotes",
		},
		{
			"comma left out",
			"role: user, needs",
			"role: user needs",
			"f.yaml:6:27: this is not YAML: a second colon, with a space behind it, in one entry (put the value in quotes, " +
				"as \"a: b\"; or write a comma before a new key)",
		},
		{
			"colon",
			"when-idle: off",
			"when-idle: off: or on",
			"f.yaml:8:19: this is not YAML: a second colon, with a space behind it, in one line (put the value in quotes",
		},
		{
			"quote not closed",
			`laser", en`,
			`laser, en`,
			`f.yaml:4:17: this is not YAML: " opens a quotation here, and nothing closes it (add " behind the words that ` +
				`it quotes)`,
		},
		{
			"apostrophe",
			`"Découpe laser"`,
			`'Découpe de l'objet'`,
			"f.yaml:4:31: this is not YAML: the quotation is closed before this ('' is an apostrophe inside single quotes; " +
				"or use double quotes)",
		},
		{
			"quotes in quotes",
			`"Découpe laser"`,
			`"Découpe "laser""`,
			`f.yaml:4:27: this is not YAML: the quotation is closed before this (\" is a quotation mark inside double quotes)`,
		},
		{
			"curly quotes",
			`"Découpe laser"`,
			"“Découpe: laser”",
			`f.yaml:4:17: this is not YAML: “ is a letter to YAML, no quotation mark (write " before the words and behind them)`,
		},
		{
			"brace not closed",
			"laser-mentor }",
			"laser-mentor",
			"f.yaml:7:9: this is not YAML: { is opened here, and never closed (add } at the end of what it holds)",
		},
		{"bracket not closed", "never: []", "never: [", "f.yaml:14:8: this is not YAML: [ is opened here, and never closed"},
		{
			"brace not opened",
			"- { role: mentor",
			"- role: mentor",
			"f.yaml:7:28: this is not YAML: a second colon, with a space behind it, in one line (write { before the first " +
				"key, or put the value in quotes)",
		},
		{
			"the other bracket",
			"never: []",
			"never: [ }",
			"f.yaml:14:10: this is not YAML: } stands where [, opened in column 8, is still open (write ] before it)",
		},
		{"a brace too many", "laser-mentor }", "laser-mentor } }", "f.yaml:7:47: this is not YAML: one } too many"},
		{
			"words behind",
			"never: []",
			"never: [] none",
			"f.yaml:14:11: this is not YAML: the brackets are closed before this",
		},
		{
			"no YAML at all",
			"when-idle: off",
			"when-idle: @off",
			"f.yaml:8:16: this is not YAML: @ begins no value (put the value in quotes)",
		},
		{
			"another encoding",
			"Découpe",
			"D\xe9coupe",
			"f.yaml:4:19: this is not YAML: byte 0xe9 is no letter in UTF-8 (save the file as UTF-8)",
		},
		{"what nobody knows", "never: []", "never: {a: *b}", "f.yaml: this is not YAML: unknown anchor"},
		{"near", "never: []", "? [a\n: b", "near line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(machines, c.old) {
				t.Fatalf("no %q", c.old)
			}
			for _, end := range []string{"\n", "\r\n"} {
				err := Parse("f.yaml", []byte(strings.ReplaceAll(strings.Replace(machines, c.old, c.new, 1), "\n", end))).Err()
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got\n%v\nwant\n%s", err, c.want)
				}
			}
		})
	}
}

// suspects runs the diagnosis on a text, even if the YAML library accepts the text.
func suspects(text string) *suspect {
	d := &diagnosis{}
	for i, l := range splitLines([]byte(text)) {
		d.at = i + 1
		if d.readLine([]rune(l)); d.found != nil || d.lost {
			return d.found
		}
	}
	d.reportOpen()
	return d.found
}

func shipped(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml" {
			return err
		}
		if e.Name() == "openapi.yaml" { // skip this file, because it contains aliases and people of a site do not write it
			return nil
		}
		b, err := os.ReadFile(path)
		out[path] = string(b)
		return err
	})
	if err != nil || len(out) < 10 {
		t.Fatal(len(out), err)
	}
	return out
}

// The diagnosis must never report a mistake in valid YAML.
func TestDiagnosisReportsNoMistakeInValidYAML(t *testing.T) {
	texts := shipped(t)
	texts["words"] = "a: it's, \"so\"\nb: -x {y} [z]\nc: x#y\nd: 'it''s # no comment'\ne: \"\\\" #\"\nf:\n- g\n- h: " +
		"i\n  j: k\nl: m\n  goes on\n  - and on\nn: |\n  o: p: q\n \nr: >-\n  {\ns: 09:00-12:00\nt: [09:00, \"u\": v, " +
		"w: x]\ny: {\n  z: 1,\n  aa: [\n    1, 2 ] }\nbb: \"cc\n  dd: ee\"\nff: {\"gg\":hh}\n\"ii\": 'jj'\nkk: [\n]\n" +
		"ll: {}\nmm: - nn\n" +
		"oo: Fraiseuse\u00a0CNC\npp: “qq”\nrr:\n    ss: tt\n    uu:\n      - - vv\n        - ww\n      -\n        xx: " +
		"yy\nzz:\n  'on the next line'\n"
	for path, text := range texts {
		if path == "words" && yaml.Unmarshal([]byte(strings.Replace(text, "mm: - nn\n", "", 1)), new(yaml.Node)) != nil {
			t.Fatal("these are meant to be good")
		}
		if s := suspects(strings.Replace(text, "mm: - nn\n", "", 1)); s != nil {
			t.Errorf("%s:%d:%d: %s", path, s.line, s.column, s.problem)
		}
	}
}

// The test damages lines of the example in typical ways. If the YAML library rejects the damaged file, the diagnosis
// must report the damaged line.
func TestDamagedLinesOfTheExampleAreReported(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads hundreds of changed files")
	}
	b, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	found, refused := 0, 0
	for i := 2; i < len(lines); i += 3 { // test every third line, because testing all lines takes seconds
		l := lines[i]
		for name, worse := range map[string]string{
			"short":   strings.TrimPrefix(l, " "),
			"far":     " " + l,
			"tab":     strings.Replace(l, "  ", "\t", 1),
			"nbsp":    strings.Replace(l, "  ", "\u00a0 ", 1),
			"dash":    strings.Replace(l, "- ", "-", 1),
			"quote":   strings.Replace(l, `"`, "", 1),
			"curly":   strings.ReplaceAll(l, `"`, "”"),
			"brace":   strings.Replace(l, " }", "", 1),
			"opening": strings.Replace(l, "{ ", "", 1),
			"bracket": strings.Replace(l, "]", "", 1),
			"comma":   strings.Replace(l, ",", "", 1),
			"colon":   strings.Replace(l, ": ", ": a: ", 1),
			"colons":  strings.Replace(l, ": ", ":", 1),
		} {
			text := strings.Join(append(append(append([]string{}, lines[:i]...), worse), lines[i+1:]...), "\n")
			err := Parse("f", []byte(text)).Err()
			var faults Faults
			if worse == l || !errors.As(err, &faults) || !strings.Contains(err.Error(), "not YAML") {
				continue
			}
			refused++
			if faults[0].Line == i+1 ||
				strings.Contains(err.Error(), fmt.Sprintf("or mend line %d, where", i+1)) &&
					faults[0].Hint != "the fault may stand some lines above or below" {
				found++
			} else {
				t.Logf("%s: line %d: %s\n%v", name, i+1, worse, err)
			}
		}
	}
	if t.Logf("%d of %d", found, refused); found < refused*95/100 {
		t.Errorf("only %d of %d are found", found, refused)
	}
}

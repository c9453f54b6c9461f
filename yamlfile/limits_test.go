package yamlfile

import (
	"strings"
	"testing"
	"time"
)

// Parse must reject characters that editors do not show, or show differently, and report the position.
func TestForbiddenCharactersAreReportedWithTheirPosition(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"NUL", "level: 3\nwait: \"é\x00\"\n", "f.yaml:2:9: this is not YAML: U+0000 is a control character (remove it)"},
		{"escape", "level: 3 # \x1b[2J\n", "f.yaml:1:12: this is not YAML: U+001B is a control character"},
		{"delete", "level: 3\r\nwait: 3m\x7f\r\n", "f.yaml:2:9: this is not YAML: U+007F is a control character"},
		{"of Latin-1", "level: 3\nwait: \u0080\n", "f.yaml:2:7: this is not YAML: U+0080 is a control character"},
		{"no letter", "level: 3\nwait: \uffff\n", "f.yaml:2:7: this is not YAML: U+FFFF is a control character"},
		{
			"Latin-1",
			"level: 3\n\nwait: \xe9\n",
			"f.yaml:3:7: this is not YAML: byte 0xe9 is no letter in UTF-8 (save the file as UTF-8)",
		},
		{"Latin-1 behind CR", "level: 3\rwait: \xe9\r", "f.yaml:2:7: this is not YAML: byte 0xe9"},
		{"half a letter at the end", "level: 3\nwait: \xc3", "f.yaml:2:7: this is not YAML: byte 0xc3"},
		{"in the second document", "level: 3\n---\nlevel: \x01\n", "f.yaml:3:8: this is not YAML: U+0001"},
		{"UTF-16", "\xff\xfel\x00:\x00 \x003\x00", "f.yaml: this is not YAML: the file is UTF-16 (save the file as UTF-8)"},
		{
			"a line separator in quotes",
			"level: 3\nwait: \"3\u2028m\"\nx: 1\n",
			"f.yaml:2:9: U+2028 ends a line for YAML, and not in an editor (remove it)",
		},
		{"a key behind a comment", "# nothing here\u2029level: 3\n", "f.yaml:1:15: U+2029 ends a line for YAML"},
		{"next line", "level: 3 # \u0085wait: 3m\n", "f.yaml:1:12: U+0085 ends a line for YAML"},
	} {
		if err := read(c.in); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
	for _, in := range []string{
		"level: 3 # é 🦊 \ufffd \u00a0\n",
		"\ufefflevel: 3\n",
		"level: 3\r\n",
		"level: 3\t# tab\n",
	} {
		if err := read(in); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Parse counts lines in the same way as editors and the YAML library, so that each fault has the correct line number.
func TestLineEndsOfAllSystemsAreCounted(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r"} {
		err := read("level: 3" + end + "# a comment" + end + "wait: soon" + end)
		if err == nil || !strings.Contains(err.Error(), "f.yaml:3:7: wait:") ||
			!strings.Contains(err.Error(), "3 | wait: soon\n") {
			t.Errorf("%q: %v", end, err)
		}
	}
}

// An excerpt must contain no control characters, because a terminal would interpret them.
func TestExcerptHasNoControlCharacters(t *testing.T) {
	err := read("level: 3\nwait: \x1b[31mred\n")
	if err == nil || strings.Contains(err.Error(), "\x1b") || !strings.Contains(err.Error(), "wait: \ufffd[31mred") {
		t.Errorf("%q", err)
	}
}

func TestEmptyKeyIsRejected(t *testing.T) {
	for in, want := range map[string]string{
		"level: 3\n~: 4\n":    "f.yaml:2:1: an empty key (put it in quotes if it is meant as a word)",
		"level: 3\nnull: 4\n": "f.yaml:2:1: an empty key",
	} {
		if err := read(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
	if err := read("level: 3\n\"null\": 4\n"); err == nil || strings.Contains(err.Error(), "empty") {
		t.Errorf("a word in quotes: %v", err)
	}
}

// The result of Entries must be at least a third of the real number of nodes, because one entry has up to three nodes:
// a key, a value, and a mapping of both.
func TestEntriesReturnsAnUpperBoundOfTheNodes(t *testing.T) {
	texts := shipped(t)
	for i, s := range []string{
		"[a: b, c: d]",
		"{a, b, c}",
		"- - - a",
		"? a\n? b",
		"a:\n- b\n- c: d\n  e: [f]",
		"{a: {b: {c: d}}}",
		"[[[[a]]]]",
		"a: b",
		"[]",
		"- {}\n- []\n-\n- a",
		"a:\tb\rc: d",
	} {
		texts[string(rune('a'+i))] = s
	}
	for name, s := range texts {
		d := Parse("f", []byte(s))
		if d.root == nil {
			t.Errorf("%s: %v", name, d.Err())
			continue
		}
		if n, most := count(d.Root()), 3*Entries([]byte(s)); n > most {
			t.Errorf("%s: %d nodes, and at most %d were announced", name, n, most)
		}
	}
	if err := Parse("f", []byte("["+strings.Repeat("a,", MaxEntries)+"]")).Err(); err == nil ||
		!strings.Contains(err.Error(), "f: the file has about 400002 entries (at most 400000)") {
		t.Error(err)
	}
}

func count(x Node) int {
	n := 1
	if x.IsMap() {
		for _, p := range x.Pairs() {
			n += 1 + count(p.Value)
		}
	}
	if x.IsList() {
		for _, y := range x.List() {
			n += count(y)
		}
	}
	return n
}

func TestDurationsAreAcceptedInOneFormOnly(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0s":       0,
		"45s":      45 * time.Second,
		"1h30m":    90 * time.Minute,
		"1d12h":    36 * time.Hour,
		"99999d":   99999 * 24 * time.Hour,
		"1d2h3m4s": 26*time.Hour + 184*time.Second,
		"007m":     7 * time.Minute,
	} {
		if d, err := ParseDuration(in); err != nil || d != want {
			t.Errorf("%s: %v %v", in, d, err)
		}
	}
	for _, in := range []string{
		"",
		"0",
		"3",
		"d",
		"1.5h",
		"1ns",
		"1ms",
		"1us",
		"+5d",
		"-5d",
		"1h1d",
		"1h1h",
		"1 h",
		"1h\n",
		"100000d",
		"2562047h",
		"1H",
		"١h",
		"1d-1h",
	} {
		if d, err := ParseDuration(in); err == nil {
			t.Errorf("%q is taken for %v", in, d)
		}
	}
	most, err := ParseDuration("99999d99999h99999m99999s")
	if err != nil || most < 0 {
		t.Errorf("the longest: %v %v", most, err)
	}
}

// A fault must never contain a long value, key, path or line in full.
func TestFaultsHaveBoundedLength(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	d := Parse("f.yaml", []byte("a: "+long+"\n? "+long+"\n: [1, { ? "+long+"\n  : y }]\n"))
	r := d.Root().Only("a")
	a := r.Get("a")
	a.Int(1, 9)
	a.Duration()
	a.Slug()
	a.OneOf("b", "c")
	a.List()
	a.Fault(long, "%s", long)
	for _, p := range r.Pairs() {
		if p.Value.IsList() {
			p.Value.List()[1].Only("b").Pairs()[0].Value.Int(1, 2)
		}
	}
	faults, _ := d.Err().(Faults)
	for _, f := range faults {
		if n := len(f.String()); n > 2500 || len(f.Excerpt) > maxLine {
			t.Errorf("%d bytes: %.200s", n, f.Problem)
		}
	}
	if len(faults) < 8 {
		t.Errorf("only %d faults", len(faults))
	}
}

// After many hints in one file, Parse must stop searching for hints, because nobody reads so many hints.
func TestTimeForTheHintsOfAFileIsLimited(t *testing.T) {
	words := make([]string, 1000)
	for i := range words {
		words[i] = strings.Repeat("mentor", 10)
	}
	d := Parse("f.yaml", []byte("a: b\n"))
	x := d.Root().Get("a")
	given := 0
	for range 100_000 {
		if x.DidYouMean(strings.Repeat("mentos", 10), words) != "" {
			given++
		}
	}
	if given > 2 || d.letters > 2*maxLetter {
		t.Errorf("%d hints", given)
	}
	fresh := Parse("f.yaml", []byte("a: b\n")).Root()
	if fresh.DidYouMean("mentro", []string{"maintainer", "mentor"}) != `did you mean "mentor"?` {
		t.Error("no hint where one is due")
	}
}

// Reading must stop once the list of faults is full.
func TestReadingStopsAtTheMaximumOfFaults(t *testing.T) {
	d := Parse("f.yaml", []byte("list: ["+strings.Repeat("x, ", 200)+"]\nmap: {a: b}\n"))
	r := d.Root()
	for _, x := range r.Get("list").List() {
		x.Int(1, 2)
	}
	if n := len(d.Err().(Faults)); n != maxFaults || !r.Enough() {
		t.Errorf("%d faults", n)
	}
	if r.Get("list").List() != nil || r.Pairs() != nil || r.Get("map").Present() {
		t.Error("something is read still")
	}
}

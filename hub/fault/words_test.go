package fault

import (
	"strings"
	"testing"
)

func read(t testing.TB, text string) *Words {
	t.Helper()
	w, err := readWords(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSentencesAreTranslatedWithTheirValues(t *testing.T) {
	w := read(t, "none = aucun badge | no badge\nkind = badge | badge\nunknown = {1} inconnu : {2} | unknown {1} {2}\n"+
		"also = {2} est {1} | {1} is {2} too\nfile = fichier illisible : {1} | unreadable: {1}\n"+
		"cards = {1} cartes | {1} cards\nbraces = { a } ou {1} | { a } or {1}\n")
	for _, c := range []struct{ given, want, code string }{
		{"no badge", "aucun badge", "none"},
		{`unknown badge "laser"`, "badge inconnu\u00a0: \"laser\"", "unknown"},
		{"A is B too", "B est A", "also"},
		{"unreadable: no badge", "fichier illisible\u00a0: aucun badge", "file"},
		{"unreadable: EOF", "fichier illisible\u00a0: EOF", "file"},
		{"machines.a.needs[0]: no badge", "machines.a.needs[0]\u00a0: aucun badge", "none"},
		{"7 cards is B too", "B est 7 cards", "also"}, // a value that a person typed is not translated
		{"machines.a.needs[0]: \"x\" is \"y\" too", "machines.a.needs[0]\u00a0: \"y\" est \"x\"", "also"},
		{"{ a } or x", "{ a } ou x", "braces"},
		{"nothing of ours", "nothing of ours", ""},
		{"Mr X: no badge", "Mr X: no badge", ""}, // a text before the sentence must be a path, so this text is not translated
		{"", "", ""},
	} {
		got, code, ok := w.French(c.given)
		if got != c.want || code != c.code || ok != (c.code != "") {
			t.Errorf("%q: %q %q %v, want %q %q", c.given, got, code, ok, c.want, c.code)
		}
	}
}

func TestMessageMustHaveAFrenchAndAnEnglishSentence(t *testing.T) {
	for text, why := range map[string]string{
		"a = b\n":                     "messages.txt:1",
		"a = b | \n":                  "messages.txt:1",
		"\n# c\nx b | c\n":            "messages.txt:3",
		"a = b | c\na = d | e\n":      "messages.txt:2",
		"a = {1} | b\n":               "has 1 values, want 0",
		"a = b | {1}\n":               "has 0 values, want 1",
		"a = {1} {2} | {2} {1}\n":     "where {1} is expected",
		"a = {1} {1} | {1} and {2}\n": "messages.txt:1",
	} {
		if _, err := readWords(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
	}
}

func TestFieldNamesAreTranslated(t *testing.T) {
	w, err := ReadWords()
	if err != nil {
		t.Fatal(err)
	}
	given := []Field{{Row: 3, Field: "column 9", Given: "column 9", Wrong: "the row has more cells than the header",
		Right: "a cell that holds a separator stands in quotes"}, {Field: "url", Wrong: "dial tcp: refused"}}
	fr, en := w.Fields("fr", given), w.Fields("en", given)
	if fr[0].Wrong != "la ligne a plus de cellules que la ligne de titres" || fr[0].Field != "colonne 9" ||
		fr[0].Given != "column 9" || !strings.Contains(fr[0].Right, "guillemets") || fr[1].Wrong != given[1].Wrong {
		t.Errorf("%+v", fr)
	}
	if en[0].Wrong != given[0].Wrong || en[0].Code != fr[0].Code || en[0].Code == "" || en[1].Code != "" {
		t.Errorf("%+v", en)
	}
	if given[0].Code != "" {
		t.Error("the service's faults were changed")
	}
}

// The French sentence contains the same inserted values as the English one, and no input causes a panic.
func FuzzFrenchKeepsInsertedValues(f *testing.F) {
	w, err := ReadWords()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "x", "{1}", "a: b: c: d: e: f: g", "not a card number: not a card number: "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w.French(s)
		if got := w.In("en", s); got != s {
			t.Errorf("%q: English was changed to %q", s, got)
		}
		if w.whole[s].code == "" && len(s) < 1000 {
			if got, _, ok := w.French("the key " + s + " stands twice"); !ok || !strings.Contains(got, s) {
				t.Errorf("%q: %q", s, got)
			}
		}
	})
}

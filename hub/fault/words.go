package fault

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// messages.txt contains the sentences about wrong values from services and file readers, in both languages.
//
//go:embed messages.txt
var messages string

// Words contains the sentences of faults in French and English. Services and file readers write English sentences with
// inserted values. The code that displays a fault looks up the sentence in the reader's language. An unknown sentence,
// for example from a library, is displayed in English.
type Words struct {
	whole    map[string]message // English sentences without inserted values
	patterns []message          // sentences with values, the most specific first
	codes    map[string]string  // code of each sentence without inserted values, by the French sentence
}

// message is one sentence in both languages, split into the parts between {1}, {2} …
type message struct {
	code   string
	en, fr []string
	order  []int // for each French part, the index of the value that follows it, from 0
	own    int   // length of the English sentence without values, in bytes
}

// ReadWords parses messages.txt: each line has the form "code = français | English", where {1}, {2} … stand for
// inserted values, in the order of the English sentence.
func ReadWords() (*Words, error) { return readWords(messages) }

// Parse parses a text in the format of messages.txt.
func Parse(text string) (*Words, error) { return readWords(text) }

func readWords(text string) (*Words, error) {
	w := &Words{whole: map[string]message{}, codes: map[string]string{}}
	codes := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		code, both, ok := strings.Cut(line, " = ")
		fr, en, two := strings.Cut(both, " | ")
		if !ok || !two || fr == "" || en == "" || codes[code] {
			return nil, fmt.Errorf("messages.txt:%d: line %q is malformed or repeats a code", i+1, line)
		}
		codes[code] = true
		m, err := newMessage(code, fr, en)
		if err != nil {
			return nil, fmt.Errorf("messages.txt:%d: %w", i+1, err)
		}
		if len(m.en) == 1 {
			w.whole[en], w.codes[m.fr[0]] = m, code
		} else {
			w.patterns = append(w.patterns, m)
		}
	}
	slices.SortStableFunc(w.patterns, func(a, b message) int {
		if open := func(m message) bool { return m.en[0] == "" }; open(a) != open(b) {
			if open(a) { // put the patterns that begin with a value last, because they match many sentences
				return 1
			}
			return -1
		}
		return b.own - a.own
	})
	return w, nil
}

func newMessage(code, fr, en string) (message, error) {
	m := message{code: code}
	var orderEN []int
	m.en, orderEN = cutValues(en)
	m.fr, m.order = cutValues(Typeset(fr))
	for i, n := range orderEN {
		if n != i {
			return m, fmt.Errorf("%s: English sentence has {%d} where {%d} is expected", code, n+1, i+1)
		}
	}
	sorted := slices.Clone(m.order)
	slices.Sort(sorted)
	if !slices.Equal(sorted, orderEN) {
		return m, fmt.Errorf("%s: French sentence has %d values, want %d as in English", code, len(m.order), len(orderEN))
	}
	for _, p := range m.en {
		m.own += len(p)
	}
	return m, nil
}

// cutValues cuts a sentence at {1} to {9}.
func cutValues(s string) (parts []string, order []int) {
	for {
		i := strings.IndexByte(s, '{')
		for i >= 0 && !(i+2 < len(s) && s[i+1] >= '1' && s[i+1] <= '9' && s[i+2] == '}') {
			next := strings.IndexByte(s[i+1:], '{')
			if next < 0 {
				i = -1
				break
			}
			i += 1 + next
		}
		if i < 0 {
			return append(parts, s), order
		}
		parts, order = append(parts, s[:i]), append(order, int(s[i+1]-'1'))
		s = s[i+3:]
	}
}

// values returns the values that text contains in the places of the sentence; ok is false if text is a different
// sentence.
func (m message) values(text string) (values []string, ok bool) {
	text, ok = strings.CutPrefix(text, m.en[0])
	if !ok {
		return nil, false
	}
	for i, part := range m.en[1:] {
		at := strings.Index(text, part)
		if i == len(m.en)-2 { // the text must end with the last part
			if at = len(text) - len(part); at < 0 || !strings.HasSuffix(text, part) {
				return nil, false
			}
		}
		if at < 0 {
			return nil, false
		}
		values = append(values, text[:at])
		text = text[at+len(part):]
	}
	return values, true
}

// maxDepth is the largest depth of nested sentences. maxText is the largest length, in bytes, of a text that is looked
// up.
const (
	maxDepth = 3
	maxText  = 4000
)

// French returns a sentence in French, and the sentence's code. If no French sentence is known, ok is false and the
// text is returned unchanged.
func (w *Words) French(text string) (french, code string, ok bool) { return w.french(text, 0) }

func (w *Words) french(text string, depth int) (string, string, bool) {
	if text == "" || len(text) > maxText || depth > maxDepth {
		return text, "", false
	}
	if m, ok := w.whole[text]; ok {
		return m.fr[0], m.code, true
	}
	// The sentences of file readers begin with the path of the field, such as machines.laser.grants[0].role: …
	if path, rest, ok := strings.Cut(text, ": "); ok && !strings.Contains(path, " ") && strings.ContainsAny(path, ".[") {
		if fr, code, ok := w.french(rest, depth+1); ok {
			return path + "\u00a0: " + fr, code, true
		}
	}
	for _, m := range w.patterns {
		values, ok := m.values(text)
		if !ok {
			continue
		}
		for i, v := range values {
			values[i] = w.value(v, strings.HasSuffix(m.en[i], ": "), depth)
		}
		return m.with(values), m.code, true
	}
	return text, "", false
}

// Values returns the values in text, according to the sentence that French finds for text.
func (w *Words) Values(text string) []string {
	for _, m := range w.patterns {
		if values, ok := m.values(text); ok {
			return values
		}
	}
	return nil
}

// With returns the French sentence of a code with these values; empty: there is no sentence with this code and number
// of values.
func (w *Words) With(code string, values []string) string {
	for _, m := range w.patterns {
		if m.code == code && len(m.order) == len(values) {
			return m.with(values)
		}
	}
	return ""
}

// with returns the French sentence with these values.
func (m message) with(values []string) string {
	out := m.fr[0]
	for i, n := range m.order {
		out += values[n] + m.fr[i+1]
	}
	return out
}

// value translates an inserted value if it is a word of messages.txt or, after a colon, another sentence. Any other
// value is text that a person typed, and value returns it unchanged.
func (w *Words) value(v string, sentence bool, depth int) string {
	if sentence {
		v, _, _ = w.french(v, depth+1)
	} else if m, ok := w.whole[v]; ok {
		return m.fr[0]
	}
	return v
}

// In returns an English sentence in the language "fr" or "en".
func (w *Words) In(lang, text string) string {
	if lang != "fr" {
		return text
	}
	fr, _, _ := w.French(text)
	return fr
}

// Fields returns copies of faults in a language, "fr" or "en". Fields sets the code of each fault whose sentence is in
// messages.txt.
func (w *Words) Fields(lang string, faults []Field) []Field {
	out := slices.Clone(faults)
	for i := range out {
		f := &out[i]
		if f.Code == "" {
			if _, f.Code, _ = w.French(f.Wrong); f.Code == "" {
				f.Code = w.codes[f.Wrong] // the API writes some faults in French
			}
		}
		f.Field, f.Wrong, f.Right = w.In(lang, f.Field), w.In(lang, f.Wrong), w.In(lang, f.Right)
	}
	return out
}

// Typeset inserts the no-break spaces of French typography: before : ; ! ? and inside « ».
func Typeset(s string) string {
	return strings.NewReplacer(" :", "\u00a0:", " ;", "\u202f;", " !", "\u202f!", " ?", "\u202f?", "« ", "«\u00a0",
		" »", "\u00a0»", "'", "’").Replace(s)
}

package fault

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// messages.txt has what services and files' readers say of a wrong value, in both languages.
//
//go:embed messages.txt
var messages string

// Words are the sentences of faults, in French and English. Services and readers of files write English, with what was
// given put in; whoever shows a fault asks for it in the reader's language. A sentence that is not here is shown as
// written: those of libraries, and those that a machine of another release sent.
type Words struct {
	whole    map[string]message // English sentences with nothing put in
	patterns []message          // the others, those that fit the fewest sentences first
	codes    map[string]string  // of French sentences with nothing put in
}

// message is one sentence. Its parts are cut at {1}, {2} …
type message struct {
	code   string
	en, fr []string
	order  []int // which of the values put in stands after each French part, from 0
	own    int   // bytes of the English sentence itself
}

// ReadWords reads messages.txt: "code = français | English" a line, where {1}, {2} … stand for what is put in, in the
// order of the English sentence.
func ReadWords() (*Words, error) { return readWords(messages) }

// Parse reads another file with the format of messages.txt.
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
			return nil, fmt.Errorf("messages.txt:%d: want one line \"code = français | English\" a code: %q", i+1, line)
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
			if open(a) { // what begins with a value fits many sentences
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
			return m, fmt.Errorf("%s: the English sentence has {%d} where {%d} is due", code, n+1, i+1)
		}
	}
	sorted := slices.Clone(m.order)
	slices.Sort(sorted)
	if !slices.Equal(sorted, orderEN) {
		return m, fmt.Errorf("%s: French puts in %d values, English %d", code, len(m.order), len(orderEN))
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

// values are what was put into the sentence, or ok is false: text is another sentence.
func (m message) values(text string) (values []string, ok bool) {
	text, ok = strings.CutPrefix(text, m.en[0])
	if !ok {
		return nil, false
	}
	for i, part := range m.en[1:] {
		at := strings.Index(text, part)
		if i == len(m.en)-2 { // the last part ends the sentence
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

// maxDepth bounds sentences within sentences, and maxText the bytes that are looked up.
const (
	maxDepth = 3
	maxText  = 4000
)

// French is a sentence in French, and its code. ok is false where no French is known: then the sentence comes back.
func (w *Words) French(text string) (french, code string, ok bool) { return w.french(text, 0) }

func (w *Words) french(text string, depth int) (string, string, bool) {
	if text == "" || len(text) > maxText || depth > maxDepth {
		return text, "", false
	}
	if m, ok := w.whole[text]; ok {
		return m.fr[0], m.code, true
	}
	// a reader of files puts the path of the field first: machines.laser.grants[0].role: …
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

// Values are what was put into the sentence that French finds for a text, as it stands there.
func (w *Words) Values(text string) []string {
	for _, m := range w.patterns {
		if values, ok := m.values(text); ok {
			return values
		}
	}
	return nil
}

// With is the French sentence of a code with these values put in; empty: there is no such sentence with so many.
func (w *Words) With(code string, values []string) string {
	for _, m := range w.patterns {
		if m.code == code && len(m.order) == len(values) {
			return m.with(values)
		}
	}
	return ""
}

// with is the French sentence.
func (m message) with(values []string) string {
	out := m.fr[0]
	for i, n := range m.order {
		out += values[n] + m.fr[i+1]
	}
	return out
}

// value is what was put into a sentence: a word of messages.txt, or behind a colon another sentence. Everything else is
// what somebody typed, and stays as it is.
func (w *Words) value(v string, sentence bool, depth int) string {
	if sentence {
		v, _, _ = w.french(v, depth+1)
	} else if m, ok := w.whole[v]; ok {
		return m.fr[0]
	}
	return v
}

// In is a sentence in a language, "fr" or "en".
func (w *Words) In(lang, text string) string {
	if lang != "fr" {
		return text
	}
	fr, _, _ := w.French(text)
	return fr
}

// Fields are faults in a language, "fr" or "en", each with its code where it has one. The faults given are not changed.
func (w *Words) Fields(lang string, faults []Field) []Field {
	out := slices.Clone(faults)
	for i := range out {
		f := &out[i]
		if f.Code == "" {
			if _, f.Code, _ = w.French(f.Wrong); f.Code == "" {
				f.Code = w.codes[f.Wrong] // the API says some of them in French by itself
			}
		}
		f.Field, f.Wrong, f.Right = w.In(lang, f.Field), w.In(lang, f.Wrong), w.In(lang, f.Right)
	}
	return out
}

// Typeset puts no-break spaces where French typography wants them: before : ; ! ? and inside « ».
func Typeset(s string) string {
	return strings.NewReplacer(" :", "\u00a0:", " ;", "\u202f;", " !", "\u202f!", " ?", "\u202f?", "« ", "«\u00a0",
		" »", "\u00a0»", "'", "’").Replace(s)
}

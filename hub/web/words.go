package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"portillon/hub/fault"
	"portillon/policy"
)

// languages are the languages of messages.txt, the default first.
var languages = [...]string{"fr", "en"}

// words contains all messages in both languages, by message key.
type words map[string]policy.Text

// readWords parses messages.txt. Each line has the form "key = français | English". readWords skips empty lines and
// lines that begin with #.
func readWords() (words, error) {
	text, err := files.ReadFile("messages.txt")
	if err != nil {
		return nil, err
	}
	w := words{}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		key, both, ok := strings.Cut(line, " = ")
		fr, en, two := strings.Cut(both, " | ")
		if _, twice := w[key]; !ok || !two || fr == "" || en == "" || twice || strings.Contains(en, " | ") {
			return nil, fmt.Errorf("messages.txt:%d: line %q is malformed or repeats a key", i+1, line)
		}
		w[key] = policy.Text{FR: fault.Typeset(fr), EN: en}
	}
	return w, nil
}

// tongue formats texts in one language and in the site's time zone.
type tongue struct {
	lang  string
	words words
	zone  func() *time.Location
	now   func() time.Time
}

// of returns the text in this language, or the English text if there is no French text.
func (l tongue) of(t policy.Text) string {
	if l.lang == "fr" && t.FR != "" || t.EN == "" {
		return t.FR
	}
	return t.EN
}

// t returns the message of a key, with {1}, {2} … replaced by args. If the message is missing, t returns the key, and
// a test of the templates fails.
func (l tongue) t(key string, args ...any) string {
	m, ok := l.words[key]
	if !ok {
		return "⟦" + key + "⟧"
	}
	s := l.of(m)
	for i, a := range args {
		s = strings.ReplaceAll(s, "{"+strconv.Itoa(i+1)+"}", fmt.Sprint(a))
	}
	return s
}

// has reports whether there is a message for the key.
func (l tongue) has(key string) bool { _, ok := l.words[key]; return ok }

// known returns the message with the key prefix+word. If there is no such message, known returns the word, because
// codes of other programs may be newer than the messages.
func (l tongue) known(prefix string, word any) string {
	if w := fmt.Sprint(word); l.has(prefix + w) {
		return l.t(prefix + w)
	}
	return fmt.Sprint(word)
}

// author returns the name of the author of an audit entry: a message if a task of the hub wrote the entry, and
// otherwise the person's name.
func (l tongue) author(name string) string {
	if key := "system." + strings.ReplaceAll(name, " ", "-"); l.has(key) {
		return l.t(key)
	}
	return name
}

// machineFault returns a sentence that explains a fault of a machine. The parameter text consists of a code and a
// detail, such as "screen: 192.0.2.7".
func (l tongue) machineFault(text string) string {
	code, about, _ := strings.Cut(text, ": ")
	if key := "fault." + strings.ReplaceAll(code, " ", "-"); l.has(key) {
		return l.t(key, about)
	}
	return text
}

// count returns the message key.one or key.many with the number n. For 0, count returns key.one in French, because
// French uses the singular for 0.
func (l tongue) count(key string, n any) string {
	v, _ := strconv.ParseInt(fmt.Sprint(n), 10, 64)
	if v == 1 || v == 0 && l.lang == "fr" {
		return l.t(key+".one", l.number(v))
	}
	return l.t(key+".many", l.number(v))
}

// number returns a number with its digits in groups of three: 10 000 (with a narrow no-break space) in French, 10,000
// in English.
func (l tongue) number(n any) string {
	s := fmt.Sprint(n)
	sep := ","
	if l.lang == "fr" {
		sep = "\u202f"
	}
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + sep + s[i:]
	}
	return s
}

// clock formats a time of day: 14 h 30 in French, 14:30 in English.
func (l tongue) clock(t time.Time) string {
	h, m, _ := t.In(l.zone()).Clock()
	if l.lang == "fr" {
		return fmt.Sprintf("%d\u00a0h\u00a0%02d", h, m)
	}
	return fmt.Sprintf("%d:%02d", h, m)
}

// day formats a day as 30 nov. 2026 or 30 Nov 2026. day leaves out the current year.
func (l tongue) day(t time.Time) string {
	t = t.In(l.zone())
	return l.date(policy.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()})
}

// fullDay formats the day of a time with its year, for what people keep or pass on.
func (l tongue) fullDay(t time.Time) string {
	s := l.day(t)
	if year := strconv.Itoa(t.In(l.zone()).Year()); !strings.HasSuffix(s, year) {
		s += "\u00a0" + year
	}
	return s
}

// date formats a calendar date in the same way as day.
func (l tongue) date(d policy.Date) string {
	if d == (policy.Date{}) {
		return ""
	}
	day := strconv.Itoa(d.Day)
	if l.lang == "fr" && d.Day == 1 {
		day = "1er"
	}
	s := day + "\u00a0" + l.t("month."+strconv.Itoa(int(d.Month)))
	if d.Year != 0 && d.Year != l.now().In(l.zone()).Year() {
		s += "\u00a0" + strconv.Itoa(d.Year)
	}
	return s
}

// moment formats a time: as a time of day if the time is today, otherwise as day and time of day.
func (l tongue) moment(t time.Time) string {
	if t.IsZero() {
		return l.t("never")
	}
	y, m, d := t.In(l.zone()).Date()
	ny, nm, nd := l.now().In(l.zone()).Date()
	if y == ny && m == nm && d == nd {
		return l.t("today.at", l.clock(t))
	}
	return l.t("day.at", l.day(t), l.clock(t))
}

// since formats the beginning of a state: with the time of day if the state began today, otherwise with the day.
func (l tongue) since(t time.Time) string {
	if dateOf(t.In(l.zone())) == dateOf(l.now().In(l.zone())) {
		return l.t("session.since", l.clock(t))
	}
	return l.t("since", l.day(t))
}

// length formats a duration in seconds as hours and minutes, such as 3 h 20, rounded down to minutes.
func (l tongue) length(seconds int64) string {
	h, m := seconds/3600, seconds%3600/60
	switch {
	case h == 0:
		return fmt.Sprintf("%d\u00a0min", m)
	case l.lang == "fr":
		return fmt.Sprintf("%s\u00a0h\u00a0%02d", l.number(h), m)
	case m == 0:
		return l.number(h) + "\u00a0h"
	default:
		return fmt.Sprintf("%s\u00a0h\u00a0%d\u00a0min", l.number(h), m)
	}
}

// lapsed reports whether day d has ended in the site's time zone. The zero day never ends.
func (l tongue) lapsed(d policy.Date) bool {
	return d != policy.Date{} && before(d, dateOf(l.now().In(l.zone())))
}

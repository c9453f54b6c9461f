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

// words are all messages: by key, then by language.
type words map[string]policy.Text

// readWords reads messages.txt: a line is "key = français | English"; empty lines and lines with # are skipped.
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
			return nil, fmt.Errorf("messages.txt:%d: want one line \"key = français | English\" a key: %q", i+1, line)
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

// of returns the text in this language, or the English text if there is no French one.
func (l tongue) of(t policy.Text) string {
	if l.lang == "fr" && t.FR != "" || t.EN == "" {
		return t.FR
	}
	return t.EN
}

// t returns the message of a key, with {1}, {2} … replaced by args. For a missing key it returns the key; a test fails
// then.
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

// known returns the message of prefix+word, or the word itself: codes of other programs may be newer than the messages.
func (l tongue) known(prefix string, word any) string {
	if w := fmt.Sprint(word); l.has(prefix + w) {
		return l.t(prefix + w)
	}
	return fmt.Sprint(word)
}

// author returns the name of an entry's author. The hub's own jobs have messages; people have their names.
func (l tongue) author(name string) string {
	if key := "system." + strings.ReplaceAll(name, " ", "-"); l.has(key) {
		return l.t(key)
	}
	return name
}

// machineFault explains a fault of a machine, such as "screen: 192.0.2.7": a code and a detail.
func (l tongue) machineFault(text string) string {
	code, about, _ := strings.Cut(text, ": ")
	if key := "fault." + strings.ReplaceAll(code, " ", "-"); l.has(key) {
		return l.t(key, about)
	}
	return text
}

// count returns the message key.one or key.many with the number. French uses the singular for 0.
func (l tongue) count(key string, n any) string {
	v, _ := strconv.ParseInt(fmt.Sprint(n), 10, 64)
	if v == 1 || v == 0 && l.lang == "fr" {
		return l.t(key+".one", l.number(v))
	}
	return l.t(key+".many", l.number(v))
}

// number groups digits by three: 10 000 (narrow no-break space) in French, 10,000 in English.
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

// clock returns a time of day: 14 h 30 in French, 14:30 in English.
func (l tongue) clock(t time.Time) string {
	h, m, _ := t.In(l.zone()).Clock()
	if l.lang == "fr" {
		return fmt.Sprintf("%d\u00a0h\u00a0%02d", h, m)
	}
	return fmt.Sprintf("%d:%02d", h, m)
}

// day returns a day as 30 nov. 2026 or 30 Nov 2026, without the year if it is the current year.
func (l tongue) day(t time.Time) string {
	t = t.In(l.zone())
	return l.date(policy.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()})
}

// date returns a calendar date in the format of day.
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

// moment returns a time: only the time of day if it is today, otherwise the day and the time.
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

// length returns a duration in seconds as 3 h 20, rounded down to minutes.
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

// lapsed reports whether the day is over in the site's time zone. The zero day never lapses.
func (l tongue) lapsed(d policy.Date) bool {
	return d != policy.Date{} && before(d, dateOf(l.now().In(l.zone())))
}

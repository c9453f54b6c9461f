package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Week is opening hours that are the same in every week, as a form shows them. The zero Week never opens.
type Week struct {
	Days [7][]Span // from Monday to Sunday
	// Holidays are the times on public holidays. If OnHolidays is false, a public holiday has the times of its weekday.
	Holidays   []Span
	OnHolidays bool
}

// Week returns the hours as a week. ok is false if the hours name dates, or if a later rule replaces the rule about
// public holidays on some weekdays.
func (h *Hours) Week() (w Week, ok bool) {
	for d := range w.Days {
		w.Days[d] = h.week[(d+1)%7]
	}
	last := len(h.rules) - 1
	for i, r := range h.rules {
		switch {
		case len(r.dates) > 0, r.holidays && i < last:
			return Week{}, false
		case r.holidays:
			w.Holidays, w.OnHolidays = r.spans, true
		}
	}
	return w, true
}

// String writes the week for ParseHours; "" if the week never opens.
func (w Week) String() string {
	var rules []string
	open := w.OnHolidays && len(w.Holidays) > 0
	var done [7]bool
	for d, spans := range w.Days {
		if done[d] || len(spans) == 0 {
			continue
		}
		open = true
		var days []string
		for from := d; from < 7; from++ {
			to := from
			for to < 7 && slices.Equal(w.Days[to], spans) {
				done[to] = true
				to++
			}
			switch names := weekdays[:]; {
			case to-from == 1:
				days = append(days, names[(from+1)%7])
			case to > from:
				days = append(days, names[(from+1)%7]+"-"+names[to%7])
			}
			from = max(from, to-1)
		}
		rules = append(rules, strings.Join(days, ",")+" "+FormatSpans(spans))
	}
	if !open {
		return ""
	}
	if w.OnHolidays && len(w.Holidays) > 0 {
		rules = append(rules, "PH "+FormatSpans(w.Holidays))
	} else if w.OnHolidays {
		rules = append(rules, "PH off")
	}
	return strings.Join(rules, "; ")
}

// FormatSpans writes times of a day, such as 08:00-12:00,14:00-18:00.
func FormatSpans(all []Span) string {
	out := make([]string, len(all))
	for i, s := range all {
		to := s.To
		if to > day && to-day < s.From {
			to -= day
		}
		out[i] = fmt.Sprintf("%02d:%02d-%02d:%02d", s.From/60, s.From%60, to/60, to%60)
	}
	return strings.Join(out, ",")
}

var (
	typedTime = regexp.MustCompile(`([0-9]+)(?:[h:]([0-9]{2})|h)?`)
	typedWord = strings.NewReplacer("\u00a0", "", "\u202f", "", " et ", ",", " and ", ",", " à ", "-", " to ", "-",
		" ", "", "–", "-", "—", "-", "−", "-", ";", ",")
)

// maxTimes is the maximum number of bytes of a text for ParseSpans.
const maxTimes = 500

// ParseSpans reads times of a day as a person types them: 9-12, 9h-12h30, 09:00-12:00 and 14:00-18:00, 20:00-02:00 for
// times past midnight. An empty text, "closed" and "fermé" mean no time.
func ParseSpans(s string) ([]Span, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if slices.Contains([]string{"", "off", "closed", "fermé", "ferme", "-", "–"}, s) {
		return nil, nil
	}
	if s = typedWord.Replace(s); len(s) > maxTimes {
		return nil, fmt.Errorf("%q is not a time of day from-to, as in 09:00-21:00", string([]rune(s)[:20])+"…")
	}
	s = typedTime.ReplaceAllStringFunc(s, func(word string) string {
		m := typedTime.FindStringSubmatch(word)
		if m[2] == "" {
			m[2] = "00"
		}
		return m[1] + ":" + m[2]
	})
	return parseTimes(s)
}

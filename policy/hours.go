package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours are times of the week, read on the clock on the wall of the site's zone: when that clock is put back, the hour
// that comes twice is open both times or not at all. The zero Hours never open.
type Hours struct {
	days [7][]span // by time.Weekday
	text string
}

// span is minutes of a day, the last not included; past 24 h it reaches into the next day.
type span struct{ from, to int }

const (
	day     = 24 * 60
	maxSpan = 64 // spans of one day; keeps a hostile file cheap
)

var weekdays = [...]string{"Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"} // by time.Weekday

func (h *Hours) String() string { return h.text }

// ParseHours reads the part of OpenStreetMap's opening_hours that says weekdays and times: "Mo-Fr 09:00-21:00; Sa
// 10:00-18:00", "Fr,Sa 20:00-02:00" (past midnight), "Mo-Su 08:00-12:00,14:00-18:00", "24/7", "Su off". As there, a rule
// takes the place of what earlier rules said about its days. Dates, months and holidays are refused.
func ParseHours(s string) (*Hours, error) {
	h := &Hours{text: s}
	for _, rule := range strings.Split(s, ";") {
		if err := h.rule(strings.TrimSpace(rule)); err != nil {
			return nil, fmt.Errorf("hours %q: %w", s, err)
		}
	}
	if h.never() {
		return nil, fmt.Errorf("hours %q: never open", s)
	}
	return h, nil
}

func (h *Hours) never() bool {
	return !slices.ContainsFunc(h.days[:], func(d []span) bool { return len(d) > 0 })
}

func (h *Hours) rule(rule string) error {
	words := strings.Fields(rule)
	switch {
	case len(words) == 0:
		return errors.New("an empty rule")
	case rule == "24/7":
		return h.set([7]bool{true, true, true, true, true, true, true}, []span{{0, day}})
	case len(words) == 1 && (words[0][0] >= '0' && words[0][0] <= '9'): // times alone: every day
		words = []string{"Mo-Su", words[0]}
	case len(words) != 2:
		return fmt.Errorf("%q is not days and times, as in \"Mo-Fr 09:00-21:00\"", rule)
	}
	on, err := parseDays(words[0])
	if err != nil {
		return err
	}
	spans, err := parseTimes(words[1])
	if err != nil {
		return err
	}
	return h.set(on, spans)
}

func (h *Hours) set(on [7]bool, spans []span) error {
	if len(spans) > maxSpan {
		return fmt.Errorf("more than %d times a day", maxSpan)
	}
	for d := range on {
		if on[d] {
			h.days[d] = spans
		}
	}
	return nil
}

func parseDays(s string) (on [7]bool, err error) {
	for _, part := range strings.Split(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(weekdays[:], first), slices.Index(weekdays[:], last)
		if from < 0 || to < 0 {
			return on, fmt.Errorf("%q is no weekday; Mo Tu We Th Fr Sa Su, a list Mo,We or a range Mo-Fr (dates and holidays come with a later version)", part)
		}
		for d := from; ; d = (d + 1) % 7 {
			on[d] = true
			if d == to {
				break
			}
		}
	}
	return on, nil
}

func parseTimes(s string) ([]span, error) {
	if s == "off" || s == "closed" {
		return nil, nil
	}
	var out []span
	for _, part := range strings.Split(s, ",") {
		a, b, isRange := strings.Cut(part, "-")
		from, err := minuteOf(a)
		if err != nil || !isRange {
			return nil, fmt.Errorf("%q is not a time of day from-to, as in 09:00-21:00", part)
		}
		to, err := minuteOf(b)
		if err != nil || from >= day || from == to || to > from+day {
			return nil, fmt.Errorf("%q is not a time of day from-to, as in 09:00-21:00 or, past midnight, 20:00-02:00", part)
		}
		if to < from {
			to += day
		}
		out = append(out, span{from, to})
	}
	return out, nil
}

// minuteOf reads HH:MM, up to 48:00, as OpenStreetMap writes what ends on the next day.
func minuteOf(s string) (int, error) {
	h, m, ok := strings.Cut(s, ":")
	if !ok || len(h) < 1 || len(h) > 2 || len(m) != 2 {
		return 0, errors.New("not HH:MM")
	}
	hh, err1 := strconv.ParseUint(h, 10, 8)
	mm, err2 := strconv.ParseUint(m, 10, 8)
	if err1 != nil || err2 != nil || hh > 48 || mm > 59 {
		return 0, errors.New("not HH:MM")
	}
	return int(hh)*60 + int(mm), nil
}

// week is a moment on the wall.
type week struct {
	day    time.Weekday
	minute int
}

func onWall(at time.Time) week {
	hh, mm, _ := at.Clock()
	return week{at.Weekday(), hh*60 + mm}
}

// open reports whether the moment lies in h, and how many minutes on the wall remain of the span that ends last.
func (h *Hours) open(w week) (left int, ok bool) {
	for _, s := range h.days[w.day] {
		if s.from <= w.minute && w.minute < s.to {
			left, ok = max(left, s.to-w.minute), true
		}
	}
	for _, s := range h.days[(w.day+6)%7] { // what began yesterday
		if w.minute < s.to-day {
			left, ok = max(left, s.to-day-w.minute), true
		}
	}
	return left, ok
}

// Open reports whether h holds at the given moment, which must be in the site's zone.
func (h *Hours) Open(at time.Time) bool {
	_, ok := h.open(onWall(at))
	return ok
}

// Closes returns when h next ceases to hold; at must be in the site's zone and in h. ok is false where it never does.
func (h *Hours) Closes(at time.Time) (end time.Time, ok bool) {
	w, total := onWall(at), 0
	for total <= 7*day {
		left, open := h.open(w)
		if !open {
			return after(at, total), true
		}
		total += left
		w.minute += left
		w = week{(w.day + time.Weekday(w.minute/day)) % 7, w.minute % day}
	}
	return time.Time{}, false
}

// after is so many minutes on the wall after the minute of at. Of a time that comes twice it is the first that is still to
// come; of one that the clock skips it is the moment of the change.
func after(at time.Time, minutes int) time.Time {
	end := at.Truncate(time.Minute).Add(time.Duration(minutes) * time.Minute)
	_, change := at.ZoneBounds()
	if change.IsZero() || end.Before(change) {
		return end
	}
	_, before := at.Zone()
	_, then := change.Zone()
	if end = end.Add(time.Duration(before-then) * time.Second); end.Before(change) {
		return change
	}
	return end
}

// Opens returns the next moment after at, which must be in the site's zone, from which h holds. ok is false where none is.
func (h *Hours) Opens(at time.Time) (start time.Time, ok bool) {
	for ahead := range 8 {
		for _, s := range h.days[(int(at.Weekday())+ahead)%7] {
			t := onDay(at, ahead, s.from)
			if t.After(at) && (!ok || t.Before(start)) {
				start, ok = t, true
			}
		}
		if ok {
			return start, true
		}
	}
	return time.Time{}, false
}

// onDay is a minute on the wall, so many days after the day of at.
func onDay(at time.Time, ahead, minute int) time.Time {
	y, m, d := at.Date()
	return time.Date(y, m, d+ahead, 0, minute, 0, 0, at.Location())
}

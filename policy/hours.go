package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours are times of the week and of the year, in local time. When clocks are put back, one hour occurs twice. A rule
// about a time in that hour applies to both occurrences. The zero Hours never open.
type Hours struct {
	week     [7][]Span // spans of days that no rule with dates or holidays names, by time.Weekday
	rules    []rule    // all rules in the order of the text, if any rule names dates or holidays; otherwise empty
	holidays *Holidays
	text     string
}

// rule is one of the rules between semicolons. If several rules apply to a day, the last rule decides.
type rule struct {
	weekdays [7]bool
	holidays bool    // true if the rule also applies to public holidays
	dates    []dates // the dates of the rule; empty if the rule applies to any date
	spans    []Span  // the times at which the rule opens; empty if the rule closes all day
}

// Span is a range of minutes since midnight. It includes the minute From and ends before the minute To. If To is above
// 24 h, the span ends on the next day.
type Span struct{ From, To int }

const (
	day      = 24 * 60
	maxSpan  = 64 // most spans of one day; this limits the work that a hostile file can cause
	maxRules = 64
)

var weekdays = [...]string{"Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"} // by time.Weekday

func (h *Hours) String() string { return h.text }

// ParseHours reads the part of OpenStreetMap's opening_hours that a workshop needs: weekdays and times ("Mo-Fr
// 09:00-21:00; Sa 10:00-18:00"), times past midnight ("Fr,Sa 20:00-02:00"), several times a day
// ("08:00-12:00,14:00-18:00"), "24/7", "Su off"; dates and months, of every year or of one year ("Dec 24-Jan 02 off",
// "Jul-Aug Mo-Fr 10:00-16:00", "2026 Dec 31 off"); public holidays, which the site lists ("PH off", "Su,PH
// 10:00-12:00"). As in OpenStreetMap, a rule replaces all earlier rules on the days of the rule. holidays is nil if the
// site lists no holidays; PH is then an error.
func ParseHours(s string, holidays *Holidays) (*Hours, error) {
	h := &Hours{text: s, holidays: holidays}
	rules := strings.Split(s, ";")
	if len(rules) > maxRules {
		return nil, fmt.Errorf("hours: more than %d rules", maxRules)
	}
	for _, text := range rules {
		r, err := parseRule(strings.TrimSpace(text))
		if err == nil && r.holidays && holidays == nil {
			err = errors.New("PH means public holidays, and the site lists none under holidays")
		}
		if err != nil {
			return nil, fmt.Errorf("hours %q: %w", s, err)
		}
		h.rules = append(h.rules, r)
	}
	h.settle()
	if h.never() {
		return nil, fmt.Errorf("hours %q: never open", s)
	}
	return h, nil
}

// settle computes the spans of the week. settle removes the rules if no rule names a date.
func (h *Hours) settle() {
	dated := false
	for _, r := range h.rules {
		if dated = dated || len(r.dates) > 0 || r.holidays; len(r.dates) > 0 {
			continue
		}
		for d := range r.weekdays {
			if r.weekdays[d] {
				h.week[d] = r.spans
			}
		}
	}
	if !dated {
		h.rules = nil
	}
}

func (h *Hours) never() bool {
	return !slices.ContainsFunc(h.week[:], func(d []Span) bool { return len(d) > 0 }) &&
		!slices.ContainsFunc(h.rules, func(r rule) bool { return len(r.spans) > 0 && (len(r.dates) > 0 || r.holidays) })
}

// parseRule reads a rule of the form DATES WEEKDAYS TIMES, in which at least one of the three parts must be present.
func parseRule(text string) (r rule, err error) {
	if text == "" {
		return r, errors.New("empty rule between two semicolons")
	}
	if text == "24/7" {
		return rule{weekdays: everyDay, spans: []Span{{0, day}}}, nil
	}
	rest := text
	if r.dates, rest, err = parseDates(text); err != nil {
		return r, err
	}
	words := strings.Fields(rest)
	if len(words) == 1 && (isTimes(words[0]) || len(r.dates) > 0) { // a rule without weekdays applies to all weekdays
		words = []string{"Mo-Su", words[0]}
	}
	if len(words) != 2 {
		return r, fmt.Errorf("%q is not days and times, as in \"Mo-Fr 09:00-21:00\"", text)
	}
	if r.weekdays, r.holidays, err = parseDays(words[0]); err != nil {
		return r, err
	}
	if r.spans, err = parseTimes(words[1]); err == nil && len(r.spans) > maxSpan {
		err = fmt.Errorf("more than %d times a day", maxSpan)
	}
	return r, err
}

var everyDay = [7]bool{true, true, true, true, true, true, true}

func isTimes(word string) bool { return word[0] >= '0' && word[0] <= '9' }

func parseDays(s string) (on [7]bool, holidays bool, err error) {
	for _, part := range strings.Split(s, ",") {
		if part == "PH" {
			holidays = true
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(weekdays[:], first), slices.Index(weekdays[:], last)
		if from < 0 || to < 0 {
			return on, false, fmt.Errorf(
				"%q is no day; Mo Tu We Th Fr Sa Su, PH for public holidays, a list Mo,We or a range Mo-Fr",
				part,
			)
		}
		for d := from; ; d = (d + 1) % 7 {
			on[d] = true
			if d == to {
				break
			}
		}
	}
	return on, holidays, nil
}

func parseTimes(s string) ([]Span, error) {
	if s == "off" || s == "closed" {
		return nil, nil
	}
	var out []Span
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
		out = append(out, Span{from, to})
	}
	return out, nil
}

// minuteOf reads a time HH:MM up to 48:00. OpenStreetMap writes times on the next day as 24:00 and above.
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

// moment is a local time: a day and a minute of that day.
type moment struct {
	Date
	weekday time.Weekday
	minute  int
}

func onWall(at time.Time) moment {
	y, m, d := at.Date()
	hh, mm, _ := at.Clock()
	return moment{Date{y, m, d}, at.Weekday(), hh*60 + mm}
}

// midnight returns the moment at which a day begins.
func midnight(d Date) moment { return moment{Date: d, weekday: d.Weekday()} }

// plus returns the same minute this many days later.
func (w moment) plus(days int) moment {
	return moment{w.Date.AddDays(days), time.Weekday(((int(w.weekday)+days)%7 + 7) % 7), w.minute}
}

// on returns the spans that begin on the day of w.
func (h *Hours) on(w moment) []Span {
	if h.rules == nil {
		return h.week[w.weekday]
	}
	if i := h.speaking(w); i >= 0 {
		return h.rules[i].spans
	}
	return nil
}

// speaking returns the index of the rule that applies to the day of w, or -1. If no rule names a date, the result is
// the weekday.
func (h *Hours) speaking(w moment) int {
	if h.rules == nil {
		return int(w.weekday)
	}
	for i := len(h.rules) - 1; i >= 0; i-- {
		if h.rules[i].speaksOf(w, h.holidays) {
			return i
		}
	}
	return -1
}

func (r *rule) speaksOf(w moment, holidays *Holidays) bool {
	if !r.weekdays[w.weekday] && !(r.holidays && holidays.Has(w.Date)) {
		return false
	}
	return len(r.dates) == 0 || slices.ContainsFunc(r.dates, func(x dates) bool { return x.hold(w.Date) })
}

// open reports whether the moment is within the hours. The result left is the number of minutes of local time until the
// end of the open span that ends last.
func (h *Hours) open(w moment) (left int, ok bool) {
	for _, s := range h.on(w) {
		if s.From <= w.minute && w.minute < s.To {
			left, ok = max(left, s.To-w.minute), true
		}
	}
	for _, s := range h.on(w.plus(-1)) { // check the spans that began yesterday
		if w.minute < s.To-day {
			left, ok = max(left, s.To-day-w.minute), true
		}
	}
	return left, ok
}

// Open reports whether h is open at a moment, which must be in the site's zone.
func (h *Hours) Open(at time.Time) bool {
	_, ok := h.open(onWall(at))
	return ok
}

// horizon returns the number of days after which h repeats: a week, or a year if h names dates.
func (h *Hours) horizon() int {
	if h.rules != nil {
		return 366
	}
	return 7
}

// Closes returns when h next closes. at must be in the site's zone and within h. ok is false if h does not close within
// a week, or a year if h names dates. If the clock changes before that time, Closes looks the hours up again after the
// change, because a local time may occur twice or not at all.
func (h *Hours) Closes(at time.Time) (end time.Time, ok bool) {
	// Look one day further than the horizon, because a week with a clock change can be an hour longer.
	for last := at.Add(time.Duration(h.horizon()+1) * day * time.Minute); !at.After(last); {
		left, open := h.open(onWall(at))
		if !open {
			return at, true
		}
		end = at.Add(time.Duration(left)*time.Minute - intoMinute(at))
		if _, change := at.ZoneBounds(); !change.IsZero() && change.Before(end) {
			end = change
		}
		at = end
	}
	return time.Time{}, false
}

// intoMinute returns the time since the local minute began.
func intoMinute(at time.Time) time.Duration {
	return time.Duration(at.Second())*time.Second + time.Duration(at.Nanosecond())
}

// Opens returns the next moment after at when h opens. at must be in the site's zone. ok is false if h does not open
// within eight days, or a year if h names dates.
func (h *Hours) Opens(at time.Time) (start time.Time, ok bool) {
	w := onWall(at)
	for ahead := range h.horizon() + 1 {
		for _, s := range h.on(w.plus(ahead)) {
			t := onDay(at, ahead, s.From)
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

// Equal reports whether h and o have the same text and the same holidays.
func (h *Hours) Equal(o *Hours) bool { return h.text == o.text && h.holidays == o.holidays }

// NamesDates reports whether any rule names dates or public holidays. If no rule names a date or a holiday, the hours
// are the same every week.
func (h *Hours) NamesDates() bool { return h.rules != nil }

// RuleOn returns the number of the rule that applies to a day, or -1. On days with the same number, the same spans
// begin.
func (h *Hours) RuleOn(d Date) int { return h.speaking(midnight(d)) }

// SpansTouching returns the spans that overlap a day, including spans that began the day before. Minutes are counted
// from that day's midnight.
func (h *Hours) SpansTouching(d Date) []Span {
	w := midnight(d)
	spans := slices.Clone(h.on(w))
	for _, s := range h.on(w.plus(-1)) {
		if s.To > day {
			spans = append(spans, Span{max(s.From-day, 0), s.To - day})
		}
	}
	return spans
}

// DatesOfOneYear returns the first and last days of ranges with a year, and the public holidays of a single year if h
// names PH. The hours of all other days repeat every year.
func (h *Hours) DatesOfOneYear() (out []Date) {
	for _, r := range h.rules {
		for _, x := range r.dates {
			if x.from.Year != 0 {
				out = append(out, x.from, x.to)
			}
		}
	}
	if h.rules != nil && h.holidays != nil {
		for d := range h.holidays.days {
			if d.Year != 0 {
				out = append(out, d)
			}
		}
	}
	return out
}

// onDay returns the moment of a local minute on the day that is the given number of days after at.
func onDay(at time.Time, ahead, minute int) time.Time {
	y, m, d := at.Date()
	return time.Date(y, m, d+ahead, 0, minute, 0, 0, at.Location())
}

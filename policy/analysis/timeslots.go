package analysis

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"portillon/policy"
)

// timeslot is a stretch of time in which no rule on hours changes its answer, and a moment in it that stands for all
// of it.
type timeslot struct {
	at       time.Time
	from, to int           // minutes of the day: a booking may begin or end within one
	days     []policy.Date // the days of the coming year that are alike or, where none is, the first ones after it
	beyond   bool          // no day of the coming year is like it
}

// timeslotsOf cuts time from a day on into slots: every combination of open and closed hours, and of bookings, that
// will ever occur has one. Each list of bookings is one machine's. Days on which the same hours are booked are alike,
// whoever booked them.
func timeslotsOf(zone *time.Location, from time.Time, hours []*policy.Hours, bookings ...[]policy.Booking) []timeslot {
	c := calendar{zone: zone, hours: hours, bookings: bookings, seen: map[string]place{}, kinds: map[string]place{}}
	first := policy.DateOf(from, zone).Number()
	end := first + aYearsDays
	c.walk(first, end)
	c.putOff()
	c.beyond = true
	if slices.ContainsFunc(hours, (*policy.Hours).NamesDates) {
		c.walk(end, first+allYearsDays)
		end = first + allYearsDays
	}
	for _, edge := range c.edges() { // what is named with its year holds from there on: a week of it is all of it
		c.walk(max(end, edge-1), edge+8)
		end = max(end, edge+8)
	}
	c.putOff()
	return c.timeslots
}

// A year, and the years after which dates fall on the same weekdays again, 29 February among them.
const (
	aYearsDays   = 366
	allYearsDays = 28*365 + 7
)

// calendar sorts days into kinds, of which each is cut once.
type calendar struct {
	zone      *time.Location
	hours     []*policy.Hours
	bookings  [][]policy.Booking
	timeslots []timeslot
	seen      map[string]place // by the rules that speak of a day
	kinds     map[string]place // by what they say
	odd       []policy.Date    // days on which the clock is changed, put off: they stand for none that is like them
	last      bool             // nothing is put off any more
	beyond    bool
}

// place is where the slots of a kind of day stand.
type place struct{ first, n int }

func (c *calendar) walk(from, to int) {
	before := c.rules(policy.DateOfNumber(from - 1))
	for n := from; n < to; n++ {
		w := policy.DateOfNumber(n)
		rules := c.rules(w)
		c.day(w, before+rules)
		before = rules
	}
}

// putOff are the days that were put off.
func (c *calendar) putOff() {
	c.last = true
	for _, w := range c.odd {
		c.day(w, c.rules(w.AddDays(-1))+c.rules(w))
	}
	c.last, c.odd = false, nil
}

// day takes a day, and the rules that speak of it and of the day before: that is all that is asked of most days.
func (c *calendar) day(w policy.Date, rules string) {
	marks := c.marks(w)
	if len(marks) > 0 {
		rules += c.booked(w, marks)
	}
	at, known := c.seen[rules]
	if !known {
		odd := c.isOdd(w)
		if odd && !c.last {
			c.odd = append(c.odd, w)
			return
		}
		kind := c.kind(w, marks)
		if at, known = c.kinds[kind]; !known {
			at = c.cut(w, marks, odd)
			c.kinds[kind] = at
		}
		c.seen[rules] = at
	}
	for i := at.first; i < at.first+at.n; i++ {
		if s := &c.timeslots[i]; s.beyond == c.beyond && (!s.beyond || len(s.days) < mostDates) {
			s.days = append(s.days, w)
		}
	}
}

// mostDates of those beyond the year are kept: more are not said.
const mostDates = 4

// mark is a part of a day that is booked, in one of the lists.
type mark struct {
	policy.Booking
	list int
}

func (c *calendar) marks(w policy.Date) (out []mark) {
	if !slices.ContainsFunc(c.bookings, func(all []policy.Booking) bool { return len(all) > 0 }) {
		return nil
	}
	begin, end := c.bounds(w)
	for list, all := range c.bookings {
		first := sort.Search(len(all), func(i int) bool { return all[i].To.After(begin) })
		for i := first; i < len(all) && all[i].From.Before(end); i++ {
			out = append(out, mark{all[i], list})
		}
	}
	return out
}

func (c *calendar) bounds(w policy.Date) (begin, end time.Time) {
	return atMinute(w, c.zone, 0), atMinute(w.AddDays(1), c.zone, 0)
}

func (c *calendar) isOdd(w policy.Date) bool {
	begin, end := c.bounds(w)
	return end.Sub(begin) != 24*time.Hour
}

// rules says which rules speak of a day.
func (c *calendar) rules(w policy.Date) string {
	out := make([]byte, len(c.hours))
	for i, h := range c.hours {
		out[i] = byte(h.RuleOn(w))
	}
	return string(out)
}

// booked says when a day is booked. Of those who booked it says only who is the same.
func (c *calendar) booked(w policy.Date, marks []mark) string {
	var b strings.Builder
	var by []policy.MemberID
	begin, end := c.bounds(w)
	for _, m := range marks {
		if !slices.Contains(by, m.For) {
			by = append(by, m.For)
		}
		fmt.Fprintln(&b, m.list, max(m.From.Sub(begin), 0), min(m.To.Sub(begin), end.Sub(begin)), slices.Index(by, m.For))
	}
	if end.Sub(begin) != 24*time.Hour { // a wall that says the same twice: this day is like no other
		fmt.Fprintln(&b, w)
	}
	return b.String()
}

// kind says of a day all that hours and bookings say of it.
func (c *calendar) kind(w policy.Date, marks []mark) string {
	var b strings.Builder
	for _, h := range c.hours {
		fmt.Fprintln(&b, h.SpansTouching(w))
	}
	if len(marks) > 0 {
		b.WriteString(c.booked(w, marks))
	}
	return b.String()
}

// cut makes the slots of a day: from each moment at which something begins or ends to the next.
func (c *calendar) cut(w policy.Date, marks []mark, odd bool) place {
	begin, end := c.bounds(w)
	cuts := []time.Time{begin}
	for _, h := range c.hours {
		for _, s := range h.SpansTouching(w) {
			cuts = append(cuts, atMinute(w, c.zone, s.From), atMinute(w, c.zone, s.To))
		}
	}
	if odd && len(marks) > 0 { // the wall may come to a time twice; a cut too many does no harm
		for _, t := range slices.Clone(cuts) {
			cuts = append(cuts, t.Add(end.Sub(begin)-24*time.Hour), t.Add(24*time.Hour-end.Sub(begin)))
		}
		_, change := begin.ZoneBounds()
		cuts = append(cuts, change)
	}
	for _, m := range marks {
		cuts = append(cuts, m.From.In(c.zone), m.To.In(c.zone))
	}
	cuts = slices.DeleteFunc(cuts, func(t time.Time) bool { return t.Before(begin) || !t.Before(end) })
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	at := place{len(c.timeslots), len(cuts)}
	cuts = append(cuts, end)
	for i, t := range cuts[:at.n] {
		last := cuts[i+1].Add(-1)
		c.timeslots = append(c.timeslots, timeslot{
			at: t, from: minuteOfDay(t), to: minuteOfDay(last) + 1, beyond: c.beyond,
		})
	}
	return at
}

// edges are the days, counted from 1970 and in order, from which something holds, or holds no longer, that is named
// with its year.
func (c *calendar) edges() []int {
	var out []int
	for _, h := range c.hours {
		for _, d := range h.DatesOfOneYear() {
			out = append(out, d.Number())
		}
	}
	for _, all := range c.bookings {
		for _, b := range all {
			out = append(out, policy.DateOf(b.From, c.zone).Number(), policy.DateOf(b.To, c.zone).Number())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func atMinute(d policy.Date, zone *time.Location, minute int) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, minute, 0, 0, zone)
}

func minuteOfDay(at time.Time) int { return at.Hour()*60 + at.Minute() }

// distinctHours are the hours that stand in machines' grants.
func distinctHours(machines ...*policy.Machine) []*policy.Hours {
	var out []*policy.Hours
	for _, m := range machines {
		if m == nil {
			continue
		}
		for _, g := range m.Grants {
			if g.Hours != nil && !slices.ContainsFunc(out, g.Hours.Equal) {
				out = append(out, g.Hours)
			}
		}
	}
	return out
}

// span is the slot in words: "Mo-Fr 09:00-21:00", or the first of its days where they are no weekdays.
func (s timeslot) span() string {
	return daysInWords(s.days) + " " + spanInWords(policy.Span{From: s.from, To: s.to})
}

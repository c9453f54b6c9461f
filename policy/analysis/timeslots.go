package analysis

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"portillon/policy"
)

// timeslot is a part of the day in which the rules on time always give the same answer, on all days of one kind. One
// moment of the slot represents all moments of the slot.
type timeslot struct {
	at       time.Time
	from, to int           // minutes since midnight, rounded outwards
	days     []policy.Date // days of this kind in the coming year; if there are none, the first later days
	beyond   bool          // true if the coming year has no day of this kind
}

// timeslotsOf divides the time from a moment on into slots, so that every combination of opening hours and bookings has
// a slot. Each list of bookings belongs to one machine. Days with bookings at the same hours are of one kind, also if
// different members made the bookings.
func timeslotsOf(zone *time.Location, from time.Time, hours []*policy.Hours, bookings ...[]policy.Booking) []timeslot {
	c := calendar{zone: zone, hours: hours, bookings: bookings, seen: map[string]place{}, kinds: map[string]place{}}
	first := policy.DateOf(from, zone).Number()
	end := first + aYearsDays
	c.walk(first, end)
	c.putOff()
	// Add combinations that occur only in later years.
	c.beyond = true
	if slices.ContainsFunc(hours, (*policy.Hours).NamesDates) {
		c.walk(end, first+allYearsDays)
		end = first + allYearsDays
	}
	// the week that begins at the date of a rule with a year contains every kind of day of that rule
	for _, edge := range c.edges() {
		c.walk(max(end, edge-1), edge+8)
		end = max(end, edge+8)
	}
	c.putOff()
	return c.timeslots
}

// aYearsDays is the number of days of a leap year. allYearsDays is the number of days of 28 years. After 28 years every
// date, also 29 February, has the same weekday again (Gregorian calendar, without a skipped leap year).
const (
	aYearsDays   = 366
	allYearsDays = 28*365 + 7
)

// calendar groups days into kinds, and divides one day of each kind into slots.
type calendar struct {
	zone      *time.Location
	hours     []*policy.Hours
	bookings  [][]policy.Booking
	timeslots []timeslot
	seen      map[string]place // slots by the rules that apply to a day
	kinds     map[string]place // slots of a kind of day, by the opening hours and bookings of the day
	// days of a clock change, which are examined last because other days represent their kind better
	odd    []policy.Date
	last   bool // true while the days of a clock change are examined
	beyond bool // true while days after the coming year are examined
}

// place is the index of the first slot of a kind of day, and the number of its slots.
type place struct{ first, n int }

// walk examines the days with the numbers from to to-1.
func (c *calendar) walk(from, to int) {
	before := c.rules(policy.DateOfNumber(from - 1))
	for n := from; n < to; n++ {
		w := policy.DateOfNumber(n)
		rules := c.rules(w)
		c.day(w, before+rules)
		before = rules
	}
}

// putOff examines the days of a clock change that walk postponed.
func (c *calendar) putOff() {
	c.last = true
	for _, w := range c.odd {
		c.day(w, c.rules(w.AddDays(-1))+c.rules(w))
	}
	c.last, c.odd = false, nil
}

// day examines one day. rules are the rules that apply to the day and to the day before, because hours may last past
// midnight. On most days (without a booking or a clock change), these rules alone determine the kind of the day.
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

// mostDates is the largest number of days after the coming year that a slot stores. Sentences name at most this many
// days.
const mostDates = 4

// mark is a booking that touches a day.
type mark struct {
	policy.Booking
	list int // index of the list of bookings of the machine
}

// marks returns the bookings that touch a day. Each list is sorted by time.
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

// bounds returns the local midnights before and after a day.
func (c *calendar) bounds(w policy.Date) (begin, end time.Time) {
	return atMinute(w, c.zone, 0), atMinute(w.AddDays(1), c.zone, 0)
}

// isOdd reports whether the clock changes on a day.
func (c *calendar) isOdd(w policy.Date) bool {
	begin, end := c.bounds(w)
	return end.Sub(begin) != 24*time.Hour
}

// rules returns, as one byte for each list of hours, the rule that applies to a day.
func (c *calendar) rules(w policy.Date) string {
	out := make([]byte, len(c.hours))
	for i, h := range c.hours {
		out[i] = byte(h.RuleOn(w))
	}
	return string(out)
}

// booked describes the bookings of a day: their machines, their times, and which bookings are of the same member. On a
// day of a clock change a local time may occur twice, so booked treats such a day as different from all other days.
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
	if end.Sub(begin) != 24*time.Hour {
		fmt.Fprintln(&b, w)
	}
	return b.String()
}

// kind returns a description of the opening hours and bookings of a day. Days with equal descriptions have equal slots.
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

// cut divides a day into slots, at each moment at which hours or a booking begin or end.
func (c *calendar) cut(w policy.Date, marks []mark, odd bool) place {
	begin, end := c.bounds(w)
	cuts := []time.Time{begin}
	for _, h := range c.hours {
		for _, s := range h.SpansTouching(w) {
			cuts = append(cuts, atMinute(w, c.zone, s.From), atMinute(w, c.zone, s.To))
		}
	}
	if odd && len(marks) > 0 { // cut at each hour, because a local time may occur twice; an unneeded slot does no harm
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

// edges returns the days, counted from 1970 and sorted, on which a rule with a year or a booking begins or ends.
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

// atMinute returns the moment that is the given number of minutes after midnight in local time.
func atMinute(d policy.Date, zone *time.Location, minute int) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, minute, 0, 0, zone)
}

// minuteOfDay returns the local time in minutes since midnight.
func minuteOfDay(at time.Time) int { return at.Hour()*60 + at.Minute() }

// distinctHours returns the different opening hours in the grants of the machines. nil machines are skipped.
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

// span describes the slot: "Mo-Fr 09:00-21:00", or its first dates if the slot does not cover a whole weekday.
func (s timeslot) span() string {
	return daysInWords(s.days) + " " + spanInWords(policy.Span{From: s.from, To: s.to})
}

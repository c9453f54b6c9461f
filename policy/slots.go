package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// slot is a stretch of time throughout which no rule on hours changes its mind, and a moment in it that stands for it all.
type slot struct {
	at       time.Time
	from, to int    // minutes of the day
	days     []Date // the days of the coming year that are alike
}

// slotsOf cuts the year from a day on into slots: every combination of open and closed hours, and of bookings, that occurs in it has
// one. Each list of bookings is one machine's. Days on which the same hours are booked are alike, whoever booked them.
func slotsOf(zone *time.Location, from time.Time, hours []*Hours, bookings ...[]Booking) []slot {
	var out []slot
	seen := map[string]int{} // the place in out of the first slot of a kind of day
	for _, d := range aYear(zone, from, bookings) {
		kind, cuts := d.kind(hours)
		at, known := seen[kind]
		if !known {
			seen[kind] = len(out)
			out = append(out, d.slots(zone, cuts)...)
			continue
		}
		for i := at; i < at+len(cuts); i++ {
			out[i].days = append(out[i].days, d.Date)
		}
	}
	return out
}

// aDay is one day, with what is booked of it.
type aDay struct {
	moment
	booked []mark
}

// mark is a part of a day that is booked, in one of the lists.
type mark struct {
	span
	list int
	by   MemberID
}

// aYear are 366 days. One on which the clock is changed comes after the others, so that it stands for none that is like it.
func aYear(zone *time.Location, from time.Time, bookings [][]Booking) []aDay {
	var plain, changed []aDay
	w := onWall(from.In(zone))
	w.minute = 0
	marks := marksOf(zone, w.Date, bookings)
	for i := range aYearsDays {
		d := aDay{moment: w.plus(i), booked: marks[i]}
		if d.wall(zone, 0).Add(24*time.Hour) == d.plus(1).wall(zone, 0) {
			plain = append(plain, d)
		} else {
			changed = append(changed, d)
		}
	}
	return append(plain, changed...)
}

const aYearsDays = 366

// marksOf are the bookings by the days that they touch, counted from the first.
func marksOf(zone *time.Location, first Date, bookings [][]Booking) map[int][]mark {
	out := map[int][]mark{}
	for list, all := range bookings {
		for _, b := range all {
			from, to := onWall(b.From.In(zone)), onWall(b.To.In(zone))
			begin, end := from.number()-first.number(), to.number()-first.number()
			for i := max(begin, 0); i <= min(end, aYearsDays-1); i++ {
				m := mark{span{0, day}, list, b.For}
				if i == begin {
					m.from = from.minute
				}
				if i == end {
					m.to = to.minute
				}
				if m.from < m.to {
					out[i] = append(out[i], m)
				}
			}
		}
	}
	return out
}

func (w moment) wall(zone *time.Location, minute int) time.Time {
	return time.Date(w.Year, w.Month, w.Day, 0, minute, 0, 0, zone)
}

// kind says of a day all that hours and bookings say of it, and where it is cut. Of those who booked it says only who is the same.
func (d aDay) kind(hours []*Hours) (kind string, cuts []int) {
	var b strings.Builder
	cuts = []int{0}
	var by []MemberID
	for _, m := range d.booked {
		if !slices.Contains(by, m.by) {
			by = append(by, m.by)
		}
		fmt.Fprint(&b, m.list, m.span, slices.Index(by, m.by), ";")
		cuts = append(cuts, m.from, m.to)
	}
	for _, h := range hours {
		spans := slices.Clone(h.on(d.moment))
		for _, s := range h.on(d.plus(-1)) {
			if s.to > day { // what began yesterday
				spans = append(spans, span{max(s.from-day, 0), s.to - day})
			}
		}
		fmt.Fprint(&b, spans, ";")
		for _, s := range spans {
			cuts = append(cuts, s.from, s.to)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(slices.DeleteFunc(cuts, func(m int) bool { return m < 0 || m >= day }))
	return b.String(), cuts
}

func (d aDay) slots(zone *time.Location, cuts []int) []slot {
	var out []slot
	for i, from := range cuts {
		to := day
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		out = append(out, slot{d.wall(zone, from), from, to, []Date{d.Date}})
	}
	return out
}

// distinctHours are the hours that stand in machines' grants.
func distinctHours(machines ...*Machine) []*Hours {
	var out []*Hours
	for _, m := range machines {
		if m == nil {
			continue
		}
		for _, g := range m.Grants {
			if g.Hours != nil && !slices.ContainsFunc(out, func(h *Hours) bool { return h.text == g.Hours.text && h.holidays == g.Hours.holidays }) {
				out = append(out, g.Hours)
			}
		}
	}
	return out
}

// span is the slot in words: "Mo-Fr 09:00-21:00", or the first of its days where they are no weekdays.
func (s slot) span() string { return daysInWords(s.days) + " " + span{s.from, s.to}.String() }

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

// slotsOf cuts the year from a day on into slots: every combination of open and closed hours that occurs in it has one. Bookings
// are at moments of their own.
func slotsOf(zone *time.Location, from time.Time, hours []*Hours, bookings []Booking) []slot {
	var out []slot
	seen := map[string]int{} // the place in out of the first slot of a kind of day
	days := aYear(zone, from, bookings)
	for _, d := range days {
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

// aDay is one day, with the minutes at which bookings begin or end.
type aDay struct {
	moment
	booked []int
}

// aYear are 366 days. One on which the clock is changed comes after the others, so that it stands for none that is like it.
func aYear(zone *time.Location, from time.Time, bookings []Booking) []aDay {
	var plain, changed []aDay
	w := onWall(from.In(zone))
	w.minute = 0
	marks := map[Date][]int{}
	for _, b := range bookings {
		for _, t := range []time.Time{b.From, b.To} {
			x := onWall(t.In(zone))
			marks[x.Date] = append(marks[x.Date], x.minute)
		}
	}
	for i := range 366 {
		d := aDay{moment: w.plus(i)}
		d.booked = marks[d.Date]
		if d.wall(zone, 0).Add(24*time.Hour) == d.plus(1).wall(zone, 0) {
			plain = append(plain, d)
		} else {
			changed = append(changed, d)
		}
	}
	return append(plain, changed...)
}

func (w moment) wall(zone *time.Location, minute int) time.Time {
	return time.Date(w.Year, w.Month, w.Day, 0, minute, 0, 0, zone)
}

// kind says of a day all that hours and bookings say of it, and where it is cut.
func (d aDay) kind(hours []*Hours) (kind string, cuts []int) {
	var b strings.Builder
	cuts = append([]int{0}, d.booked...)
	if len(d.booked) > 0 {
		b.WriteString(d.Date.String())
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
func (s slot) span() string {
	times := fmt.Sprintf("%02d:%02d-%02d:%02d", s.from/60, s.from%60, s.to/60, s.to%60)
	return daysInWords(s.days) + " " + times
}

// daysInWords is "Mo-Fr" for days of a year that are all the Mondays to Fridays but a few, or the first dates.
func daysInWords(days []Date) string {
	var on [7]int
	for _, d := range days {
		on[d.weekday()]++
	}
	var whole []string
	for _, wd := range []time.Weekday{1, 2, 3, 4, 5, 6, 0} {
		if on[wd] >= 26 {
			whole = append(whole, weekdays[wd])
		}
	}
	if len(whole) > 0 {
		return ranges(whole)
	}
	var out []string
	for _, d := range days[:min(len(days), 3)] {
		out = append(out, d.String())
	}
	if len(days) > 3 {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}

func (d Date) weekday() time.Weekday {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday()
}

// ranges writes weekdays that follow each other as Mo-Fr.
func ranges(on []string) string {
	order := []string{"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"}
	var out []string
	for i := 0; i < len(order); i++ {
		if !slices.Contains(on, order[i]) {
			continue
		}
		j := i
		for j+1 < len(order) && slices.Contains(on, order[j+1]) {
			j++
		}
		switch j - i {
		case 0:
			out = append(out, order[i])
		case 1:
			out = append(out, order[i], order[j])
		default:
			out = append(out, order[i]+"-"+order[j])
		}
		i = j
	}
	return strings.Join(out, ",")
}

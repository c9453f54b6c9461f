package analysis

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"portillon/policy"
)

// times is a set of time slots, in which bit i represents slot i. nil is the empty set.
type times []uint64

// set adds slot i. The function none must have allocated the set t.
func (t times) set(i int)      { t[i/64] |= 1 << (i % 64) }
func (t times) has(i int) bool { return t != nil && t[i/64]&(1<<(i%64)) != 0 }

// count returns the number of slots in the set.
func (t times) count() (n int) {
	for _, w := range t {
		n += bits.OnesCount64(w)
	}
	return n
}

// add adds all slots of o to t. The set o must not have more slots than t.
func (t times) add(o times) {
	for i := range o {
		t[i] |= o[i]
	}
}

// without returns the slots of t that are not in o.
func (t times) without(o times) times {
	out := slices.Clone(t)
	for i := range min(len(t), len(o)) {
		out[i] &^= o[i]
	}
	return out
}

// and returns the slots of t that are also in o.
func (t times) and(o times) times { return t.without(t.without(o)) }

// within reports whether all slots of t are in o.
func (t times) within(o times) bool { return t.without(o).count() == 0 }

const minutesPerDay = 24 * 60

// year lists the time slots of a comparison: the slots of the coming year, and the slots of later years that differ
// from all slots of the coming year.
type year []timeslot

// none returns an empty set to which slots can be added.
func (y year) none() times { return make(times, len(y)/64+1) }

// when describes a set of slots by the times in the set (in) or, if shorter, by the times that are missing from the set
// (except). For the set of all slots, in and except are both empty.
func (y year) when(t times) (in, except []string) {
	var yes, not []timeslot
	for i, s := range y {
		if t.has(i) {
			yes = append(yes, s)
		} else {
			not = append(not, s)
		}
	}
	if len(not) == 0 {
		return nil, nil
	}
	in, except = spans(yes), spans(not)
	if len(except) < len(in) || len(except) == len(in) && minutes(not) < minutes(yes) {
		return nil, except
	}
	return in, nil
}

// minutes returns the total length of the slots over all days of the slots.
func minutes(slots []timeslot) (n int) {
	for _, s := range slots {
		n += (s.to - s.from) * len(s.days)
	}
	return n
}

// hours returns how many hours of the slots are in the seven days from a day on, rounded.
func (y year) hours(t times, from policy.Date) int {
	minutes := 0
	for i, s := range y {
		for _, d := range s.days {
			if n := d.Number() - from.Number(); t.has(i) && n >= 0 && n < 7 {
				minutes += s.to - s.from
			}
		}
	}
	return (minutes + 30) / 60
}

// spans returns the text for a set of slots: first the times of whole weekdays, then the times of single dates.
func spans(slots []timeslot) []string {
	byTimes := map[policy.Span][]policy.Date{}
	for d, list := range byDay(slots) {
		for _, s := range list {
			byTimes[s] = append(byTimes[s], d)
		}
	}
	var weekly, dated []timeslot
	for s, days := range byTimes {
		slices.SortFunc(days, func(a, b policy.Date) int { return a.Number() - b.Number() })
		x := timeslot{from: s.From, to: s.To, days: days}
		if whole := wholeWeekdays(days); len(whole) > 0 {
			weekly = append(weekly, x)
		} else {
			dated = append(dated, x)
		}
	}
	slices.SortFunc(weekly, func(a, b timeslot) int {
		return cmp.Or(
			slices.Index(weekOrder, wholeWeekdays(a.days)[0])-slices.Index(weekOrder, wholeWeekdays(b.days)[0]),
			a.from-b.from,
			a.to-b.to,
		)
	})
	var out []string
	for _, s := range weekly {
		out = append(out, s.span())
	}
	return append(out, onDates(dated)...)
}

// byDay returns the times of each day that the slots cover. byDay merges slots that touch each other.
func byDay(slots []timeslot) map[policy.Date][]policy.Span {
	out := map[policy.Date][]policy.Span{}
	for _, s := range slots {
		for _, d := range s.days {
			out[d] = append(out[d], policy.Span{From: s.from, To: s.to})
		}
	}
	for d, list := range out {
		slices.SortFunc(list, func(a, b policy.Span) int { return a.From - b.From })
		merged := list[:1]
		for _, s := range list[1:] {
			// Slots can overlap if a booking ends within a minute.
			if last := &merged[len(merged)-1]; s.From <= last.To {
				last.To = max(last.To, s.To)
			} else {
				merged = append(merged, s)
			}
		}
		out[d] = merged
	}
	return out
}

// onDates describes the times of single dates. Times that continue over midnight are written once: "2026-12-01 00:00 –
// 2026-12-05 00:00".
func onDates(slots []timeslot) []string {
	type stretch struct{ from, to int } // in minutes
	var all []stretch
	for _, s := range slots {
		for _, d := range s.days {
			all = append(all, stretch{d.Number()*minutesPerDay + s.from, d.Number()*minutesPerDay + s.to})
		}
	}
	slices.SortFunc(all, func(a, b stretch) int { return a.from - b.from })
	var long, short []string
	byTimes := map[policy.Span][]policy.Date{}
	var order []policy.Span
	for i := 0; i < len(all); i++ {
		x := all[i]
		for ; i+1 < len(all) && all[i+1].from == x.to; i++ {
			x.to = all[i+1].to
		}
		if x.from/minutesPerDay != (x.to-1)/minutesPerDay {
			long = append(long, minuteInWords(x.from)+" – "+minuteInWords(x.to))
			continue
		}
		s := policy.Span{From: x.from % minutesPerDay, To: x.to - x.from/minutesPerDay*minutesPerDay}
		if byTimes[s] == nil {
			order = append(order, s)
		}
		byTimes[s] = append(byTimes[s], policy.DateOfNumber(x.from/minutesPerDay))
	}
	for _, s := range order {
		short = append(short, timeslot{from: s.From, to: s.To, days: byTimes[s]}.span())
	}
	return append(long, short...)
}

// minuteInWords returns the text of a local time that is counted in minutes since 1970.
func minuteInWords(n int) string {
	return fmt.Sprintf("%s %02d:%02d", policy.DateOfNumber(n/minutesPerDay), n%minutesPerDay/60, n%60)
}

// spanInWords returns a span as in "09:00-21:00".
func spanInWords(s policy.Span) string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", s.From/60, s.From%60, s.To/60, s.To%60)
}

// daysInWords returns weekdays such as "Mo-Fr" if the days are most of a year's Mondays to Fridays. Otherwise it
// returns the first three dates or ranges of dates.
func daysInWords(days []policy.Date) string {
	if whole := wholeWeekdays(days); len(whole) > 0 {
		return ranges(whole)
	}
	var out []string
	for i := 0; i < len(days); i++ {
		if len(out) == 3 {
			return strings.Join(append(out, "…"), ", ")
		}
		j := i
		for j+1 < len(days) && days[j+1] == days[j].AddDays(1) {
			j++
		}
		if j-i < 2 {
			out = append(out, days[i].String())
			continue
		}
		out = append(out, days[i].String()+" – "+days[j].String())
		i = j
	}
	return strings.Join(out, ", ")
}

var weekOrder = []string{"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"}

// wholeWeekdays returns the weekdays that occur at least 26 times among the days (half of a year), Monday first.
func wholeWeekdays(days []policy.Date) (out []string) {
	var on [7]int
	for _, d := range days {
		on[d.Weekday()]++
	}
	for _, wd := range []time.Weekday{1, 2, 3, 4, 5, 6, 0} {
		if on[wd] >= 26 {
			out = append(out, weekOrder[(wd+6)%7])
		}
	}
	return out
}

// ranges writes three or more consecutive weekdays as a range: Mo-Fr.
func ranges(on []string) string {
	var out []string
	for i := 0; i < len(weekOrder); i++ {
		if !slices.Contains(on, weekOrder[i]) {
			continue
		}
		j := i
		for j+1 < len(weekOrder) && slices.Contains(on, weekOrder[j+1]) {
			j++
		}
		switch j - i {
		case 0:
			out = append(out, weekOrder[i])
		case 1:
			out = append(out, weekOrder[i], weekOrder[j])
		default:
			out = append(out, weekOrder[i]+"-"+weekOrder[j])
		}
		i = j
	}
	return strings.Join(out, ",")
}

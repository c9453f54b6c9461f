package report

import (
	"time"

	"portillon/policy"
)

// dayBegins is the first moment of a day on the wall of a zone. A change of the clock may leave out midnight, or have
// it twice.
func dayBegins(d policy.Date, zone *time.Location) time.Time {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
	if policy.DateOf(t, zone).Before(d) { // midnight is left out: the day begins with the change
		_, change := t.ZoneBounds()
		return change
	}
	// Where the clock is set back over midnight, or to it, the day begins with the first of the two.
	if change, _ := t.ZoneBounds(); !change.IsZero() {
		_, before := change.Add(-1).Zone()
		_, offset := t.Zone()
		if first := t.Add(time.Duration(offset-before) * time.Second); first.Before(change) &&
			policy.DateOf(first, zone) == d {
			return first
		}
	}
	return t
}

// dayAfter is so many days later.
func dayAfter(d policy.Date, days int) policy.Date {
	return policy.DateOf(time.Date(d.Year, d.Month, d.Day+days, 12, 0, 0, 0, time.UTC), time.UTC)
}

// mondayOf is the first day of the week of a day, as ISO 8601 has it.
func mondayOf(d policy.Date) policy.Date {
	weekday := time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Weekday()
	return dayAfter(d, -(int(weekday)+6)%7)
}

// share is a part of a session.
type share struct {
	monday  policy.Date
	seconds int64
}

// maxWeeks bounds the weeks over which a session is spread: a longer one is a fault of a machine, and counts in its
// first week.
const maxWeeks = 60

// shares spreads a session over the weeks in which it passed. The first share is of the week in which it began, also
// where it has no second of it.
func shares(began time.Time, seconds int64, zone *time.Location) []share {
	out := []share{{monday: mondayOf(policy.DateOf(began, zone))}}
	if seconds > maxWeeks*7*24*3600 {
		out[0].seconds = seconds
		return out
	}
	end := began.Add(time.Duration(seconds) * time.Second)
	for at := began; ; {
		last := &out[len(out)-1]
		next := dayAfter(last.monday, 7)
		border := dayBegins(next, zone)
		if !end.After(border) {
			last.seconds += int64(end.Sub(at) / time.Second)
			break
		}
		// What is left of a second at the border stays in the later week: the sum is exact.
		last.seconds += int64(border.Sub(at) / time.Second)
		at = at.Add(time.Duration(last.seconds) * time.Second)
		out = append(out, share{monday: next})
	}
	return out
}

package report

import (
	"time"

	"portillon/policy"
)

// startOfDay returns the first instant of a day in a time zone. A change to or from summer time may skip midnight or
// repeat midnight.
func startOfDay(d policy.Date, zone *time.Location) time.Time {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
	if policy.DateOf(t, zone).Before(d) { // the clock skips midnight: the day begins when the clock changes
		_, change := t.ZoneBounds()
		return change
	}
	// If the clock is set back across midnight or to midnight, the day begins at the earlier of the two midnights.
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

// dayAfter returns the date that is the given number of days after d. If the number is negative, the date is before d.
// The calculation uses noon in UTC, so that no change of the clock can shift the date.
func dayAfter(d policy.Date, days int) policy.Date {
	return policy.DateOf(time.Date(d.Year, d.Month, d.Day+days, 12, 0, 0, 0, time.UTC), time.UTC)
}

// mondayOf returns the Monday of the week that d belongs to: weeks begin on Monday, as in ISO 8601.
func mondayOf(d policy.Date) policy.Date {
	weekday := time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Weekday()
	return dayAfter(d, -(int(weekday)+6)%7)
}

// share is the part of a session that belongs to one week.
type share struct {
	// first day of the week
	monday  policy.Date
	seconds int64 // length of the part, in seconds
}

// maxWeeks is the maximum number of weeks into which a session is divided. A longer session is a fault of the machine:
// divideIntoWeeks assigns all its seconds to the week of its start.
const maxWeeks = 60

// divideIntoWeeks divides a session into one share per week. The first share belongs to the week of the start, even if
// the session has no full second in that week. The seconds of all shares add up to the length of the session.
func divideIntoWeeks(began time.Time, seconds int64, zone *time.Location) []share {
	out := []share{{monday: mondayOf(policy.DateOf(began, zone))}}
	if seconds > maxWeeks*7*24*3600 {
		out[0].seconds = seconds
		return out
	}
	end := began.Add(time.Duration(seconds) * time.Second)
	for at := began; ; {
		last := &out[len(out)-1]
		next := dayAfter(last.monday, 7)
		border := startOfDay(next, zone)
		if !end.After(border) {
			last.seconds += int64(end.Sub(at) / time.Second)
			break
		}
		// A second that begins in one week and ends in the next is assigned to the next week, so that no second is lost or
		// counted twice.
		last.seconds += int64(border.Sub(at) / time.Second)
		at = at.Add(time.Duration(last.seconds) * time.Second)
		out = append(out, share{monday: next})
	}
	return out
}

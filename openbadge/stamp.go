package openbadge

import (
	"strconv"
	"strings"
	"time"
)

// parseStamp parses an xsd:dateTimeStamp (XML Schema 1.1 part 2, section 3.4.28), the format of the data models, their
// proofs and the context of Open Badges 2.0. An example is 2025-03-01T09:00:00Z. An offset has at most 14 hours, and
// 24:00:00 is the end of the day. The year must be 0001 to 9999, also in UTC, because RFC 3339 cannot express other
// years. time.Parse is unsuitable, because it accepts a comma for the point and any offset, but not 24:00:00.
func parseStamp(s string) (time.Time, bool) {
	const day = len("2025-03-01T")
	if len(s) < day+len("09:00:00Z") || s[day-1] != 'T' {
		return time.Time{}, false
	}
	date, err := time.Parse(time.DateOnly, s[:day-1])
	clock, zone, ok := cutZone(s[day:])
	if err != nil || !ok {
		return time.Time{}, false
	}
	since, ok := sinceMidnight(clock)
	offset, good := parseOffset(zone)
	if !ok || !good {
		return time.Time{}, false
	}
	t := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, time.FixedZone("", int(offset/time.Second))).
		Add(since)
	if offset == 0 {
		t = t.UTC()
	}
	if utc := t.UTC(); utc.Year() < 1 || utc.Year() > 9999 || t.Year() > 9999 || utc.IsZero() {
		// Reject the zero time, because callers use it for a missing date.
		return time.Time{}, false
	}
	return t, true
}

// cutZone splits a time into the time of day and the zone.
func cutZone(s string) (clock, zone string, ok bool) {
	i := strings.IndexAny(s, "Z+-")
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i:], true
}

// sinceMidnight parses hh:mm:ss with an optional fraction, rounded down to nanoseconds.
func sinceMidnight(s string) (time.Duration, bool) {
	whole, fraction, hasPoint := strings.Cut(s, ".")
	parts := strings.Split(whole, ":")
	if len(parts) != 3 ||
		hasPoint && (fraction == "" || len(fraction) > 60 || strings.Trim(fraction, "0123456789") != "") {
		return 0, false
	}
	h, ok1 := twoDigits(parts[0], 24)
	m, ok2 := twoDigits(parts[1], 59)
	sec, ok3 := twoDigits(parts[2], 59)
	nano, _ := strconv.Atoi((fraction + "000000000")[:9]) // the characters are digits, as checked above
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second + time.Duration(nano)
	if h == 24 && (d != 24*time.Hour || strings.Trim(fraction, "0") != "") {
		return 0, false
	}
	return d, ok1 && ok2 && ok3
}

// parseOffset parses Z, +hh:mm or -hh:mm, up to 14:00.
func parseOffset(s string) (time.Duration, bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != len("+02:00") || s[3] != ':' {
		return 0, false
	}
	h, ok1 := twoDigits(s[1:3], 14)
	m, ok2 := twoDigits(s[4:], 59)
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if !ok1 || !ok2 || d > 14*time.Hour {
		return 0, false
	}
	if s[0] == '-' {
		d = -d
	}
	return d, true
}

// twoDigits parses a number of two digits that must not be greater than most.
func twoDigits(s string, most int) (int, bool) {
	if len(s) != 2 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.Atoi(s) // the characters are digits, as checked above
	return n, n <= most
}

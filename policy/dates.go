package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Date is a calendar day. Year 0 means every year.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads a date such as 2026-12-25, or 12-25 for every year.
func ParseDate(s string) (Date, error) {
	year, rest := 0, s
	if len(s) == len("2026-12-25") && s[4] == '-' {
		year, _ = strconv.Atoi(s[:4])
		rest = s[5:]
	}
	t, err := time.Parse("2006-01-02", fmt.Sprintf("%04d-%s", leapOr(year), rest))
	if err != nil || len(rest) != len("12-25") || year == 0 && len(s) != len(rest) {
		return Date{}, fmt.Errorf("%q is not a date, want 2026-12-25, or 12-25 for every year", s)
	}
	return Date{year, t.Month(), t.Day()}, nil
}

// leapOr returns the year, or a leap year in place of year 0.
func leapOr(year int) int {
	if year == 0 {
		return 2000
	}
	return year
}

func (d Date) String() string {
	if d.Year == 0 {
		return fmt.Sprintf("%02d-%02d", d.Month, d.Day)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// AddDays returns the day this many days later, or earlier for negative numbers.
func (d Date) AddDays(days int) Date {
	if at := d.Day + days; at >= 1 && at <= 28 {
		return Date{d.Year, d.Month, at}
	}
	y, m, dd := time.Date(d.Year, d.Month, d.Day+days, 0, 0, 0, 0, time.UTC).Date()
	return Date{y, m, dd}
}

// Number returns the number of days since 1970-01-01, which is day 0. DateOfNumber is the inverse.
func (d Date) Number() int {
	return int(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

// DateOfNumber returns the day this many days after 1970-01-01.
func DateOfNumber(number int) Date { return Date{1970, time.January, 1}.AddDays(number) }

// Weekday returns the day of the week. The date must have a year.
func (d Date) Weekday() time.Weekday {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday()
}

// inYear returns a number that orders the days of one year.
func (d Date) inYear() int { return int(d.Month)*32 + d.Day }

func (d Date) all() int { return d.Year*512 + d.inYear() }

// Holidays contains the public holidays of a site. A nil *Holidays has no days.
type Holidays struct{ days map[Date]bool }

// NewHolidays returns holidays on the given dates, each of one year or of every year.
func NewHolidays(days ...Date) *Holidays {
	h := &Holidays{map[Date]bool{}}
	for _, d := range days {
		h.days[d] = true
	}
	return h
}

// Has reports whether the day is a holiday.
func (h *Holidays) Has(d Date) bool {
	return h != nil && (h.days[d] || h.days[Date{0, d.Month, d.Day}])
}

// dates is a range of days, with both ends included. If from has no year, the range is in every year.
type dates struct{ from, to Date }

func (x dates) hold(d Date) bool {
	switch {
	case x.from.Year != 0:
		return x.from.all() <= d.all() && d.all() <= x.to.all()
	case x.from.inYear() <= x.to.inYear():
		return x.from.inYear() <= d.inYear() && d.inYear() <= x.to.inYear()
	}
	return d.inYear() >= x.from.inYear() || d.inYear() <= x.to.inYear() // the range spans New Year
}

var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// parseDates reads the dates at the start of a rule, such as "Dec 24-Jan 02,May 01", "Jul-Aug" or "2026 Dec 31". A rule
// may have no dates.
func parseDates(s string) (out []dates, rest string, err error) {
	if !startsDate(s) {
		return nil, s, nil
	}
	for {
		var x dates
		if x, s, err = parseRange(s); err != nil {
			return nil, s, err
		}
		if out = append(out, x); len(out) > maxSpan {
			return nil, s, fmt.Errorf("rule has more than %d dates", maxSpan)
		}
		if !strings.HasPrefix(s, ",") || !startsDate(s[1:]) {
			return out, s, nil
		}
		s = s[1:]
	}
}

func startsDate(s string) bool {
	_, s, _ = cutYear(s)
	_, _, ok := cutMonth(s)
	return ok
}

// parseRange reads one date, one month, or a range.
func parseRange(s string) (x dates, rest string, err error) {
	whole := s
	bad := func() (dates, string, error) {
		word, _, _ := strings.Cut(whole, ",")
		return dates{}, whole, fmt.Errorf(
			"%.40q does not begin with a date, as in Dec 25, Dec 24-Jan 02, Jul-Aug or 2026 Dec 31",
			word,
		)
	}
	year, s, _ := cutYear(s)
	month, s, _ := cutMonth(s) // ignore ok: startsDate has already found a month
	first, s, dayed := cutDay(s)
	x.from, x.to = Date{year, month, max(first, 1)}, Date{year, month, first}
	if !dayed {
		x.to.Day = lastOf(year, month)
	}
	if end, more := strings.CutPrefix(s, "-"); more {
		var ok bool
		if x.to, s, ok = cutEnd(end, x.to, dayed); !ok {
			return bad()
		}
	}
	if !x.from.exists() || !x.to.exists() || (x.from.Year == 0) != (x.to.Year == 0) ||
		x.from.Year != 0 && x.from.all() > x.to.all() {
		return bad()
	}
	return x, s, nil
}

// cutEnd reads the end of a range after the hyphen: a day of the same month, a month, or a month and a day, with or
// without a year.
func cutEnd(s string, from Date, dayed bool) (to Date, rest string, ok bool) {
	year, s, hasYear := cutYear(s)
	if !hasYear {
		year = from.Year
	}
	month, s, hasMonth := cutMonth(s)
	if !hasMonth {
		month, s = from.Month, " "+s
	}
	d, s, hasDay := cutDay(s)
	if !dayed && !hasDay && hasMonth {
		return Date{year, month, lastOf(year, month)}, s, true
	}
	return Date{year, month, d}, s, dayed && hasDay
}

func (d Date) exists() bool { return d.Day >= 1 && d.Day <= lastOf(leapOr(d.Year), d.Month) }

func lastOf(year int, m time.Month) int {
	return time.Date(leapOr(year), m+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func cutYear(s string) (year int, rest string, ok bool) {
	if len(s) < 6 || s[4] != ' ' || strings.Trim(s[:4], "0123456789") != "" {
		return 0, s, false
	}
	year, _ = strconv.Atoi(s[:4])
	return year, s[5:], year > 0
}

func cutMonth(s string) (m time.Month, rest string, ok bool) {
	if len(s) < 3 {
		return 0, s, false
	}
	i := slices.Index(months[:], s[:3])
	if i < 0 {
		return 0, s, false
	}
	return time.Month(i + 1), s[3:], true
}

// cutDay reads a space and the number of a day.
func cutDay(s string) (d int, rest string, ok bool) {
	n := 1
	for n < len(s) && n < 3 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if s == "" || s[0] != ' ' || n == 1 || n < len(s) && s[n] == ':' { // the number is the hour of a time of day
		return 0, s, false
	}
	d, _ = strconv.Atoi(s[1:n])
	return d, s[n:], true
}

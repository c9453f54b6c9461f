package file

import (
	"regexp"
	"strconv"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// daysForm is the pattern of a number of days, for the reader and the schema. Memberships end with a day, so hours are
// not allowed.
const daysForm = `^[0-9]{1,4}d$`

var daysAre = regexp.MustCompile(daysForm)

// wholeDays reads a number of days.
func wholeDays(n yamlfile.Node) time.Duration {
	s := n.Str()
	if !n.IsScalar() {
		return 0
	}
	if !daysAre.MatchString(s) {
		n.Fault("as 14d, at most 9999d", "%.80q is no number of days", s)
		return 0
	}
	days, _ := strconv.Atoi(s[:len(s)-1]) // the pattern permits at most four digits
	return time.Duration(days) * 24 * time.Hour
}

// lastDayForm is the pattern of a day with a year in the schema. Only the reader checks the number of days in a month.
const lastDayForm = `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`

var lastDayIs = regexp.MustCompile(lastDayForm)

// lastDay reads the last day of a membership.
func lastDay(_ *reader, n yamlfile.Node) policy.Date {
	s := n.Str()
	if !n.IsScalar() {
		return policy.Date{}
	}
	d, err := policy.ParseDate(s)
	if err != nil || !lastDayIs.MatchString(s) {
		n.Fault("as 2026-09-30: the last day of the membership", "%.80q is no day of the calendar", s)
		return policy.Date{}
	}
	return d
}

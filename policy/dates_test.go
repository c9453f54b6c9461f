package policy_test

import (
	"strings"
	"testing"
	"time"

	. "portillon/policy"
)

func TestOpenAppliesRulesWithDatesAndHolidays(t *testing.T) {
	for _, c := range []struct {
		hours, at string
		want      bool
	}{
		{"Mo-Fr 09:00-21:00; PH off", "2026-12-25 10:00", false}, // the holiday is a Friday
		{"Mo-Fr 09:00-21:00; PH off", "2026-12-24 10:00", true},
		// of several rules for one day, the last rule decides
		{"PH off; Mo-Fr 09:00-21:00", "2026-12-25 10:00", true},
		{"Mo-Fr 09:00-21:00; PH off", "2026-04-06 10:00", false},
		{"Mo-Fr 09:00-21:00; PH off", "2027-04-06 10:00", true}, // the holiday is a date of one year
		{"Mo-Fr 09:00-21:00; Sa,PH 10:00-12:00", "2026-05-01 11:00", true},
		{"Mo-Fr 09:00-21:00; Sa,PH 10:00-12:00", "2026-05-01 13:00", false},
		{"PH 10:00-12:00", "2026-05-01 11:00", true},
		{"PH 10:00-12:00", "2026-05-04 11:00", false},
		// opening hours that began on the day before the holiday continue past midnight
		{"Th 22:00-04:00; PH off", "2026-12-25 03:00", true},
		{"Mo-Fr 09:00-21:00; Dec 24-Jan 02 off", "2026-12-24 10:00", false},
		{"Mo-Fr 09:00-21:00; Dec 24-Jan 02 off", "2027-01-01 10:00", false},
		{"Mo-Fr 09:00-21:00; Dec 24-Jan 02 off", "2026-12-23 10:00", true},
		{"Mo-Fr 09:00-21:00; Dec 24-Jan 02 off", "2027-01-04 10:00", true},
		{"Mo-Fr 09:00-21:00; Dec 24-26,May 01 off", "2026-05-01 10:00", false},
		{"Mo-Fr 09:00-21:00; Jul-Aug Mo-Fr 10:00-16:00", "2026-07-01 09:30", false},
		{"Mo-Fr 09:00-21:00; Jul-Aug Mo-Fr 10:00-16:00", "2026-08-31 15:00", true},
		{"Mo-Fr 09:00-21:00; Jul-Aug Mo-Fr 10:00-16:00", "2026-09-01 20:00", true},
		{"Mo-Fr 09:00-21:00; Feb off", "2028-02-29 10:00", false},
		{"Mo-Fr 09:00-21:00; 2026 Nov 23 off", "2026-11-23 10:00", false},
		{"Mo-Fr 09:00-21:00; 2026 Nov 23 off", "2027-11-23 10:00", true},
		{"Mo-Fr 09:00-21:00; 2026 Dec 24-2027 Jan 02 off", "2027-01-01 10:00", false},
		{"Mo-Fr 09:00-21:00; 2026 Dec 24-2027 Jan 02 off", "2027-12-24 10:00", true},
		{"Dec 05 09:00-10:00", "2026-12-05 09:30", true},
		{"Dec 05 09:00-10:00", "2026-12-06 09:30", false},
	} {
		h, err := ParseHours(c.hours, french)
		if err != nil {
			t.Errorf("%s: %v", c.hours, err)
			continue
		}
		if got := h.Open(wall(t, c.at)); got != c.want {
			t.Errorf("%s at %s: %v", c.hours, c.at, got)
		}
	}
}

func TestOpensFindsTheNextOpeningOnADate(t *testing.T) {
	for _, c := range []struct{ hours, at, opens, closes string }{
		{"24/7; Dec 25 off", "2026-11-23 10:00", "2026-11-24 00:00", "2026-12-25 00:00"},
		{"Mo-Fr 09:00-21:00; Dec 24-Jan 02 off", "2026-12-23 10:00", "2027-01-04 09:00", "2026-12-23 21:00"},
		{"Jan 01 09:00-10:00", "2026-01-01 09:30", "2027-01-01 09:00", "2026-01-01 10:00"},
		{"24/7", "2026-03-01 10:00", "2026-03-02 00:00", ""},
	} {
		h, err := ParseHours(c.hours, french)
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := h.Opens(wall(t, c.at)); !ok || !at.Equal(wall(t, c.opens)) {
			t.Errorf("%s after %s opens %v %v", c.hours, c.at, at, ok)
		}
		if at, ok := h.Closes(wall(t, c.at)); ok != (c.closes != "") || ok && !at.Equal(wall(t, c.closes)) {
			t.Errorf("%s at %s closes %v %v", c.hours, c.at, at, ok)
		}
	}
}

// For half a year with two clock changes, the closing time must be right in local time.
func TestClosingTimeAfterAClockChangeIsInLocalTime(t *testing.T) {
	h, err := ParseHours("24/7; Dec 25 off", nil)
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := h.Closes(wall(t, "2026-01-10 10:00")); !ok || !at.Equal(wall(t, "2026-12-25 00:00")) {
		t.Errorf("%v %v", at, ok)
	}
}

func TestDatesThatCannotBeReadAreRefused(t *testing.T) {
	for in, want := range map[string]string{
		"Dec 32 off":                           "begin with a date",
		"Feb 30 off":                           "begin with a date",
		"2027 Feb 29 off":                      "begin with a date",
		"Dec 0 off":                            "begin with a date",
		"Dec 24-Foo off":                       "begin with a date",
		"Dec 24- off":                          "begin with a date",
		"Dec 24-Jan off":                       "begin with a date",
		"2026 Dec 24-Jan 02 off":               "begin with a date",
		"2027 Dec 24-2026 Jan 02 off":          "begin with a date",
		"Dec 24-2027 Jan 02 off":               "begin with a date",
		"Dec 25":                               "not days and times",
		"Dec 25 PHX off":                       "is no day",
		"Dec 25,26 off":                        "is no day",
		"PH off":                               "never open",
		"Dec 25 off":                           "never open",
		"Mo 09:00-10:00; Tu off; " + manyRules: "more than 64 rules",
		strings.Repeat("Dec 25,", 65) + "Dec 25 10:00-11:00": "more than 64 dates",
	} {
		if h, err := ParseHours(in, french); err == nil || h != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", in, err, want)
		}
	}
}

var manyRules = strings.TrimSuffix(strings.Repeat("Su off; ", 64), "; ")

func TestDatesRoundTripThroughText(t *testing.T) {
	for _, s := range []string{"2026-12-25", "12-25", "02-29", "2028-02-29"} {
		if d, err := ParseDate(s); err != nil || d.String() != s {
			t.Errorf("%s: %v %v", s, d, err)
		}
	}
	for _, s := range []string{"", "2026-13-01", "2027-02-29", "26-12-25", "12/25", "12-32", "2026-12-25x", "0000-12-25"} {
		if d, err := ParseDate(s); err == nil {
			t.Errorf("%s is read as %v", s, d)
		}
	}
	if (*Holidays)(nil).Has(Date{Year: 2026, Month: 12, Day: 25}) {
		t.Error("nil Holidays have a holiday")
	}
	if d := (Date{Year: 2026, Month: time.December, Day: 31}).AddDays(1); d != (Date{Year: 2027, Month: 1, Day: 1}) {
		t.Error(d)
	}
}

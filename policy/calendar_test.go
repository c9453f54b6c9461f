package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "portillon/policy"
)

// The tests of this file cover the functions on hours and dates with which package policy/analysis divides a year into
// time slots.

func TestDaysAreNumberedFrom1970(t *testing.T) {
	for number, want := range map[int]string{0: "1970-01-01 Thursday", -1: "1969-12-31 Wednesday",
		20785: "2026-11-28 Saturday"} {
		d := DateOfNumber(number)
		if got := fmt.Sprint(d, " ", d.Weekday()); got != want || d.Number() != number {
			t.Errorf("day %d is %s, of number %d; want %s", number, got, d.Number(), want)
		}
	}
}

func TestRuleOnAndSpansTouchingUseTheRuleOfTheDay(t *testing.T) {
	weekly := mustHours("Mo-Fr 09:00-21:00; Fr 20:00-02:00")
	dated, err := ParseHours("09:00-12:00; PH 10:00-11:00; 2026 Dec 24-2027 Jan 02 off", french)
	if err != nil {
		t.Fatal(err)
	}
	if weekly.NamesDates() || !dated.NamesDates() {
		t.Error("NamesDates must be true for the second hours only")
	}
	for _, c := range []struct {
		h     *Hours
		day   Date
		rule  int
		spans []Span
	}{
		{weekly, Date{Year: 2026, Month: 11, Day: 23}, 1, []Span{{From: 9 * 60, To: 21 * 60}}},
		{weekly, Date{Year: 2026, Month: 11, Day: 27}, 5, []Span{{From: 20 * 60, To: 26 * 60}}},
		// This span began on Friday.
		{weekly, Date{Year: 2026, Month: 11, Day: 28}, 6, []Span{{From: 0, To: 2 * 60}}},
		{weekly, Date{Year: 2026, Month: 11, Day: 29}, 0, nil},
		{dated, Date{Year: 2026, Month: 11, Day: 23}, 0, []Span{{From: 9 * 60, To: 12 * 60}}},
		{dated, Date{Year: 2026, Month: 4, Day: 6}, 1, []Span{{From: 10 * 60, To: 11 * 60}}}, // Easter Monday
		{dated, Date{Year: 2026, Month: 12, Day: 25}, 2, nil},
	} {
		if rule, spans := c.h.RuleOn(c.day), c.h.SpansTouching(c.day); rule != c.rule || !slices.Equal(spans, c.spans) {
			t.Errorf("%v on %v: rule %d, %v; want rule %d, %v", c.h, c.day, rule, spans, c.rule, c.spans)
		}
	}
	want := []Date{{Year: 2026, Month: 12, Day: 24}, {Year: 2027, Month: 1, Day: 2}, {Year: 2026, Month: 4, Day: 6}}
	if got := dated.DatesOfOneYear(); !slices.Equal(got, want) || weekly.DatesOfOneYear() != nil {
		t.Errorf("dates of one year %v, want %v", got, want)
	}
	if sundays, _ := ParseHours("Dec 24 09:00-10:00", nil); sundays.RuleOn(Date{Year: 2026, Month: 11, Day: 29}) != -1 {
		t.Error("RuleOn returned a rule for a day that no rule names")
	}
}

func TestHoursAreEqualIfTheirTextAndHolidaysAreEqual(t *testing.T) {
	a, _ := ParseHours("PH off; 09:00-12:00", french)
	b, _ := ParseHours("PH off; 09:00-12:00", french)
	other, _ := ParseHours("PH off; 09:00-12:00", NewHolidays())
	if !a.Equal(b) || a.Equal(other) || a.Equal(mustHours("09:00-12:00")) {
		t.Error("Equal must be true exactly if the texts and the holidays are equal")
	}
}

func TestDurationsAreFormattedAsInAPolicyFile(t *testing.T) {
	for d, want := range map[time.Duration]string{180 * days: "180d", 90 * time.Minute: "1h30m",
		days + time.Second: "1d1s", 0: ""} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := fmt.Sprint(Membership{}, "; ",
		fortnight); got != "grace 0d, warn 0d; grace 14d, warn 30d, after maintainer" {
		t.Errorf("%q", got)
	}
	if got := fmt.Sprint(Membership{After: []Role{Mentor, Maintainer}}); got != "grace 0d, warn 0d, after mentor, "+
		"maintainer" {
		t.Errorf("%q", got)
	}
}

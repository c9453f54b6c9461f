package analysis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/internal/sample"
	"portillon/policy"
)

func TestTimeslotsCoverEveryCombinationOfHours(t *testing.T) {
	a, b := mustHours("Mo-Fr 09:00-21:00"), mustHours("Fr 20:00-02:00")
	var got []string
	for _, s := range timeslotsOf(paris(), monday, []*policy.Hours{a, b}, nil) {
		got = append(got, s.span())
	}
	want := []string{
		"Mo-Th 00:00-09:00",
		"Mo-Th 09:00-21:00",
		"Mo-Th 21:00-24:00",
		"Fr 00:00-09:00",
		"Fr 09:00-20:00",
		"Fr 20:00-21:00",
		"Fr 21:00-24:00",
		"Sa 00:00-02:00",
		"Sa 02:00-24:00",
		"Su 00:00-24:00",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	h, _ := policy.ParseHours("Mo-Fr 09:00-21:00; PH off", french)
	slots := timeslotsOf(
		paris(),
		monday,
		[]*policy.Hours{h},
		[]policy.Booking{{From: monday, To: monday.Add(time.Hour), For: "m-1"}},
	)
	found := map[string]bool{}
	for _, s := range slots {
		found[s.span()] = true
	}
	for _, want := range []string{"Mo-Fr 09:00-21:00", "Sa,Su 00:00-24:00", "2026-11-23 10:00-11:00"} {
		if !found[want] {
			t.Errorf("no %q in %v", want, found)
		}
	}
}

// Every moment must have a slot with the same hours and bookings: in any year, at any second, and in the hour that
// occurs twice.
func TestEveryMomentHasATimeslotWithTheSameHoursAndBookings(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	g := newGen(9, 10)
	rules := []string{
		"Mo-Fr 09:00-21:00",
		"Sa 20:00-02:00",
		"PH off",
		"Su,PH 10:00-26:00",
		"2028 Jan 10 09:00-21:00",
		"Feb 29 00:30-01:30",
		"Dec 24-Jan 02 off",
		"Jul-Aug Mo-Fr 10:00-16:00",
		"2027 Oct 31 01:30-02:30",
		"2060 Mar 05-2061 Apr 01 Tu 08:00-24:00",
		"Dec 25 Mo 10:00-12:00",
	}
	french := policy.NewHolidays(
		policy.Date{Year: 0, Month: time.December, Day: 25},
		policy.Date{Year: 0, Month: time.May, Day: 1},
		policy.Date{Year: 2059, Month: time.July, Day: 3},
		policy.Date{Year: 2027, Month: time.March, Day: 29},
	)
	like := func(at time.Time, hours []*policy.Hours, bookings []policy.Booking) (out string) {
		for _, h := range hours {
			out += fmt.Sprint(h.Open(at), " ")
		}
		return out + fmt.Sprint(underWay(bookings, at) != nil)
	}
	for range sample.Count(40) {
		var hours []*policy.Hours
		for range 1 + g.IntN(2) {
			text := rules[g.IntN(2)]
			for range g.IntN(4) {
				text += "; " + rules[g.IntN(len(rules))]
			}
			h, err := policy.ParseHours(text, french)
			if err != nil {
				t.Fatal(err)
			}
			hours = append(hours, h)
		}
		var bookings []policy.Booking
		moments := []time.Time{}
		at := monday
		for range g.IntN(5) {
			if g.IntN(2) == 0 { // choose a moment within the hours that occur twice
				at = toTheSecond(t, "2027-10-31 00:00:00").AddDate(g.IntN(2), 0, 0)
			}
			from := at.Add(time.Duration(g.IntN(40_000)) * time.Second)
			at = from.Add(time.Duration(1+g.IntN(9_000)) * time.Second)
			if n := len(bookings); n > 0 && from.Before(bookings[n-1].To) {
				break
			}
			bookings = append(bookings, policy.Booking{From: from, To: at, For: "m-1"})
			moments = append(moments, from, from.Add(-1), at, at.Add(-1))
		}
		found := map[string]bool{}
		for _, s := range timeslotsOf(paris(), monday, hours, bookings) {
			found[like(s.at, hours, bookings)] = true
		}
		for range 400 {
			moments = append(
				moments,
				monday.Add(time.Duration(g.IntN(40*366*24*60))*time.Minute),
				toTheSecond(t, "2027-10-31 00:00:00").Add(time.Duration(g.IntN(4*3600))*time.Second),
			)
		}
		for _, at := range moments {
			if at = at.In(paris()); !found[like(at, hours, bookings)] {
				t.Fatalf("no slot is like %v: %s\n%v\n%v", at, like(at, hours, bookings), hours, bookings)
			}
		}
	}
}

// toTheSecond parses a local time in Paris.
func toTheSecond(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04:05", s, paris())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

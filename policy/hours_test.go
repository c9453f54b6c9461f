package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	. "portillon/policy"
)

func TestOpenReportsWhetherAMomentIsWithinTheHours(t *testing.T) {
	// 2026-11-23 is a Monday.
	for _, c := range []struct {
		hours, at string
		want      bool
	}{
		{"Mo-Fr 09:00-21:00; Sa 10:00-18:00", "2026-11-23 09:00", true},
		{"Mo-Fr 09:00-21:00; Sa 10:00-18:00", "2026-11-28 09:30", false},
		{"Mo-Fr 09:00-21:00;Sa 10:00-18:00", "2026-11-29 12:00", false},
		{"Mo,We 09:00-10:00", "2026-11-24 09:30", false},
		{"Mo,We 09:00-10:00", "2026-11-25 09:30", true},
		{"Sa-Mo 09:00-10:00", "2026-11-29 09:30", true},
		{"Sa-Mo 09:00-10:00", "2026-11-24 09:30", false},
		{"Mo-Su 08:00-12:00,14:00-18:00", "2026-11-23 13:00", false},
		{"Mo-Su 08:00-12:00,14:00-18:00", "2026-11-23 14:00", true},
		{"09:00-10:00", "2026-11-29 09:30", true},
		{"24/7", "2026-11-29 03:00", true},
		{"Fr 20:00-02:00", "2026-11-27 23:59", true},
		{"Fr 20:00-02:00", "2026-11-28 01:59", true},
		{"Fr 20:00-02:00", "2026-11-28 02:00", false},
		{"Fr 20:00-02:00", "2026-11-27 01:00", false},
		{"Sa 20:00-02:00", "2026-11-29 01:00", true}, // the span continues into Sunday, which is the first entry of weekdays
		{"Su 20:00-26:00", "2026-11-30 01:00", true},
		{"Fr 20:00-24:00", "2026-11-27 23:59", true},
		{"Fr 20:00-24:00", "2026-11-28 00:00", false},
		{"Mo-Fr 09:00-21:00; We 10:00-12:00", "2026-11-25 13:00", false}, // the later rule replaces the earlier rule
		{"Mo-Su 09:00-21:00; Su off", "2026-11-29 13:00", false},
		{"Mo-Su 09:00-21:00; Su closed", "2026-11-28 13:00", true},
		// Daylight saving time begins on 2026-03-29 at 02:00 and ends on 2026-10-25 at 03:00.
		{"Su 01:00-02:30", "2026-03-29 01:59", true},
		{"Su 03:00-04:00", "2026-03-29 03:00", true},
		{"Sa 22:00-03:00", "2026-10-25 02:30", true},
	} {
		if got := mustHours(c.hours).Open(wall(t, c.at)); got != c.want {
			t.Errorf("%s at %s: %v", c.hours, c.at, got)
		}
	}
	if mustHours("24/7").String() != "24/7" {
		t.Error("String does not return the hours as they were written")
	}
	if new(Hours).Open(monday) {
		t.Error("the zero hours are open")
	}
}

func TestOpenIsCorrectInTheNightOfAClockChange(t *testing.T) {
	h := mustHours("Su 02:15-02:45")
	first := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // 02:30, this moment is still in summer time
	for _, c := range []struct {
		at   time.Time
		open bool
		end  time.Duration
	}{{first, true, 15 * time.Minute}, {first.Add(time.Hour), true, 15 * time.Minute},
		{first.Add(30 * time.Minute), false, 0}} {
		at := c.at.In(paris())
		if h.Open(at) != c.open {
			t.Errorf("%v: open is not %v", at, c.open)
		}
		if !c.open {
			continue
		}
		if end, ok := h.Closes(at); !ok || end.Sub(at) != c.end {
			t.Errorf("%v closes %v", at, end)
		}
	}
}

func TestClosesReturnsTheNextClosingTime(t *testing.T) {
	for _, c := range []struct{ hours, at, want string }{
		{"Mo-Fr 09:00-21:00", "2026-11-23 10:00", "2026-11-23 21:00"},
		{"Fr 20:00-02:00", "2026-11-27 23:00", "2026-11-28 02:00"},
		{"Fr 20:00-02:00", "2026-11-28 01:00", "2026-11-28 02:00"},
		{"Fr 20:00-24:00; Sa 00:00-03:00", "2026-11-27 23:00", "2026-11-28 03:00"},
		{"Mo 09:00-12:00,12:00-15:00,11:00-13:00", "2026-11-23 10:00", "2026-11-23 15:00"},
		{"Sa 22:00-04:00", "2026-10-24 23:00", "2026-10-25 04:00"}, // this is 6 hours later in UTC
		// the clock skips 02:30, so the hours close at the clock change
		{"Su 01:00-02:30", "2026-03-29 01:30", "2026-03-29 03:00"},
		{"Su 01:00-02:00", "2026-03-29 01:30", "2026-03-29 03:00"}, // 02:00 and 03:00 are the same moment
		{"Sa 22:00-04:00", "2026-03-28 23:00", "2026-03-29 04:00"}, // this is 4 hours later in UTC
		{"24/7", "2026-11-23 10:00", ""},
		// This week is one hour longer.
		{"Mo-Su 00:00-24:00; Mo 00:00-12:59,13:00-24:00", "2026-10-19 13:00", "2026-10-26 12:59"},
		{"Mo-Su 00:00-24:00; Mo 00:00-12:00,13:00-24:00", "2026-11-24 10:00", "2026-11-30 12:00"},
	} {
		end, ok := mustHours(c.hours).Closes(wall(t, c.at))
		if ok != (c.want != "") || ok && !end.Equal(wall(t, c.want)) {
			t.Errorf("%s at %s closes %v %v, want %s", c.hours, c.at, end, ok, c.want)
		}
	}
	if d := time.Duration(0); wall(t, "2026-10-25 04:00").Sub(wall(t, "2026-10-24 23:00"))-6*time.Hour != d {
		t.Error("the zone has no daylight saving time, so the test proves nothing")
	}
}

// Two o'clock occurs twice on this day. At 02:47 the hours are open, and 13 minutes later the clock is put back to
// 02:00, before the hours open.
func TestHoursCloseIfTheClockIsPutBackToATimeBeforeTheirOpening(t *testing.T) {
	h, at := mustHours("Mo-Su 02:30-10:30"), time.Date(2026, 10, 25, 0, 47, 0, 0, time.UTC).In(paris())
	if end, ok := h.Closes(at); !ok || end.Sub(at) != 13*time.Minute {
		t.Errorf("open at %v until %v", at, end)
	}
}

// The test covers both clock changes, in zones whose clocks change by an hour, by half an hour, at midnight, for
// Ramadan or by a whole day.
func TestHoursAreOpenUntilTheirClosingTimeAndClosedAfterIt(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	changes := map[string][]time.Time{}
	for name, years := range map[string][]int{"Europe/Paris": {2026}, "America/New_York": {2026},
		"Australia/Lord_Howe": {2026}, "America/Havana": {2026},
		"Africa/Casablanca": {2026}, "America/Asuncion": {2020}, "Pacific/Apia": {2011}} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, y := range years {
			for at := time.Date(y, 1, 1, 0, 0, 0, 0, zone); at.Year() < y+1; {
				_, next := at.ZoneBounds()
				if next.IsZero() {
					break
				}
				changes[name], at = append(changes[name], next.In(zone)), next.In(zone)
			}
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	tried := map[string]int{}
	for range 400 {
		h := mustHours(randomHours(r))
		for name, all := range changes {
			at := all[r.IntN(len(all))].Add(time.Duration(r.IntN(30*3600)-26*3600) * time.Second)
			if !h.Open(at) {
				continue
			}
			tried[name]++
			end, ok := h.Closes(at)
			if want, closes := firstClosed(h, at); closes && !ok || ok && !end.Equal(want) && (closes || end.Before(want)) {
				t.Fatalf("%s in %s, open at %v: closes %v %v, in truth %v %v", h, name, at, end, ok, want, closes)
			}
		}
	}
	for name := range changes {
		if tried[name] < 100 {
			t.Errorf("%s: only %d moments were tried", name, tried[name])
		}
	}
}

// randomHours returns spans of a few hours, on random days, at times that are multiples of a quarter of an hour.
func randomHours(r *rand.Rand) string {
	quarter := func() string { n := r.IntN(96); return fmt.Sprintf("%02d:%02d", n/4, n%4*15) }
	var spans []string
	for len(spans) < 1+r.IntN(2) {
		if from, to := quarter(), quarter(); from != to {
			spans = append(spans, from+"-"+to)
		}
	}
	out := "Mo-Su " + strings.Join(spans, ",")
	if r.IntN(3) == 0 {
		out += "; Su,Th 00:00-24:00"
	}
	if r.IntN(3) == 0 {
		out += "; Mar-Oct Sa,Su " + spans[0]
	}
	return out
}

// firstClosed finds the time at which h closes, by trying each minute of a little more than a week. If the result
// closes is false, h does not close before end.
func firstClosed(h *Hours, at time.Time) (end time.Time, closes bool) {
	at = at.Add(-time.Duration(at.Second()) * time.Second)
	for range 9 * 24 * 60 {
		if at = at.Add(time.Minute); !h.Open(at) {
			return at, true
		}
	}
	return at, false
}

func TestOpensReturnsTheNextOpeningTime(t *testing.T) {
	for _, c := range []struct{ hours, at, want string }{
		{"Mo-Fr 09:00-21:00; Sa 10:00-18:00", "2026-11-23 08:00", "2026-11-23 09:00"},
		{"Mo-Fr 09:00-21:00; Sa 10:00-18:00", "2026-11-23 21:00", "2026-11-24 09:00"},
		{"Mo-Fr 09:00-21:00; Sa 10:00-18:00", "2026-11-28 18:00", "2026-11-30 09:00"},
		{"Mo 14:00-15:00,09:00-10:00", "2026-11-23 08:00", "2026-11-23 09:00"},
		{"Mo 09:00-10:00", "2026-11-23 10:00", "2026-11-30 09:00"},
		{"Mo 09:00-10:00", "2026-11-23 09:00", "2026-11-30 09:00"},
	} {
		if got, ok := mustHours(c.hours).Opens(wall(t, c.at)); !ok || !got.Equal(wall(t, c.want)) {
			t.Errorf("%s at %s opens %v, want %s", c.hours, c.at, got, c.want)
		}
	}
	if _, ok := new(Hours).Opens(monday); ok {
		t.Error("the zero hours open")
	}
}

func TestHoursThatCannotBeReadAreRefused(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "empty rule between",
		"Mo 09:00-10:00;":                   "empty rule between",
		"Mo":                                `"Mo" is not days and times`,
		"Mo 09:00-10:00 11:00":              "is not days and times",
		"Mo - Fr 09:00-10:00":               "is not days and times",
		"Lu 09:00-10:00":                    `"Lu" is no day`,
		"PH 09:00-10:00":                    "the site lists none under holidays",
		"mo 09:00-10:00":                    `"mo" is no day`,
		"Mo-Fr-Sa 09:00-10:00":              `"Mo-Fr-Sa" is no day`,
		"Mo 9-10":                           `"9-10" is not a time of day`,
		"Mo 09:00":                          `"09:00" is not a time of day`,
		"Mo 09:00-":                         `"09:00-" is not a time of day`,
		"Mo 09:60-10:00":                    "is not a time of day",
		"Mo 09:00-49:00":                    "is not a time of day",
		"Mo 24:00-25:00":                    "is not a time of day",
		"Mo 09:00-09:00":                    "is not a time of day",
		"Mo 09:00-34:00":                    "is not a time of day",
		"Mo +9:00-10:00":                    "is not a time of day",
		"Mo 009:00-10:00":                   "is not a time of day",
		"Mo 09:00-10:00,":                   "is not a time of day",
		"Mo off":                            "never open",
		"Mo 09:00-10:00; Mo off":            "never open",
		"Mo " + repeated("08:00-09:00", 65): "more than 64 times a day",
	} {
		if h, err := ParseHours(in, nil); err == nil || h != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func repeated(s string, n int) string { return strings.Repeat(s+",", n-1) + s }

func FuzzHours(f *testing.F) {
	for _, s := range []string{"Mo-Fr 09:00-21:00; Sa 10:00-18:00", "24/7", "Su 20:00-26:00", "Fr,Sa 20:00-02:00; We off",
		"8:00-48:00", "Mo 08:00-32:00"} {
		f.Add(s, int64(1795424400))
	}
	zone := paris()
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		h, err := ParseHours(s, nil)
		if err != nil {
			return
		}
		at := time.Unix(unix%(1<<33), 0).In(zone)
		if end, ok := h.Closes(at); h.Open(at) && ok && !end.After(at) {
			t.Fatalf("%q is open at %v and closes at %v", s, at, end)
		}
		if start, ok := h.Opens(at); ok && !start.After(at) || !ok {
			t.Fatalf("%q after %v opens at %v", s, at, start)
		}
	})
}

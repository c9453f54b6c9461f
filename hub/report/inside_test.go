package report

import (
	"testing"
	"time"
	_ "time/tzdata"

	"portillon/policy"
)

// A day begins with its first minute, even if midnight is skipped or repeated.
func TestDaysBeginWithTheirFirstMinute(t *testing.T) {
	for name, days := range map[string][]string{
		"Europe/Paris": {"2026-03-29", "2026-10-25", "2026-06-01"},
		// On the first day the clock skips 0:00 to 1:00. On the second day the clock goes back from 1:00 to 0:00.
		"America/Havana": {"2026-03-08", "2026-11-01"},
		// On the first day the clock skips 0:00 to 1:00. On the second day the clock goes back from 0:00 to 23:00.
		"America/Sao_Paulo": {"2018-11-04", "2018-02-18"},
		// On the first day the clock skips 0:00 to 1:00. On the second day the clock goes back from 0:00 to 23:00.
		"Asia/Beirut":         {"2022-03-27", "2022-10-30"},
		"Australia/Lord_Howe": {"2026-04-05", "2026-10-04"}, // here, summer time moves the clock by half an hour
		"Pacific/Apia":        {"2011-12-31"},               // Samoa skipped the previous day
		"Africa/Casablanca":   {"2026-02-15", "2026-03-22"},
		"America/Asuncion":    {"2023-10-01", "2023-03-26"},
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range days {
			d, err := policy.ParseDate(s)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Add(-30 * time.Hour)
			for policy.DateOf(at, zone) != d {
				at = at.Add(time.Minute)
			}
			if got := startOfDay(d, zone); !got.Equal(at) {
				t.Errorf("%s in %s begins at %v, want %v", s, name, got, at.In(zone))
			}
		}
	}
}

func TestWeeklySharesOfASessionAddUpToItsLength(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	// the session begins on a Sunday in Paris, 1.5 seconds before midnight
	began := time.Date(2026, 10, 18, 21, 59, 58, 500_000_000, time.UTC)
	for seconds := int64(0); seconds < 3*7*24*3600; seconds += 9973 {
		var sum int64
		all := divideIntoWeeks(began, seconds, zone)
		for i, x := range all {
			sum += x.seconds
			if i > 0 && all[i-1].monday != dayAfter(x.monday, -7) || x.seconds < 0 {
				t.Errorf("weekly shares are %v", all)
			}
		}
		if sum != seconds {
			t.Errorf("%d seconds: shares of %d", seconds, sum)
		}
	}
	if got := divideIntoWeeks(began, 2, zone); len(got) != 2 || got[0].seconds != 1 || got[1].seconds != 1 {
		t.Errorf("weekly shares are %v", got)
	}
	if got := divideIntoWeeks(began, 1<<40, zone); len(got) != 1 {
		t.Errorf("%d weeks", len(got))
	}
}

func TestCSVCellsAreNeverFormulas(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "Léa": "Léa", "a=b": "a=b", "=1+1": "'=1+1", "+33 6": "'+33 6", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)",
		"\t=1": "'\t=1", "\r=1": "'\r=1",
		"  =1": "'  =1", "\u00a0=1": "'\u00a0=1", "＝1": "'＝1", "\ufeff=1": "'\ufeff=1", "\u200b=1": "'\u200b=1",
		"\tLéa": "'\tLéa", "\x00=1": "'\x00=1", "'=1": "'=1",
	} {
		if got := escapeFormula(cell); got != want {
			t.Errorf("%q is written %q, want %q", cell, got, want)
		}
	}
}

func FuzzCSVCellsAreNeverFormulas(f *testing.F) {
	f.Add("=cmd|' /C calc'!A0")
	f.Fuzz(func(t *testing.T, cell string) {
		if got := escapeFormula(cell); got != "" &&
			(got[0] == '=' || got[0] == '+' || got[0] == '-' || got[0] == '@' || got[0] == '\t' || got[0] == '\r') {
			t.Errorf("%q", got)
		}
	})
}

func FuzzParsePlace(f *testing.F) {
	f.Add("1/laser//2")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePlace(s)
		if err != nil || s == "" {
			return
		}
		if again, err := parsePlace(p.String()); err != nil || again != p {
			t.Errorf("%q, %v", p, err)
		}
	})
}

func TestSplitAssignsEachDayOfARangeToOnePart(t *testing.T) {
	first := policy.Date{Year: 2026, Month: 1, Day: 20}
	for a := range 31 {
		for n := 0; n < 90; n += 4 {
			r := Range{From: dayAfter(first, a)}
			r.To = dayAfter(r.From, n)
			days, from, to := split(r)
			if to.Before(from) && (len(days) != 1 || days[0] != r) {
				t.Fatalf("%v: %v", r, days)
			}
			for d := dayAfter(r.From, -40); !dayAfter(r.To, 40).Before(d); d = dayAfter(d, 1) {
				times, want := 0, 0
				if !d.Before(from) && !to.Before(d) {
					times++
				}
				for _, x := range days {
					if !d.Before(x.From) && !x.To.Before(d) {
						times++
					}
				}
				if !d.Before(r.From) && !r.To.Before(d) {
					want = 1
				}
				if times != want {
					t.Fatalf("%v: %v counts %d times, months from %s to %s, days %v", r, d, times, from, to, days)
				}
			}
		}
	}
}

package web

import (
	"fmt"
	"testing"
	"time"

	"portillon/hub/report"
)

func TestBarsAreProportionalToTheHoursOfTheMonth(t *testing.T) {
	months := lastMonths(time.Date(2027, 1, 31, 23, 0, 0, 0, time.UTC), 3)
	if got := fmt.Sprint(months); got != "[2026-11 2026-12 2027-01]" {
		t.Fatalf("months %s", got)
	}
	rows := func(all ...int64) (out []report.Month) {
		for i, s := range all {
			out = append(out, report.Month{Month: months[i%3], Machine: "laser", Seconds: s})
		}
		return out
	}
	for name, c := range map[string]struct {
		rows []report.Month
		want string // heights of the bars
	}{
		"no hours":             {nil, "[0 0 0]"},
		"halves":               {rows(3600, 7200, 0), "[60 120 0]"},
		"two machines a month": {rows(3600, 7200, 0, 3600), "[120 120 0]"},
		"a minute is visible":  {rows(60, 360_000, 0), "[1 120 0]"},
		"a very long time":     {rows(1<<62, 1, -5), "[120 1 0]"},
		"another month":        {[]report.Month{{Month: "2020-01", Seconds: 60}}, "[0 0 0]"},
	} {
		x := chartOf(c.rows, months)
		var heights []int
		for _, b := range x.Bars {
			heights = append(heights, b.Height)
			if b.Y+b.Height != x.Base || b.Above < 0 {
				t.Errorf("%s: bar %+v is outside the chart", name, b)
			}
		}
		if got := fmt.Sprint(heights); got != c.want {
			t.Errorf("%s: heights %s, want %s", name, got, c.want)
		}
	}
}

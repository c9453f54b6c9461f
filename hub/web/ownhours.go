package web

import (
	"strconv"
	"strings"
	"time"

	"portillon/hub/report"
)

// ownMonths is the number of months on the page of the user's own hours.
const ownMonths = 12

// ownHours is the data of the page of the user's own hours.
type ownHours struct {
	Rows    []report.Month // the newest month first
	Seconds int64          // sum of all rows
	Chart   chart
}

// hours answers GET /me/hours.
func (p *ownPages) hours(q *request) error {
	if p.reports == nil {
		return errNoPage
	}
	rows, err := p.reports.OwnMonths(ctxOf(q), q.actor, ownMonths)
	if err != nil {
		return err
	}
	d := ownHours{Chart: chartOf(rows, lastMonths(p.now().In(p.zone()), ownMonths))}
	for i := range rows {
		d.Rows = append(d.Rows, rows[len(rows)-1-i])
		d.Seconds += rows[i].Seconds
	}
	return q.render(200, "mehours", "me", "me.hours", d)
}

// lastMonths returns the month of a time and the months before, such as 2026-11, the oldest first.
func lastMonths(now time.Time, n int) (out []string) {
	for i := n - 1; i >= 0; i-- {
		at := time.Date(now.Year(), now.Month()-time.Month(i), 1, 12, 0, 0, 0, time.UTC)
		out = append(out, at.Format("2006-01"))
	}
	return out
}

// The sizes of a chart, in units of the SVG: about one pixel on a phone.
const (
	barStep   = 30 // distance between two bars
	barWidth  = 20
	barHeight = 120 // height of the highest bar
	barTop    = 18  // space above the highest bar, for its value
	barBottom = 20  // space below the bars, for the names of the months
)

// chart is a bar chart of the hours of each month, as an SVG.
type chart struct {
	Width, Height, Base int
	Bars                []bar
}

// bar is one bar of a chart, with the place of its value and of its month.
type bar struct {
	Month               string
	Seconds             int64
	X, Y, Width, Height int
	Middle, Above       int
}

// chartOf returns the chart of the hours in some months. The height of a bar is proportional to the hours of all
// machines. A bar with hours has at least one unit, so that it differs from a month without hours.
func chartOf(rows []report.Month, months []string) chart {
	sums, most := map[string]int64{}, int64(0)
	for _, r := range rows {
		sums[r.Month] += max(0, r.Seconds)
		most = max(most, sums[r.Month])
	}
	out := chart{Width: barStep * len(months), Base: barTop + barHeight, Height: barTop + barHeight + barBottom}
	for i, m := range months {
		b := bar{Month: m, Seconds: sums[m], X: i*barStep + (barStep-barWidth)/2, Width: barWidth,
			Middle: i*barStep + barStep/2}
		if b.Seconds > 0 {
			b.Height = max(1, int(float64(b.Seconds)/float64(most)*barHeight))
		}
		b.Y = out.Base - b.Height
		b.Above = b.Y - 5
		out.Bars = append(out.Bars, b)
	}
	return out
}

// Hours returns the hours of a bar with one decimal.
func (b bar) Hours() float64 { return float64(b.Seconds) / 3600 }

// decimal formats a number with one decimal: 1,5 in French, 1.5 in English.
func (l tongue) decimal(n float64) string {
	s := strconv.FormatFloat(n, 'f', 1, 64)
	if l.lang == "fr" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

// monthName returns the short name of a month such as 2026-11: nov. monthName returns any other text as it is.
func (l tongue) monthName(text string) string {
	t, err := time.Parse("2006-01", text)
	if err != nil {
		return text
	}
	return l.month(t.Month())
}

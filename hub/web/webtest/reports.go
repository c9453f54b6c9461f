package webtest

import (
	"context"
	"fmt"
	"io"
	"time"

	"portillon/hub/actor"
	"portillon/hub/report"
	"portillon/policy"
)

// Reports implements web.Reports with invented reports.
type Reports struct{ Site *Site }

// uses returns eight invented sessions. The sessions contain names if the actor may see names.
func (s Reports) uses(a actor.Actor) (out []report.Use) {
	for i := range 8 {
		m := s.Site.directory.members[i*3%len(s.Site.directory.members)]
		from := s.Site.now.Add(-time.Duration(i*19+2) * time.Hour)
		u := report.Use{
			Machine: s.Site.machines[i%len(s.Site.machines)].ID,
			Member:  m.ID,
			Name:    m.Name,
			Role: []string{"user",
				"learner", "host"}[i%3],
			From:    from,
			To:      from.Add(time.Duration(25+i*7) * time.Minute),
			Seconds: int64(25+i*7) * 60,
			End:     "card",
		}
		if i == 0 {
			u.To = time.Time{}
		}
		if a.May(actor.ReadNames, actor.Target{}) != nil {
			u.Name = ""
		}
		out = append(out, u)
	}
	return out
}

// Uses returns the sessions in pages.
func (s Reports) Uses(_ context.Context, a actor.Actor, _ report.Range, p report.Page) ([]report.Use, string, error) {
	leave, err := s.Site.enter(a, actor.ReadReports, actor.Target{})
	if err != nil {
		return nil, "", err
	}
	defer leave()
	if p.After == "" {
		return s.uses(a), "8", nil
	}
	return s.uses(a)[:2], "", nil
}

// UsesCSV writes the sessions as CSV.
func (s Reports) UsesCSV(_ context.Context, a actor.Actor, _ report.Range, w io.Writer) error {
	leave, err := s.Site.enter(a, actor.ReadReports, actor.Target{})
	if err != nil {
		return err
	}
	defer leave()
	for _, u := range s.uses(a) {
		if _, err := fmt.Fprintf(w, "%s,%s\n", u.Machine, u.Name); err != nil {
			return err
		}
	}
	return nil
}

// Weeks returns invented hours by machine and week.
func (s Reports) Weeks(_ context.Context, a actor.Actor, r report.Range) (out []report.Week, err error) {
	leave, err := s.Site.enter(a, actor.ReadReports, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	if r.From.Year > r.To.Year {
		return nil, bad("from", r.From.String(), "later than the last day", r.To.String())
	}
	for i, day := range []int{9, 16, 23, 30} {
		for j, m := range s.Site.machines {
			out = append(out, report.Week{Machine: m.ID, Monday: policy.Date{Year: 2026, Month: 11, Day: day},
				Sessions: 4 + i*3 + j, Members: 3 + j, Seconds: int64(5400 * (1 + i + 2*j))})
		}
	}
	for i := range s.Site.reports.weeks {
		out = append(
			out,
			report.Week{Machine: s.Site.machines[i%len(s.Site.machines)].ID, Monday: policy.Date{Year: 2025, Month: 1,
				Day: 6}, Sessions: i},
		)
	}
	return out, nil
}

// ManyWeeks makes the report of weeks contain n additional rows.
func (s *Site) ManyWeeks(n int) { s.reports.weeks = n }

// Refusals returns three invented rows of refused taps.
func (s Reports) Refusals(_ context.Context, a actor.Actor, _ report.Range) ([]report.Refusals, error) {
	leave, err := s.Site.enter(a, actor.ReadReports, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	return []report.Refusals{{Machine: s.Site.machines[0].ID, Reason: "no-badge", Times: 14, Members: 6},
		{Machine: s.Site.machines[1].ID, Reason: "membership-lapsed", Times: 5, Members: 2},
		{Machine: s.Site.machines[1].ID, Reason: "unknown-card", Times: 3}}, nil
}

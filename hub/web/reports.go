package web

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"portillon/hub/enrol"
	"portillon/hub/fault"
	"portillon/hub/report"
	"portillon/policy"
)

// reportPages serves the page of reports and the reports as CSV files.
type reportPages struct {
	machines Machines
	now      func() time.Time
	reports  Reports
	zone     func() *time.Location
}

// routes returns the page and the files.
func (p *reportPages) routes() []route {
	return []route{{"GET /reports", p.page}, {"GET /reports/uses.csv", p.usesCSV}, {"GET /reports/weeks.csv",
		p.weeksCSV},
		{"GET /reports/refusals.csv", p.refusalsCSV}}
}

// reportPage is the data of the page of reports.
type reportPage struct {
	Form     form
	From, To policy.Date
	Machine  policy.MachineID
	Query    string // query with the range of days, for the links to the CSV files
	Uses     []report.Use
	Next     string
	Weeks    []report.Week
	Refusals []report.Refusals
	Most     int64
	MostNo   int
	Machines []enrol.Machine
}

// reportRows is the maximum number of rows in each table on the page. The CSV file of the same report contains all
// rows: a year of 20 machines has 1,040 rows of weeks.
const reportRows = 40

// SomeWeeks returns the weeks that the page shows, the newest first.
func (d reportPage) SomeWeeks() []report.Week {
	out := slices.Clone(d.Weeks[max(0, len(d.Weeks)-reportRows):])
	slices.Reverse(out)
	return out
}

// SomeRefusals returns the refusals that the page shows.
func (d reportPage) SomeRefusals() []report.Refusals {
	return d.Refusals[:min(len(d.Refusals), reportRows)]
}

// Rest returns the number of rows that the page does not show.
func (reportPage) Rest(rows int) int { return max(0, rows-reportRows) }

// days returns the range of days in the request's query. If the query has no dates, days returns the last 30 days.
func (p *reportPages) days(q *request) (report.Range, []fault.Field) {
	v := q.r.URL.Query()
	now := p.now().In(p.zone())
	r := report.Range{From: dateOf(now.AddDate(0, 0, -29)), To: dateOf(now), Machine: policy.MachineID(v.Get("machine"))}
	var faults []fault.Field
	for name, to := range map[string]*policy.Date{"from": &r.From, "to": &r.To} {
		s := v.Get(name)
		if s == "" {
			continue
		}
		d, err := policy.ParseDate(s)
		if err != nil || d.Year == 0 {
			faults = append(faults, fault.Field{Field: name, Given: s, Wrong: "not a date", Right: dateOf(now).String()})
			continue
		}
		*to = d
	}
	return r, faults
}

// dateOf returns the calendar day of a time, in the time zone that the time has.
func dateOf(t time.Time) policy.Date {
	return policy.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
}

// page answers GET /reports.
func (p *reportPages) page(q *request) error {
	r, faults := p.days(q)
	v := url.Values{"from": {r.From.String()}, "to": {r.To.String()}, "machine": {string(r.Machine)}}
	d := reportPage{From: r.From, To: r.To, Machine: r.Machine, Query: v.Encode()}
	if p.machines != nil {
		list, err := p.machines.List(ctxOf(q), q.actor)
		if err = ignoreDenied(err); err != nil {
			return err
		}
		d.Machines = list
	}
	// Show the form with the user's dates. Show the tables only if the dates are valid.
	d.Form = form{Fields: []field{{Name: "from", Kind: "date", Label: "report.from", Value: r.From.String(),
		Required: true},
		{Name: "to", Kind: "date", Label: "report.to", Value: r.To.String(),
			Required: true}}}.withValues(q.r.URL.Query()).refuse(faults)
	if faults == nil {
		if err := p.fillReport(q, &d, r); invalid(err) != nil {
			d.Form = d.Form.refuse(invalid(err))
		} else if err != nil {
			return err
		}
	}
	status := 200
	if d.Form.Bad() {
		status = 422
	}
	return q.render(status, "reports", "reports", "reports.title", d)
}

// fillReport reads the data for the tables of the page.
func (p *reportPages) fillReport(q *request, d *reportPage, r report.Range) (err error) {
	if d.Weeks, err = p.reports.Weeks(ctxOf(q), q.actor, r); err != nil {
		return err
	}
	if d.Refusals, err = p.reports.Refusals(ctxOf(q), q.actor, r); err != nil {
		return err
	}
	var next string
	d.Uses, next, err = p.reports.Uses(ctxOf(q), q.actor, r, report.Page{After: q.r.URL.Query().Get("after"), Limit: 50})
	if err != nil {
		return err
	}
	if next != "" {
		d.Next = "/reports?" + d.Query + "&" + url.Values{"after": {next}}.Encode() + "#uses"
	}
	for _, w := range d.Weeks {
		d.Most = max(d.Most, w.Seconds)
	}
	for _, n := range d.Refusals {
		d.MostNo = max(d.MostNo, n.Times)
	}
	return nil
}

// reportFile serves a report as a CSV file. reportFile completes the file before it sends the first byte, so that an
// error leads to an error page.
func (p *reportPages) reportFile(q *request, name string, write func(report.Range, *bytes.Buffer) error) error {
	r, faults := p.days(q)
	if faults != nil {
		return &fault.Invalid{Faults: faults}
	}
	var b bytes.Buffer
	if err := write(r, &b); err != nil {
		return err
	}
	return q.download(fmt.Sprintf("%s-%s-%s.csv", name, r.From, r.To), "text/csv; charset=utf-8", b.Bytes())
}

// usesCSV answers GET /reports/uses.csv.
func (p *reportPages) usesCSV(q *request) error {
	return p.reportFile(q, "uses", func(r report.Range, b *bytes.Buffer) error {
		return p.reports.UsesCSV(ctxOf(q), q.actor, r, b)
	})
}

// weeksCSV answers GET /reports/weeks.csv.
func (p *reportPages) weeksCSV(q *request) error {
	return p.reportFile(q, "weeks", func(r report.Range, b *bytes.Buffer) error {
		list, err := p.reports.Weeks(ctxOf(q), q.actor, r)
		if err != nil {
			return err
		}
		rows := [][]string{{"machine", "week", "sessions", "members", "seconds"}}
		for _, w := range list {
			rows = append(rows, []string{string(w.Machine), w.Monday.String(), fmt.Sprint(w.Sessions), fmt.Sprint(w.Members),
				fmt.Sprint(w.Seconds)})
		}
		return writeCSV(b, rows)
	})
}

// refusalsCSV answers GET /reports/refusals.csv.
func (p *reportPages) refusalsCSV(q *request) error {
	return p.reportFile(q, "refusals", func(r report.Range, b *bytes.Buffer) error {
		list, err := p.reports.Refusals(ctxOf(q), q.actor, r)
		if err != nil {
			return err
		}
		rows := [][]string{{"machine", "reason", "times", "members"}}
		for _, n := range list {
			rows = append(rows, []string{string(n.Machine), n.Reason, fmt.Sprint(n.Times), fmt.Sprint(n.Members)})
		}
		return writeCSV(b, rows)
	})
}

// writeCSV writes rows as CSV. writeCSV puts an apostrophe before a cell that a spreadsheet program would evaluate as a
// formula (OWASP, CSV injection).
func writeCSV(b *bytes.Buffer, rows [][]string) error {
	w := csv.NewWriter(b)
	for _, row := range rows {
		for i, cell := range row {
			if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "+") || strings.HasPrefix(cell, "-") ||
				strings.HasPrefix(cell, "@") ||
				strings.HasPrefix(cell, "\t") || strings.HasPrefix(cell, "\r") {
				row[i] = "'" + cell
			}
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

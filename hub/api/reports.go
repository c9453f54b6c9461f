package api

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/report"
	"portillon/policy"
)

// week is a report.Week in the form of the API, with a Monday such as 2026-09-28.
type week struct {
	report.Week
	Monday string `json:"week"`
}

const csvType = "text/csv; charset=utf-8"

// reportAPI serves the routes of reports.
type reportAPI struct {
	reports Reports
}

// routes returns the routes of reports. Each report is available as JSON and as CSV.
func (s *reportAPI) routes() []Route {
	between := []string{"from", "to", "machine"}
	paged := append([]string{"cursor", "limit"}, between...)
	return []Route{
		{Method: "GET", Path: "/reports/uses", Act: actor.ReadReports, Query: paged, Answer: list[report.Use]{},
			Produces: []string{csvType},
			handle:   s.uses},
		{Method: "GET", Path: "/reports/uses.csv", Act: actor.ReadReports, Query: between, Produces: []string{csvType},
			handle: s.usesCSV},
		{Method: "GET", Path: "/reports/weeks", Act: actor.ReadReports, Query: between, Answer: list[week]{},
			Produces: []string{csvType}, handle: s.weeks},
		{Method: "GET", Path: "/reports/weeks.csv", Act: actor.ReadReports, Query: between, Produces: []string{csvType},
			handle: s.weeks},
		{Method: "GET", Path: "/reports/refusals", Act: actor.ReadReports, Query: between, Answer: list[report.Refusals]{},
			Produces: []string{csvType},
			handle:   s.refusals},
		{Method: "GET", Path: "/reports/refusals.csv", Act: actor.ReadReports, Query: between, Produces: []string{csvType},
			handle: s.refusals},
	}
}

// between returns the requested range of days.
func (c *call) between() (report.Range, error) {
	r := report.Range{Machine: policy.MachineID(c.query.Get("machine"))}
	for name, into := range map[string]*policy.Date{"from": &r.From, "to": &r.To} {
		d, err := policy.ParseDate(c.query.Get(name))
		if err != nil || d.Year == 0 {
			return r, c.invalid(name, c.query.Get(name), notADay(), "2026-09-30")
		}
		*into = d
	}
	return r, nil
}

// wantsCSV reports whether the path ends with .csv or the client prefers CSV.
func (c *call) wantsCSV() bool {
	return strings.HasSuffix(c.route.Path, ".csv") || prefers(c.r, "text/csv")
}

// uses answers with one page of the sessions at machines, the earliest first. As CSV, it answers with all of them.
func (s *reportAPI) uses(c *call) (answer, error) {
	if c.wantsCSV() {
		return s.usesCSV(c)
	}
	between, err := c.between()
	if err != nil {
		return answer{}, err
	}
	after, limit, err := c.page()
	if err != nil {
		return answer{}, err
	}
	found, next, err := s.reports.Uses(c.ctx(), c.actor, between, report.Page{After: after, Limit: limit})
	if err != nil {
		return answer{}, err
	}
	return paged(c, found, next), nil
}

// usesCSV streams the sessions at machines as a file.
func (s *reportAPI) usesCSV(c *call) (answer, error) {
	between, err := c.between()
	if err != nil {
		return answer{}, err
	}
	return answer{mime: csvType, file: "uses.csv", stream: func(w io.Writer) error {
		return s.reports.UsesCSV(c.ctx(), c.actor, between, w)
	}}, nil
}

// weeks answers with the numbers of sessions, members and seconds for each machine and week.
func (s *reportAPI) weeks(c *call) (answer, error) {
	between, err := c.between()
	if err != nil {
		return answer{}, err
	}
	found, err := s.reports.Weeks(c.ctx(), c.actor, between)
	if err != nil {
		return answer{}, err
	}
	if c.wantsCSV() {
		rows := [][]string{{"machine", "week", "sessions", "members", "seconds"}}
		for _, w := range found {
			rows = append(rows, []string{string(w.Machine), w.Monday.String(), strconv.Itoa(w.Sessions), strconv.Itoa(w.Members),
				strconv.FormatInt(w.Seconds, 10)})
		}
		return csvOf("weeks.csv", rows), nil
	}
	items := make([]week, len(found))
	for i, w := range found {
		items[i] = week{w, w.Monday.String()}
	}
	return listOf(items), nil
}

// refusals answers with the number of refusals of each machine, by reason.
func (s *reportAPI) refusals(c *call) (answer, error) {
	between, err := c.between()
	if err != nil {
		return answer{}, err
	}
	found, err := s.reports.Refusals(c.ctx(), c.actor, between)
	if err != nil {
		return answer{}, err
	}
	if c.wantsCSV() {
		rows := [][]string{{"machine", "reason", "times", "members"}}
		for _, r := range found {
			rows = append(rows, []string{string(r.Machine), r.Reason, strconv.Itoa(r.Times), strconv.Itoa(r.Members)})
		}
		return csvOf("refusals.csv", rows), nil
	}
	return listOf(found), nil
}

// csvOf returns the answer with rows as a CSV file.
func csvOf(file string, rows [][]string) answer {
	return answer{mime: csvType, file: file, stream: func(w io.Writer) error {
		for _, row := range rows {
			for i := range row {
				row[i] = cell(row[i])
			}
		}
		out := csv.NewWriter(w)
		out.UseCRLF = true // RFC 4180
		return out.WriteAll(rows)
	}}
}

// cell returns a text that a spreadsheet program does not interpret as a formula (OWASP, CSV injection).
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

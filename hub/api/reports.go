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

// week is the JSON form of a report.Week, in which the Monday has the format 2026-09-28.
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
			handle:   s.listUses},
		{Method: "GET", Path: "/reports/uses.csv", Act: actor.ReadReports, Query: between, Produces: []string{csvType},
			handle: s.streamUsesCSV},
		{Method: "GET", Path: "/reports/weeks", Act: actor.ReadReports, Query: between, Answer: list[week]{},
			Produces: []string{csvType}, handle: s.listWeeks},
		{Method: "GET", Path: "/reports/weeks.csv", Act: actor.ReadReports, Query: between, Produces: []string{csvType},
			handle: s.listWeeks},
		{Method: "GET", Path: "/reports/refusals", Act: actor.ReadReports, Query: between, Answer: list[report.Refusals]{},
			Produces: []string{csvType},
			handle:   s.listRefusals},
		{Method: "GET", Path: "/reports/refusals.csv", Act: actor.ReadReports, Query: between, Produces: []string{csvType},
			handle: s.listRefusals},
	}
}

// dateRange returns the requested range of days.
func (c *call) dateRange() (report.Range, error) {
	r := report.Range{Machine: policy.MachineID(c.query.Get("machine"))}
	for name, into := range map[string]*policy.Date{"from": &r.From, "to": &r.To} {
		d, err := policy.ParseDate(c.query.Get(name))
		if err != nil || d.Year == 0 {
			return r, c.invalid(name, c.query.Get(name), invalidDate(), "2026-09-30")
		}
		*into = d
	}
	return r, nil
}

// wantsCSV reports whether the path ends with .csv or the client prefers CSV.
func (c *call) wantsCSV() bool {
	return strings.HasSuffix(c.route.Path, ".csv") || prefers(c.r, "text/csv")
}

// listUses returns one page of the sessions at machines, the earliest first. A CSV response contains all sessions.
func (s *reportAPI) listUses(c *call) (answer, error) {
	if c.wantsCSV() {
		return s.streamUsesCSV(c)
	}
	between, err := c.dateRange()
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
	return pageAnswer(c, found, next), nil
}

// streamUsesCSV streams the sessions at machines as a CSV file.
func (s *reportAPI) streamUsesCSV(c *call) (answer, error) {
	between, err := c.dateRange()
	if err != nil {
		return answer{}, err
	}
	return answer{mime: csvType, file: "uses.csv", stream: func(w io.Writer) error {
		return s.reports.UsesCSV(c.ctx(), c.actor, between, w)
	}}, nil
}

// listWeeks returns the numbers of sessions, members and seconds for each machine and week.
func (s *reportAPI) listWeeks(c *call) (answer, error) {
	between, err := c.dateRange()
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
		return csvAnswer("weeks.csv", rows), nil
	}
	items := make([]week, len(found))
	for i, w := range found {
		items[i] = week{w, w.Monday.String()}
	}
	return listAnswer(items), nil
}

// listRefusals returns the number of refusals of each machine, by reason.
func (s *reportAPI) listRefusals(c *call) (answer, error) {
	between, err := c.dateRange()
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
		return csvAnswer("refusals.csv", rows), nil
	}
	return listAnswer(found), nil
}

// csvAnswer returns a response that is a CSV file with these rows.
func csvAnswer(file string, rows [][]string) answer {
	return answer{mime: csvType, file: file, stream: func(w io.Writer) error {
		for _, row := range rows {
			for i := range row {
				row[i] = csvCell(row[i])
			}
		}
		out := csv.NewWriter(w)
		out.UseCRLF = true // RFC 4180
		return out.WriteAll(rows)
	}}
}

// csvCell returns a text that a spreadsheet program does not interpret as a formula (OWASP, CSV injection).
func csvCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/maintenance"
	"portillon/policy"
)

// maintenancePages serves what the machines need, and the history of each machine.
type maintenancePages struct {
	maintenance Maintenance
	machineName func(tongue, policy.MachineID) string
}

// routes returns the pages and forms of maintenance.
func (p *maintenancePages) routes() []route {
	return []route{
		{"GET /maintenance", p.overview}, {"GET /machines/{id}/maintenance", p.machine},
		{"POST /machines/{id}/maintenance/hours", p.setHours}, {"POST /machines/{id}/maintenance/close", p.closeReport},
	}
}

// mayMaintain returns true for users who read all reports, and for maintainers of a machine.
func mayMaintain(a actor.Actor) bool {
	if a.May(actor.ReadReports, actor.Target{}) == nil {
		return true
	}
	for m := range a.Machines {
		if a.May(actor.TagMachine, actor.Target{Machine: m}) == nil {
			return true
		}
	}
	return false
}

// filter is a link that selects a part of a list.
type filter struct {
	Label string // a text
	Path  string
	Count int
	Now   bool // true: the page shows this part
}

// maintenancePage is the data of the page of all machines.
type maintenancePage struct {
	Groups   []filter
	Machines []filter
	Items    []maintenance.Item
	Rest     int // number of items that the page does not show
	Calendar []maintenance.Planned
	Later    int // number of planned maintenance that the page does not show
	Own      maintenance.Own
	Works    []maintenance.Work // the newest of the user's own interventions
}

// maxItems is the maximum number of items on the page, maxPlanned that of planned maintenance, and maxOwn that of own
// interventions.
const (
	maxItems   = 100
	maxPlanned = 20
	maxOwn     = 8
)

// overview answers GET /maintenance.
func (p *maintenancePages) overview(q *request) error {
	o, err := p.maintenance.Overview(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	group := maintenance.Group(q.r.URL.Query().Get("show"))
	at := policy.MachineID(q.r.URL.Query().Get("machine"))
	d := maintenancePage{Groups: groupFilters(q, o, group, at), Machines: p.machineFilters(q, o, group, at)}
	for _, i := range o.Items {
		if (group == "" || i.Group == group) && (at == "" || i.Machine == at) {
			d.Items = append(d.Items, i)
		}
	}
	d.Rest = max(0, len(d.Items)-maxItems)
	d.Items = d.Items[:len(d.Items)-d.Rest]
	for _, x := range o.Calendar {
		if at == "" || x.Machine == at {
			d.Calendar = append(d.Calendar, x)
		}
	}
	d.Later = max(0, len(d.Calendar)-maxPlanned)
	d.Calendar = d.Calendar[:len(d.Calendar)-d.Later]
	if d.Own, err = p.maintenance.Own(ctxOf(q), q.actor); ignoreDenied(err) != nil {
		return err
	}
	d.Works = d.Own.Works[:min(len(d.Own.Works), maxOwn)]
	return q.render(200, "maintenance", "maintenance", "upkeep.title", d)
}

// filterPath returns the address of the page of all machines with a group and a machine.
func filterPath(group maintenance.Group, at policy.MachineID) string {
	v := url.Values{}
	if group != "" {
		v.Set("show", string(group))
	}
	if at != "" {
		v.Set("machine", string(at))
	}
	if len(v) == 0 {
		return "/maintenance"
	}
	return "/maintenance?" + v.Encode()
}

// groupFilters returns the links to the groups of items at the selected machine.
func groupFilters(q *request, o maintenance.Overview, group maintenance.Group, at policy.MachineID) (out []filter) {
	for _, g := range append([]maintenance.Group{""}, maintenance.Groups()...) {
		f := filter{Label: q.tongue().t("upkeep.group." + cmp.Or(string(g), "all")), Path: filterPath(g, at), Now: g == group}
		for _, i := range o.Items {
			if (g == "" || i.Group == g) && (at == "" || i.Machine == at) {
				f.Count++
			}
		}
		out = append(out, f)
	}
	return out
}

// machineFilters returns the links to the machines, with the items of the selected group.
func (p *maintenancePages) machineFilters(q *request, o maintenance.Overview, group maintenance.Group,
	at policy.MachineID) (out []filter) {
	for _, m := range append([]policy.MachineID{""}, o.Machines...) {
		f := filter{Label: q.tongue().t("report.machine.all"), Path: filterPath(group, m), Now: m == at}
		if m != "" {
			f.Label = p.machineName(q.tongue(), m)
		}
		for _, i := range o.Items {
			if (m == "" || i.Machine == m) && (group == "" || i.Group == group) {
				f.Count++
			}
		}
		out = append(out, f)
	}
	return out
}

// upkeepPage is the data of the page of one machine's maintenance.
type upkeepPage struct {
	maintenance.Machine
	Name    string
	Base    string // path of the page
	Reports []maintenance.Report
	Filters []filter // of the reports
	// Works and Tags are the newest entries, or all of them; More names the lists that have more entries.
	Works []maintenance.Work
	Tags  []maintenance.Tag
	More  map[string]int
	Chart *downChart
	Hours form
	Close form
	Open  int // number of open reports
}

// title returns the title of the page.
func (d upkeepPage) title(l tongue) string { return l.t("upkeep.of", d.Name) }

// CloseOf returns the form that closes a report. After a fault, the form of the same report shows the fault.
func (d upkeepPage) CloseOf(r maintenance.Report) form {
	f := closeForm(d.Base, r.ID)
	if d.Close.ID == f.ID {
		return d.Close
	}
	return f
}

// closeForm returns the empty form that closes a report.
func closeForm(base, report string) form {
	at := base + "/close?" + url.Values{"report": {report}}.Encode()
	return form{ID: "close" + report, Action: at, Submit: "upkeep.close", Fields: []field{
		{Name: "words", Kind: "text", Label: "upkeep.close.words", Hint: "upkeep.close.hint", Required: true, Auto: "off"}}}
}

// hoursForm returns the form for the initial hours of a machine.
func hoursForm(base string, x *maintenance.Initial) form {
	f := form{ID: "hours", Action: base + "/hours", Submit: "save", Fields: []field{
		{Name: "hours", Kind: "number", Label: "upkeep.initial.hours", Hint: "upkeep.initial.hint", Required: true,
			Auto: "off"},
		{Name: "day", Kind: "date", Label: "upkeep.initial.day", Required: true}}}
	if x != nil {
		f.Fields[0].Value, f.Fields[1].Value = strconv.FormatInt(x.Hours, 10), x.On
	}
	return f
}

// shownRows is the number of entries of a list on the page of a machine, unless the reader asks for all.
const shownRows = 8

// upkeepBase returns the path of the page of the machine in the request.
func upkeepBase(q *request) string { return machineHome(q) + "/maintenance" }

// showMachine renders the page of a machine's maintenance. change may modify the data; nil: no change.
func (p *maintenancePages) showMachine(q *request, status int, change func(*upkeepPage)) error {
	m, err := p.maintenance.Machine(ctxOf(q), q.actor, machineID(q))
	if err != nil {
		return err
	}
	d := upkeepPage{Machine: m, Name: p.machineName(q.tongue(), m.ID), Base: upkeepBase(q), Chart: newDownChart(m.Months),
		Hours: hoursForm(upkeepBase(q), m.Figures.Initial), More: map[string]int{}}
	show := q.r.URL.Query().Get("show")
	d.Works, d.More["works"] = firstRows(m.Works, show == "works")
	d.Tags, d.More["tags"] = firstRows(m.Tags, show == "tags")
	open := slices.DeleteFunc(slices.Clone(m.Reports), func(r maintenance.Report) bool { return r.Closed != nil })
	d.Open, d.Reports = len(open), open
	if show == "reports" {
		d.Reports = m.Reports
	}
	l := q.tongue()
	all := show == "reports"
	d.Filters = []filter{{l.t("upkeep.reports.open"), d.Base + "#reports", len(open), !all},
		{l.t("upkeep.reports.all"), d.Base + "?show=reports#reports", len(m.Reports), all}}
	if change != nil {
		change(&d)
	}
	return q.render(status, "upkeep", "maintenance", "upkeep.title", d)
}

// firstRows returns the entries of a list that the page shows, and the number of the others.
func firstRows[T any](list []T, all bool) ([]T, int) {
	if all || len(list) <= shownRows {
		return list, 0
	}
	return list[:shownRows], len(list) - shownRows
}

// machine answers GET /machines/{id}/maintenance.
func (p *maintenancePages) machine(q *request) error { return p.showMachine(q, 200, nil) }

// setHours answers POST /machines/{id}/maintenance/hours.
func (p *maintenancePages) setHours(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	hours, err := strconv.ParseInt(v.Get("hours"), 10, 64)
	if err != nil {
		hours = -1 // the service rejects a negative number
	}
	day, err := policy.ParseDate(v.Get("day"))
	if err != nil {
		day = policy.Date{}
	}
	err = p.maintenance.SetInitial(ctxOf(q), q.actor, machineID(q), hours, day)
	if faults := invalid(err); faults != nil {
		return p.showMachine(q, 422, func(d *upkeepPage) { d.Hours = d.Hours.withValues(v).refuse(asGiven(faults, v)) })
	}
	if err != nil {
		return err
	}
	return q.redirect(upkeepBase(q), "hours-set")
}

// asGiven replaces the given values of faults by what the form contained.
func asGiven(faults []fault.Field, v url.Values) []fault.Field {
	out := slices.Clone(faults)
	for i := range out {
		out[i].Given = v.Get(out[i].Field)
	}
	return out
}

// closeReport answers POST /machines/{id}/maintenance/close.
func (p *maintenancePages) closeReport(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	report := q.r.URL.Query().Get("report")
	err = p.maintenance.CloseReport(ctxOf(q), q.actor, machineID(q), report, v.Get("words"))
	if faults := invalid(err); faults != nil {
		return p.showMachine(q, 422, func(d *upkeepPage) {
			d.Close = closeForm(d.Base, report).withValues(v).refuse(faults)
		})
	}
	if err != nil {
		return err
	}
	return q.redirect(upkeepBase(q)+"#reports", "report-closed")
}

// downChart is a bar chart of the time out of service by month. The solid part of a bar belongs to failures.
type downChart struct {
	Width, Height int
	Bars          []downBar
	Top           int64 // seconds at the top of the chart
}

// downBar is the bar of one month. Y and High describe the whole bar, FailedY and Failed its solid part.
type downBar struct {
	X, Wide         int
	Y, High         int
	FailedY, Failed int
	Month           time.Month
}

// Middle returns the horizontal middle of the bar.
func (b downBar) Middle() int { return b.X + b.Wide/2 }

// The measures of the chart, in units of the drawing. Text has 11 units.
const (
	chartHigh  = 120 // highest bar
	chartStep  = 36  // distance of two bars
	chartBar   = 24  // width of a bar
	chartAbove = 20  // space above the bars
	chartBelow = 20  // space for the names of the months
)

// newDownChart returns the chart of some months; nil: the machine was never out of service.
func newDownChart(months []maintenance.Month) *downChart {
	c := &downChart{Width: chartStep * len(months), Height: chartAbove + chartHigh + chartBelow}
	for _, m := range months {
		c.Top = max(c.Top, m.Seconds)
	}
	if c.Top == 0 {
		return nil
	}
	// high returns the height of a part of a bar. A time that is not 0 is visible.
	high := func(seconds int64) int {
		if seconds == 0 {
			return 0
		}
		return max(2, int(float64(seconds)/float64(c.Top)*chartHigh))
	}
	for i, m := range months {
		b := downBar{X: i*chartStep + (chartStep-chartBar)/2, Wide: chartBar, High: high(m.Seconds), Failed: high(m.Failed)}
		b.Y, b.FailedY = chartAbove+chartHigh-b.High, chartAbove+chartHigh-b.Failed
		if at, err := time.Parse("2006-01", m.Month); err == nil {
			b.Month = at.Month()
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

// monthOf formats a month such as 2026-11 as nov. 2026.
func (l tongue) monthOf(text string) string {
	at, err := time.Parse("2006-01", text)
	if err != nil {
		return text
	}
	return l.month(at.Month()) + "\u00a0" + strconv.Itoa(at.Year())
}

// month returns the short name of a month.
func (l tongue) month(m time.Month) string { return l.t("month." + strconv.Itoa(int(m))) }

package webtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/maintenance"
	"portillon/policy"
	"portillon/wire"
)

// Maintenance implements web.Maintenance with an invented history.
type Maintenance struct{ Site *Site }

// upkeep is the state of the invented maintenance that forms change.
type upkeep struct {
	initial *maintenance.Initial
	closed  map[string]string // reasons of closed reports, by id
}

// visible returns an error if the actor may not read the reports of a machine. If id is empty, any machine is enough.
func (Maintenance) visible(a actor.Actor, id policy.MachineID) error {
	err := a.May(actor.ReadReports, actor.Target{Machine: id})
	for m := range a.Machines {
		if id == "" && err != nil {
			err = a.May(actor.ReadReports, actor.Target{Machine: m})
		}
	}
	return err
}

// person returns a member with a name, or nobody if the actor may not see names.
func (m Maintenance) person(a actor.Actor, id policy.MemberID) maintenance.Person {
	if a.May(actor.ReadNames, actor.Target{}) != nil {
		return maintenance.Person{}
	}
	for _, x := range m.Site.directory.members {
		if x.ID == id {
			return maintenance.Person{Member: id, Name: x.Name}
		}
	}
	return maintenance.Person{Member: id}
}

// reports returns three invented reports of a machine; the first one is open until a form closes it.
func (m Maintenance) reports(a actor.Actor) []maintenance.Report {
	now := m.Site.now
	list := []maintenance.Report{
		{ID: "-412", At: now.Add(-5 * time.Hour), What: wire.Noise, Words: "Ça siffle quand la tête revient.",
			By: m.person(a, "m-lea")},
		{ID: "-388", At: now.AddDate(0, 0, -6), What: wire.Poor, Words: "Les bords sont noirs", Claimed: true,
			By: m.person(a, "m-tom"), Closed: &maintenance.Closing{At: now.AddDate(0, 0, -4), How: "work", What: "lens-cleaning",
				Label: policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}}},
		{ID: "-301", At: now.AddDate(0, -1, -2), What: wire.Dangerous, Uncertain: true,
			Closed: &maintenance.Closing{At: now.AddDate(0, -1, 0), How: "return", By: m.person(a, "m-karim")}},
	}
	if words, ok := m.Site.reports.upkeep.closed["-412"]; ok {
		list[0].Closed = &maintenance.Closing{At: now, How: "person", Words: words}
	}
	return list
}

// dues returns invented planned maintenance.
func (m Maintenance) dues() []maintenance.Due {
	now := m.Site.now
	return []maintenance.Due{
		{What: "extraction", Label: policy.Text{FR: "Extraction et filtres", EN: "Extraction and filters"}, Hours: 360000,
			Days: 90, Block: true, Last: now.AddDate(0, 0, -94), Used: 271800, Left: 88200, At: now.AddDate(0, 0, -4),
			State: maintenance.DueNow},
		{What: "lens-cleaning", Label: policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}, Hours: 72000,
			Last: now.AddDate(0, 0, -4), Used: 66600, Left: 5400, At: now.AddDate(0, 0, 2), State: maintenance.DueSoon},
		{What: "belt-tension", Label: policy.Text{FR: "Tension des courroies", EN: "Belt tensioning"}, Hours: 1080000,
			Used: 240000, Left: 840000, State: maintenance.DueLater},
	}
}

// works returns invented interventions.
func (m Maintenance) works(a actor.Actor, n int) (out []maintenance.Work) {
	for i := range n {
		at := m.Site.now.Add(-time.Duration(10+i*97*60) * time.Minute)
		out = append(out, maintenance.Work{Machine: "laser", At: at, What: "lens-cleaning", Words: "essuyée",
			Label: policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}, Minutes: 12 + i, By: m.person(a, "m-ines"),
			Endorser: m.person(a, "m-karim"), Attest: []maintenance.Attest{maintenance.Awaited, maintenance.Attested,
				maintenance.Missed, maintenance.NotAsked}[i%4]})
	}
	out[0].Parts = "lentille 2 pouces"
	return out
}

// Overview returns what the machines need.
func (m Maintenance) Overview(_ context.Context, a actor.Actor) (out maintenance.Overview, err error) {
	leave, err := m.enter(a, "")
	if err != nil {
		return out, err
	}
	defer leave()
	report, out2, work := m.reports(a)[0], maintenance.Tag{ID: "t-1", From: m.Site.now.AddDate(0, 0, -9),
		Origin: maintenance.FromPerson, Reason: "courroie usée", By: m.person(a, "m-ines")}, m.works(a, 1)[0]
	due := m.dues()
	all := []maintenance.Item{
		{Machine: "vinyl", Group: maintenance.GroupOut, Tag: &out2},
		{Machine: "laser", Group: maintenance.GroupDue, Due: &due[0]},
		{Machine: "laser", Group: maintenance.GroupReports, Report: &report},
		{Machine: "laser", Group: maintenance.GroupDue, Due: &due[1]},
		{Machine: "laser", Group: maintenance.GroupAttest, Work: &work},
	}
	for _, i := range all {
		if m.visible(a, i.Machine) == nil && (i.Report == nil || i.Report.Closed == nil) {
			out.Items = append(out.Items, i)
		}
	}
	for _, x := range m.Site.machines {
		if m.visible(a, x.ID) == nil {
			out.Machines = append(out.Machines, x.ID)
		}
	}
	for _, d := range due[:2] {
		if m.visible(a, "laser") == nil {
			out.Calendar = append(out.Calendar, maintenance.Planned{Machine: "laser", Due: d})
		}
	}
	return out, nil
}

// enter locks the site for one call of an actor who reads the reports of a machine.
func (m Maintenance) enter(a actor.Actor, id policy.MachineID) (leave func(), err error) {
	m.Site.mu.Lock()
	if err = m.Site.broken; err == nil {
		err = m.visible(a, id)
	}
	if err != nil {
		m.Site.mu.Unlock()
		return nil, err
	}
	return m.Site.mu.Unlock, nil
}

// Machine returns the history of a machine. The laser has a long history, the other machines have none.
func (m Maintenance) Machine(_ context.Context, a actor.Actor, id policy.MachineID) (maintenance.Machine, error) {
	leave, err := m.enter(a, id)
	if err != nil {
		return maintenance.Machine{}, err
	}
	defer leave()
	if m.Site.machine(id) == nil {
		return maintenance.Machine{}, missing("machine", string(id))
	}
	out := maintenance.Machine{ID: id, MayTag: a.May(actor.TagMachine, actor.Target{Machine: id}) == nil}
	out.Figures.Initial = m.Site.reports.upkeep.initial
	if x := out.Figures.Initial; x != nil {
		out.Figures.Total = x.Hours * 3600
	}
	for i := range 12 {
		at := time.Date(2025, time.Month(12+i), 1, 0, 0, 0, 0, time.UTC)
		out.Months = append(out.Months, maintenance.Month{Month: at.Format("2006-01")})
	}
	if id != "laser" {
		return out, nil
	}
	for i, hours := range []int64{0, 2, 0, 30, 4, 0, 0, 75, 6, 0, 12, 48} {
		failed := hours * int64(i%3) / 2
		out.Months[i].Seconds, out.Months[i].Failed = hours*3600, failed*3600
		if failed > 0 {
			out.Months[i].Failures = 1 + i%2
		}
	}
	out.Due, out.Reports, out.Works = m.dues(), m.reports(a), m.works(a, 11)
	out.Tags = []maintenance.Tag{
		{ID: "due:extraction", From: m.Site.now.AddDate(0, 0, -4), Origin: maintenance.FromDue, Reason: "extraction"},
		{ID: "t-7", From: m.Site.now.AddDate(0, -1, -2), To: m.Site.now.AddDate(0, -1, 0), Origin: maintenance.FromPerson,
			Reason: "odeur de brûlé", By: m.person(a, "m-lea"), Off: m.person(a, "m-karim")},
	}
	f := &out.Figures
	f.Since, f.Used, f.PerDay = m.Site.now.AddDate(-1, 0, 0), 1123*3600, 3*3600+600
	f.Total += f.Used
	f.Failures, f.Between, f.Repaired, f.Repair = 6, 187*3600, 6, 14*3600+1800
	return out, nil
}

// Own returns the invented interventions of Inès, and nothing for other members.
func (m Maintenance) Own(_ context.Context, a actor.Actor) (maintenance.Own, error) {
	if a.Member != "m-ines" {
		return maintenance.Own{}, nil
	}
	m.Site.mu.Lock()
	defer m.Site.mu.Unlock()
	why := policy.Text{FR: "L’intervention n’a pas été attestée sur place.",
		EN: "The intervention was not confirmed at the machine."}
	return maintenance.Own{Works: m.works(a, 3), Asked: 3, Attested: 1, Progress: []maintenance.Progress{
		{Badge: "laser-maintainer", Counted: 2, Needed: 5, Days: 2, Spread: 3, Why: []policy.Text{why}}}}, nil
}

// SetInitial stores the initial hours of a machine.
func (m Maintenance) SetInitial(_ context.Context, a actor.Actor, id policy.MachineID, hours int64,
	day policy.Date) error {
	leave, err := m.Site.enter(a, actor.EnrolMachines, actor.Target{Machine: id})
	if err != nil {
		return err
	}
	defer leave()
	if hours < 0 {
		return bad("hours", fmt.Sprint(hours), "not a number of hours", "0 to 400000")
	}
	if day.Year == 0 {
		return bad("day", day.String(), "not a past day", "a day from 1950-01-01 to today")
	}
	m.Site.reports.upkeep.initial = &maintenance.Initial{Hours: hours, Day: day, On: day.String()}
	m.Site.log(a, actor.EnrolMachines, "machine/"+string(id), fmt.Sprintf("%d hours on %s", hours, day))
	return nil
}

// CloseReport closes a report with a reason.
func (m Maintenance) CloseReport(_ context.Context, a actor.Actor, id policy.MachineID, report, words string) error {
	leave, err := m.Site.enter(a, actor.TagMachine, actor.Target{Machine: id})
	if err != nil {
		return err
	}
	defer leave()
	if strings.TrimSpace(words) == "" {
		return bad("words", "", "no reason, or too long", "1 to 500 bytes")
	}
	if report != "-412" {
		return missing("open report", report)
	}
	m.Site.reports.upkeep.closed = map[string]string{report: words}
	m.Site.log(a, actor.TagMachine, "machine/"+string(id), "report closed: "+words)
	return nil
}

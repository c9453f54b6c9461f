package web_test

import (
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web/webtest"
)

func TestMaintenanceListsAreFilteredByLinks(t *testing.T) {
	h := open(t, 0)
	body := expect(t, h.get("/maintenance"), 200, "Unusual noise", "courroie usée", "Extraction and filters",
		`href="/maintenance?show=reports"`, `href="/maintenance?machine=vinyl"`, `href="/members/m-lea"`, "2\u00a0Dec")
	if strings.Index(body, "courroie") > strings.Index(body, "Unusual noise") {
		t.Error("the order of the service was changed")
	}
	body = expect(t, h.get("/maintenance?show=reports"), 200, "Unusual noise",
		`href="/maintenance?machine=vinyl&amp;show=reports"`, `aria-current="true">Reports (1)`)
	if strings.Contains(body, "courroie") {
		t.Error("a tag is among the reports")
	}
	if body = expect(t, h.get("/maintenance?machine=vinyl"), 200, "courroie"); strings.Contains(body, "Unusual noise") {
		t.Error("a report of the laser is at the vinyl cutter")
	}
	expect(t, h.get("/maintenance?show=%3Cscript%3E&machine=%22"), 200, "Nothing to do")
	expect(t, h.get("/maintenance?lang=fr"), 200, "Bruit inhabituel", "Extraction et filtres", "Signalements (1)")
}

func TestMaintainerSeesTheirMachinesAndTheirOwnWorkWithoutNames(t *testing.T) {
	h := open(t, 0).as(webtest.MaintName)
	body := expect(t, h.get("/maintenance"), 200, "My interventions", "1 endorsed of 3", "2 interventions count of 5")
	for _, x := range []string{"Léa", "m-lea"} {
		if strings.Contains(body, x) {
			t.Errorf("the page names %s", x)
		}
	}
	if strings.Contains(expect(t, h.get("/machines/laser/maintenance"), 200, "Close"), `id="hours"`) {
		t.Error("a maintainer may state initial hours")
	}
	expect(t, open(t, 0).as(webtest.MemberName).get("/maintenance"), 403)
	if body := expect(t, open(t, 0).as(webtest.MentorName).get("/machines/laser/maintenance"), 200); strings.Contains(body,
		"/maintenance/close") {
		t.Error("a mentor may close reports")
	}
}

func TestMachinesMaintenanceHasHistoryFiguresAndChart(t *testing.T) {
	h := open(t, 0)
	body := expect(t, h.get("/machines/laser/maintenance"), 200, "Maintenance: ", "from 6 failures", "<svg class=\"bars\"",
		"lentille 2 pouces", "odeur de brûlé", "Show 3 more rows", "Nov\u00a02026")
	if strings.Contains(body, "Les bords sont noirs") {
		t.Error("a closed report is among the open ones")
	}
	expect(t, h.get("/machines/laser/maintenance?show=reports"), 200, "Les bords sont noirs", "Closed by “Lens cleaning”",
		"Closed by the return to service", "sent from a phone")
	if strings.Contains(expect(t, h.get("/machines/laser/maintenance?show=works"), 200), "Show 3 more rows") {
		t.Error("not all interventions are shown")
	}
	body = expect(t, h.get("/machines/fdm/maintenance"), 200, "fewer than two failures", "No intervention logged")
	if strings.Contains(body, "<svg class=\"bars\"") {
		t.Error("a chart without data")
	}
	expect(t, h.get("/machines/mill/maintenance"), 404)
	expect(t, h.get("/machines/laser/maintenance?lang=fr"), 200, "sur 6 défaillances", "lentille 2 pouces")
}

func TestReportIsClosedWithAReason(t *testing.T) {
	h := open(t, 0)
	at := "/machines/laser/maintenance/close?report=-412"
	expect(t, h.post(at, url.Values{"words": {" "}}), 422, "no reason, or too long", "<details open>")
	w := h.post(at, url.Values{"words": {"rien trouvé"}})
	expect(t, w, 303, "/machines/laser/maintenance?done=report-closed#reports")
	expect(t, h.get("/machines/laser/maintenance?done=report-closed&show=reports"), 200, "Report closed.", "rien trouvé")
	expect(t, h.post("/machines/laser/maintenance/close?report=x", url.Values{"words": {"y"}}), 404)
	expect(t, h.get("/settings/audit?lang=fr"), 200, "signalement clos")
}

func TestAdministratorStatesTheInitialHours(t *testing.T) {
	h := open(t, 0)
	at := "/machines/laser/maintenance/hours"
	expect(t, h.post(at, url.Values{"hours": {"many"}, "day": {"2026-01-01"}}), 422, "not a number of hours", "“many”")
	expect(t, h.post(at, url.Values{"hours": {"5"}, "day": {"2026-13-01"}}), 422, "not a past day", "“2026-13-01”")
	expect(t, h.post(at, url.Values{"hours": {"1240"}, "day": {"2026-01-01"}}), 303, "done=hours-set")
	expect(t, h.get("/machines/laser/maintenance"), 200, "of which 1,240 h on 1\u00a0Jan", `value="1240"`)
	expect(t, h.get("/settings/audit?lang=fr"), 200, "1240 heures au 2026-01-01")
	expect(t, h.as(webtest.MaintName).post(at, url.Values{"hours": {"1"}, "day": {"2026-01-01"}}), 403)
}

package web_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"portillon/hub/training"
	"portillon/hub/web/webtest"
)

func TestMemberReportsTheOwnCardAsLost(t *testing.T) {
	h := open(t, 0).as(webtest.MemberName)
	expect(t, h.get("/me/cards"), 200, `href="/me/cards/c-lea/lost"`, "active")
	body := expect(t, h.get("/me/cards/c-lea/lost"), 200, `action="/me/cards/c-lea/lost"`, "only an administrator")
	if strings.Count(body, `method="post"`) != 2 { // the confirmation, and the button to sign out
		t.Errorf("the page has other forms: %s", head(body))
	}
	expect(t, h.post("/me/cards/c-lea/lost", url.Values{"state": {"active"}}), 303, "/me/cards?done=own-card-lost")
	body = expect(t, h.get("/me/cards?done=own-card-lost"), 200, "lost", "No active card", "Card reported as lost")
	if strings.Contains(body, "/lost\"") {
		t.Error("a lost card has a button to report it as lost")
	}
	expect(t, h.get("/me/cards/c-lea/lost"), 303, "/me/cards")
	expect(t, h.post("/me/cards/c-lea/lost", nil), 303, "/me/cards")
	expect(t, h.as(webtest.OwnerName).get("/settings/audit"), 200, "card c-lea is lost", "report the own card as lost")
}

func TestMemberReportsNoCardOfOtherMembersAsLost(t *testing.T) {
	h := open(t, 0)
	for _, who := range []string{webtest.MemberName, webtest.MentorName, webtest.OwnerName} {
		me := h.as(who)
		expect(t, me.get("/me/cards/c-tom/lost"), 404)
		expect(t, me.post("/me/cards/c-tom/lost", nil), 404)
		expect(t, me.post("/me/cards/c-tom/lost", url.Values{"member": {"m-tom"}, "id": {"m-tom"}}), 404)
	}
	expect(t, h.get("/members/m-tom"), 200, "active")
	expect(t, h.as("").post("/me/cards/c-tom/lost", nil), 303, "/sign-in")
}

func TestMemberSeesMachinesProgressAndHours(t *testing.T) {
	h := open(t, 0).as(webtest.MemberName)
	expect(t, h.get("/me/machines"), 200, "Laser cutter", "Use, until 16:30", "Also possible:", "in use",
		"Machine out of service. Next step: wait until it is returned to service", "With a mentor", "offline",
		"would refuse:", "asks for a secure card", "the machine itself may answer differently")
	expect(t, h.get("/me/path"), 200, "<strong>Use</strong>",
		"Practice at this machine: 3\u00a0h\u00a020\u00a0min of 10\u00a0h",
		`<meter min="0" max="36000" value="12000"`, "Interventions that count: 2 of 5", "Different days: 1 of 3",
		"1 intervention does not count: why?", "This intervention is too old.", "confirmed 2 times", "You have every badge")
	body := expect(t, h.get("/me/hours"), 200, `role="img"`, "Nov\u00a02026", "11.2", `height="120"`)
	if n := strings.Count(body, "<rect"); n != 12 {
		t.Errorf("the chart has %d bars, want 12", n)
	}
	for _, path := range []string{"/me/machines", "/me/path", "/me/hours"} {
		expect(t, h.as("").get(path), 303, "/sign-in")
	}
}

func TestMemberDownloadsOwnDataAndAsksForErasure(t *testing.T) {
	h := open(t, 0).as(webtest.MemberName)
	admin := h.as(webtest.AdminName)
	expect(t, h.get("/me/record.json"), 200, `"name": "Léa Morvan"`, `"sessions": [`, `"kind": "refused"`,
		`"detail": "changed until"`, `"issued": [`, `"address": "https://hub.lab.example/issuer/badges/aw-lea"`)
	var file struct {
		Trainings []training.Attended
		Waits     []training.Wish
	}
	read := func() {
		t.Helper()
		if err := json.Unmarshal(h.get("/me/record.json").Body.Bytes(), &file); err != nil {
			t.Fatal(err)
		}
	}
	if read(); len(file.Trainings) != 1 || file.Trainings[0].State != "in" || len(file.Waits) != 1 {
		t.Errorf("%+v, want one training, and one for which the member waits", file)
	}
	expect(t, h.post("/me/trainings", url.Values{"what": {"laser laser-user"}}), 303, "/me/trainings")
	if read(); len(file.Waits) != 2 || file.Waits[0].Badge != "laser-user" || file.Waits[0].Since.IsZero() {
		t.Errorf("%+v, want two trainings for which the member waits", file.Waits)
	}
	body := expect(t, h.get("/me/data"), 200, `href="/me/record.json"`, `href="/me/erasure"`)
	if strings.Contains(body, "Cancel the request for erasure") {
		t.Error("a request that nobody made can be withdrawn")
	}
	expect(t, h.get("/me/erasure"), 200, `action="/me/erasure"`, "Download your data and badges first")
	if body := admin.get("/today").Body.String(); strings.Contains(body, "Requests for erasure") {
		t.Error("today shows a request before it is made")
	}
	expect(t, h.post("/me/erasure", nil), 303, "/me/data?done=erasure-asked")
	expect(t, h.get("/me/data"), 200, "Erasure requested today at 14:30", `action="/me/erasure/withdraw"`)
	expect(t, h.get("/me/erasure"), 303, "/me/data")
	expect(t, h.get("/me/record.json"), 200, `"erasure_requested": "2026-11-30T13:30:00Z"`)
	expect(t, admin.get("/today"), 200, "Requests for erasure", "Léa Morvan", `href="/members/m-lea/erase"`)
	for _, who := range []string{webtest.MentorName, webtest.MaintName, webtest.MemberName} {
		if body := h.as(who).get("/today").Body.String(); strings.Contains(body, "Requests for erasure") {
			t.Errorf("%s sees the requests for erasure", who)
		}
	}
	expect(t, h.post("/me/erasure/withdraw", nil), 303, "/me/data?done=erasure-withdrawn")
	if body := admin.get("/today").Body.String(); strings.Contains(body, "Requests for erasure") {
		t.Error("today shows a request that was withdrawn")
	}
}

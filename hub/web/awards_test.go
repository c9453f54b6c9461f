package web_test

import (
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web"
	"portillon/hub/web/webtest"
)

func TestBadgeIsIssuedAfterAConfirmation(t *testing.T) {
	h := open(t, 0)
	expect(t, h.get("/members/m-lea"), 200, "/awards/new?member=m-lea")
	// A search keeps the ticked members.
	expect(t, h.get("/awards/new?badge=laser-user&member=m-lea&q=tom"), 200, `value="m-lea" checked`, `value="m-tom"`,
		`value="laser-user" selected`)
	expect(t, h.get("/awards/new?badge=laser-user&step=decide"), 200, "no member was chosen")
	expect(t, h.get("/awards/new?badge=laser-user&member=m-lea&member=m-tom&step=decide"), 200, "2 holders",
		`action="/awards"`, `type="hidden" name="member" value="m-tom"`, "Montrer une découpe")
	form := url.Values{"badge": {"laser-user"}, "member": {"m-lea", "m-tom"}, "evidence": {"a box"},
		"urls": {"https://lab.example/a\nhttps://lab.example/b"}, "until": {"2027-08-31"}}
	expect(t, h.post("/awards", form), 422, "a reason is needed", "a box", "2 holders")
	form.Set("why", "seen")
	form.Set("until", "31/08")
	expect(t, h.post("/awards", form), 422, "not a date")
	form.Set("until", "2027-08-31")
	expect(t, h.post("/awards", form), 303, "/awards?done=badge-awarded")
	expect(t, h.get("/awards?done=badge-awarded"), 200, "Badge issued.", "<q>seen</q>", "https://lab.example/b",
		"expires 31")
}

func TestIssuedBadgesAreTakenBackAndRevoked(t *testing.T) {
	h := open(t, 0)
	expect(t, h.get("/awards"), 200, "/awards/aw-lea/undo", "/awards/aw-lea/revoke", "erased member", "Revoked")
	expect(t, h.post("/awards/aw-lea/revoke", url.Values{}), 422, "a reason is needed", "/awards/aw-lea/revoke")
	expect(t, h.post("/awards/aw-lea/undo", url.Values{}), 303, "/awards?done=badge-undone")
	expect(t, h.post("/awards/aw-lea/undo", url.Values{}), 422, "the badge is revoked already")
	expect(t, h.post("/awards/nothing/undo", url.Values{}), 404)
	w := h.get("/awards/aw-karim/badge.png")
	expect(t, w, 200, "picture")
	if w.Header().Get("Content-Disposition") == "" {
		t.Error("the picture is no download")
	}
}

func TestTextsOfABadgeAreChanged(t *testing.T) {
	h := open(t, 0)
	form := url.Values{"version": {"0"}, "criteria": {""}, "alignments": {"https://frame.example/s Safety at work"}}
	expect(t, h.post("/badge-classes/laser-user", form), 422, "the criteria are missing", "Safety at work")
	form.Set("criteria", "Cut a box")
	expect(t, h.post("/badge-classes/laser-user", form), 303, "/awards?done=class-saved")
	expect(t, h.get("/badge-classes/laser-user"), 200, "Cut a box", "https://frame.example/s Safety at work")
	expect(t, h.post("/badge-classes/laser-user", form), 412)
}

func TestHubWithoutAnIssuerHasNoPagesOfIssuedBadges(t *testing.T) {
	h := open(t, 0)
	h.options.Issuing = web.Issuing(nil)
	h.build()
	expect(t, h.get("/awards"), 404)
	if body := h.get("/members/m-lea").Body.String(); len(body) == 0 || strings.Contains(body, "/awards") {
		t.Error("the page of a member leads to the pages of issued badges")
	}
	expect(t, h.as(webtest.MentorName).get("/awards"), 404)
}

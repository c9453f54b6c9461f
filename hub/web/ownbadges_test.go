package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web"
	"portillon/hub/web/webtest"
)

// publicBadge requests the address of a badge as somebody who is not signed in.
func (h *hub) publicBadge(path, accept string) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	r.Header.Set("Accept-Language", "en")
	w := httptest.NewRecorder()
	h.h.ServeHTTP(w, r)
	return w
}

func TestMemberOpensAndEndsThePublicPageOfABadge(t *testing.T) {
	h := open(t, 0)
	h.who = webtest.MemberName
	const page, browser = "/issuer/badges/aw-lea", "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"
	expect(t, h.publicBadge(page, browser), 404)
	expect(t, h.publicBadge(page, "application/json"), 404)
	body := expect(t, h.get("/me/badges"), 200, "/awards/aw-lea/badge.png", `action="/me/badges/aw-lea/show"`,
		`value="Léa Morvan"`)
	if strings.Contains(body, "linkedin") || strings.Contains(body, "aw-karim") {
		t.Error("the page links to LinkedIn, or has the badge of another member")
	}
	expect(t, h.get("/me/badges/aw-lea"), 200, "Badge of Léa Morvan", "Une boîte", "With a public page")
	expect(t, h.get("/me/badges/aw-karim"), 404)
	expect(t, h.post("/me/badges/aw-karim/show", url.Values{"shown": {"on"}, "name": {"x"}}), 404)
	expect(t, h.post("/me/badges/aw-lea/show", url.Values{"shown": {"on"}}), 422, "a name for the page is needed")
	expect(t, h.post("/me/badges/aw-lea/show", url.Values{"shown": {"on"}, "name": {"Léa <M>"}}), 303,
		"/me/badges?done=badge-shown")
	expect(t, h.get("/me/badges"), 200, "public page", "https://www.linkedin.com/profile/add?",
		"certUrl=https%3A%2F%2Fhub.lab.example%2Fissuer%2Fbadges%2Faw-lea", "issueYear=2026",
		"startTask=CERTIFICATION_NAME")
	expect(t, h.get("/me/badges/aw-lea"), 200, "Léa &lt;M&gt;", `<svg class="qr"`)
	w := h.publicBadge(page, browser)
	body = expect(t, w, 200, "Léa &lt;M&gt;", `<meta name="robots" content="noindex">`, `property="og:title"`,
		`property="og:image" content="https://hub.lab.example/issuer/pictures/laser-user.png"`, "Une boîte",
		`<span class="state on">valid</span>`, "Verify this badge")
	for _, private := range []string{"adele@lab.example", "montrée à l", "m-lea", "Morvan"} {
		if strings.Contains(body, private) {
			t.Errorf("the public page contains %q", private)
		}
	}
	if w.Header().Get("X-Robots-Tag") != "noindex" || len(w.Result().Cookies()) > 0 ||
		!strings.Contains(w.Header().Get("Vary"), "Accept,") {
		t.Errorf("headers %v", w.Header())
	}
	expect(t, h.publicBadge(page+"?verify=yes", browser), 200, `role="status"`, ">valid<")
	for _, accept := range []string{"application/json", "application/vc+ld+json", "application/vc+jwt, */*"} {
		w := h.publicBadge(page, accept)
		expect(t, w, 200, `{"id":"https://hub.lab.example/issuer/badges/aw-lea"}`)
		if w.Header().Get("Content-Type") != "application/vc+ld+json" ||
			w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("for %s: headers %v", accept, w.Header())
		}
	}
	for _, accept := range []string{"", "*/*", "text/html;q=0.9, application/json", "image/png"} {
		if got := h.publicBadge(page, accept).Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("for %q: %s, want a page", accept, got)
		}
	}
	expect(t, h.post("/me/badges/aw-lea/show", nil), 303, "/me/badges?done=badge-hidden")
	expect(t, h.publicBadge(page, browser), 404)
}

func TestRevokedBadgesSayThatTheyAreRevoked(t *testing.T) {
	h := open(t, 0)
	body := expect(t, h.publicBadge("/issuer/badges/aw-karim?verify=yes", "text/html"), 200,
		`<span class="state no">revoked`, ">invalid<")
	if strings.Contains(body, "A quitté") {
		t.Error("the public page gives the reason of the revocation")
	}
	h.options.OwnBadges = web.OwnBadges(nil)
	h.build()
	expect(t, h.publicBadge("/issuer/badges/aw-karim", "text/html"), 404)
	expect(t, h.get("/me/badges"), 404)
}

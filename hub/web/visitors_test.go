package web_test

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/visitor"
	"portillon/hub/web/webtest"
)

// bring sends the form of a new visit, with a file.
func (h *hub) bring(path, data string, v url.Values) *httptest.ResponseRecorder {
	h.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	f, err := m.CreateFormFile("file", "badge.png")
	if err != nil {
		h.t.Fatal(err)
	}
	f.Write([]byte(data))
	for k := range v {
		if err := m.WriteField(k, v.Get(k)); err != nil {
			h.t.Fatal(err)
		}
	}
	m.Close()
	r := httptest.NewRequest("POST", path, &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Accept-Language", "en")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return h.do(r)
}

// wants fails the test unless a response has a status and contains texts; a text that begins with "!" must be missing.
func wants(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %.300s", w.Code, status, w.Body)
	}
	body := w.Body.String()
	for _, text := range texts {
		if rest, not := strings.CutPrefix(text, "!"); not == strings.Contains(body, strings.TrimPrefix(rest, "!")) {
			t.Errorf("want %q in the page", text)
		}
	}
}

func TestVisitorIsLetInByTheDesk(t *testing.T) {
	h := open(t, 0)
	w := h.bring("/visitors", "a valid badge", url.Values{"address": {"lea@other.example"}})
	to := w.Header().Get("Location")
	if w.Code != 303 || !strings.HasPrefix(to, "/visitors/v-new1?done=badge-good") {
		t.Fatalf("%d %s", w.Code, to)
	}
	page := h.get("/visitors/v-new1")
	wants(t, page, 200, "Laser cutting, autonomous", "opens", "does not open", "With a mentor", `value="2026-11-30"`,
		"A code was mailed to lea@other.example", "30 days", `value="u-1" checked`)
	entry := url.Values{"version": {"1"}, "name": {"Léa"}, "consent": {"on"}, "tap": {"u-1"}, "until": {"2026-11-30"}}
	wants(t, h.post("/visitors/v-new1", entry), 422, "nothing proves yet", `value="on" checked> <span><q>`)
	entry.Set("code", "x")
	wants(t, h.post("/visitors/v-new1", entry), 422, "the code is wrong", `value="x"`, `value="Léa"`,
		`value="u-1" checked`)
	entry.Set("until", "x")
	wants(t, h.post("/visitors/v-new1", entry), 422, "the day has passed")
	entry.Set("until", "2026-11-30")
	entry.Set("code", " "+webtest.VisitCode+" ")
	w = h.post("/visitors/v-new1", entry)
	if w.Code != 303 || w.Header().Get("Location") != "/visitors?done=visitor-in" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
	wants(t, h.get("/visitors/v-new1"), 200, "The visitor is in", "!name=\"consent\"")
	wants(t, h.get("/visitors?done=visitor-in"), 200, "The visitor is in", "m-visitor", "Tom Le Goff")
	if strings.Contains(h.get("/cards").Body.String(), "K7QD2M") {
		t.Error("the card is still unknown")
	}
}

func TestVisitorIsLetInWithAnIdentityAndACardsNumber(t *testing.T) {
	h := open(t, 0)
	entry := url.Values{"version": {"1"}, "name": {""}, "consent": {"on"}, "identity": {"on"}, "tap": {"u-1"},
		"number": {" 04A2 "}, "until": {"2026-11-30"}}
	if w := h.post("/visitors/v-nora", entry); w.Code != 303 {
		t.Errorf("%d", w.Code)
	}
	if !strings.Contains(h.get("/cards").Body.String(), "K7QD2M") {
		t.Error("the tap was used, although a number was typed")
	}
}

func TestTapThatIsGoneIsToldBesideTheCards(t *testing.T) {
	h := open(t, 0)
	o := h.options.Visitors
	h.options.Visitors.Desk = goneTap{o.Desk.(webtest.Desk)}
	h.build()
	entry := url.Values{"version": {"1"}, "identity": {"on"}, "consent": {"on"}, "tap": {"u-9"}, "until": {"2026-11-30"}}
	wants(t, h.post("/visitors/v-nora", entry), 422, "the tap is not listed any more", "tap the card again",
		`name="identity" value="on" checked`)
	h.options.Visitors.Desk = goneVisit{o.Desk.(webtest.Desk)}
	h.build()
	wants(t, h.post("/visitors/v-nora", entry), 404)
}

func TestBadgeThatLetsNobodyInIsShownWithItsReason(t *testing.T) {
	h := open(t, 0)
	wants(t, h.bring("/visitors", "expired", nil), 422, "The badge is not valid", "valid until 2025-01-31",
		"Your badge has expired", `id="refused"`)
	wants(t, h.post("/visitors", url.Values{"badge": {"unknown"}, "address": {"lea@other.example"}}), 422,
		"The access policy does not accept this badge", `value="lea@other.example"`, "unknown</textarea>")
	wants(t, h.post("/visitors", url.Values{"badge": {"x"}, "address": {"tom@other.example"}}), 422,
		"The badge was issued to another address")
	wants(t, h.post("/visitors", url.Values{}), 422, "there is no badge", `!id="refused"`)
}

func TestDeskMailsDismissesAndEnds(t *testing.T) {
	h := open(t, 0)
	for path, to := range map[string]string{"/visitors/v-nora/code": "/visitors/v-nora?done=code-mailed",
		"/visitors/v-in/end":       "/visitors?done=visitor-ended",
		"/visitors/v-past/dismiss": "/visitors?done=visitor-dismissed"} {
		if w := h.post(path, nil); w.Code != 303 || w.Header().Get("Location") != to {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Location"))
		}
		if w := h.post(strings.Replace(path, "v-", "v-no", 1), nil); w.Code != 404 {
			t.Errorf("%s of no visit: %d", path, w.Code)
		}
	}
	h.site.Break(errors.New("out of order"))
	for _, path := range []string{"/visitors", "/visitors/v-nora"} {
		if w := h.get(path); w.Code != 500 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestSettingsOfVisitsAreChanged(t *testing.T) {
	h := open(t, 0)
	v := url.Values{"version": {"1"}, "self": {"on"}, "days": {" 3 "}, "keep": {"7"}}
	if w := h.post("/visitors/settings", v); w.Code != 303 {
		t.Fatalf("%d", w.Code)
	}
	wants(t, h.get("/visitors"), 200, `value="3"`, `value="7"`, `<option value="on" selected`, `href="/visit"`)
	v.Set("version", "2")
	v.Set("days", "x")
	wants(t, h.post("/visitors/settings", v), 422, "not a length of a visit", `value="x"`)
	v.Set("days", "1")
	v.Set("self", "off")
	if w := h.post("/visitors/settings", v); w.Code != 303 {
		t.Errorf("%d", w.Code)
	}
	wants(t, h.get("/visitors"), 200, `!href="/visit"`)
	v.Set("version", "1")
	wants(t, h.post("/visitors/settings", v), 412)
}

func TestVisitorUsesTheirOwnPhone(t *testing.T) {
	h := open(t, 0)
	nobody := h.as("")
	for _, path := range []string{"/visit", "/visit/v-nora"} {
		wants(t, nobody.get(path), 404)
		wants(t, nobody.post(path, url.Values{"badge": {"x"}}), 404)
	}
	webtest.PermitPhones(h.site)
	wants(t, nobody.get("/visit"), 200, `name="name"`, `enctype="multipart/form-data"`)
	wants(t, nobody.bring("/visit", "expired", url.Values{"name": {"Léa"}}), 422, "The badge is not valid", `value="Léa"`)
	w := nobody.bring("/visit", strings.Repeat("x", visitor.MaxBadge), url.Values{"name": {"Léa"}})
	if w.Code != 303 || w.Header().Get("Location") != "/visit/v-new1?done=badge-good" ||
		w.Header().Get("Set-Cookie") != "" {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	if w := nobody.bring("/visit", strings.Repeat("x", visitor.MaxBadge+70<<10), nil); w.Code != 413 {
		t.Errorf("a file that is too large: %d", w.Code)
	}
	page := nobody.get("/visit/v-new1")
	wants(t, page, 200, "30 days", `name="code"`, `name="consent"`)
	if page.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Error("the address with the key may be sent to another site")
	}
	code := url.Values{"code": {webtest.VisitCode}}
	wants(t, nobody.post("/visit/v-new1", code), 422, "the visitor has not consented", `value="`+webtest.VisitCode)
	code.Set("consent", "on")
	if w := nobody.post("/visit/v-new1", code); w.Code != 303 || w.Header().Get("Location") != "/visit/v-new1?done=saved" {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	wants(t, nobody.get("/visit/v-new1"), 200, "Everything is ready", "Go to the desk", `!name="consent"`)
	wants(t, nobody.get("/visit/v-none"), 404)
	wants(t, nobody.post("/visit/v-none", code), 404)
}

// goneTap is a desk at which the tap of the card is not listed any more. goneVisit is a desk that has forgotten the
// visit.
type (
	goneTap   struct{ webtest.Desk }
	goneVisit struct{ webtest.Desk }
)

func (goneTap) LetIn(context.Context, actor.Actor, string, int64, visitor.Entry) (visitor.Visit, error) {
	return visitor.Visit{}, &fault.NotFound{What: "tap", ID: "u-9"}
}

func (goneVisit) LetIn(context.Context, actor.Actor, string, int64, visitor.Entry) (visitor.Visit, error) {
	return visitor.Visit{}, &fault.NotFound{What: "visit", ID: "v-nora"}
}

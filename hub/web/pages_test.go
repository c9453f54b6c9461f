package web_test

import (
	"bytes"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"portillon/hub/account"
	"portillon/hub/web"
	"portillon/hub/web/webtest"
)

// The type hub serves the pages of a hub under test to a browser that does not follow redirects.
type hub struct {
	t    testing.TB
	site *webtest.Site
	h    http.Handler
	who  string // name of the account that is signed in; empty: nobody is signed in
	logs *bytes.Buffer

	options web.Options
}

// directoryOf returns the directory's services; one fake implements all of them.
func directoryOf(d webtest.Directory) web.Directory {
	return web.Directory{Members: d, Cards: d, Taps: d, Badges: d, Imports: d, Sources: d, Exports: d,
		Erasures: webtest.Erasures(d), Own: webtest.Own(d)}
}

// displayOf returns the services of the public status and of wall screens.
func displayOf(s *webtest.Site) web.Display {
	return web.Display{Settings: webtest.DisplaySettings{Site: s}, Screens: webtest.Screens{Site: s},
		Board: webtest.Board{Site: s}}
}

// visitorsOf returns the services of visits; one fake implements desk and arrivals.
func visitorsOf(s *webtest.Site) web.Visitors {
	return web.Visitors{Settings: webtest.VisitorSettings{Site: s}, Desk: webtest.Desk{Site: s},
		Arrivals: webtest.Arrivals{Site: s}}
}

// accountsOf returns the services of accounts; one fake implements all of them.
func accountsOf(a webtest.Accounts) web.Accounts {
	return web.Accounts{Passwords: a, Links: a, PrintedCodes: a, Ownership: a, Recovery: a, Sessions: a, Tokens: a,
		Registry: a, Audit: a}
}

func open(t testing.TB, more int) *hub {
	t.Helper()
	s := webtest.New(more)
	logs := &bytes.Buffer{}
	h := &hub{t: t, site: s, who: webtest.OwnerName, logs: logs}
	h.options = web.Options{Site: "BIK'LAB", Version: "0.7.0", Zone: webtest.Paris(), Now: webtest.Now, Mail: true,
		Directory: directoryOf(webtest.Directory{Site: s}), Machines: webtest.Machines{Site: s},
		Codes: webtest.Codes{Site: s}, Orders: webtest.Orders{Site: s},
		CardKeys: webtest.CardKeys{Site: s}, Issuing: webtest.Issuing{Site: s},
		Policies: webtest.Policies{Site: s}, Drafts: webtest.Drafts{Site: s},
		Bundles:  webtest.Bundles{Site: s},
		Accounts: accountsOf(webtest.Accounts{Site: s}), Reports: webtest.Reports{Site: s},
		Display: displayOf(s), Visitors: visitorsOf(s), Search: webtest.Search{Site: s}, Who: s.Who,
		OwnBadges: webtest.Issuing{Site: s}, Trainings: webtest.Trainings{Site: s},
		Maintenance: webtest.Maintenance{Site: s},
		Log:         slog.New(slog.NewTextHandler(logs, nil)),
		MachineName: webtest.MachineName, BadgeName: webtest.BadgeName,
		RequestID: func(*http.Request) string { return "req-7" }}
	h.build()
	return h
}

// build creates the pages from the hub's options.
func (h *hub) build() {
	h.t.Helper()
	p, err := web.New(h.options)
	if err != nil {
		h.t.Fatal(err)
	}
	h.h = h.site.Handler(p.Handler())
}

// as returns the same hub with a browser in which another account is signed in.
func (h hub) as(who string) *hub {
	h.who = who
	return &h
}

func (h *hub) do(r *http.Request) *httptest.ResponseRecorder {
	if h.who != "" {
		r.AddCookie(webtest.Cookie(h.who))
	}
	w := httptest.NewRecorder()
	h.h.ServeHTTP(w, r)
	return w
}

func (h *hub) get(path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept-Language", "en")
	return h.do(r)
}

func (h *hub) post(path string, v url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept-Language", "en")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return h.do(r)
}

func (h *hub) upload(path, field, name, data string) *httptest.ResponseRecorder {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	if name != "" {
		f, err := m.CreateFormFile(field, name)
		if err != nil {
			h.t.Fatal(err)
		}
		io.WriteString(f, data)
	}
	m.Close()
	r := httptest.NewRequest("POST", path, &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Accept-Language", "en")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return h.do(r)
}

// expect checks that a response has the status, and that its body or Location header contains the texts.
func expect(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) string {
	t.Helper()
	body := w.Body.String()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, head(body))
	}
	for _, x := range texts {
		if !strings.Contains(body, x) && !strings.Contains(w.Header().Get("Location"), x) {
			t.Fatalf("no %q in the answer: Location %q, %s", x, w.Header().Get("Location"), head(body))
		}
	}
	return body
}

func head(s string) string {
	_, main, _ := strings.Cut(s, "<main")
	return main[:min(len(main), 3000)]
}

// paths returns all pages that the owner can open with GET.
func paths() []string {
	return []string{"/today", "/me", "/me/cards", "/me/cards/c-olivia/lost", "/me/machines",
		"/me/path", "/me/hours", "/me/data", "/me/erasure",
		"/about", "/members", "/members?q=lea&state=current", "/members/new",
		"/members/import", "/members/m-lea", "/members/m-malik",
		"/members/m-lea/merge", "/members/m-lea/merge?drop=m-tom", "/members/m-lea/erase", "/machines", "/machines/laser",
		"/machines/vinyl", "/card-key",
		"/me/badges", "/awards", "/awards?member=m-lea", "/awards/new", "/awards/new?q=tom&member=m-lea&badge=laser-user",
		"/awards/new?member=m-lea&badge=laser-user&step=decide", "/awards/new?badge=laser-user&step=decide",
		"/badge-classes/laser-user", "/trainings",
		"/trainings/t-open?q=tom&tap=u-1", "/trainings/t-done",
		"/policy", "/policy/try", "/policy/try?member=m-lea&machine=laser", "/policy/edit",
		"/policy/edit?at=laser.0", "/policy/edit?at=laser.hours", "/policy/edit?at=badge", "/policy/versions/1",
		"/cards", "/cards?state=lost", "/cards/unknown/u-1", "/reports",
		"/reports?from=2027-01-01&to=2026-01-01", "/reports?from=x",
		"/settings", "/settings/tokens", "/settings/accounts", "/settings/audit", "/settings/public", "/search",
		"/visitors", "/visitors/v-nora", "/visitors/v-in", "/visitors/v-none",
		"/search?q=a", "/search?q=" + strings.Repeat("x", 201),
		"/nowhere"}
}

// signedOut returns the pages that a person who is not signed in can open with GET.
func signedOut() []string {
	return []string{"/sign-in", "/sign-in?back=/members", "/sign-in/link?code=link-code",
		"/sign-in/link?code=shared-code", "/sign-in/link?code=wrong",
		"/code", "/code/owner?code=OWNER-CODE", "/code/password", "/about", "/status", "/issuer/badges/aw-first",
		"/issuer/badges/aw-first?verify=1",
		"/issuer/badges/aw-karim?verify=1", "/issuer/badges/aw-lea", "/wall?key=" + webtest.WallKey,
		"/visit", "/visit/v-nora",
		"/nowhere"}
}

func TestEveryPageIsValidAndSmallInBothLanguages(t *testing.T) {
	h := open(t, 300)
	css := h.get(assetOf(t, h, "hub.css")).Body.Len() + h.get(assetOf(t, h, "hub.js")).Body.Len()
	for _, who := range []string{webtest.OwnerName, ""} {
		list := paths()
		if who == "" {
			list = signedOut()
		}
		for _, path := range list {
			for _, lang := range []string{"fr", "en"} {
				sep := "?"
				if strings.Contains(path, "?") {
					sep = "&"
				}
				w := h.as(who).get(path + sep + "lang=" + lang)
				body := w.Body.String()
				switch {
				case w.Code >= 500 || w.Code == 303:
					t.Errorf("%s: %d, Location %q", path, w.Code, w.Header().Get("Location"))
				case !strings.Contains(body, `<html lang="`+lang+`">`) || !strings.HasSuffix(strings.TrimSpace(body), "</html>"):
					t.Errorf("%s (%s): not a whole page in that language", path, lang)
				case strings.Contains(body, "⟦") || strings.Contains(body, "{1}") || strings.Contains(body, "ZgotmplZ"):
					t.Errorf("%s (%s): a message is missing: %s", path, lang, head(body))
				case len(body)+css > 60_000:
					t.Errorf("%s (%s): %d bytes with stylesheet and script, want at most 60,000", path, lang, len(body)+css)
				}
			}
		}
	}
	js := h.get(assetOf(t, h, "hub.js")).Body.String()
	if len(js) > 6<<10 {
		t.Errorf("the script is %d bytes, want at most 6 KiB", len(js))
	}
	if !strings.Contains(js, account.BackgroundHeader) {
		t.Errorf("the script does not mark what it asks for by itself with %s", account.BackgroundHeader)
	}
}

func assetOf(t *testing.T, h *hub, name string) string {
	t.Helper()
	body := h.get("/today").Body.String()
	i := strings.Index(body, name)
	if i < 0 {
		t.Fatalf("no %s on the page", name)
	}
	from := strings.LastIndex(body[:i], `"`) + 1
	return body[from : i+len(name)]
}

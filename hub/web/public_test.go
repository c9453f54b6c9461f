package web_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/web/webtest"
	"portillon/policy"
)

// publicPaths are the addresses that exist only if the site has a public status.
func publicPaths() []string { return []string{"/status", "/status/laser.svg", "/spaceapi.json"} }

// A stranger who asks for the public status of a site without one learns no more than from an address that does not
// exist.
func TestPublicAddressesDoNotExistUnlessTheSiteWantsThem(t *testing.T) {
	h := open(t, 0)
	unknown := h.as("").get("/nowhere")
	for _, path := range publicPaths() {
		for _, who := range []string{"", webtest.OwnerName} {
			w := h.as(who).get(path)
			same := strings.ReplaceAll(w.Body.String(), path, "/nowhere") == unknown.Body.String()
			if w.Code != 404 || !same || w.Header().Get("Access-Control-Allow-Origin") != "" ||
				w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s for %q: %d, same page %t, %v", path, who, w.Code, same, w.Header())
			}
		}
	}
	h.site.ShowPublic()
	for _, path := range publicPaths() {
		w := h.as("").get(path)
		if w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=30" || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/status/lathe.svg", "/status/laser", "/status/laser.png", "/status/.svg"} {
		if w := h.as("").get(path); w.Code != 404 {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
	if w := h.as("").post("/status", nil); w.Code != 404 {
		t.Errorf("POST: %d, want 404", w.Code)
	}
}

// A signed-in reader gets the same public page as everybody, because caches may store the page.
func TestPublicPageIsTheSameForEverybodyAndNamesNobody(t *testing.T) {
	h := open(t, 0)
	h.site.ShowPublic()
	for lang, words := range map[string][]string{
		"fr": {"Découpe laser", "en marche", "hors service", "depuis"},
		"en": {"Laser cutter", "in use", "out of service", "since"},
	} {
		body := expect(t, h.as("").get("/status?lang="+lang), 200, words...)
		if owner := h.get("/status?lang=" + lang).Body.String(); owner != body {
			t.Errorf("%s: the owner's page differs:\n%s", lang, owner)
		}
		for _, private := range []string{"Léa", "Karim", "m-lea", "<q>", "mentor"} {
			if strings.Contains(body, private) {
				t.Errorf("%s: the public page contains %q", lang, private)
			}
		}
	}
	w := h.get("/status?lang=fr")
	if len(w.Result().Cookies()) != 0 {
		t.Error("the public page sets a cookie")
	}
}

// Only the SpaceAPI document may be read by scripts of other sites. Other sites may also show the picture.
func TestOnlySpaceAPIDocumentAllowsOtherOrigins(t *testing.T) {
	h := open(t, 0)
	h.site.ShowPublic()
	for path, want := range map[string]struct{ origin, resource, kind string }{
		"/spaceapi.json":               {"*", "cross-origin", "application/json"},
		"/status/laser.svg":            {"", "cross-origin", "image/svg+xml; charset=utf-8"},
		"/status":                      {"", "", "text/html; charset=utf-8"},
		"/wall?key=" + webtest.WallKey: {"", "", "text/html; charset=utf-8"},
	} {
		w := h.as("").get(path)
		g := w.Header()
		if g.Get("Access-Control-Allow-Origin") != want.origin || g.Get("Cross-Origin-Resource-Policy") != want.resource ||
			g.Get("Content-Type") != want.kind {
			t.Errorf("%s: %v, want %+v", path, g, want)
		}
	}
	if v := h.as("").get("/spaceapi.json").Header().Get("Vary"); v != "" {
		t.Errorf("the document varies by %q", v)
	}
}

// textOfSVG parses a picture strictly, and returns its texts and the names of its elements and attributes.
func textOfSVG(t *testing.T, b []byte) (texts, names string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(b)))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts, names
		}
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		switch x := tok.(type) {
		case xml.CharData:
			texts += string(x) + "|"
		case xml.StartElement:
			names += x.Name.Local + " "
			for _, a := range x.Attr {
				names += a.Name.Local + " "
			}
		}
	}
}

func TestBadgePictureHasATitleAndEscapesNames(t *testing.T) {
	h := open(t, 0)
	h.site.ShowPublic()
	for lang, want := range map[string]string{"fr": "Découpe laser – en marche|Découpe laser|● en marche|",
		"en": "Laser cutter – in use|Laser cutter|● in use|"} {
		texts, _ := textOfSVG(t, h.as("").get("/status/laser.svg?lang="+lang).Body.Bytes())
		if texts != want {
			t.Errorf("%s: %q, want %q", lang, texts, want)
		}
	}
	const known = "svg xmlns width height role lang title rect width height fill rect x width height fill g fill " +
		"font-family font-size aria-hidden text x y textLength text x y textLength "
	for _, name := range []string{hostile, "]]>", "\x00\x1b\xff", strings.Repeat("é", 500), "", `&lt;"'`} {
		h.options.MachineName = func(policy.MachineID) policy.Text { return policy.Text{FR: name, EN: name} }
		h.build()
		w := h.as("").get("/status/laser.svg")
		harmless(t, name, w)
		if _, names := textOfSVG(t, w.Body.Bytes()); names != known {
			t.Errorf("%.40q: elements %q, want %q", name, names, known)
		}
		if w.Body.Len() > 2000 {
			t.Errorf("%.40q: %d bytes", name, w.Body.Len())
		}
	}
}

func TestWallScreenNeedsItsKey(t *testing.T) {
	h := open(t, 0)
	for _, lang := range []string{"fr", "en"} {
		body := expect(t, h.as("").get("/wall?key="+webtest.WallKey+"&lang="+lang), 200, `<html lang="`+lang+`">`,
			`<noscript><meta http-equiv="refresh" content="15"></noscript>`)
		if strings.Contains(body, "⟦") || strings.Contains(body, webtest.WallKey) || strings.Contains(body, "<form") {
			t.Errorf("%s: a message is missing, or the page contains the key or a form: %s", lang, body)
		}
	}
	for _, who := range []string{"", webtest.OwnerName} {
		for _, path := range []string{"/wall", "/wall?key=", "/wall?key=x", "/wall?key=" + url.QueryEscape(hostile)} {
			if w := h.as(who).get(path); w.Code != 404 {
				t.Errorf("%s for %q: %d, want 404", path, who, w.Code)
			}
		}
	}
	w := h.as("").get("/wall?key=" + webtest.WallKey)
	if w.Header().Get("Referrer-Policy") != "no-referrer" || w.Header().Get("Cache-Control") != "no-store" ||
		len(w.Result().Cookies()) != 0 {
		t.Errorf("headers of a wall screen: %v", w.Header())
	}
	h.site.Break(&account.Throttled{Wait: 1e9})
	if w := h.as("").get("/wall?key=" + webtest.WallKey); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("too many wrong keys: %d %v", w.Code, w.Header())
	}
}

func TestAdministratorsSwitchThePublicStatusAndMakeScreens(t *testing.T) {
	h := open(t, 0)
	form := func(pairs ...string) url.Values {
		v := url.Values{"public": {"on"}, "version": {"1"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	expect(t, h.get("/settings/public"), 200, "Not published", "atelier bois")
	expect(t, h.post("/settings/public", form("email", "nobody")), 422, "not an e-mail address", `value="nobody"`)
	expect(t, h.post("/settings/public", form("public", "maybe")), 422, "neither on nor off")
	expect(t, h.post("/settings/public", form("version", "")), 412)
	expect(t, h.post("/settings/public", form("address", " 1 rue du Lab ")), 303, "/settings/public?done=saved")
	expect(t, h.get("/settings/public"), 200, "Published: everybody", `value="1 rue du Lab"`, "also publishes a SpaceAPI")
	expect(t, h.as("").get("/status"), 200)
	// The secret address is in the answer to the form alone.
	body := expect(t, h.post("/settings/screens?lang=fr", url.Values{"name": {"accueil"}}), 200, "/wall?key=", "lang=fr")
	link := regexp.MustCompile(`/wall\?key=[A-Z0-9]+`).FindString(body)
	expect(t, h.as("").get(link), 200)
	if body := expect(t, h.get("/settings/public"), 200, "accueil"); strings.Contains(body, link) {
		t.Error("the address of the screen is shown again")
	}
	expect(t, h.post("/settings/screens", url.Values{}), 422, "empty, too long")
	id := regexp.MustCompile(`/settings/screens/(w-new[0-9]+)/revoke`).FindString(h.get("/settings/public").Body.String())
	expect(t, h.post(id, nil), 303, "done=screen-revoked")
	expect(t, h.post(id, nil), 404)
	expect(t, h.as("").get(link), 404)
	for _, path := range []string{"/settings/public", "/settings/screens", "/settings/screens/w-wood/revoke"} {
		expect(t, h.as(webtest.MaintName).post(path, form("name", "x")), 403)
	}
	if w := h.as(webtest.MaintName).get("/settings"); strings.Contains(w.Body.String(), "/settings/public") {
		t.Error("a maintainer is shown the page of the public display")
	}
}

// The hub serves public addresses without looking for a session, so that a stranger's request costs no query.
func TestPublicAddressesAskForNoSession(t *testing.T) {
	h := open(t, 0)
	h.site.ShowPublic()
	asked := 0
	who := h.options.Who
	h.options.Who = func(r *http.Request) (actor.Actor, error) { asked++; return who(r) }
	h.build()
	for _, path := range append(publicPaths(), "/wall?key=x") {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer x")
		h.do(r)
	}
	if asked != 0 {
		t.Errorf("%d requests asked who is signed in, want 0", asked)
	}
	h.get("/today")
	if asked != 1 {
		t.Errorf("a page asked %d times who is signed in, want 1", asked)
	}
}

package panel

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/policy"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func every() map[string]View {
	views := map[string]View{}
	for _, x := range Gallery(noon) {
		views[x.Name] = x.View
	}
	return views
}

func TestEveryViewHasBothLanguages(t *testing.T) {
	for name, v := range every() {
		if v.Line.FR == "" || v.Line.EN == "" || v.Line.FR == v.Line.EN {
			t.Errorf("%s: line %q / %q", name, v.Line.FR, v.Line.EN)
		}
		if (v.Next.FR == "") != (v.Next.EN == "") {
			t.Errorf("%s: next %q / %q", name, v.Next.FR, v.Next.EN)
		}
		if strings.Contains(v.Line.FR+v.Next.FR, " tu ") {
			t.Errorf("%s says tu", name)
		}
	}
	for r := policy.NoRole; r <= policy.Maintainer; r++ {
		if n := RoleName(r); n.FR == "" || n.EN == "" {
			t.Errorf("role %d has no name", r)
		}
	}
}

func TestTextsFollowTheStyleOfThePanel(t *testing.T) {
	c := Clock{time.FixedZone("Paris", 3600)}
	for _, x := range []struct{ got, want policy.Text }{
		{c.On("Léa", noon, noon.Add(3*time.Hour)).Line, policy.Text{
			FR: "Bonjour Léa. Machine en marche jusqu’à 16 h 00",
			EN: "Hello Léa. Machine on until 16:00",
		}},
		{c.On("Léa", noon, noon.Add(-4*time.Hour)).Line, policy.Text{
			FR: "Bonjour Léa. Machine en marche jusqu’à 9 h 00",
			EN: "Hello Léa. Machine on until 9:00",
		}},
		{Maintenance("Inès", "Léa").Line, policy.Text{
			FR: "Maintenance par Léa avec Inès. Machine sous tension",
			EN: "Maintenance by Léa, supervised by Inès. Machine powered",
		}},
		{PoweredOff("Inès").Line, policy.Text{
			FR: "Machine arrêtée. Débrancher avant d’ouvrir. Maintenance par Inès",
			EN: "Machine off. Unplug before opening. Maintenance by Inès",
		}},
		{OfferPowerOff().Label, policy.Text{FR: "Arrêter la machine", EN: "Stop the machine"}},
		{c.Ending(noon, noon.Add(100*time.Second), false).Line, policy.Text{FR: "Encore 2 min", EN: "2 min left"}},
		{c.Cooling(noon, noon.Add(3*time.Minute)).Line, policy.Text{
			FR: "Extraction en marche encore 3 min",
			EN: "Extraction running for 3 more min",
		}},
		{c.TaggedOut(noon.AddDate(0, 0, -2), policy.Text{FR: "courroie usée"}, 0).Line, policy.Text{
			FR: "Hors service depuis le 21 nov. : courroie usée",
			EN: "Out of service since 21 Nov: courroie usée",
		}},
	} {
		if x.got != x.want {
			t.Errorf("got %+v, want %+v", x.got, x.want)
		}
	}
}

// A person who stops or tags a machine, or finds the machine tagged, must read two facts in both languages: only the
// relay is open, and the machine must be unplugged or its main switch locked before anyone works on it.
func TestStoppedMachineIsNeverDescribedAsSafeToWorkOn(t *testing.T) {
	belt := policy.Text{FR: "courroie usée", EN: "worn belt"}
	sentences := map[string]policy.Text{
		"tag that waits":      TagWaits(),
		"tag from the office": TagPending("laser", "t1"),
		"tag on a phone":      Tagged(),
	}
	for name, v := range map[string]View{"maintenance": Maintenance("Inès", ""),
		"maintenance with a helper": Maintenance("Inès", "Léa"), "dark": PoweredOff("Inès"),
		"tagged by the maintenance": Clock{}.TaggedOut(noon, belt, policy.Maintainer),
		"tagged by a member":        Clock{}.TaggedOut(noon, belt, policy.User),
		"tagged by the office":      Clock{}.TaggedOut(noon, belt, policy.NoRole),
		"danger reported":           Thanked("Léa", true, false)} {
		sentences[name] = join(v.Line, v.Next)
	}
	for name, s := range sentences {
		fr, en := strings.ToLower(s.FR), strings.ToLower(s.EN)
		for _, want := range []string{"relais", "ouv", "débrancher", "cadenasser l’interrupteur principal"} {
			if !strings.Contains(fr, want) {
				t.Errorf("%s does not say %q: %s", name, want, s.FR)
			}
		}
		for _, want := range []string{"relay", "open", "plug", "lock", "main switch"} {
			if !strings.Contains(en, want) {
				t.Errorf("%s does not say %q: %s", name, want, s.EN)
			}
		}
	}
}

func TestTemporaryAnswerEndsAndShowsTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Config{})
		if p.Current().Sign != SignReaderSilent {
			t.Fatal("a panel that was told nothing shows more than nothing")
		}
		p.Show(Ready())
		p.Flash(Unknown("7F3K9Q"), 8*time.Second)
		p.Show(Clock{}.On("Léa", noon, time.Time{}))
		if p.Current().Sign != SignUnknown {
			t.Fatal("the answer was swept away")
		}
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if p.Current().Sign != SignOn {
			t.Fatalf("the answer stayed: %q", p.Current().Sign)
		}
	})
}

func TestPageReceivesEachChange(t *testing.T) {
	p := New(Config{Now: func() time.Time { return noon }})
	s := httptest.NewServer(p.Handler())
	defer s.Close()
	resp, err := http.Get(s.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() Frame {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var v Frame
				if err := json.Unmarshal([]byte(data), &v); err != nil {
					t.Fatal(err)
				}
				return v
			}
		}
		t.Fatal("the stream ended")
		return Frame{}
	}
	if next().Sign != SignReaderSilent {
		t.Fatal("first view")
	}
	p.Show(Ready())
	p.SetHubOnline(true)
	for v := next(); v.Sign != SignReady || !v.Hub; v = next() {
	}
}

// After an upgrade an open page must detect that it is outdated, and browsers must not offer to translate a page that
// is in both languages.
func TestPageNamesItsBuildAndForbidsTranslation(t *testing.T) {
	p := New(Config{})
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://laser/", nil))
	page := w.Body.String()
	if b := p.Current().Build; len(b) != 12 || !strings.Contains(page, `data-build="`+b+`"`) {
		t.Errorf("build %q", b)
	}
	for _, want := range []string{`content="notranslate"`, `translate="no"`} {
		if !strings.Contains(page, want) || !strings.Contains(phoneHead, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// One address may open four pages. The limit on the number of all pages must not affect screens at the machine.
func TestPageLimitsDoNotAffectTheMachinesScreen(t *testing.T) {
	p := New(Config{Screens: []netip.Addr{netip.MustParseAddr("192.168.1.40")}})
	from := func(a string) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://laser/events", nil)
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		r.RemoteAddr = a + ":4711"
		p.Handler().ServeHTTP(w, r.WithContext(ctx))
		return w.Code
	}
	for n := range viewers {
		if _, ok := p.server.listen(netip.AddrFrom4([4]byte{10, 0, 0, byte(n / ofAddress)})); !ok {
			t.Fatalf("page %d has no place", n)
		}
	}
	if _, ok := New(Config{}).server.listen(netip.Addr{}); !ok {
		t.Error("an address that is not known has no place at all")
	}
	if code := from("10.0.0.1"); code != http.StatusServiceUnavailable {
		t.Error("a fifth page of one computer: ", code)
	}
	if code := from("10.0.0.99"); code != http.StatusServiceUnavailable {
		t.Error("a page too many: ", code)
	}
	for _, near := range []string{"127.0.0.1", "192.168.1.40"} {
		if code := from(near); code != http.StatusOK {
			t.Errorf("strangers keep the machine's own screen %s out: %d", near, code)
		}
	}
}

func TestPageLoadsNothingFromTheInternetAndForbidsFrames(t *testing.T) {
	h := New(Config{Machine: "laser", Name: policy.Text{FR: "Découpe <laser>", EN: "Laser cutter"}}).Handler()
	for _, path := range []string{"/", "/panel.css", "/panel.js", "/phone.js"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "http://laser"+path, nil))
		if w.Code != 200 ||
			strings.Contains(strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", ""), "http://") ||
			strings.Contains(w.Body.String(), "https://") ||
			strings.Contains(w.Body.String(), "<laser>") {
			t.Errorf("%s: %d", path, w.Code)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") ||
			!strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %q", path, csp)
		}
	}
}

func FuzzHandler(f *testing.F) {
	f.Add("GET", "/", "")
	f.Add("POST", "/do", `{"do":"role","arg":"maintainer"}`)
	f.Add("POST", "/do", "\x00\xff")
	f.Add("POST", "/form", `{"do":"report"}`)
	f.Add("GET", "/form/t", "")
	f.Add("POST", "/form/t", "--x\r\n")
	f.Add("GET", "/../../etc/passwd", "")
	h := New(Config{Actions: &fakeActions{}}).Handler()
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if strings.Contains(path, "events") {
			return // skip the event stream, because it never ends
		}
		r, err := http.NewRequest(method, "http://panel/", strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL.Path = path
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Fatalf("%s %q: %d", method, path, w.Code)
		}
	})
}

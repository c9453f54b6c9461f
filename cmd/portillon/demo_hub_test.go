package main

import (
	"bufio"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"portillon/daemon/control"
	"portillon/hub/directory"
)

// demoVisitor simulates a browser that shows the demo's page.
type demoVisitor struct {
	t    *testing.T
	c    *http.Client
	page string // address of the demo's page
}

func openDemoPage(t *testing.T) (*demo, *demoVisitor) {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts the demo, a hub and three machines")
	}
	d, err := openDemo(t.Context(), stdio{out: io.Discard, err: io.Discard}, "http://127.0.0.1")
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	web, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		t.Fatal(err)
	}
	handler, err := newDemoPage(d, web).handler()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return d, &demoVisitor{t, &http.Client{Jar: jar}, s.URL}
}

// press presses a button that opens the hub, and returns the status, the text and the address of the page that follows.
func (v *demoVisitor) press(person, page, lang, origin string) (int, string, *url.URL) {
	v.t.Helper()
	form := url.Values{"person": {person}, "page": {page}, "lang": {lang}}
	r, err := http.NewRequestWithContext(v.t.Context(), "POST", v.page+signInPath, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	return v.do(r)
}

func (v *demoVisitor) do(r *http.Request) (int, string, *url.URL) {
	v.t.Helper()
	res, err := v.c.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Request.URL
}

// The subtests share one demo and must run in this order, because the first subtest needs a browser in which nobody is
// signed in.
func TestDemoPageSignsPeopleInAtTheHub(t *testing.T) {
	d, v := openDemoPage(t)
	for _, x := range []struct {
		name string
		rule func(*testing.T, *demo, *demoVisitor)
	}{
		{"NobodyIsSignedInForAnotherSiteOrElsewhere", demoSignsNobodyIn},
		{"TheHubOpensSignedInAsWhoeverOnePicks", demoOpensTheHub},
		{"TheHubsPagesFollowWhatChanges", demoHubPagesFollow},
	} {
		t.Run(x.name, func(t *testing.T) { v.t = t; x.rule(t, d, v) })
	}
}

func demoOpensTheHub(t *testing.T, d *demo, v *demoVisitor) {
	for _, x := range []struct{ person, page, lang, path, shows string }{
		{"owner", "/", "en", "/today", "Signed in as olivia@biklab.example"},
		{"administrator", "/machines/laser", "en", "/machines/laser", "Signed in as adrien@biklab.example"},
		{"maintainer", "/machines/laser", "fr", "/machines/laser", "ines@example.org"},
		{"mentor", "/", "en", "/today", "Signed in as karim@example.org"},
		{"member", "/", "fr", "/me", "lea@example.org"},
		// Sign in a second time, after the first sign-in has set the account's password.
		{"administrator", "/", "en", "/today", "Signed in as adrien@biklab.example"},
		{"owner", "/machines/vinyl", "en", "/machines/vinyl", "Signed in as olivia@biklab.example"},
		{"member", "/machines/laser", "en", "/machines/laser", "Signed in as lea@example.org"},
	} {
		status, body, at := v.press(x.person, x.page, x.lang, v.page)
		if status != http.StatusOK || at.Path != x.path || at.Port() != d.hubPort() || !strings.Contains(body, x.shows) ||
			!strings.Contains(body, `<html lang="`+x.lang+`"`) {
			t.Errorf("%s: %d, %s without %q", x.person, status, at, x.shows)
		}
	}
}

// The demo's clock differs from the computer's clock. The event stream that updates the hub's pages must work with the
// shifted clock.
func demoHubPagesFollow(t *testing.T, d *demo, v *demoVisitor) {
	v.press("owner", "/", "en", v.page)
	u := url.URL{Scheme: "http", Host: "127.0.0.1:" + d.hubPort(), Path: "/api/v1/events"}
	r, err := http.NewRequestWithContext(t.Context(), "GET", u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line != ": follow\n" {
		t.Errorf("%s %q %v", res.Status, line, err)
	}
	u.Path = "/policy"
	if r, err = http.NewRequestWithContext(t.Context(), "GET", u.String(), nil); err != nil {
		t.Fatal(err)
	}
	if _, body, _ := v.do(r); !strings.Contains(body, "published today at 10:0") { // time in Paris; in UTC, 9:0
		t.Errorf("the page has no time of the policy's zone:\n%.2000s", body)
	}
	_, err = d.hub.Directory().Badges.AddBadgeURL(t.Context(), demoActor, "m-020dc2", "https://lab.example/badge.json")
	if err == nil || !strings.Contains(err.Error(), "the hub fetches nothing from the web") {
		t.Errorf("the demo's hub asks the web: %v", err)
	}
}

func demoSignsNobodyIn(t *testing.T, d *demo, v *demoVisitor) {
	for _, x := range []struct {
		name, person, page, origin string
		want                       int
	}{
		{"a page of another site", "owner", "/", "https://elsewhere.example", http.StatusForbidden},
		{"a page of another port", "owner", "/", "http://127.0.0.1:1", http.StatusForbidden},
		{"an unknown person", "root", "/", v.page, http.StatusBadRequest},
		{"another site's address", "owner", "//elsewhere.example/", v.page, http.StatusBadRequest},
		{"another page", "owner", "/settings", v.page, http.StatusBadRequest},
	} {
		if status, _, at := v.press(x.person, x.page, "en", x.origin); status != x.want || at.Port() == d.hubPort() {
			t.Errorf("%s: %d at %s, want %d", x.name, status, at, x.want)
		}
	}
	for name, r := range map[string]*http.Request{
		"a link":       httptest.NewRequest("GET", v.page+signInPath+"?person=owner&page=/", nil),
		"another name": httptest.NewRequest("POST", v.page+signInPath+"?person=owner&page=/", nil),
		"the hub":      httptest.NewRequest("POST", d.hub.WebURL()+signInPath+"?person=owner&page=/", nil),
	} {
		r.RequestURI = ""
		if name == "another name" {
			r.Host = "elsewhere.example"
		}
		if status, _, _ := v.do(r); status < 400 {
			t.Errorf("%s: %d", name, status)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", d.hub.WebURL()+"/today", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, at := v.do(r); at.Path != "/sign-in" {
		t.Errorf("somebody is signed in: %s", at)
	}
}

// If somebody assigns a card to a member at the hub or publishes a new policy, the change must take effect at the
// demo's machine.
func TestChangesAtTheDemosHubTakeEffectAtTheMachine(t *testing.T) {
	const rosa = "m-6a61eb" // a member who may use the printer alone, and who taps in this test
	d, _ := openDemoPage(t)
	ctx := t.Context()
	fdm := d.machines[0]
	for _, m := range d.machines {
		if m.id == "fdm" {
			fdm = m
		}
	}
	var taps []directory.Tap
	eventually(t, "the unknown card at the hub", func() bool {
		s, err := d.site(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fdm.ask(ctx, control.Request{Do: "tap", Card: d.unknownNumber(s)})
		taps, _, err = d.hub.Directory().Taps.Unknown(ctx, demoActor, directory.Page{})
		return err == nil && len(taps) == 1 && taps[0].Assignable
	})
	if _, err := d.hub.Directory().Taps.Assign(ctx, demoActor, taps[0].ID, rosa); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Rosa's new card", func() bool {
		rep := fdm.ask(ctx, control.Request{Do: "tap", Card: strangerCard(0)})
		return rep.OK && strings.Contains(rep.EN, "Rosa") && fdm.isPinHigh()
	})
	s, err := d.site(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.unknownNumber(s); got != strangerCard(1) {
		t.Errorf("the next unknown card is %s, want %s", got, strangerCard(1))
	}

	now, err := d.hub.Publishing().Policies.Current(ctx, demoActor)
	if err != nil {
		t.Fatal(err)
	}
	const before, after = "needs: fdm-user, session: { max: 3h }", "needs: fdm-first-steps, session: { max: 3h }"
	text := strings.Replace(now.Text, before, after, 1)
	if _, err := d.hub.Publishing().Policies.Publish(ctx, demoActor, text, "", now.Number, nil); err != nil {
		t.Fatal(err)
	}
	fdm.ask(ctx, control.Request{Do: "stop"})
	eventually(t, "Pauline, who has her first steps, works alone", func() bool {
		fdm.ask(ctx, control.Request{Do: "tap", Card: "2200F7C05A"})
		st := fdm.ask(ctx, control.Request{Do: "status"}).Status
		return st != nil && st.Member == "m-ae0699" && st.Role == "user" && fdm.isPinHigh()
	})
}

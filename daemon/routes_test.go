package daemon

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// directCaller calls the machine in the test's own goroutine. It is for a panel whose requests the test serves itself.
type directCaller struct{ b *bench }

func (d directCaller) Do(ctx context.Context, o panel.Touch) error { return d.b.actions.touch(ctx, o) }

func (d directCaller) Form(_ context.Context, a panel.FormRequest) (panel.Form, error) {
	if a.Token == "" {
		return d.b.actions.open(a)
	}
	f, ok := d.b.m.forms.find(a.Token)
	if !ok {
		return panel.Form{}, panel.FormOver
	}
	return f.Form, nil
}

func (d directCaller) Write(ctx context.Context, token string, e panel.Entry) (policy.Text, error) {
	return d.b.actions.fillIn(ctx, token, e)
}

// These are the addresses from which the test sends its requests.
const ownScreen, elsewhere = "127.0.0.1:4711", "192.168.1.66:4711"

// servePanel returns a handler for the machine's panel. If screen is set, the machine also has a screen that sends
// reports.
func (b *bench) servePanel(screen bool) {
	b.cfg.Panel = panel.New(
		panel.Config{
			Machine: "laser",
			URL:     "http://laser.local:8037",
			Actions: directCaller{b},
			Now:     b.cfg.Now,
			Photos:  &panel.Album{Dir: b.t.TempDir(), Max: 1 << 20, Most: 10},
		},
	)
	b.e.show()
	if screen {
		b.screenReports()
	}
}

// request sends a request to the panel.
func (b *bench) request(method, path, from, kind string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://laser"+path, bytes.NewReader(body))
	ctx, cancel := context.WithCancel(r.Context())
	if path == "/events" {
		cancel()
	}
	defer cancel()
	r.RemoteAddr = from
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	b.cfg.Panel.Handler().ServeHTTP(w, r.WithContext(ctx))
	return w
}

// submit submits a form.
func (b *bench) submit(token, from string, fields ...string) *httptest.ResponseRecorder {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	w.Close()
	return b.request("POST", "/form/"+token, from, w.FormDataContentType(), body.Bytes())
}

// outcome describes an answer in one word: allowed, refused or waits; waits means that the entry waits for its member.
func outcome(w *httptest.ResponseRecorder) string {
	switch {
	case w.Code == http.StatusOK && strings.Contains(w.Body.String(), "Confirm"):
		return "waits"
	case w.Code < 300:
		return "allowed"
	case w.Code == http.StatusNotFound || w.Code == http.StatusMethodNotAllowed:
		return "no such route"
	}
	return "refused"
}

// The test sends requests to every route of the panel: from the machine's own screen and from elsewhere, with a form's
// code, without a code, with an expired code and with another machine's code, before and after another member's tap.
// Léa opened the form. The test fails if a record is written in her name without her confirmation.
func TestNothingIsRecordedInAMembersNameWithoutConfirmation(t *testing.T) {
	const foreign = "00000000000000000000000000000000"
	rows, members := 0, exampleRoster(t)
	for _, route := range []string{"GET /", "GET /events", "POST /alive", "POST /do power-off", "POST /do confirm",
		"POST /form report", "POST /form log", "GET /form", "POST /form noise", "POST /form dangerous"} {
		for _, from := range []string{ownScreen, elsewhere} {
			for _, code := range []string{"with the code", "without", "expired", "foreign"} {
				for _, other := range []bool{false, true} {
					rows++
					b := benchOf(t, members)
					b.servePanel(true)
					var signed []policy.MemberID
					b.cfg.Journal = bodyRecorder{b.notes, func(r session.Record) {
						if r.Kind == wire.Reported || r.Kind == wire.Intervened || r.Kind == wire.Tagged {
							signed = append(signed, r.Member)
						}
					}}
					b.tap(lea) // Léa uses the laser
					f, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"})
					if err != nil {
						t.Fatal(err)
					}
					token := map[string]string{"with the code": f.Token, "expired": f.Token, "foreign": foreign}[code]
					if code == "expired" {
						b.now = f.Ends
						b.tap(zoe) // a person other than Léa is at the machine
					}
					if route == "POST /do confirm" && code == "with the code" {
						b.submit(token, elsewhere, "item", "noise")
						token = b.m.forms.waiting[0].id
					}
					if other {
						b.tap(karim)
					}
					signed, b.m.relay = nil, true
					got := outcome(b.requestRoute(route, from, token))
					if want := expectedOutcome(route, from, code, other); got != want {
						t.Errorf("%s, %s, %s, after another's tap %v: %s, want %s", route, from, code, other, got, want)
					}
					mayBeHers := (strings.HasPrefix(route, "POST /form ") || route == "POST /do confirm") && from == ownScreen &&
						code == "with the code" &&
						!other
					for _, who := range signed {
						if who != "" && !mayBeHers {
							t.Errorf("%s, %s, %s, after another's tap %v: written in the name of %s", route, from, code, other, who)
						}
					}
					if off := !b.m.relay || len(b.m.state.Holds.Tags) > 0; off && !mayBeHers && route != "POST /do power-off" {
						t.Errorf("%s, %s, %s, after another's tap %v: it switched the machine", route, from, code, other)
					}
					t.Logf(
						"%-20s %-10s %-13s %-6s another's tap: %-13s %s",
						route,
						place(from),
						code,
						map[bool]string{false: "before", true: "after"}[other],
						got,
						nameSigners(signed),
					)
				}
			}
		}
	}
	t.Logf("%d rows", rows)
}

// nameSigners returns, as one text, the names of the members in whose names a record was written.
func nameSigners(signed []policy.MemberID) string {
	var out []string
	for _, who := range signed {
		out = append(out, map[bool]string{true: "written in nobody's name", false: "written as " + string(who)}[who == ""])
	}
	return strings.Join(out, ", ")
}

func place(from string) string {
	return map[string]string{ownScreen: "own screen", elsewhere: "elsewhere"}[from]
}

// requestRoute sends the request of one row of the test's table.
func (b *bench) requestRoute(route, from, token string) *httptest.ResponseRecorder {
	method, rest, _ := strings.Cut(route, " ")
	path, what, _ := strings.Cut(rest, " ")
	json := func(path, body string) *httptest.ResponseRecorder {
		return b.request(method, path, from, "application/json", []byte(body))
	}
	switch {
	case path == "/alive":
		return json(path, `{"rev":0}`)
	case path == "/do":
		return json(path, `{"do":"`+what+`","arg":"`+token+`"}`)
	case what == "report" || what == "log":
		return json("/form", `{"do":"`+what+`","token":"`+token+`"}`)
	case route == "GET /form":
		return json("/form/"+token, "")
	case what != "":
		return b.submit(token, from, "item", what, "now", "on")
	}
	return json(path, "")
}

// expectedOutcome returns the expected outcome of one row of the test's table.
func expectedOutcome(route, from, code string, other bool) string {
	own := from == ownScreen
	switch route {
	case "GET /", "GET /events", "POST /alive": // only display; only an own screen's report counts
		return "allowed"
	case "POST /do power-off", "POST /form log": // no maintenance is in progress
		return "refused"
	case "POST /do confirm": // a form waits for its member if it was sent with the form's code
		return map[bool]string{true: "allowed", false: "refused"}[own && code == "with the code" && !other]
	case "POST /form report": // a form is opened only for the person at the machine's own screen; a code opens no form
		return map[bool]string{true: "allowed", false: "refused"}[own]
	}
	switch { // these requests need the form's code
	case code == "without":
		return "no such route"
	case code != "with the code":
		return "refused"
	case route == "GET /form" || own && !other:
		return "allowed"
	}
	return "waits"
}

// A machine without a screen refuses every form from elsewhere, with or without a code.
func TestMachineWithoutAScreenAcceptsNoFormFromElsewhere(t *testing.T) {
	b := newBench(t)
	b.servePanel(false)
	b.tap(lea)
	f, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	if err != nil {
		t.Fatal(err)
	}
	n := b.notes.n
	for _, w := range []*httptest.ResponseRecorder{b.request("POST", "/form", elsewhere, "application/json",
		[]byte(`{"do":"report"}`)), b.submit(f.Token, elsewhere, "item", "noise"),
		b.request("GET", "/form/"+f.Token, elsewhere, "", nil)} {
		if w.Code < 400 || !strings.Contains(w.Body.String(), "pas d’écran") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if w := b.request("POST", "/form", ownScreen, "application/json", []byte(`{"do":"report"}`)); strings.Contains(
		w.Body.String(),
		`"qr"`,
	) {
		t.Error("it offers a code for phones")
	}
	if b.notes.n != n || len(b.m.forms.waiting) != 0 {
		t.Errorf("%d records, %d forms wait", b.notes.n-n, len(b.m.forms.waiting))
	}
	b.screenReports()
	if w := b.request("POST", "/form", ownScreen, "application/json", []byte(`{"do":"report"}`)); !strings.Contains(
		w.Body.String(),
		`"qr"`,
	) {
		t.Errorf("a screen that reports itself shows no code: %s", w.Body)
	}
}

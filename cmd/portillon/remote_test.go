package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// hubAnswers is a simulated hub that answers from a table. In the table, the key is a request such as "GET /members" or
// "GET /members?text=a", and the value is the answer.
type hubAnswers struct {
	t       *testing.T
	url     string
	token   string
	mu      sync.Mutex
	answers map[string]string
	asked   []string // the received requests, each with method, path, If-Match and body
}

func newHubAnswers(t *testing.T, answers map[string]string) *hubAnswers {
	t.Helper()
	h := &hubAnswers{t: t, answers: answers, token: filepath.Join(t.TempDir(), "token")}
	if err := os.WriteFile(h.token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	h.url = ts.URL
	return h
}

// ServeHTTP answers with status 422 and a fault if the table says "422", and so on for other codes.
func (h *hubAnswers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v1")
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	body := string(b)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		body = "form"
		if strings.Contains(string(b), `filename="`) {
			body += " " + strings.Split(strings.Split(string(b), `filename="`)[1], `"`)[0]
		}
	}
	h.asked = append(h.asked, strings.TrimSpace(r.Method+" "+path+" "+r.Header.Get("If-Match")+" "+body))
	answer, ok := h.answers[r.Method+" "+path]
	if r.Header.Get("Authorization") != "Bearer s3cret" {
		answer, ok = "401", true
	}
	if !ok {
		answer = "404"
	}
	if status := map[string]int{"401": 401, "403": 403, "404": 404, "412": 412, "422": 422, "429": 429,
		"500": 500}[answer]; status != 0 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"type": "urn:portillon:problem:x", "title": "refused", "status": status,
			"instance": "R1",
			"detail":   r.Header.Get("Accept-Language")})
		return
	}
	w.Header().Set("ETag", `"7"`)
	switch {
	case answer == "":
		w.WriteHeader(http.StatusNoContent)
	case strings.HasPrefix(answer, "{"):
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	default:
		w.Header().Set("Content-Type", "text/csv")
		io.WriteString(w, answer)
	}
}

// portillon runs the tool, and returns its exit code, standard output and standard error.
func (h *hubAnswers) portillon(lang string, args ...string) (code int, out, problems string) {
	h.t.Helper()
	var o, e bytes.Buffer
	args = append(args, "--hub", h.url, "--token-file", h.token, "--lang", lang)
	code = run(args, stdio{strings.NewReader(""), &o, &e, nil})
	return code, o.String(), e.String()
}

const (
	leaJSON = `{"id": "m-lea", "version": 7, "name": "Léa\u001b[31m", "emails": ["lea@example.org"], "until": "2027-09-30",
		"cards": [{"id": "c1", "last": "0001", "state": "active", "since": "2026-09-30T12:00:00Z"}],
		"badges": [{"id": "b1", "name": "Laser", "badge": "laser", "issuer": "https://a.example", "verdict": "valid"}],
			"note": "left-handed"}`
	policyJSON = `{"number": 3, "text": "portillon: 1\n", "comment": "first", "by": "owner", "at": ` +
		`"2026-09-30T12:00:00Z", "in_force": true}`
	previewJSON = `{"id": "i1", "added": [{"row": 2, "name": "Zoé"}], "changed": [{"member": "m-lea", "name": "Léa",
			"fields": ["until"]}], "gone": [],
		"unchanged": 38, "gains": [{"name": "Zoé", "machine": "laser", "role": "user"}], "loses": [{"member": "m-k",
			"machine": "saw", "role": "user", "why": "alone"}], "warnings": ["row 4"], "confirm": true}`
)

func TestVerbsSendRequestsToTheHubAndPrintTheAnswers(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "liste.csv")
	text := filepath.Join(dir, "policy.yaml")
	for path, content := range map[string]string{list: "name\r\nZoé\r\n", text: "portillon: 1\n"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	days := "from=2026-09-01&to=2026-09-30"
	machine := `{"id": "laser", "enrolled": "2026-09-01T00:00:00Z", "standing": {"online": true, "bundle": 4,
			"wanted_bundle": 5, "records": 9, "held": 8,
		"program": "0.7", "tags": [{"reason": "belt"}]}}`
	h := newHubAnswers(t, map[string]string{
		"GET /members?limit=500&text=l": `{"items": [` + leaJSON + `], "next": "/api/v1/members?cursor=x"}`,
		"GET /members?cursor=x":         `{"items": [{"id": "m-k", "name": "Karim", "blocked": true}]}`,
		"GET /members/m-lea":            leaJSON,
		"POST /members":                 leaJSON,
		"PATCH /members/m-lea":          leaJSON,
		"DELETE /members/m-lea":         "",
		"POST /imports?source=galette":  previewJSON,
		"POST /imports":                 previewJSON,
		"POST /imports/i1/confirm":      previewJSON,
		"POST /imports/i1/apply":        previewJSON,
		"GET /export?format=csv":        "id,name\r\n",
		"GET /taps?limit=500": `{"items": [{"id": "t1", "code": "ABC-DEF", "machine": "laser", "at": ` +
			`"2026-09-30T12:00:00Z", "times": 2, "assignable": true}]}`,
		"POST /taps/t1/assign":        `{"id": "c2", "last": "0002", "state": "active"}`,
		"POST /members/m-lea/cards":   `{"id": "c2", "number": "04A2", "state": "active"}`,
		"PUT /members/m-lea/cards/c1": "",
		"POST /badges": `{"items": [{"name": "Laser", "verdict": "valid", "member": "m-lea"}, ` +
			`{"from": "x.png", "refused": "no badge"}]}`,
		"POST /members/m-lea/badges":     `{"items": [{"name": "Laser", "verdict": "valid", "member": "m-lea"}]}`,
		"POST /members/m-lea/badges/url": `{"name": "Laser", "verdict": "indeterminate"}`,
		"GET /machines":                  `{"items": [` + machine + `]}`, "GET /machines/laser": machine,
		"POST /machines/laser/code": `{"machine": "laser", "code": "AAAA", "command": "portillond enrol ` +
			`https://hub.local:8443 AAAA", "expires": "2026-09-30T13:00:00Z", "qr_svg": "<svg/>"}`,
		"POST /machines/laser/revoke": "", "POST /machines/laser/tag": "", "POST /machines/laser/stop": "",
		"GET /card-key": `{"version": 7, "in_force": "1a2b3c4d", "before": "99887766", "began": "2026-11-30T08:00:00Z",
			"who": "Ada", "cards_left": 1,
			"cards": [{"id": "c1", "member": "m-lea", "name": "Léa", "last": "0001", "state": "active"}],
			"machines": [{"machine": "laser", "has_key": true}, {"machine": "saw", "has_key": false, "why": "program"},
			{"machine": "fdm", "has_key": false}]}`,
		"POST /card-key/rotate": "", "POST /card-key/end": "",
		"GET /policy":                    policyJSON,
		"POST /policy":                   policyJSON,
		"POST /policy/back":              policyJSON,
		"GET /policy/versions/2":         policyJSON,
		"GET /policy/versions?limit=500": `{"items": [` + policyJSON + `]}`,
		"POST /policy/draft": `{"faults": [], "effect": {"gains": [{"name": "Zoé", "machine": ` +
			`"laser", "role": "user"}], "loses": [], "lines": ["laser: needs less"]}}`,
		"GET /reports/uses?" + days + "&limit=500": "", "GET /reports/uses?" + strings.Replace(days, "&", "&limit=500&",
			1): `{"items": [{"machine": "laser", "name": "Léa", "role": "user", "from": "2026-09-30T12:00:00Z", "seconds": ` +
			`3720, "end": "tap"}]}`,
		"GET /reports/uses.csv?" + days: "machine,member\r\n",
		"GET /reports/weeks?" + days: `{"items": [{"machine": "laser", "week": "2026-09-28", "sessions": 3, ` +
			`"members": 2, "seconds": 36000}]}`,
		"GET /reports/refusals?" + days: `{"items": [{"machine": "laser", "reason": "badge-missing", "times": 4, ` +
			`"members": 2}]}`,
	})
	for _, c := range []struct {
		args []string
		code int
		out  string // words that the command's output must contain in this order
		asks string // the last request
	}{
		{[]string{"member", "list", "--text", "l"}, 0, "m-lea Léa[31m lea@example.org 2027-09-30 m-k Karim - blocked",
			"GET /members?cursor=x"},
		{[]string{"member", "show", "m-lea"}, 0,
			"m-lea Léa[31m card c1 …0001 active badge Laser laser valid note left-handed", "GET /members/m-lea"},
		{[]string{"member", "add", "Léa", "emails=a@b,c@d", "blocked=true"}, 0, "m-lea",
			`POST /members  {"blocked":true,"emails":["a@b","c@d"],"name":"Léa"}`},
		{[]string{"member", "set", "m-lea", "until=", "name=Zoé"}, 0, "m-lea",
			`PATCH /members/m-lea "7" {"name":"Zoé","until":null}`},
		{[]string{"member", "erase", "m-lea", "--yes"}, 0, "m-lea erased", `DELETE /members/m-lea "7"`},
		{[]string{"member", "erase", "m-lea"}, 2, "", ""},
		{[]string{"member", "set", "m-lea", "nmae=x"}, 2, "", ""},
		{[]string{"member", "set", "m-lea"}, 2, "", ""},
		{[]string{"member", "add"}, 2, "", ""},
		{[]string{"member", "show", "m-nobody"}, 1, "", "GET /members/m-nobody"},
		{[]string{"member", "import", list, "--source", "galette"}, 1,
			"1 added, 1 changed, 0 gone from the list, 38 unchanged + - Zoé ~ m-lea Léa until gains Zoé laser user loses " +
				"m-k saw user alone ! row 4",
			"POST /imports?source=galette  form liste.csv"},
		{[]string{"member", "import", list, "--apply", "--confirm"}, 0, "1 added", "POST /imports/i1/apply"},
		{[]string{"member", "import", filepath.Join(dir, "none")}, 2, "", ""},
		{[]string{"member", "export"}, 0, "id,name", "GET /export?format=csv"},
		{
			[]string{"key", "show", "card"},
			0,
			"in force: 1a2b3c4d key before: 99887766 laser has the key saw its program is too old fdm does not have the " +
				"key yet still on the old key: 1 m-lea …0001 active Léa",
			"GET /card-key",
		},
		{
			[]string{"key", "rotate", "card", "--reason", "stolen"},
			0,
			"a new card key is in force",
			`POST /card-key/rotate "7" {"reason":"stolen"}`,
		},
		{[]string{"key", "rotate", "card"}, 2, "", ""},
		{[]string{"key", "end", "card", "--yes"}, 0, "the old card key is deleted", `POST /card-key/end "7"`},
		{[]string{"key", "end", "card"}, 2, "", ""},
		{[]string{"card", "taps"}, 0, "t1 ABC-DEF laser can be assigned", "GET /taps?limit=500"},
		{[]string{"card", "assign", "m-lea", "--tap", "t1"}, 0, "c2 …0002 active",
			`POST /taps/t1/assign  {"member":"m-lea"}`},
		{[]string{"card", "assign", "m-lea", "--number", "04A2"}, 0, "c2 04A2 active",
			`POST /members/m-lea/cards  {"note":"","number":"04A2"}`},
		{[]string{"card", "assign", "m-lea"}, 2, "", ""},
		{[]string{"card", "lost", "m-lea", "c1", "--note", "tram"}, 0, "card reported lost",
			`PUT /members/m-lea/cards/c1  {"note":"tram","state":"lost"}`},
		{[]string{"card", "block", "m-lea", "c1"}, 0, "card blocked",
			`PUT /members/m-lea/cards/c1  {"note":"","state":"blocked"}`},
		{[]string{"card", "activate", "m-lea", "c1"}, 0, "card active",
			`PUT /members/m-lea/cards/c1  {"note":"","state":"active"}`},
		{[]string{"badge", "add", list}, 1, "Laser valid x.png refused no badge", "POST /badges  form liste.csv"},
		{[]string{"badge", "add", list, "--member", "m-lea"}, 0, "Laser valid", "POST /members/m-lea/badges  form liste.csv"},
		{[]string{"badge", "add", "--url", "https://a.example/1", "--member", "m-lea"}, 0, "Laser cannot be verified now",
			`POST /members/m-lea/badges/url  {"url":"https://a.example/1"}`},
		{[]string{"badge", "add", "--url", "https://a.example/1"}, 2, "", ""},
		{[]string{"badge", "list", "m-lea"}, 0, "Laser laser valid", "GET /members/m-lea"},
		{[]string{"machine", "list"}, 0, "laser online - 4/5 8/9 0.7 tagged out: belt", "GET /machines"},
		{[]string{"machine", "code", "laser", "--replace", "--qr", filepath.Join(dir, "code.svg")}, 0,
			"portillond enrol https://hub.local:8443 AAAA wrote", `POST /machines/laser/code  {"replace":true}`},
		{[]string{"machine", "revoke", "laser", "--reason", "stolen"}, 0, "certificate of laser revoked",
			`POST /machines/laser/revoke "7" {"reason":"stolen"}`},
		{[]string{"machine", "revoke", "laser"}, 2, "", ""},
		{[]string{"machine", "tag", "belt", "--machine", "laser"}, 0, "on its way",
			`POST /machines/laser/tag  {"reason":"belt"}`},
		{[]string{"machine", "tag", "belt"}, 2, "", ""},
		{[]string{"machine", "tag", "belt", "--machine", "laser", "--now"}, 2, "", ""},
		{[]string{"machine", "stop", "--machine", "laser"}, 0, "on its way", `POST /machines/laser/stop`},
		{[]string{"machine", "stop"}, 2, "", ""},
		{[]string{"policy", "show"}, 0, "portillon: 1", "GET /policy"},
		{[]string{"policy", "show", "--number", "2"}, 0, "portillon: 1", "GET /policy/versions/2"},
		{[]string{"policy", "versions"}, 0, "3 in force owner first", "GET /policy/versions?limit=500"},
		{[]string{"policy", "draft", text}, 1, "laser: needs less gains Zoé laser user portillon policy publish --of 3",
			`POST /policy/draft  {"text":"portillon: 1\n"}`},
		{[]string{"policy", "publish", text, "--of", "3", "--comment", "c", "--signature", list}, 0, "3 in force",
			`POST /policy "3" {"comment":"c","signature":"bmFtZQ0KWm/DqQ0K","text":"portillon: 1\n"}`},
		{[]string{"policy", "publish", text, "--comment", "c"}, 2, "", ""},
		{[]string{"policy", "back", "--comment", "strict"}, 0, "3 in force", `POST /policy/back  {"comment":"strict"}`},
		{[]string{"policy", "back"}, 2, "", ""},
		{[]string{"report", "uses", "--from", "2026-09-01", "--to", "2026-09-30"}, 0, "laser Léa user 1:02 tap",
			"GET /reports/uses?from=2026-09-01&limit=500&to=2026-09-30"},
		{[]string{"report", "uses", "--from", "2026-09-01", "--to", "2026-09-30", "--csv"}, 0, "machine,member",
			"GET /reports/uses.csv?" + days},
		{[]string{"report", "weeks", "--from", "2026-09-01", "--to", "2026-09-30"}, 0,
			"2026-09-28 laser 10:00 3 sessions 2 members", "GET /reports/weeks?" + days},
		{[]string{"report", "refusals", "--from", "2026-09-01", "--to", "2026-09-30"}, 0, "laser badge-missing 4 2 members",
			"GET /reports/refusals?" + days},
		{[]string{"report", "uses"}, 2, "", ""},
	} {
		before := len(h.asked)
		code, out, problems := h.portillon("en", c.args...)
		name := strings.Join(c.args, " ")
		if code != c.code {
			t.Errorf("%s: exit %d, want %d: %s%s", name, code, c.code, out, problems)
		}
		rest := strings.Join(strings.Fields(out), " ")
		for _, word := range strings.Fields(c.out) {
			_, after, ok := strings.Cut(rest, word)
			if !ok {
				t.Errorf("%s prints %q, want %q", name, out, c.out)
				break
			}
			rest = after
		}
		if last := strings.Join(h.asked[before:], "\n"); c.asks == "" && last != "" ||
			!strings.HasSuffix(strings.ReplaceAll(last, "  ", " "), strings.ReplaceAll(c.asks, "  ", " ")) {
			t.Errorf("%s asks for %q, want %q", name, last, c.asks)
		}
		if strings.ContainsRune(out, '\x1b') {
			t.Errorf("%s lets a name steer the terminal", name)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "code.svg")); err != nil || string(b) != "<svg/>" {
		t.Errorf("the QR code is %q, %v", b, err)
	}
}

func TestVerbsAtAHubPrintJSON(t *testing.T) {
	h := newHubAnswers(t, map[string]string{"GET /machines": `{"items": []}`, "GET /members/m-lea": leaJSON,
		"POST /machines/laser/stop": "",
		"POST /policy/draft":        `{"faults": [{"line": 3, "column": 1, "message": "no machine"}]}`,
		"GET /policy":               policyJSON})
	text := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(text, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"machine", "list"}, 0}, {[]string{"member", "show", "m-lea"}, 0}, {[]string{"badge", "list", "m-lea"}, 0},
		{[]string{"machine", "stop", "--machine", "laser"}, 0}, {[]string{"policy", "draft", text}, 2},
	} {
		code, out, problems := h.portillon("en", append(c.args, "--json")...)
		if code != c.code || !json.Valid([]byte(out)) {
			t.Errorf("%v: exit %d, %q %s", c.args, code, out, problems)
		}
	}
}

func TestRefusalsOfTheHubSetTheExitCode(t *testing.T) {
	for status, want := range map[string]int{"401": 1, "403": 1, "404": 1, "412": 1, "422": 2, "429": 3, "500": 3,
		"<html>": 3} {
		h := newHubAnswers(t, map[string]string{"GET /machines": status})
		code, _, problems := h.portillon("fr", "machine", "list")
		if code != want {
			t.Errorf("%s: exit %d, want %d: %s", status, code, want, problems)
		}
		if status[0] == '4' && !strings.Contains(problems, "refused: fr") {
			t.Errorf("%s: %s", status, problems)
		}
	}
	h := newHubAnswers(t, nil)
	var e bytes.Buffer
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--hub", "http://127.0.0.1:1", "--token-file", h.token}, 3},
		{[]string{"--hub", "http://hub.local", "--token-file", h.token}, 2},
		{[]string{"--hub", h.url}, 2},
		{[]string{"--token-file", h.token}, 2},
		{[]string{"--hub", "hub.yaml", "--token-file", h.token}, 2},
	} {
		if code := run(append([]string{"machine", "list"}, c.args...),
			stdio{strings.NewReader(""), &e, &e, nil}); code != c.want {
			t.Errorf("%v: exit %d, want %d: %s", c.args, code, c.want, e.String())
		}
	}
	if err := os.Chmod(h.token, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, problems := h.portillon("en", "machine", "list"); code != 2 || strings.Contains(problems, "s3cret") ||
		len(h.asked) != 0 {
		t.Errorf("a token file that others read: exit %d, %s", code, problems)
	}
}

func TestVerbsAtAHubPrintFrenchInAFrenchTerminal(t *testing.T) {
	h := newHubAnswers(t, map[string]string{"GET /members/m-lea": leaJSON, "DELETE /members/m-lea": "",
		"POST /imports": previewJSON})
	if _, out, _ := h.portillon("fr", "member", "erase", "m-lea", "--yes"); out != "m-lea effacé\n" {
		t.Errorf("%q", out)
	}
	if _, out, _ := h.portillon("fr", "member", "import", h.token); !strings.Contains(out, "1 ajoutés, 1 modifiés") ||
		!strings.Contains(out, "gagne") {
		t.Errorf("%q", out)
	}
}

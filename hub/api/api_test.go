package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"reflect"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/policy"
)

func TestListsHavePagesWithAnOpaqueCursor(t *testing.T) {
	s := newSite(t)
	var seen []policy.MemberID
	path := "/members?limit=2&text=a"
	for range 3 {
		resp, body := s.request(200, req{method: "GET", path: path, as: "owner"})
		var page list[member]
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Items {
			seen = append(seen, m.ID)
		}
		if page.Next == "" {
			break
		}
		if link := resp.Header.Get("Link"); link != "<"+page.Next+`>; rel="next"` || !strings.Contains(page.Next, "text=a") {
			t.Errorf("link %q, next %q", link, page.Next)
		}
		path = strings.TrimPrefix(page.Next, Prefix)
	}
	if want := []policy.MemberID{"m-admin", "m-ines", "m-karim", "m-lea"}; !reflect.DeepEqual(seen, want) {
		t.Errorf("the pages hold %v, want %v", seen, want)
	}
	for _, query := range []string{"limit=0", "limit=501", "limit=x", "limit=-1", "cursor=!!",
		"cursor=" + strings.Repeat("a", 800),
		"cursor=bS1s\n", "limit=1&limit=2", "text=" + strings.Repeat("x", 400)} {
		if p := s.requestProblem(422, req{method: "GET", path: "/members?" + strings.ReplaceAll(query, "\n", "%0a"),
			as: "owner"}); len(p.Faults) != 1 {
			t.Errorf("%q: %+v", query, p)
		}
	}
}

func TestChangesRequireTheCurrentVersion(t *testing.T) {
	s := newSite(t)
	a := req{method: "PATCH", path: "/members/m-lea", as: "owner", kind: mergePatchType, body: `{"name": "Zoé"}`}
	for match, want := range map[string]int{"": 428, "*": 428, `"6"`: 412, `"7"`: 200, `W/"7"`: 412, `7`: 412,
		`"7", "8"`: 412, `"07"`: 412, `"x"`: 412, `""`: 412} {
		a.match = match
		resp, body := s.request(want, a)
		if want == 200 && resp.Header.Get("ETag") != `"8"` {
			t.Errorf("the answer's version is %s", resp.Header.Get("ETag"))
		}
		if want == 412 && !strings.Contains(body, "urn:portillon:problem:stale") {
			t.Errorf("If-Match %s: %s", match, body)
		}
	}
	resp, _ := s.request(304, req{method: "GET", path: "/members/m-lea", as: "owner",
		header: map[string]string{"If-None-Match": `"7"`}})
	if resp.Header.Get("ETag") != `"7"` {
		t.Error("304 without the version")
	}
	s.request(200, req{method: "GET", path: "/members/m-lea", as: "owner",
		header: map[string]string{"If-None-Match": `"6"`}})
}

func TestBodiesAreDecodedStrictly(t *testing.T) {
	s := newSite(t)
	for body, want := range map[string]struct{ field, right string }{
		`{"nmae": "Zoé"}`:                     {"nmae", "name"},
		`{"name": "Zoé", "Name": "x"}`:        {"Name", "name"},
		`{"name": "Zoé", "name": "x"}`:        {"name", ""},
		`{"name": "Zoé", "version": 7}`:       {"version", ""},
		`{"name": 7}`:                         {"name", "string"},
		`{"name": "Zoé", "emails": "a@b.c"}`:  {"emails", "array"},
		`{"name": "Zoé"} {}`:                  {"body", ""},
		`{"name": "Zoé"`:                      {"body", ""},
		``:                                    {"body", ""},
		"{\"name\": \"\xff\"}":                {"body", ""},
		`{"name": "Zoé", "until": "09-30"}`:   {"until", "2026-09-30"},
		`{"name": "Zoé", "until": "someday"}`: {"until", "2026-09-30"},
		strings.Repeat("[", 50):               {"body", ""},
	} {
		p := s.requestProblem(422, req{method: "POST", path: "/members", as: "owner", kind: jsonType, body: body})
		if len(p.Faults) != 1 || p.Faults[0].Field != want.field || p.Faults[0].Right != want.right {
			t.Errorf("%s: %+v, want the field %q, right %q", body, p.Faults, want.field, want.right)
		}
	}
	if p := s.requestProblem(422, req{method: "GET", path: "/members?txet=a", as: "owner"}); p.Faults[0].Right != "text" {
		t.Errorf("an unknown parameter: %+v", p.Faults)
	}
	p := s.requestProblem(422, req{method: "POST", path: "/members", as: "owner", body: `{"name": ""}`})
	if len(p.Faults) != 2 || p.Faults[1].Row != 2 || p.Faults[1].Given != "xx" {
		t.Errorf("the service's faults are not passed on: %+v", p.Faults)
	}
}

func TestBodySizeAndTypeAreChecked(t *testing.T) {
	s := newSite(t)
	long := `{"name": "` + strings.Repeat("x", usualBody) + `"}`
	s.request(413, req{method: "POST", path: "/members", as: "owner", body: long})
	s.request(413, req{method: "POST", path: "/policy/draft", as: "owner", kind: yamlType,
		body: strings.Repeat("x", policyBody+1)})
	s.request(413, req{method: "POST", path: "/policy/draft", as: "owner",
		body: `{"text": "` + strings.Repeat("x", policyBody) + `"}`})
	s.request(403, req{method: "POST", path: "/badges", as: "member", kind: "image/png", body: strings.Repeat("x", 100)})
	s.request(415, req{method: "POST", path: "/members", as: "owner", kind: "text/plain", body: `{"name": "x"}`})
	s.request(415, req{method: "POST", path: "/members", as: "owner", kind: "application/json; charset=latin1",
		body: `{"name": "x"}`})
	s.request(201, req{method: "POST", path: "/members", as: "owner", kind: "application/json; charset=UTF-8",
		body: `{"name": "x"}`})
	s.request(415, req{method: "POST", path: "/members", as: "owner", body: `{"name": "x"}`,
		header: map[string]string{"Content-Encoding": "gzip"}})
	s.request(415, req{method: "POST", path: "/machines/laser/stop", as: "owner", body: `{}`})
	resp, _ := s.request(415, req{method: "PATCH", path: "/members/m-lea", as: "owner", match: `"7"`, body: `{}`})
	if resp.Header.Get("Accept-Patch") != mergePatchType {
		t.Errorf("Accept-Patch %q", resp.Header.Get("Accept-Patch"))
	}
}

func TestMergePatchChangesOnlyTheGivenFields(t *testing.T) {
	s := newSite(t)
	a := req{method: "PATCH", path: "/members/m-lea", as: "owner", kind: mergePatchType, match: `"7"`,
		body: `{"name": "Zoé", "emails": ["zoe@example.org"], "until": null, "guardians": null}`}
	_, body := s.request(200, a)
	var m member
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	before := s.members["m-lea"]
	if m.Name != "Zoé" || !reflect.DeepEqual(m.Emails, []string{"zoe@example.org"}) || m.Until != "" ||
		m.Guardians != nil ||
		m.Member.Language != before.Language || !m.Blocked || m.Note != before.Note || len(m.Cards) != 1 {
		t.Errorf("the member is %+v", m)
	}
	for _, body := range []string{`[]`, `"x"`, `null`, `{"id": "m-x"}`, `{"cards": []}`, `{"note": "x"}`,
		`{"until": "x"}`} {
		a.body = body
		s.request(422, a)
	}
	_, body = s.request(200, req{method: "PATCH", path: "/accounts/a", as: "owner", kind: mergePatchType, match: `"3"`,
		body: `{"machine_roles": {"saw": "maintainer", "machines": null}, "disabled": false}`})
	if !strings.Contains(body, `"machine_roles":{"saw":"maintainer"}`) || strings.Contains(body, "disabled") {
		t.Errorf("the account is %s", body)
	}
}

// The test cases are the examples of RFC 7396, appendix A.
func TestMergePatchFollowsRFC7396(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`}, {`{"a":"b"}`, `{"a":null}`,
			`{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`}, {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"c"}`,
			`{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`}, {`{"a":"b"}`, `["c"]`, `["c"]`}, {`{"a":"foo"}`, `null`,
			`null`}, {`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`}, {`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`}, {`{}`,
			`{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var target, patch any
		if json.Unmarshal([]byte(c[0]), &target) != nil || json.Unmarshal([]byte(c[1]), &patch) != nil {
			t.Fatal(c)
		}
		if got, _ := json.Marshal(mergePatch(target, patch)); string(got) != c[2] {
			t.Errorf("%s with %s is %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestUnknownMethodsGetTheAllowHeader(t *testing.T) {
	s := newSite(t)
	resp, _ := s.request(405, req{method: "PUT", path: "/members/m-lea", as: "owner"})
	if got := resp.Header.Get("Allow"); got != "DELETE, GET, PATCH, HEAD, OPTIONS" {
		t.Errorf("Allow %q", got)
	}
	resp, _ = s.request(204, req{method: "OPTIONS", path: "/members/m-lea"})
	if got := resp.Header.Get("Allow"); got != "DELETE, GET, PATCH, HEAD, OPTIONS" {
		t.Errorf("Allow %q", got)
	}
	resp, body := s.request(200, req{method: "HEAD", path: "/members/m-lea", as: "owner"})
	if body != "" || resp.Header.Get("ETag") != `"7"` || resp.ContentLength < 100 {
		t.Errorf("HEAD: %q, %s, %d", body, resp.Header.Get("ETag"), resp.ContentLength)
	}
	s.requestProblem(404, req{method: "GET", path: "/membres", as: "owner"})
	s.requestProblem(404, req{method: "GET", path: "/members/m-nobody", as: "owner"})
	s.requestProblem(404, req{method: "GET", path: "/members/" + strings.Repeat("x", 201), as: "owner"})
	s.requestProblem(404, req{method: "GET", path: "/policy/versions/one", as: "owner"})
}

func TestProblemsHaveTheRequestIDAndTheClientsLanguage(t *testing.T) {
	s := newSite(t)
	for lang, detail := range map[string]string{"fr": "member « m-nobody » : inconnu",
		"en": `there is no member "m-nobody"`} {
		a := req{method: "GET", path: "/members/m-nobody", as: "owner", header: map[string]string{"Accept-Language": lang}}
		resp, _ := s.do(a)
		p := s.requestProblem(404, a)
		if p.Detail != detail || p.Type != "urn:portillon:problem:not-found" || len(p.Instance) != 26 ||
			p.Instance == resp.Header.Get("Request-Id") {
			t.Errorf("%s: %+v", lang, p)
		}
	}
	for lang, wrong := range map[string]string{"fr": "ce n’est pas une date", "en": "not a date"} {
		p := s.requestProblem(422, req{method: "GET", path: "/reports/uses?from=x&to=2026-09-30", as: "owner",
			header: map[string]string{"Accept-Language": lang}})
		if len(p.Faults) != 1 || p.Faults[0].Wrong != wrong || p.Faults[0].Code != "not-a-date" {
			t.Errorf("%s: %+v", lang, p.Faults)
		}
	}
	s.broken = errors.New("disk full at /var/lib")
	if _, body := s.request(500, req{method: "GET", path: "/members", as: "owner"}); strings.Contains(body, "disk") {
		t.Errorf("the hub's own error is shown: %s", body)
	}
	p := s.requestProblem(403, req{method: "GET", path: "/accounts", as: "member"})
	if !strings.Contains(p.Detail, string(actor.WriteAccounts)) {
		t.Errorf("the problem does not name the right: %+v", p)
	}
}

func TestTokensAreReadFromOneHeaderOnly(t *testing.T) {
	s := newSite(t)
	for _, given := range []string{"Bearer", "Bearer ", "Basic b3duZXI=", "Bearer wrong", "owner",
		"Bearer " + strings.Repeat("x", 400), "Bearer owner2"} {
		resp, _ := s.request(401, req{method: "GET", path: "/openapi.json",
			header: map[string]string{"Authorization": given}})
		if !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%q: WWW-Authenticate %q", given, resp.Header.Get("WWW-Authenticate"))
		}
	}
	s.request(200, req{method: "GET", path: "/me", header: map[string]string{"Authorization": "bearer owner"}})
	s.request(422, req{method: "GET", path: "/openapi.json?token=owner"})
	s.request(422, req{method: "GET", path: "/openapi.json?access_token=owner"})
	s.fakes.mu.Lock()
	s.wait = 30 * time.Second
	s.fakes.mu.Unlock()
	resp, _ := s.request(429, req{method: "GET", path: "/me", as: "owner"})
	if resp.Header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
	}
}

func TestBrowserSessionsAuthenticateRequests(t *testing.T) {
	f := newFakes()
	var who actor.Actor
	var fails error
	s, err := New(Options{Accounts: accountsFake{f}.all(), Session: func(*http.Request) (actor.Actor, error) {
		return who,
			fails
	}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) int {
		w := newAnswer()
		r, _ := http.NewRequest("GET", Prefix+path, nil)
		s.ServeHTTP(w, r)
		return w.status
	}
	if got := ask("/me"); got != 401 {
		t.Errorf("nobody: %d", got)
	}
	who = f.tokens["member"]
	if got := ask("/me"); got != 200 {
		t.Errorf("a member: %d", got)
	}
	if got := ask("/members"); got != 501 {
		t.Errorf("a service that the hub does not have: %d", got)
	}
	fails = errors.New("database")
	if got := ask("/me"); got != 500 {
		t.Errorf("a broken store: %d", got)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("an API without accounts was made")
	}
}

func TestFilesCanBeUploadedAsBodiesOrForms(t *testing.T) {
	s := newSite(t)
	s.request(201, req{method: "POST", path: "/badges?name=lea.png", as: "owner", kind: "image/png", body: "PNG"})
	form := func(parts ...[3]string) req {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for _, p := range parts {
			h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + p[0] + `"`}}
			if p[1] != "" {
				h.Set("Content-Disposition", `form-data; name="`+p[0]+`"; filename="`+p[1]+`"`)
			}
			part, err := w.CreatePart(h)
			if err != nil {
				t.Fatal(err)
			}
			part.Write([]byte(p[2]))
		}
		w.Close()
		return req{method: "POST", path: "/imports?source=galette", as: "owner", kind: w.FormDataContentType(),
			body: b.String()}
	}
	s.request(201, form([3]string{"file", "../../liste.csv", "id,nom\r\n"}, [3]string{"mapping", "", `{"nom": "name"}`}))
	if got := s.asked(); !strings.Contains(got, `badges "" "lea.png" 3 "PNG"`) ||
		!strings.Contains(got, `import "liste.csv" "id,nom\r\n" map[nom:name] galette`) {
		t.Errorf("the services were asked for %s", got)
	}
	s.request(422, form([3]string{"mapping", "", `{}`}))
	s.request(422, form([3]string{"file", "a", "x"}, [3]string{"file", "b", "y"}))
	s.request(422, form([3]string{"file", "a", "x"}, [3]string{"mapping", "", `{"nom": 7}`}))
	broken := form([3]string{"file", "a", "x"})
	broken.body = broken.body[:20]
	s.request(422, broken)
	s.request(422, req{method: "POST", path: "/badges", as: "owner", kind: "image/png"})
}

func TestBadgeFilesAreServedAsDownloads(t *testing.T) {
	s := newSite(t)
	resp, body := s.request(200, req{method: "GET", path: "/members/m-lea/badges/b1", as: "owner"})
	if resp.Header.Get("Content-Type") != "application/octet-stream" ||
		resp.Header.Get("Content-Disposition") != `attachment; filename="L-a--x---.svg"` ||
		resp.Header.Get("X-Content-Type-Options") != "nosniff" || body != "<svg onload=x>" {
		t.Errorf("%v %s", resp.Header, body)
	}
	for given, want := range map[string]string{"": "badge", "..": "badge", "a/b.json": "b.json", "-x": "x",
		".htaccess": "htaccess"} {
		if got := fileName(given); got != want {
			t.Errorf("%q is saved as %q, want %q", given, got, want)
		}
	}
}

func TestReportsAreJSONOrCSV(t *testing.T) {
	s := newSite(t)
	days := "?from=2026-09-01&to=2026-09-30"
	for _, c := range []struct{ path, accept, kind string }{
		{"/reports/uses" + days, "", jsonType}, {"/reports/uses" + days, "text/csv", "text/csv; charset=utf-8"},
		{"/reports/uses.csv" + days, "", "text/csv; charset=utf-8"}, {"/reports/weeks" + days, "text/csv, */*;q=0.1",
			"text/csv; charset=utf-8"},
		{"/reports/weeks" + days, "*/*", jsonType}, {"/reports/refusals" + days, "text/csv;q=0, application/json", jsonType},
		{"/policy", "application/yaml", "application/yaml"}, {"/policy", "application/*", jsonType},
	} {
		resp, body := s.request(200, req{method: "GET", path: c.path, as: "owner",
			header: map[string]string{"Accept": c.accept}})
		if resp.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s as %q: %s %s", c.path, c.accept, resp.Header.Get("Content-Type"), body)
		}
	}
	s.request(406, req{method: "GET", path: "/members", as: "owner", header: map[string]string{"Accept": "text/html"}})
	s.request(406, req{method: "GET", path: "/members", as: "owner",
		header: map[string]string{"Accept": "application/json;q=0"}})
	for _, query := range []string{"", "?from=2026-09-01", "?from=09-01&to=09-30", "?from=x&to=y",
		"?from=2026-09-01&to=2026-13-30"} {
		s.request(422, req{method: "GET", path: "/reports/uses" + query, as: "owner"})
	}
	_, body := s.request(200, req{method: "GET", path: "/reports/refusals.csv" + days, as: "owner"})
	if body != "machine,reason,times,members\r\nmachine,'=cmd(),3,3\r\n" {
		t.Errorf("refusals as CSV: %q", body)
	}
	_, body = s.request(200, req{method: "GET", path: "/maintenance", as: "owner",
		header: map[string]string{"Accept": "text/csv"}})
	if !strings.HasPrefix(body, "machine,group,what,since,words\r\n") || !strings.Contains(body, ",'=cmd()\r\n") {
		t.Errorf("maintenance as CSV: %q", body)
	}
	_, body = s.request(200, req{method: "GET", path: "/reports/weeks.csv" + days, as: "owner"})
	if !strings.Contains(body, "machine,2026-09-28,3,3,3\r\n") {
		t.Errorf("weeks as CSV: %q", body)
	}
}

func TestConnectionIsAbortedIfAReportFailsPartway(t *testing.T) {
	s := newSite(t)
	s.csv = errors.New("the disk went away")
	r, _ := http.NewRequest("GET", s.url+"/reports/uses.csv?from=2026-09-01&to=2026-09-30", nil)
	r.Header.Set("Authorization", "Bearer owner")
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		_, err = new(bytes.Buffer).ReadFrom(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half of a report looks whole")
	}
}

func TestEnrolmentCodeResponsesIncludeAQRCode(t *testing.T) {
	s := newSite(t)
	resp, body := s.request(201, req{method: "POST", path: "/machines/laser/code", as: "owner", body: `{}`,
		header: map[string]string{"Accept": "image/svg+xml"}})
	if resp.Header.Get("Content-Type") != svgType || !strings.HasPrefix(body, "<svg ") || strings.Contains(body, "AAAA") {
		t.Errorf("%s %.80s", resp.Header.Get("Content-Type"), body)
	}
	if _, err := QR(strings.Repeat("x", 5000)); err == nil {
		t.Error("a code of 5,000 bytes was drawn")
	}
}

func TestHandlersPassTheRequestsValuesToServices(t *testing.T) {
	s := newSite(t)
	s.request(200, req{method: "GET", path: "/members?text=a&machine=laser&badge=b&state=blocked&limit=9", as: "owner"})
	s.request(201, req{method: "POST", path: "/members/m-lea/cards", as: "owner",
		body: `{"number": "04A2", "note": "blue"}`})
	s.request(204, req{method: "PUT", path: "/members/m-lea/cards/c%20x", as: "owner",
		body: `{"state": "lost", "note": "tram"}`})
	s.request(201, req{method: "POST", path: "/policy", as: "owner", match: `"3"`,
		body: `{"text": "a", "comment": "c", "signature": "c2ln"}`})
	s.request(412, req{method: "POST", path: "/policy", as: "owner", match: `"2"`, body: `{"text": "a", "comment": "c"}`})
	s.request(200, req{method: "POST", path: "/policy/draft", as: "mentor", kind: "application/yaml",
		body: "portillon: 1\n"})
	s.request(201, req{method: "POST", path: "/printed-codes", as: "owner", body: `{"members": ["m-lea"]}`})
	got := s.asked()
	for _, want := range []string{
		"members {Text:a Machine:laser Badge:b State:blocked} {After: Limit:9}",
		"card {ID: Number:04A2 Part:false Last: State:active Since:0001-01-01 00:00:00 +0000 UTC Note:blue}",
		"card m-lea c x lost tram", `publish "a" "c" "sig"`, `draft "portillon: 1\n"`, "print [m-lea] 1",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the services were not asked for %s, but for\n%s", want, got)
		}
	}
	_, body := s.request(200, req{method: "POST", path: "/policy/draft", as: "owner", body: `{"text": ""}`})
	if !strings.Contains(body, `"faults":[]`) {
		t.Errorf("a draft without faults is %s", body)
	}
}

func TestCSVCellsAreNeverFormulas(t *testing.T) {
	for given, want := range map[string]string{"": "", "a": "a", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x",
		"\tx": "'\tx", "\r": "'\r"} {
		if got := csvCell(given); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"name": "a", "emails": ["b"]}`, `[{]}`, `{"a": {"b": [1e999]}}`, "\xff",
		`{"name": null}`, `{"until": "2026-09-30"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m newMember
		if decode(data, &m, policy.English) == nil && !json.Valid(data) {
			t.Errorf("%q is no JSON", data)
		}
		current := editOf(directory.Member{Name: "Léa", Emails: []string{"a@b"}})
		out, err := applyPatch(current, data, policy.French)
		if err != nil {
			return
		}
		b, _ := json.Marshal(out)
		if again, err := applyPatch(out, data, policy.French); err != nil || !reflect.DeepEqual(again, out) {
			t.Errorf("a patch applied twice differs: %s, %v, %v", b, again, err)
		}
	})
}

func TestNotesRequireASeparatePermission(t *testing.T) {
	s := newSite(t)
	for scopes, want := range map[string]int{"members.read": 403, "members.notes": 403,
		"members.read members.notes": 200} {
		a := s.tokens["owner"]
		for scope := range strings.FieldsSeq(scopes) {
			a.Scopes = append(a.Scopes, actor.Act(scope))
		}
		s.tokens["reader"] = a
		s.request(want, req{method: "GET", path: "/members/m-lea/note", as: "reader"})
	}
	// The API must refuse a new note from a client that may not read notes, because the client would overwrite a note
	// without seeing it.
	for scopes, want := range map[string]int{"members.write": 403, "members.notes": 403,
		"members.write members.notes": 200} {
		a := s.tokens["owner"]
		for scope := range strings.FieldsSeq(scopes) {
			a.Scopes = append(a.Scopes, actor.Act(scope))
		}
		s.tokens["writer"] = a
		s.request(want, req{method: "PUT", path: "/members/m-lea/note", as: "writer", body: `{"note":""}`, match: `"7"`})
	}
}

func TestUnknownTokensAreRejected(t *testing.T) {
	s := newSite(t)
	s.tokens["nobody"] = actor.Actor{}
	s.request(401, req{method: "GET", path: "/openapi.json", as: "nobody"})
}

func TestUploadsWithoutPermissionAreNotRead(t *testing.T) {
	s := newSite(t)
	s.request(403, req{method: "POST", path: "/badges", as: "member", kind: "image/png", body: "PNG"})
	s.request(403, req{method: "POST", path: "/imports", as: "member", kind: "text/csv", body: "name\r\nA\r\n"})
	if got := s.asked(); got != "" {
		t.Errorf("the service was given the file: %s", got)
	}
}

func TestTrainingRoutesPassTheirValuesToTheService(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct{ method, path, body, match, want string }{
		{"POST", "/trainings", `{"machine": "laser", "badge": "laser-user"}`, "", "training laser laser-user"},
		{"GET", "/trainings/t9/found?text=l%C3%A9", "", "", "find t9 lé"},
		{"POST", "/trainings/t9/people", `{"member": "m-lea", "tap": "t2"}`, "", "join t9 m-lea t2"},
		{"POST", "/trainings/t9/people", `{"name": "Zoé", "email": "z@example.org", "tap": "t2"}`, "",
			"join new t9 Zoé z@example.org t2"},
		{"DELETE", "/trainings/t9/people/m-lea", "", "", "remove t9 m-lea"},
		{"POST", "/trainings/t9/close", "", "", "close t9"},
		{"POST", "/trainings/t9/award", `{"members": ["m-lea", "m-tom"], "confirmed": 3}`, "", "award t9 [m-lea m-tom] 3"},
		{"PUT", "/check-lists/laser-user", `{"items": ["fire", "focus"]}`, `"2"`, "checks laser-user [fire focus] 2"},
	} {
		resp, body := s.do(req{method: c.method, path: c.path, as: "owner", body: c.body, match: c.match})
		if resp.StatusCode >= 300 || s.asked() != c.want {
			t.Errorf("%s %s: %d %s: asked %q, want %q", c.method, c.path, resp.StatusCode, body, s.asked(), c.want)
		}
		if to := resp.Header.Get("Location"); c.path == "/trainings" && to != Prefix+"/trainings/t%2F1" {
			t.Errorf("the new training is at %s", to)
		}
		s.got = nil
	}
	// Empty lists are [] in JSON, not null.
	for _, path := range []string{"/training-choices", "/trainings", "/trainings/empty", "/check-lists"} {
		if _, body := s.request(200, req{method: "GET", path: path, as: "owner"}); strings.Contains(body, "null") {
			t.Errorf("%s: %s", path, body)
		}
	}
	s.request(428, req{method: "PUT", path: "/check-lists/laser-user", as: "owner", body: `{"items": []}`})
	s.request(422, req{method: "POST", path: "/trainings/t9/award", as: "owner", body: `{"members": `})
}

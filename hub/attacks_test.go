package hub_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portillon/internal/sample"
)

// attacks are all attacks that the tests make on a whole hub, created by hub.New, over its listeners.
// docs/security.md describes the defence against each attack; TestEveryAttackIsDocumented compares this list with the
// document.
var attacks = []struct {
	name string
	play func(*testing.T, *rig)
}{
	{"session-fixation", sessionFixation},
	{"session-cookie", sessionCookie},
	{"cross-site-form", crossSiteForm},
	{"cross-site-fetch", crossSiteFetch},
	{"change-by-link", changeByLink},
	{"clickjacking", clickjacking},
	{"foreign-host", foreignHost},
	{"forwarded-address", forwardedAddress},
	{"path-tricks", pathTricks},
	{"header-injection", headerInjection},
	{"open-redirect", openRedirect},
	{"log-injection", logInjection},
	{"stored-script", storedScript},
	{"csv-formula", csvFormula},
	{"zip-bomb", zipBomb},
	{"xlsx-bomb", xlsxBomb},
	{"large-body", largeBody},
	{"badge-url", badgeURL},
	{"unknown-name", unknownName},
	{"guessed-password", guessedPassword},
	{"guessed-code", guessedCode},
	{"guessed-token", guessedToken},
	{"replayed-link", replayedLink},
	{"scanned-link", scannedLink},
	{"forwarded-link", forwardedLink},
	{"blocked-member", blockedMember},
	{"other-site", otherSite},
}

func TestAttacks(t *testing.T) {
	sink := newMailSink(t)
	r := newRig(t, sink.configureHub(t))
	r.mails = sink
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			r.t = t
			r.forgetAttempts()
			a.play(t, r)
		})
	}
	r.t = t
}

// countAuditEntries returns the number of entries in the audit log. A refused request must not add an entry.
func (r *rig) countAuditEntries() (n int) {
	r.t.Helper()
	if err := r.h.Rows().Site("biklab").QueryRow(r.t.Context(), `SELECT count(*) FROM audit_entry WHERE site = $1`).
		Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// everyChange yields a permitted request of the owner for each route that changes something.
func (r *rig) everyChange(yield func(route string, q request)) {
	owner := r.readers["owner"]
	for _, x := range r.h.APIRoutes() {
		if x.Method != "GET" {
			yield(x.Method+" "+x.Path, r.apiRequest(x, owner, "other"))
		}
	}
	for _, route := range r.h.PageRoutes() {
		if method, path, _ := strings.Cut(route, " "); method == "POST" {
			yield(route, r.pageRequest(method, path, owner, "other"))
		}
	}
}

// post sends a form as a browser does, signed in if who is not nil.
func (r *rig) post(who *reader, path string, headers []string, pairs ...string) response {
	r.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return r.ask(who, request{method: "POST", path: path, kind: "application/x-www-form-urlencoded",
		body: []byte(v.Encode())}, headers...)
}

// cookieOf returns the session cookie that an answer sets.
func cookieOf(a response) *http.Cookie {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == "portillon" {
			return c
		}
	}
	return nil
}

const spareName, sparePassword = "spare@example.org", "four random words are long"

// An attacker may set a session cookie in the victim's browser before the victim signs in. The sign-in must not make
// the attacker's cookie valid (session fixation).
func sessionFixation(t *testing.T, r *rig) {
	for name, planted := range map[string]string{"made up": "attacker", "of a visitor": visitorCookie(r)} {
		victim := &reader{cookie: planted}
		got := r.post(victim, "/sign-in", nil, "name", spareName, "password", sparePassword)
		c := cookieOf(got)
		if got.status != 303 || c == nil || c.Value == planted {
			t.Fatalf("%s: signing in: %d, cookie %v", name, got.status, c)
		}
		if me := r.ask(&reader{cookie: planted}, request{method: "GET", path: "/api/v1/me"}); me.status != 401 {
			t.Errorf("%s: the planted cookie is signed in: %s", name, me.body)
		}
		if me := r.ask(&reader{cookie: c.Value}, request{method: "GET", path: "/api/v1/me"}); me.status != 200 {
			t.Errorf("%s: the new cookie is not signed in: %d", name, me.status)
		}
	}
}

// visitorCookie returns the cookie of a browser that requested a sign-in link.
func visitorCookie(r *rig) string {
	if c := cookieOf(r.post(nil, "/sign-in/mail", nil, "email", "lea@example.org")); c != nil {
		return c.Value
	}
	r.t.Fatal("a visitor who asks for a link has no cookie")
	return ""
}

func sessionCookie(t *testing.T, r *rig) {
	c := cookieOf(r.post(nil, "/sign-in", nil, "name", spareName, "password", sparePassword))
	if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
	var stored int
	err := r.h.Rows().Site("biklab").QueryRow(t.Context(), `SELECT count(*) FROM account_session
		WHERE site = $1 AND (CAST(hash AS TEXT) = $2 OR instr(data, $2) > 0)`, c.Value).Scan(&stored)
	if err != nil || stored != 0 {
		t.Errorf("the database holds the cookie: %d, %v", stored, err)
	}
	if got := r.ask(nil, request{method: "GET", path: "/sign-in"}); got.header.Get("Set-Cookie") != "" {
		t.Error("a visitor gets a cookie")
	}
	out := r.post(&reader{cookie: c.Value}, "/sign-out", nil)
	me := r.ask(&reader{cookie: c.Value}, request{method: "GET", path: "/api/v1/me"})
	if out.status != 303 || me.status != 401 {
		t.Errorf("after signing out: %d, %d", out.status, me.status)
	}
}

// An old browser sends the victim's cookie together with a form that is on another site's page. The hub must refuse
// such a form.
func crossSiteForm(t *testing.T, r *rig) {
	r.everyChange(func(route string, q request) {
		before := r.countAuditEntries()
		for i, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"},
			{"Origin", "null"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "http://localhost.evil.example"},
			{"Origin", "http://localhost:1"}} {
			if !sample.Has(len(route) + i) {
				continue
			}
			if got := r.ask(r.readers["owner"], q, headers...); got.status != 403 {
				t.Errorf("%s with %v: %d, want 403", route, headers, got.status)
			}
		}
		if after := r.countAuditEntries(); after != before {
			t.Errorf("%s: something was done", route)
		}
	})
	if got := r.post(r.readers["owner"], "/machines", []string{"Origin", r.base}, "id", "same-origin"); got.status != 303 {
		t.Errorf("a form of the hub's own page: %d", got.status)
	}
}

// A page of another site can send text/plain, a form or a file without a preflight request (CORS). The API must not
// parse any of these bodies as JSON. Pages must accept only forms of the hub.
func crossSiteFetch(t *testing.T, r *rig) {
	owner := r.readers["owner"]
	for _, x := range r.h.APIRoutes() {
		if x.Method == "GET" || x.Body == nil {
			continue
		}
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
			""} {
			q := r.apiRequest(x, owner, "other")
			q.kind = kind
			if got := r.ask(owner, q); got.status != 415 && got.status != 403 {
				t.Errorf("%s %s as %q: %d, want 415", x.Method, x.Path, kind, got.status)
			}
		}
	}
	q := request{method: "POST", path: "/members", kind: "text/plain", body: []byte("name=Eve")}
	if got := r.ask(owner, q); got.status < 400 {
		t.Errorf("a page took text/plain: %d", got.status)
	}
	for _, h := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} {
		got := r.ask(owner, request{method: "OPTIONS", path: "/api/v1/members"}, "Origin", "https://evil.example",
			"Access-Control-Request-Method", "POST")
		if got.header.Get(h) != "" {
			t.Errorf("%s: %s", h, got.header.Get(h))
		}
	}
}

// A link or picture on another site's page causes a GET with the victim's cookie. A GET request must not change any
// data.
func changeByLink(t *testing.T, r *rig) {
	owner := r.readers["owner"]
	var asked []request
	for _, x := range r.h.APIRoutes() {
		if x.Method == "GET" && x.Path != "/events" {
			asked = append(asked, r.apiRequest(x, owner, "other"))
		}
	}
	for _, route := range r.h.PageRoutes() {
		if method, path, _ := strings.Cut(route, " "); method == "GET" {
			asked = append(asked, r.pageRequest(method, path, owner, "other"))
		}
	}
	before := r.countAuditEntries()
	for _, q := range asked {
		r.ask(owner, q, "Sec-Fetch-Site", "cross-site")
		q.method = "HEAD"
		r.ask(owner, q, "Sec-Fetch-Site", "cross-site")
	}
	if after := r.countAuditEntries(); after != before {
		t.Errorf("%d entries in the audit log, were %d", after, before)
	}
	for _, header := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
		if got := r.ask(owner, request{method: "GET", path: "/api/v1/members"}, header, "DELETE"); got.status != 400 {
			t.Errorf("%s: %d, want 400", header, got.status)
		}
	}
}

func clickjacking(t *testing.T, r *rig) {
	owner := r.readers["owner"]
	for _, route := range r.h.PageRoutes() {
		method, path, _ := strings.Cut(route, " ")
		if method != "GET" {
			continue
		}
		got := r.ask(owner, r.pageRequest(method, path, owner, "other"))
		policy := got.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "frame-ancestors 'none'") || !strings.HasPrefix(policy, "default-src 'none'") ||
			strings.Contains(policy, "unsafe") || got.header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %q, X-Frame-Options %q", route, policy, got.header.Get("X-Frame-Options"))
		}
	}
}

// An attacker's page resolves its own host name to the hub's address (DNS rebinding), or requests a sign-in link with a
// foreign Host header.
func foreignHost(t *testing.T, r *rig) {
	for _, host := range []string{"evil.example", "localhost.evil.example", "evil.example:80", "127.0.0.1.evil.example",
		"localhost@evil.example", "[::2]", "0.0.0.0", "169.254.169.254"} {
		for _, path := range []string{"/", "/sign-in", "/api/v1/openapi.json", "/healthz", "/static/x/y"} {
			if got := r.ask(r.readers["owner"], request{method: "GET", path: path}, "Host", host); got.status != 421 &&
				got.status != 400 {
				t.Errorf("%s of %s: %d, want 421", path, host, got.status)
			}
		}
	}
	r.dropMails(t)
	got := r.post(nil, "/sign-in/mail", []string{"X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example"},
		"email", "lea@example.org")
	if mail := r.mails.nextMail(t); got.status != 303 || !strings.Contains(mail, "http://localhost/sign-in/link?code=") ||
		strings.Contains(mail, "evil") {
		t.Errorf("%d: mail %q", got.status, mail)
	}
	status := rawStatus(t, strings.TrimPrefix(r.base, "http://"),
		"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if status != "421" {
		t.Errorf("a foreign name in the request line: %s", status)
	}
}

// rawStatus sends raw bytes and returns the status of the answer; empty: the server did not answer.
func rawStatus(t *testing.T, address, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return ""
	}
	if w := strings.Fields(line); len(w) > 1 {
		return w[1]
	}
	return ""
}

// A client that sends X-Forwarded-For without being a configured proxy is throttled by its own address.
func forwardedAddress(t *testing.T, r *rig) {
	limited := false
	for i := range 40 {
		got := r.post(nil, "/sign-in", []string{"X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i), "X-Real-IP", "203.0.113.1",
			"Forwarded", "for=203.0.113.2"}, "name", fmt.Sprint("nobody ", i), "password", "a-wrong-password")
		if limited = got.status == 429; limited {
			break
		}
	}
	if !limited {
		t.Error("40 wrong passwords from one address that calls itself others were answered")
	}
	if strings.Contains(r.h.log.String(), "203.0.113.") {
		t.Error("the log has an address that a stranger wrote")
	}
}

// Requests with manipulated paths reach neither files nor other pages.
func pathTricks(t *testing.T, r *rig) {
	address := strings.TrimPrefix(r.base, "http://")
	for _, path := range []string{"/../hub.yaml", "/static/../../hub.yaml", "/static/..%2f..%2fhub.yaml",
		"/%2e%2e/hub.yaml", "/static/%2e%2e/%2e%2e/keys/site.key", "//members", "/members//m-1", "/./members",
		"/members/..", `/static\..\hub.yaml`,
		"/members/%00", "/members/a%0ab", "/members/%ff", "/api/v1/../../members", "/api/v1/members/..%2faccounts",
		"/members/;/../accounts", "/.git/config", "/owner-code", "/portillon.db", "/" + strings.Repeat("a", 9000)} {
		for _, method := range []string{"GET", "POST", "TRACE", "CONNECT", "BREW"} {
			got := rawStatus(t, address, method+" "+path+" HTTP/1.1\r\nHost: localhost\r\nCookie: portillon="+
				r.readers["owner"].cookie+"\r\nContent-Length: 0\r\n\r\n")
			if strings.HasPrefix(got, "2") || strings.HasPrefix(got, "5") && got != "501" {
				t.Errorf("%s %.60s: %s", method, path, got)
			}
		}
	}
}

var documented = regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|.*\\| (.*) \\|$")

// Every attack is listed in docs/security.md with existing tests, and the document lists no other attack.
func TestEveryAttackIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## The hub on a network\n")
	if !found {
		t.Fatal("docs/security.md has no section on the hub on a network")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	played := map[string]bool{}
	for _, a := range attacks {
		played["TestAttacks/"+a.name] = true
	}
	named := map[string]bool{}
	for _, row := range documented.FindAllStringSubmatch(section, -1) {
		tests := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[2], -1)
		if len(tests) == 0 {
			t.Errorf("%s has no test", row[1])
		}
		for _, x := range tests {
			if named[x[1]] = true; strings.HasPrefix(x[1], "TestAttacks/") {
				if !played[x[1]] {
					t.Errorf("%s: there is no %s", row[1], x[1])
				}
				continue
			}
			if !testExists(t, x[1]) {
				t.Errorf("%s: there is no test %s", row[1], x[1])
			}
		}
	}
	for test := range played {
		if !named[test] {
			t.Errorf("docs/security.md does not have %s", test)
		}
	}
	if len(named) < len(attacks) {
		t.Errorf("%d tests are named, %d attacks are played", len(named), len(attacks))
	}
}

// testExists reports whether the sources contain the test that name gives as "hub/account.TestX".
func testExists(t *testing.T, name string) bool {
	t.Helper()
	dir, test, ok := strings.Cut(name, ".")
	files, err := os.ReadDir("../" + dir)
	if err != nil || !ok {
		return false
	}
	return slices.ContainsFunc(files, func(f os.DirEntry) bool {
		text, err := os.ReadFile("../" + dir + "/" + f.Name())
		return err == nil && bytes.Contains(text, []byte("func "+test+"(t *testing.T)"))
	})
}

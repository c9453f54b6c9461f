package hub_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/xuri/excelize/v2"

	"portillon/hub/api"
	"portillon/hub/directory"
	"portillon/internal/sample"
)

func newRequest(t *testing.T, address string, who *reader) (*http.Request, error) {
	q, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
	if err == nil {
		q.AddCookie(&http.Cookie{Name: "portillon", Value: who.cookie})
	}
	return q, err
}

// headerInjection sends line feeds in values that the hub returns in a header: redirect targets, file names, ids,
// cursors, languages.
func headerInjection(t *testing.T, r *rig) {
	owner, evil := r.readers["owner"], "x\r\nX-Evil: 1\r\nSet-Cookie: evil=1"
	q := url.QueryEscape(evil)
	for _, path := range []string{"/sign-in?back=" + q, "/sign-in?back=/" + q, "/today?done=" + q, "/today?lang=" + q,
		"/members/" + url.PathEscape(evil), "/api/v1/members?cursor=" + q, "/api/v1/members?text=" + q,
		"/api/v1/export?format=" + q, "/reports/uses.csv?machine=" + q, "/settings/accounts?after=" + q} {
		for _, who := range []*reader{nil, owner} {
			r.noEvil(t, "GET "+path, r.ask(who, request{method: "GET", path: path}))
		}
	}
	for path, field := range map[string]string{"/members": "name", "/machines": "id", "/settings/accounts": "name",
		"/sign-in": "name", "/sign-in/mail": "email", "/members/m-1/merge": "drop", "/policy/back": "comment"} {
		r.noEvil(t, "POST "+path, r.post(owner, path, nil, field, evil, "password", evil))
	}
	m := directory.Member{ID: "m-evil", Name: "Evil"}
	headerID := directory.Member{ID: "x\r\nX-Evil: 1", Name: "Evil"}
	if _, err := r.h.Directory().Members.Add(t.Context(), root, headerID); err == nil {
		t.Error("an id with a line feed is taken")
	}
	if _, err := r.h.Directory().Members.Add(t.Context(), root, m); err != nil {
		t.Fatal(err)
	}
	file := r.readers["spare"]
	got := r.ask(owner, request{method: "POST", path: "/api/v1/members/" + string(file.member) + "/badges?name=" + q,
		kind: "application/json", body: r.badgeFile(file.member)})
	r.noEvil(t, "a badge's name", got)
	r.noEvil(t, "a badge's file", r.ask(owner, request{method: "GET",
		path: "/api/v1/members/" + string(file.member) + "/badges/" + r.badgeOf(file.member)}))
}

func (r *rig) noEvil(t *testing.T, what string, got response) {
	t.Helper()
	if got.header.Get("X-Evil") != "" || strings.Contains(fmt.Sprint(got.header["Set-Cookie"]), "evil=1") {
		t.Errorf("%.60s: %v", what, got.header)
	}
	for name, values := range got.header {
		if strings.ContainsAny(strings.Join(values, ""), "\r\n") {
			t.Errorf("%.60s: %s has a line feed", what, name)
		}
	}
	if got.status >= 500 {
		t.Errorf("%.60s: %d", what, got.status)
	}
}

func openRedirect(t *testing.T, r *rig) {
	for _, back := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, `\\evil.example`,
		"javascript:alert(1)", "/\t/evil.example", "http:evil.example", "/%5cevil.example/..//evil.example",
		"data:text/html,x"} {
		got := r.ask(r.readers["owner"], request{method: "GET", path: "/sign-in?back=" + url.QueryEscape(back)})
		to, err := url.Parse(got.header.Get("Location"))
		raw := got.header.Get("Location")
		if err != nil || to.Host != "" || to.Scheme != "" || !strings.HasPrefix(raw, "/") || len(raw) > 1 &&
			strings.ContainsRune(`/\`, rune(raw[1])) {
			t.Errorf("%q leads to %q", back, raw)
		}
	}
}

// A text that a visitor types never appears in the log, and never adds a line to the log.
func logInjection(t *testing.T, r *rig) {
	forged := "x\ntime=2026-11-30T00:00:00.000Z level=ERROR msg=forged secret-of-a-visitor"
	r.post(nil, "/sign-in", nil, "name", forged, "password", forged)
	r.post(nil, "/code", nil, "code", forged)
	r.post(r.readers["owner"], "/machines", nil, "id", forged)
	r.post(r.readers["owner"], "/members", nil, "name", forged, "until", forged)
	r.ask(nil, request{method: "GET", path: "/" + url.PathEscape(forged) + "?x=" + url.QueryEscape(forged)})
	r.ask(nil, request{method: "GET", path: "/api/v1/members?text=" + url.QueryEscape(forged)})
	r.ask(nil, request{method: "GET", path: "/"}, "Authorization", "Bearer secret-of-a-visitor")
	r.ask(nil, request{method: "GET", path: "/"}, "User-Agent", "secret-of-a-visitor", "X-Request-Id",
		"secret-of-a-visitor")
	for line := range strings.Lines(r.h.log.String()) {
		if strings.HasPrefix(strings.TrimSpace(line), "time=2026-11-30T00:00:00.000Z") ||
			strings.Contains(line, "secret-of-a-visitor") {
			t.Errorf("the log has: %s", line)
		}
	}
	for _, who := range []string{"owner", "spare"} {
		x := r.readers[who]
		if strings.Contains(r.h.log.String(), x.cookie) || strings.Contains(r.h.log.String(), x.token) {
			t.Errorf("the log has a cookie or a token of %s", who)
		}
	}
}

// scripts are texts that would break out of a text, attribute, address, script or template if it is escaped
// incorrectly.
var scripts = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`javascript:alert(1)`,
	`' onmouseover='alert(1)`,
	`</textarea></title><svg onload=alert(1)>`,
	`{{.}}`,
}

// unsafeMark is U+202E, which reverses the direction of the text that follows: a name with this mark is displayed
// wrongly.
const unsafeMark = "\u202e"

// storedScript writes scripts into each text field that the API and the pages accept, then checks all pages, lists,
// files and mails.
func storedScript(t *testing.T, r *rig) {
	owner := r.readers["owner"]
	taken := 0
	// Store three texts in each field: all scripts in one text, the script that resembles an address, and the
	// direction mark.
	together := scripts[0] + scripts[1] + scripts[3] + scripts[4] + scripts[5]
	for i, script := range []string{together, scripts[2], unsafeMark + "gnp.exe"} {
		for _, field := range r.textFields(i) {
			q := field.request(script)
			if got := r.ask(owner, q); got.status >= 500 {
				t.Errorf("%s: %d", field.name, got.status)
			} else if got.status < 300 || got.status == 303 {
				taken++
			} else if script != unsafeMark+"gnp.exe" { // a page may return the direction mark to the user who typed it
				for _, one := range scripts {
					requireEscaped(t, field.name+" given back", one, got)
				}
			}
		}
	}
	if taken < 15 {
		t.Errorf("only %d texts were taken: the test fills nothing", taken)
	}
	for _, q := range r.everythingShown() {
		got := r.ask(owner, q)
		for _, script := range append(scripts, unsafeMark) {
			requireEscaped(t, q.method+" "+q.path, script, got)
		}
	}
	r.change(r.victim.member, func(m *directory.Member) { // restore the victim's addresses, which the scripts replaced
		m.Emails, m.Guardians = []string{"lea@example.org"}, nil
	})
	r.dropMails(t)
	r.post(nil, "/sign-in/mail", nil, "email", "lea@example.org")
	mail := r.mails.nextMail(t)
	if !strings.Contains(mail, "text/plain") || strings.Contains(strings.ToLower(mail), "text/html") {
		t.Errorf("a mail is no plain text: %s", mail)
	}
}

var scriptAddress = regexp.MustCompile(`(?i)(href|src|action|formaction|data)\s*=\s*["']?\s*javascript:`)

// requireEscaped fails the test if an HTML answer contains a script unescaped. All other answers, such as JSON or CSV,
// must have a content type other than HTML.
func requireEscaped(t *testing.T, what, script string, got response) {
	t.Helper()
	kind := got.header.Get("Content-Type")
	if got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%.60s: without nosniff", what)
	}
	if !strings.HasPrefix(kind, "text/html") {
		if strings.Contains(kind, "html") || strings.Contains(kind, "svg") && !strings.Contains(what, "code") {
			t.Errorf("%.60s: content type %s", what, kind)
		}
		return
	}
	if script == "{{.}}" {
		return // templates are displayed unchanged: Go parses the hub's templates before it inserts values
	}
	if strings.HasPrefix(script, "javascript:") {
		if at := scriptAddress.FindIndex(got.body); at != nil {
			t.Errorf("%.60s: an address is a script: %s", what, got.body[at[0]:at[1]])
		}
		return
	}
	if i := bytes.Index(got.body, []byte(script)); i >= 0 {
		t.Errorf("%.60s holds %q: …%s…", what, script, got.body[max(0, i-100):min(len(got.body), i+60)])
	}
}

// textField is a text field that a user may fill in.
type textField struct {
	name    string
	request func(text string) request
}

// textFields returns the fields of the forms, and the text fields of the API's request bodies.
func (r *rig) textFields(round int) (out []textField) {
	owner := r.readers["owner"]
	for _, x := range r.h.APIRoutes() {
		q := r.apiRequest(x, owner, "other")
		if x.Method == "GET" || q.kind != "application/json" && q.kind != "application/merge-patch+json" || len(q.body) == 0 {
			continue
		}
		for _, name := range jsonTexts(x) {
			out = append(out, textField{x.Method + " " + x.Path + " " + name, func(text string) request {
				q := r.apiRequest(x, owner, "other")
				q.body = withText(q.body, name, text)
				return q
			}})
		}
	}
	forms := map[string][]string{
		"/members":                   {"name", "emails", "guardians", "subjects", "note", "until", "language"},
		"/members/{id}":              {"name", "emails", "guardians", "subjects", "note", "until", "language"},
		"/members/{id}/cards":        {"number", "note"},
		"/members/{id}/badges/url":   {"url"},
		"/machines":                  {"id"},
		"/machines/{id}/tag":         {"reason"},
		"/machines/{id}/revoke":      {"reason"},
		"/policy/check":              {"text", "comment"},
		"/policy/publish":            {"text", "comment"},
		"/policy/back":               {"comment"},
		"/settings/tokens":           {"name", "expires", "scopes"},
		"/settings/accounts":         {"name", "site", "member"},
		"/sign-in":                   {"name"},
		"/sign-in/mail":              {"email"},
		"/code/owner":                {"code", "name"},
		"/members/{id}/cards/{card}": {"state", "note"},
	}
	for path, names := range forms {
		for _, name := range names {
			out = append(out, textField{"POST " + path + " " + name, func(text string) request {
				q := r.pageRequest("POST", path, owner, "other")
				v, err := url.ParseQuery(string(q.body))
				if err != nil {
					r.t.Fatal(err)
				}
				v.Set(name, text)
				if name == "emails" || name == "guardians" {
					v.Set(name, strconv.Quote(text)+"@example.org")
				}
				q.body = []byte(v.Encode())
				return q
			}})
		}
	}
	return append(out, textField{"POST /api/v1/imports", func(text string) request {
		return request{method: "POST", path: "/api/v1/imports?name=" + url.QueryEscape(text) + ".csv", kind: "text/csv",
			body: fmt.Appendf(nil, "name,note,external_id\r\n\"%s\",x,y%d\r\n", strings.ReplaceAll(text, `"`, `""`), round)}
	}})
}

// jsonTexts returns the text fields of a sample body, and other text fields that the route accepts.
func jsonTexts(x api.Route) []string {
	return map[string][]string{
		"POST /members":                      {"name", "note", "external_id", "language", "until"},
		"PATCH /members/{member}":            {"name", "external_id", "language"},
		"PUT /members/{member}/note":         {"note"},
		"POST /members/{member}/cards":       {"number", "note"},
		"PUT /members/{member}/cards/{card}": {"note", "state"},
		"POST /members/{member}/badges/url":  {"url"},
		"POST /machines":                     {"id"},
		"POST /machines/{machine}/tag":       {"reason"},
		"POST /machines/{machine}/revoke":    {"reason"},
		"POST /policy":                       {"comment"},
		"POST /policy/back":                  {"comment"},
		"POST /policy/draft":                 {"text"},
		"POST /accounts":                     {"name", "role", "member"},
		"PATCH /accounts/{account}":          {"name"},
		"PATCH /settings":                    {"name", "contact", "language"},
		"POST /me/tokens":                    {"name"},
	}[x.Method+" "+x.Path]
}

// withText sets a field of a JSON object.
func withText(body []byte, name, text string) []byte {
	v := map[string]any{}
	mustRead(body, &v)
	v[name] = text
	return mustJSON(v)
}

// everythingShown returns all pages, lists and files that the owner can read, including those of each member and
// machine.
func (r *rig) everythingShown() (out []request) {
	owner := r.readers["owner"]
	get := func(path string) { out = append(out, request{method: "GET", path: path}) }
	for _, x := range r.h.APIRoutes() {
		if x.Method == "GET" && x.Path != "/events" {
			out = append(out, r.apiRequest(x, owner, "other"))
		}
	}
	for _, route := range r.h.PageRoutes() {
		if method, path, _ := strings.Cut(route, " "); method == "GET" {
			out = append(out, r.pageRequest(method, path, owner, "other"))
		}
	}
	all := r.ask(owner, request{method: "GET", path: "/api/v1/members?limit=500"})
	for _, m := range regexp.MustCompile(`"id":"(m-[a-z0-9]+)"`).FindAllSubmatch(all.body, -1) {
		get("/members/" + string(m[1]))
		get("/members/" + string(m[1]) + "/erase")
	}
	for i, script := range scripts {
		if !sample.Has(i) {
			continue
		}
		q := url.QueryEscape(script)
		for _, path := range []string{"/members?q=", "/members?state=", "/cards?state=", "/today?done=", "/today?lang=",
			"/reports?machine=", "/reports?from=", "/sign-in?back=", "/code?code=", "/sign-in/link?code="} {
			get(path + q)
		}
	}
	get("/members?after=" + url.QueryEscape(string(r.victim.member)))
	return out
}

// A spreadsheet program must not evaluate any cell of an export as a formula.
func csvFormula(t *testing.T, r *rig) {
	owner := r.readers["owner"]
	formulas := []string{"=1+cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1+1",
		"=HYPERLINK(\"https://evil.example\")"}
	for i, f := range formulas {
		_, err := r.h.Directory().Members.Add(
			t.Context(),
			root,
			directory.Member{Name: f, Note: f, External: fmt.Sprint(f, i)},
		)
		if err != nil && !strings.HasPrefix(f, "\t") {
			t.Errorf("%q is no name: %v", f, err)
		}
	}
	files := 0
	const month = "?from=2026-09-01&to=2026-09-30"
	for _, path := range []string{"/api/v1/export?format=csv", "/members/export?format=csv",
		"/api/v1/reports/uses.csv" + month, "/api/v1/reports/weeks.csv" + month, "/api/v1/reports/refusals.csv" + month,
		"/reports/uses.csv", "/reports/weeks.csv", "/reports/refusals.csv"} {
		got := r.ask(owner, request{method: "GET", path: path})
		if got.status != 200 {
			t.Errorf("%s: %d", path, got.status)
			continue
		}
		files++
		for _, cell := range strings.FieldsFunc(strings.TrimPrefix(string(got.body), "\ufeff"), func(c rune) bool {
			return c == ',' || c == ';' || c == '\n' || c == '\r'
		}) {
			if cell = strings.Trim(cell, `"`); cell != "" && strings.ContainsRune("=+-@\t", rune(cell[0])) {
				t.Errorf("%s: the cell %q is a formula", path, cell)
			}
		}
	}
	for _, path := range []string{"/api/v1/export?format=xlsx", "/members/export?format=xlsx"} {
		got := r.ask(owner, request{method: "GET", path: path})
		book, err := excelize.OpenReader(bytes.NewReader(got.body))
		if err != nil {
			t.Fatal(path, err)
		}
		for _, sheet := range book.GetSheetList() {
			rows, err := book.GetRows(sheet)
			if err != nil {
				t.Fatal(err)
			}
			for y, row := range rows {
				for x := range row {
					cell, _ := excelize.CoordinatesToCellName(x+1, y+1)
					if f, err := book.GetCellFormula(sheet, cell); f != "" || err != nil {
						t.Errorf("%s: %s is the formula %q, %v", path, cell, f, err)
					}
				}
			}
		}
		book.Close()
	}
}

// bomb returns a ZIP with one file, which is a thousand times larger when unpacked.
func bomb(t *testing.T, names ...string) []byte {
	t.Helper()
	packed, err := packedZeros()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		f, err := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, CRC32: packed.sum,
			CompressedSize64: uint64(len(packed.data)), UncompressedSize64: bombSize})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(packed.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const bombSize = 64 << 20 // size of each unpacked file, in bytes

// packedZeros are bombSize zeros, compressed once for all bombs, with their checksum.
var packedZeros = sync.OnceValues(func() (p struct {
	data []byte
	sum  uint32
}, err error) {
	var b bytes.Buffer
	f, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return p, err
	}
	zeros := make([]byte, 1<<20)
	for range bombSize / len(zeros) {
		if _, err := f.Write(zeros); err != nil {
			return p, err
		}
		p.sum = crc32.Update(p.sum, crc32.IEEETable, zeros)
	}
	err = f.Close()
	p.data = b.Bytes()
	return p, err
})

func zipBomb(t *testing.T, r *rig) {
	owner := r.readers["owner"]
	for _, path := range []string{"/api/v1/badges?name=a.zip",
		"/api/v1/members/" + string(r.victim.member) + "/badges?name=a.zip"} {
		for name, data := range map[string][]byte{"large": bomb(t, "a.json"), "many": bomb(t, "a.json", "b.json", "c.json"),
			"path": bomb(t, "../../etc/a.json"), "cut": bomb(t, "a.json")[:200]} {
			got := r.ask(owner, request{method: "POST", path: path, kind: "application/zip", body: data})
			if got.status < 400 && !bytes.Contains(got.body, []byte("refused")) || got.status >= 500 {
				t.Errorf("%s, %s: %d %.200s", path, name, got.status, got.body)
			}
		}
	}
}

func xlsxBomb(t *testing.T, r *rig) {
	data := bomb(t, "[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml")
	got := r.ask(r.readers["owner"], request{method: "POST", path: "/api/v1/imports?name=a.xlsx",
		kind: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", body: data})
	if got.status != 422 {
		t.Errorf("%d %.200s", got.status, got.body)
	}
}

// The hub refuses a body that does not end, or that is larger than the limit of its route.
func largeBody(t *testing.T, r *rig) {
	large := bytes.Repeat([]byte("a"), 17<<20)
	for path, kind := range map[string]string{"/api/v1/members": "application/json", "/api/v1/imports": "text/csv",
		"/api/v1/policy/draft": "application/yaml", "/members": "application/x-www-form-urlencoded",
		"/sign-in": "application/x-www-form-urlencoded"} {
		body := large
		if strings.HasSuffix(kind, "urlencoded") {
			body = append([]byte("name="), large...)
		}
		q := request{method: "POST", path: path, kind: kind, body: body}
		if got, err := r.tryRequest(r.readers["owner"], q); err == nil && got.status != 413 {
			t.Errorf("%s: %d, want 413", path, got.status)
		}
	}
}

// The hub does not fetch a badge from a private address, however the address is written. The allow-list permits hosts
// on the LAN.
func badgeURL(t *testing.T, r *rig) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var reached atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0",
		"[::1]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[::]", "169.254.169.254", "10.0.0.1", "192.168.1.1",
		"172.16.0.1", "[fe80::1]", "[fd00::1]", "100.64.0.1", "[2002:7f00:1::]", "localhost.", "user@127.0.0.1",
		"224.0.0.1"} {
		for _, scheme := range []string{"https", "http", "file", "gopher"} {
			q := request{method: "POST", path: "/api/v1/members/" + string(r.victim.member) + "/badges/url",
				kind: "application/json", body: mustJSON(map[string]string{"url": scheme + "://" + host + ":" +
					port + "/badge.json"})}
			if got := r.ask(r.readers["owner"], q); got.status != 422 {
				t.Errorf("%s://%s: %d, want 422: %.200s", scheme, host, got.status, got.body)
			}
			if scheme != "https" && host != "127.0.0.1" {
				break // the hub refuses such a URL before it resolves the name
			}
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the hub dialled this computer %d times", n)
	}
}

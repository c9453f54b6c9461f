package hub_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/api"
	"portillon/hub/directory"
	"portillon/internal/sample"
	"portillon/policy"
)

// rows selects lines of the tables by their route, for debugging. With this flag, the test stops at the first fault.
var rows = flag.String("rows", "", "a regular expression: only the routes that it matches are asked")

func chosen(t *testing.T, route string) bool {
	if *rows == "" {
		return true
	}
	if t.Failed() {
		t.FailNow()
	}
	return regexp.MustCompile(*rows).MatchString(route)
}

// tableLine is a line of a table: the answer of a route to each reader.
type tableLine struct {
	line      int
	route, of string
	want      map[string]string // expected status by reader
	scopes    string
}

// readTable reads a table of expected answers. columns are the names of the readers; their columns follow the columns
// for method, path and subject.
func readTable(t *testing.T, path string, columns []string, last bool) (out []tableLine) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		w := strings.Fields(lines.Text())
		if len(w) == 0 || strings.HasPrefix(w[0], "#") {
			continue
		}
		d := tableLine{line: n, want: map[string]string{}}
		if last && len(w) > 0 {
			d.scopes, w = w[len(w)-1], w[:len(w)-1]
		}
		if len(w) != 3+len(columns) {
			t.Fatalf("%s:%d has %d columns, want %d", path, n, len(w), 3+len(columns))
		}
		d.route, d.of = w[0]+" "+w[1], w[2]
		for i, c := range columns {
			d.want[c] = w[3+i]
		}
		out = append(out, d)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// requireCompleteTable checks that a table has each route of the hub once with each subject, and no other route.
func requireCompleteTable(t *testing.T, table []tableLine, routes []string) {
	t.Helper()
	want, have := map[string]bool{}, map[string]bool{}
	for _, r := range routes {
		for _, of := range subjectsOf(r) {
			want[r+" "+of] = true
		}
	}
	for _, d := range table {
		key := d.route + " " + d.of
		if have[key] {
			t.Errorf("line %d: %s stands twice", d.line, key)
		}
		if have[key] = true; !want[key] {
			t.Errorf("line %d: no route %s", d.line, key)
		}
	}
	for key := range want {
		if !have[key] {
			t.Errorf("%s has no line: nobody decided who may", key)
		}
	}
}

// subjectsOf returns the subjects that the table must list for a route: the reader's own data, another person's data,
// or "-" for neither.
func subjectsOf(route string) []string {
	switch {
	case strings.Contains(route, "/reports"):
		return []string{"-", "own", "other"}
	case strings.HasPrefix(route, "POST /settings/accounts/{"):
		return []string{"own", "other"}
	case strings.HasPrefix(route, "POST /settings/"), strings.Contains(route, "/policy/"):
		return []string{"-"}
	case strings.Contains(route, "{member}"), strings.Contains(route, "{machine}"), strings.Contains(route, "{account}"),
		strings.Contains(route, "{id}"), strings.Contains(route, "{training}"), route == "POST /trainings":
		return []string{"own", "other"}
	}
	return []string{"-"}
}

var apiColumns = []string{"nobody", "member", "lapsed", "blocked", "mentor", "maintainer", "administrator", "owner",
	"foreign"}

func TestAPIAnswersEachReaderAsTheTableSays(t *testing.T) {
	r := newRig(t)
	table := readTable(t, "testdata/authorisation-api.txt", apiColumns, true)
	routes := map[string]api.Route{}
	var names []string
	for _, x := range r.h.APIRoutes() {
		name := x.Method + " " + api.Prefix + x.Path
		routes[name], names = x, append(names, name)
	}
	requireCompleteTable(t, table, names)
	for _, d := range table {
		x, ok := routes[d.route]
		if !ok || !chosen(t, d.route) {
			continue
		}
		for _, name := range apiColumns {
			who := r.readers[name]
			got := r.ask(who, r.apiRequest(x, who, d.of))
			if strconv.Itoa(got.status) != d.want[name] {
				t.Errorf("line %d: %s (%s) for %s: %d, the table says %s: %.200s", d.line, d.route, d.of, name, got.status,
					d.want[name], got.body)
			}
			r.restoreReader(x.Method, got, who)
		}
		r.sendDeadTokens(d, x)
		r.sendWithScopes(d, x)
		r.sendForeignIDs(d, x)
	}
}

// sendDeadTokens checks that the hub refuses the API tokens of accounts that can no longer sign in.
func (r *rig) sendDeadTokens(d tableLine, x api.Route) {
	for _, name := range []string{"blocked", "foreign"} {
		who := *r.readers[name]
		who.cookie = ""
		r.forgetAttempts()
		if got := r.ask(&who, r.apiRequest(x, &who, d.of)); got.status != 401 {
			r.t.Errorf("line %d: %s with the token of %s: %d, want 401", d.line, d.route, name, got.status)
		}
	}
}

// sendWithScopes sends requests with an owner's tokens of different scopes: one token for each act, one with all acts
// that the table names, and one for each of these acts that lacks only this act.
func (r *rig) sendWithScopes(d tableLine, x api.Route) {
	needed, either := strings.Split(d.scopes, "+"), strings.Split(d.scopes, "|")
	ask := func(want bool, scopes ...actor.Act) {
		who := r.ownersToken(scopes...)
		got := r.ask(who, r.apiRequest(x, who, d.of))
		if ok := strconv.Itoa(got.status) == d.want["owner"]; ok != want || !want && got.status != 403 {
			r.t.Errorf("line %d: %s (%s) with a token for %v: %d, allowed should be %t: %.200s", d.line, d.route, d.of, scopes,
				got.status, want, got.body)
		}
		r.restoreReader(x.Method, got, r.readers["owner"])
	}
	for i, act := range actor.Acts() {
		if d.of != "other" && sample.Has(d.line+i) { // a sample has a different third of the acts for each line
			ask(d.scopes == "*" || slices.Contains(either, string(act)), act)
		}
	}
	switch {
	case len(either) > 1:
	case d.scopes == "-":
		ask(false, actor.Acts()...)
	case d.scopes != "*":
		acts := make([]actor.Act, len(needed))
		for i, n := range needed {
			if acts[i] = actor.Act(n); !slices.Contains(actor.Acts(), acts[i]) {
				r.t.Fatalf("line %d: %q is no act", d.line, n)
			}
		}
		ask(true, acts...)
		for _, without := range acts {
			ask(false, slices.DeleteFunc(actor.Acts(), func(a actor.Act) bool { return a == without })...)
		}
	}
}

// sendForeignIDs sends requests as the owner with ids of another site. The hub must answer 404.
func (r *rig) sendForeignIDs(d tableLine, x api.Route) {
	path := x.Path
	for _, name := range []string{"member", "account", "machine", "card", "badge", "tap", "import", "token", "session",
		"award"} {
		if d.of != "own" && !strings.HasSuffix(path, "/url") && strings.Contains(path, "{"+name+"}") {
			who := r.readers["owner"]
			q := r.apiRequest(x, who, d.of, name)
			if got := r.ask(who, q); got.status != 404 {
				r.t.Errorf("line %d: %s with another site's %s: %d, want 404: %.200s", d.line, d.route, name, got.status, got.body)
			}
		}
	}
}

// restoreReader creates the data again that a successful request has removed.
func (r *rig) restoreReader(method string, got response, who *reader) {
	r.t.Helper()
	if method == "GET" || got.status >= 400 {
		return
	}
	for _, x := range []*reader{who, r.victim} {
		if x == nil || x.name == "foreign" || x.name == "blocked" {
			continue
		}
		_, gone := r.h.Directory().Members.Get(r.t.Context(), root, x.member)
		_, removed := r.h.Accounts().Registry.Get(r.t.Context(), root, x.account)
		check := r.ask(x, request{method: "GET", path: "/api/v1/me"})
		if gone != nil || removed != nil || check.status != 200 {
			r.createReader(x)
		}
	}
}

// apiRequest returns a request for a route; the request succeeds for a reader with all permissions. elsewhere names the
// path parameters that get an id of another site.
func (r *rig) apiRequest(x api.Route, who *reader, of string, elsewhere ...string) request {
	r.t.Helper()
	if who == nil {
		who = r.victim
	}
	about, machine := who, "laser"
	if of == "other" {
		about, machine = r.victim, "lathe"
	}
	if strings.HasSuffix(x.Path, "/revoke") { // the hub puts no tag on a revoked machine, so revoke another machine
		machine = map[string]string{"laser": "press", "lathe": "vinyl"}[machine]
	}
	own := map[string]string{"member": string(about.member), "account": about.account, "machine": machine, "tap": "t-none",
		"number": "1", "visit": "v-none"}
	if strings.Contains(x.Path, "{card}") {
		own["card"] = r.cardOf(about.member)
	}
	if strings.Contains(x.Path, "{badge}") {
		own["badge"] = r.badgeOf(about.member)
	}
	if strings.Contains(x.Path, "{import}") {
		own["import"] = r.newPreview(who)
	}
	if strings.Contains(x.Path, "{token}") {
		own["token"] = r.tokenID(about.account)
	}
	if strings.Contains(x.Path, "{session}") {
		own["session"] = "s-" + r.newSession("biklab", sessionOwner(r, about))[:8]
	}
	if own["class"] = "laser-user"; strings.Contains(x.Path, "{award}") {
		own["award"] = r.newAward()
	}
	for _, name := range elsewhere {
		own[name] = foreignID
	}
	q := request{method: x.Method, path: api.Prefix + fillPath(x.Path, own)}
	r.bodyOf(x, about, &q)
	if x.IfMatch {
		q.match = `"` + r.matchOf(x, about, machine) + `"`
	}
	if strings.HasPrefix(x.Path, "/reports/") {
		q.path += "?from=2026-09-01&to=2026-09-30"
		if of != "-" {
			q.path += "&machine=" + machine
		}
	}
	return q
}

// sessionOwner returns the account whose session a request ends; for an account of another site, which has no session
// here, a different account's.
func sessionOwner(r *rig, about *reader) string {
	if about.name == "foreign" {
		return r.victim.account
	}
	return about.account
}

// ifMatchOf returns the value of the If-Match header for a change: the version that the request changes.
func (r *rig) matchOf(x api.Route, about *reader, machine string) string {
	ctx := r.t.Context()
	switch {
	case strings.HasPrefix(x.Path, "/members"):
		return r.version(about.member)
	case strings.HasPrefix(x.Path, "/accounts"):
		a, _ := r.h.Accounts().Registry.Get(ctx, root, about.account)
		return strconv.FormatInt(a.Version, 10)
	case strings.HasPrefix(x.Path, "/machines"):
		m, _ := r.h.MachineService().Machines.Get(ctx, root, policy.MachineID(machine))
		return strconv.FormatInt(m.Version, 10)
	case strings.HasPrefix(x.Path, "/badge-classes"):
		return r.classVersion()
	case x.Path == "/policy":
		return r.policyNumber()
	case x.Path == "/settings":
		return strconv.FormatInt(r.settingsVersion(), 10)
	}
	return "1"
}

// bodyOf fills in the body of a request.
func (r *rig) bodyOf(x api.Route, about *reader, q *request) {
	r.t.Helper()
	q.kind = "application/json"
	if x.Types != nil {
		q.kind = x.Types[0]
	}
	set := func(v any) { q.body = mustJSON(v) }
	type object = map[string]any
	switch x.Method + " " + x.Path {
	case "POST /members":
		set(object{"name": fmt.Sprint("New ", r.newNumber())})
	case "PATCH /members/{member}":
		set(object{"language": "en"})
	case "POST /members/{member}/merge":
		set(object{"drop": r.lastExtra()})
	case "PUT /members/{member}/note":
		set(object{"note": fmt.Sprint("seen ", r.newNumber())})
	case "POST /members/{member}/cards":
		set(object{"number": r.cardNumber()})
	case "PUT /members/{member}/cards/{card}":
		set(object{"state": "lost"})
	case "POST /members/{member}/badges", "POST /badges":
		q.kind, q.body = "application/json", r.badgeFile(about.member)
	case "POST /members/{member}/badges/url":
		set(object{"url": "https://127.0.0.1/badge.json"})
	case "POST /imports":
		q.kind, q.body = "text/csv", []byte("name,email\r\nImported,imported@example.org\r\n")
	case "POST /imports/{import}/columns":
		set(object{"columns": object{"name": "name"}})
	case "POST /taps/{tap}/assign":
		set(object{"member": r.victim.member})
	case "POST /visits":
		set(object{"badge": ""})
	case "POST /visits/{visit}/admission":
		set(object{"until": "2026-11-30"})
	case "POST /machines":
		set(object{"id": fmt.Sprintf("machine%d", r.newNumber())})
	case "POST /machines/{machine}/code":
		set(object{})
	case "POST /machines/{machine}/revoke", "POST /machines/{machine}/tag":
		set(object{"reason": "smoke"})
	case "POST /awards":
		set(object{"badge": "laser-user", "members": []policy.MemberID{r.newHolder()}, "why": "test"})
	case "POST /awards/{award}/revoke":
		set(object{"reason": "test"})
	case "PUT /badge-classes/{class}":
		set(object{"criteria": "Cut a box"})
	case "POST /card-key/rotate":
		set(object{"reason": ""})
	case "POST /policy/draft":
		set(object{"text": r.policyText()})
	case "POST /policy":
		set(object{"text": r.policyText() + fmt.Sprintf("# %d\n", r.newNumber()), "comment": "again"})
	case "POST /policy/back":
		set(object{"comment": "back"})
	case "POST /accounts":
		set(object{"name": fmt.Sprintf("new%d@example.org", r.newNumber())})
	case "PATCH /accounts/{account}":
		set(object{"disabled": false})
	case "POST /printed-codes":
		set(object{"members": []string{string(r.victim.member)}})
	case "PATCH /settings":
		set(object{"language": "fr"})
	case "POST /me/tokens":
		set(object{"name": "script", "scopes": []string{"own.read"}, "expires": inAnHour()})
	default:
		q.kind = ""
	}
}

// lastExtra returns a member whom a request may merge into another member. If that member was already merged,
// lastExtra creates a new one.
func (r *rig) lastExtra() policy.MemberID {
	r.t.Helper()
	x := r.readers["extra"]
	if x == nil {
		x = &reader{name: "extra"}
		r.readers["extra"] = x
	}
	if _, err := r.h.Directory().Members.Get(r.t.Context(), root, x.member); x.member == "" || err != nil {
		x.member = r.newMember()
	}
	return x.member
}

// newPreview uploads an import of members as the reader, and returns the id of the import, which can be applied.
func (r *rig) newPreview(who *reader) string {
	r.t.Helper()
	by := actor.Actor{Account: who.account, Name: "test", Site: actor.Owner}
	p, err := r.h.Directory().Imports.Preview(r.t.Context(), by, directory.Import{Name: "list.csv",
		Data: fmt.Appendf(nil, "name,email\r\nImported,imported%d@example.org\r\n", r.newNumber()), Source: "test"})
	if err != nil {
		r.t.Fatal(err)
	}
	return p.ID
}

// tokenID returns the id of an account's API token that can be revoked.
func (r *rig) tokenID(id string) string {
	r.t.Helper()
	all, err := r.h.Accounts().Tokens.Issued(r.t.Context(), root, id)
	if err != nil { // the account belongs to another site
		return foreignID
	}
	for _, t := range all {
		if t.Name == "to revoke" {
			return t.ID
		}
	}
	t, err := r.h.Accounts().Tokens.Issue(r.t.Context(), actor.Actor{Account: id}, "to revoke", []actor.Act{actor.ReadOwn},
		inAnHour())
	if err != nil {
		r.t.Fatal(err)
	}
	return t.ID
}

func (r *rig) policyNumber() string {
	r.t.Helper()
	got := r.ask(r.readers["spare"], request{method: "GET", path: "/api/v1/policy"})
	return strings.Trim(got.header.Get("ETag"), `"`)
}

func (r *rig) settingsVersion() int64 {
	r.t.Helper()
	got := r.ask(r.readers["spare"], request{method: "GET", path: "/api/v1/settings"})
	n, _ := strconv.ParseInt(strings.Trim(got.header.Get("ETag"), `"`), 10, 64)
	return n
}

func (r *rig) policyText() string {
	r.t.Helper()
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

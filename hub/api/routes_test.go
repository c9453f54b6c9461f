package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/policy"
)

func TestRoutesMatchTheAPIDescription(t *testing.T) {
	d := describedBy(t)
	routes := map[string]Route{}
	for _, r := range newTable() {
		name := r.Method + " " + r.Path
		if _, twice := routes[name]; twice {
			t.Errorf("%s stands twice in the table", name)
		}
		routes[name] = r
	}
	seen := map[string]bool{}
	ids := map[string]bool{}
	for path, item := range d.doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			name := strings.ToUpper(method) + " " + path
			seen[name] = true
			r, ok := routes[name]
			if !ok {
				t.Errorf("%s is described, and no route", name)
				continue
			}
			o := op.(map[string]any)
			id, _ := o["operationId"].(string)
			if summary, _ := o["summary"].(string); id == "" || ids[id] || summary == "" {
				t.Errorf("%s: operationId %q, summary %q", name, id, summary)
			}
			ids[id] = true
			compare(t, d, r, o, item.(map[string]any))
		}
	}
	for name := range routes {
		if !seen[name] {
			t.Errorf("%s is a route, and not described", name)
		}
	}
}

// compare compares a route with the route's description in openapi.yaml.
func compare(t *testing.T, d *parsedDescription, r Route, op, item map[string]any) {
	t.Helper()
	name := r.Method + " " + r.Path
	if act, _ := op["x-act"].(string); act != string(r.Act) {
		t.Errorf("%s: x-act is %q, the route asks for %q", name, act, r.Act)
	}
	in := map[string][]string{}
	all, _ := op["parameters"].([]any)
	more, _ := item["parameters"].([]any)
	for _, p := range append(slices.Clone(all), more...) {
		v, _ := d.deref(p, nil)
		m := v.(map[string]any)
		where := m["in"].(string)
		in[where] = append(in[where], m["name"].(string))
	}
	same := func(what string, described, have []string) {
		slices.Sort(described)
		have = slices.Sorted(slices.Values(have))
		if !slices.Equal(described, have) {
			t.Errorf("%s: %s: described %v, the route has %v", name, what, described, have)
		}
	}
	same("query", in["query"], r.Query)
	same("path", in["path"], pathParameters(r.Path))
	var match []string
	if r.IfMatch {
		match = []string{"If-Match"}
	}
	same("header", in["header"], match)
	types := r.Types
	if types == nil && r.Body != nil {
		types = []string{jsonType}
	}
	body, _ := d.deref(op["requestBody"], nil)
	var described []string
	if m, ok := body.(map[string]any); ok {
		described = slices.Collect(maps.Keys(m["content"].(map[string]any)))
	}
	same("types of the body", described, types)
	var produced []string
	if r.Answer != nil {
		produced = []string{jsonType}
	}
	for _, p := range r.Produces {
		bare, _, _ := strings.Cut(p, ";")
		produced = append(produced, bare)
	}
	described = nil
	for status, answer := range op["responses"].(map[string]any) {
		a, _ := d.deref(answer, nil)
		if content, ok := a.(map[string]any)["content"].(map[string]any); ok && strings.HasPrefix(status, "2") {
			described = slices.Collect(maps.Keys(content))
		}
	}
	same("types of the answer", described, produced)
}

// sampleRequest returns a request to a route that succeeds for a user with all permissions.
func sampleRequest(r Route) req {
	a := req{method: r.Method, path: strings.NewReplacer("{card}", "c1", "{badge}", "b1", "{import}", "i1", "{tap}", "t1",
		"{source}", "fab",
		"{account}", "a1",
		"{visit}", "v-1",
		"{token}", "k1", "{session}", "s1", "{award}", "aw1", "{class}", "laser-user", "{number}", "2").Replace(r.Path)}
	if r.IfMatch {
		a.match = map[string]string{"/policy": `"3"`, "/accounts/{account}": `"3"`, "/settings": `"3"`,
			"/machines/{machine}/revoke": `"4"`, "/card-key/rotate": `"4"`, "/card-key/end": `"4"`}[r.Path]
		if a.match == "" {
			a.match = `"7"`
		}
	}
	a.body = map[string]string{
		"POST /members":                      `{"name": "Zoé", "until": "2027-09-30"}`,
		"PATCH /members/{member}":            `{"name": "Zoé", "emails": null}`,
		"POST /members/{member}/merge":       `{"drop": "m-karim"}`,
		"PUT /members/{member}/note":         `{"note": "seen"}`,
		"POST /members/{member}/cards":       `{"number": "04A22400000001"}`,
		"PUT /members/{member}/cards/{card}": `{"state": "lost", "note": "in the tram"}`,
		"POST /members/{member}/badges":      `{"type": "VerifiableCredential"}`,
		"POST /badges":                       `{"type": "VerifiableCredential"}`,
		"POST /members/{member}/badges/url":  `{"url": "https://badges.example/1"}`,
		"POST /imports":                      "id,name\r\n",
		"POST /imports/{import}/columns":     `{"columns": {"Nom": "last"}, "until": "2027-08-31"}`,
		"POST /taps/{tap}/assign":            `{"member": "m-lea"}`,
		"POST /visits":                       `{"badge": "https://badges.example/1", "address": "lea@x.example"}`,
		"POST /visits/{visit}/admission":     `{"identity": true, "consent": true, "tap": "t1", "until": "2026-11-30"}`,
		"POST /machines":                     `{"id": "lathe"}`,
		"POST /machines/{machine}/code":      `{"replace": true}`,
		"POST /machines/{machine}/revoke":    `{"reason": "stolen"}`,
		"POST /awards":                       `{"badge": "laser-user", "members": ["m-lea"], "why": "seen"}`,
		"POST /awards/{award}/revoke":        `{"reason": "unsafe"}`,
		"PUT /badge-classes/{class}":         `{"criteria": "Cut a box"}`,
		"POST /card-key/rotate":              `{"reason": "laser stolen"}`,
		"POST /machines/{machine}/tag":       `{"reason": "belt"}`,
		"POST /policy/draft":                 `{"text": "portillon: 1\n"}`,
		"POST /policy":                       `{"text": "portillon: 1\n", "comment": "first", "signature": "c2ln"}`,
		"POST /policy/back":                  `{"comment": "too strict"}`,
		"POST /accounts": `{"name": "zoe@example.org", "role": "administrator", "machine_roles": ` +
			`{"laser": "mentor"}}`,
		"PATCH /accounts/{account}": `{"role": null, "machine_roles": {"laser": "maintainer", "saw": null}}`,
		"PATCH /settings":           `{"contact": null, "name": "BikLab"}`,
		"POST /me/tokens": `{"name": "script", "scopes": ["members.read"], "expires": ` +
			`"2027-01-01T00:00:00Z"}`,
		"POST /printed-codes": `{"members": ["m-lea"], "each": 2}`,
	}[r.Method+" "+r.Path]
	switch {
	case r.Method == "PATCH":
		a.kind = mergePatchType
	case r.Path == "/imports":
		a.kind = "text/csv"
	case strings.HasPrefix(r.Path, "/reports/"):
		a.path += "?from=2026-09-01&to=2026-09-30"
	}
	return a
}

// The test calls every route once with permission, to compare the response with the description, and once without
// permission. The services check permissions; hub/testdata/authorisation-api.txt lists the expected responses of a
// whole hub.
func TestResponsesMatchTheAPIDescription(t *testing.T) {
	s := newSiteWithEvents(t)
	for _, r := range newTable() {
		name := r.Method + " " + r.Path
		// GET /me/record fails for the owner, who is not a member.
		if got := s.statusFor(r, "owner"); got >= 300 && r.Path != "/me/record" {
			t.Errorf("%s: %d", name, got)
		}
		if got := s.statusFor(r, "member"); r.Path == "/me/record" && got != 200 {
			t.Errorf("%s of a member: %d", name, got)
		}
		if got := s.statusFor(r, "nobody"); got != 401 && r.Path != "/openapi.json" {
			t.Errorf("%s for nobody: %d, want 401", name, got)
		}
	}
}

// statusFor calls a route as the user whose name is column, and returns the status of the response.
func (s *site) statusFor(r Route, column string) int {
	s.t.Helper()
	m, machine := s.ownTargets(s.tokens[column])
	a := sampleRequest(r)
	if a.as = column; column == "nobody" {
		a.as = ""
	}
	a.path = strings.NewReplacer("{member}", string(m), "{machine}", string(machine)).Replace(a.path)
	resp, _ := s.do(a)
	return resp.StatusCode
}

// The test checks that a role at a machine gives no permission for the whole site. The tables in hub/testdata list the
// permissions of mentors and maintainers.
func TestMachineRolesGiveNoSitePermissions(t *testing.T) {
	a := actor.Actor{Account: "a", Machines: map[policy.MachineID]actor.Role{"laser": actor.Maintainer}}
	for _, act := range actor.Acts() {
		if a.May(act, actor.Target{Machine: "saw"}) == nil {
			t.Errorf("a maintainer of the laser may %s at the saw", act)
		}
	}
	if fmt.Sprint(a.May(actor.ReadMembers, actor.Target{})) == "<nil>" {
		t.Error("a maintainer may read all members")
	}
}

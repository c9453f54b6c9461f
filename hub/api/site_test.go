package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"portillon/hub/actor"
	"portillon/hub/httpd"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
)

// testedRoutes lists the routes from which the tests of this package received a successful response.
var testedRoutes = struct {
	sync.Mutex
	routes map[string]bool
}{routes: map[string]bool{}}

// TestMain fails the test run if a route has sent no successful response to any test.
func TestMain(m *testing.M) {
	code := m.Run()
	whole := true
	for _, name := range []string{"test.run", "test.skip", "test.fuzz", "test.list", "test.bench"} {
		whole = whole && flag.Lookup(name).Value.String() == ""
	}
	if code == 0 && whole {
		for _, r := range newTable() {
			if !testedRoutes.routes[r.Method+" "+r.Path] {
				fmt.Printf("no test had a good answer of %s %s\n", r.Method, r.Path)
				code = 1
			}
		}
	}
	os.Exit(code)
}

func newTable() []Route {
	s, err := New(Options{Accounts: accountsFake{}.all()})
	if err != nil {
		panic(err)
	}
	return s.Routes()
}

// site is a hub that the tests call over HTTP.
type site struct {
	*fakes
	t      *testing.T
	url    string
	client *http.Client
	store  *store.Site
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, nil)
}

// newSiteWithEvents returns a site with a store that announces changes.
func newSiteWithEvents(t *testing.T) *site {
	t.Helper()
	db := storetest.Open(t)
	return newSiteWith(t, db.Site("biklab"))
}

func newSiteWith(t *testing.T, events *store.Site) *site {
	t.Helper()
	s := &site{fakes: newFakes(), t: t, store: events}
	h, err := New(s.options())
	if err != nil {
		t.Fatal(err)
	}
	guarded, err := httpd.Handler(httpd.Options{}, h)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(guarded)
	t.Cleanup(ts.Close)
	s.url = ts.URL + Prefix
	s.client = &http.Client{Transport: &validator{t: t, doc: describedBy(t), next: ts.Client().Transport}}
	return s
}

func (s *site) options() Options {
	f := s.fakes
	o := Options{
		Directory: directoryFake{f}.all(),
		Machines:  machinesFake{f},
		Codes:     codesFake{f},
		Orders:    ordersFake{f},
		CardKeys:  cardKeysFake{f},
		Issuing:   issuingFake{f},
		Policies:  policiesFake{f},
		Drafts:    draftsFake{f},
		Bundles:   bundlesFake{f},
		Accounts:  accountsFake{f}.all(),
		Reports:   reportsFake{f},
		Hub:       hubFake{f},
		Search:    searchFake{f},
		Visitors:  visitsFake{f},
		Status:    statusOfFake,
		RetryAfter: func(err error) int {
			if err == errMany {
				return int(f.wait.Seconds())
			}
			return 0
		},
	}
	o.Maintenance = maintenanceFake{f}
	if s.store != nil {
		o.Events = s.store
	}
	return o
}

func statusOfFake(err error) int {
	switch err {
	case errWrong:
		return http.StatusUnauthorized
	case errMany:
		return http.StatusTooManyRequests
	}
	return 0
}

// req is a request that a test sends.
type req struct {
	method, path string // path and query
	as           string // name of the user whose token is sent; "": no token
	body         string
	kind         string // content type of the body; "": JSON
	match        string // If-Match
	header       map[string]string
}

// do sends a request, and returns the response and its body.
func (s *site) do(a req) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequest(a.method, s.url+a.path, strings.NewReader(a.body))
	if err != nil {
		s.t.Fatal(err)
	}
	if a.as != "" {
		r.Header.Set("Authorization", "Bearer "+a.as)
	}
	if a.kind == "" && a.body != "" {
		a.kind = jsonType
	}
	if a.kind != "" {
		r.Header.Set("Content-Type", a.kind)
	}
	if a.match != "" {
		r.Header.Set("If-Match", a.match)
	}
	r.Header.Set("Accept-Language", "en")
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", a.method, a.path, err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") == eventType {
		return resp, ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", a.method, a.path, err)
	}
	return resp, string(b)
}

// request sends a request, checks the status of the response, and returns the response and its body.
func (s *site) request(status int, a req) (*http.Response, string) {
	s.t.Helper()
	resp, body := s.do(a)
	if resp.StatusCode != status {
		s.t.Errorf("%s %s: %d, want %d: %s", a.method, a.path, resp.StatusCode, status, body)
	}
	return resp, body
}

// requestProblem sends a request that must fail, and returns the problem details of the response.
func (s *site) requestProblem(status int, a req) httpd.Problem {
	s.t.Helper()
	_, body := s.request(status, a)
	var p httpd.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		s.t.Fatalf("%s %s: %v: %s", a.method, a.path, err, body)
	}
	return p
}

// parsedDescription is the parsed file openapi.yaml.
type parsedDescription struct {
	doc      map[string]any
	mu       sync.Mutex
	compiler *jsonschema.Compiler
}

func describedBy(t *testing.T) *parsedDescription {
	t.Helper()
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// readDescription parses the description once for all tests.
var readDescription = sync.OnceValues(func() (*parsedDescription, error) {
	b, err := description("test")
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("http://localhost/openapi.json", doc); err != nil {
		return nil, err
	}
	return &parsedDescription{doc: doc.(map[string]any), compiler: c}, nil
})

// resolve follows the parts of a JSON pointer and all references ($ref) in the description. resolve returns the value,
// and the parts of the pointer at which the value is defined.
func (d *parsedDescription) resolve(parts ...string) (any, []string) {
	var v any = d.doc
	var where []string
	for _, p := range parts {
		v, where = d.deref(v, where)
		m, ok := v.(map[string]any)
		if !ok {
			return nil, nil
		}
		v, where = m[p], append(append([]string(nil), where...), p)
	}
	return d.deref(v, where)
}

func (d *parsedDescription) deref(v any, where []string) (any, []string) {
	for {
		m, _ := v.(map[string]any)
		ref, ok := m["$ref"].(string)
		if !ok {
			return v, where
		}
		where = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		v = d.doc
		for _, p := range where {
			v = v.(map[string]any)[p]
		}
	}
}

// validate checks a JSON value against the schema at the JSON pointer where.
func (d *parsedDescription) validate(value []byte, where []string) error {
	escaped := make([]string, len(where))
	for i, p := range where {
		escaped[i] = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(p)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	schema, err := d.compiler.Compile("http://localhost/openapi.json#/" + strings.Join(escaped, "/"))
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// pathOf returns the path of the description, such as /members/{member}, that matches a request's path.
func (d *parsedDescription) pathOf(path string) string {
	var found []string
	for p := range d.doc["paths"].(map[string]any) {
		a, b := strings.Split(p, "/"), strings.Split(path, "/")
		same := len(a) == len(b)
		for i := 0; same && i < len(a); i++ {
			same = a[i] == b[i] || strings.HasPrefix(a[i], "{")
		}
		if same {
			found = append(found, p)
		}
	}
	sort.Slice(found, func(i, j int) bool { return strings.Count(found[i], "{") < strings.Count(found[j], "{") })
	if found == nil {
		return ""
	}
	return found[0]
}

// validator is a transport that validates every response against the description.
type validator struct {
	t    *testing.T
	doc  *parsedDescription
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (v *validator) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	resp, err := v.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	var body []byte
	if resp.Header.Get("Content-Type") != eventType {
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
	}
	if err := v.check(r, sent, resp, body); err != nil {
		v.t.Errorf("%s %s: %d %s: %v\n%.2000s", r.Method, r.URL.Path, resp.StatusCode, resp.Header.Get("Content-Type"), err,
			body)
	}
	return resp, nil
}

func (v *validator) check(r *http.Request, sent []byte, resp *http.Response, body []byte) error {
	path := v.doc.pathOf(strings.TrimPrefix(r.URL.Path, Prefix))
	method := strings.ToLower(r.Method)
	if method == "head" {
		method = "get"
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	op, _ := v.doc.resolve("paths", path, method)
	if path == "" || op == nil || r.Method == http.MethodOptions {
		if resp.StatusCode == http.StatusNoContent && r.Method == http.MethodOptions {
			return nil
		}
		if resp.StatusCode < 400 {
			return fmt.Errorf("a good answer of what is not described")
		}
		return v.doc.validate(body, []string{"components", "schemas", "Problem"})
	}
	status := fmt.Sprint(resp.StatusCode)
	answer, where := v.doc.resolve("paths", path, method, "responses", status)
	if answer == nil {
		answer, where = v.doc.resolve("paths", path, method, "responses", status[:1]+"XX")
	}
	if answer == nil {
		return fmt.Errorf("the status is not described")
	}
	if resp.StatusCode < 300 {
		testedRoutes.Lock()
		testedRoutes.routes[strings.ToUpper(method)+" "+path] = true
		testedRoutes.Unlock()
		if err := v.validateRequest(r, sent, path, method); err != nil {
			return fmt.Errorf("the request: %w", err)
		}
		if err := headersOf(answer.(map[string]any), resp); err != nil {
			return err
		}
	}
	content, _ := answer.(map[string]any)["content"].(map[string]any)
	if content == nil || r.Method == http.MethodHead {
		if len(body) > 0 {
			return fmt.Errorf("a body that is not described")
		}
		return nil
	}
	media, ok := content[kind]
	if !ok {
		return fmt.Errorf("the content type is not described")
	}
	if _, ok := media.(map[string]any)["schema"]; ok {
		return v.doc.validate(body, append(append([]string(nil), where...), "content", kind, "schema"))
	}
	return nil
}

func headersOf(answer map[string]any, resp *http.Response) error {
	described, _ := answer["headers"].(map[string]any)
	for _, name := range []string{"ETag", "Location", "Link"} {
		_, said := described[name]
		if resp.Header.Get(name) != "" && !said {
			return fmt.Errorf("the header %s is not described", name)
		}
		if name == "ETag" && said && resp.Header.Get(name) == "" {
			return fmt.Errorf("the header %s is missing", name)
		}
	}
	return nil
}

// validateRequest validates the request of a successful response against the description.
func (v *validator) validateRequest(r *http.Request, sent []byte, path, method string) error {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	body, where := v.doc.resolve("paths", path, method, "requestBody")
	if body == nil {
		if len(sent) > 0 {
			return fmt.Errorf("a body that is not described")
		}
		return nil
	}
	media, ok := body.(map[string]any)["content"].(map[string]any)[kind]
	if !ok {
		return fmt.Errorf("the content type %s is not described", kind)
	}
	if _, ok := media.(map[string]any)["schema"]; ok && strings.Contains(kind, "json") {
		return v.doc.validate(sent, append(append([]string(nil), where...), "content", kind, "schema"))
	}
	return nil
}

// ownTargets returns the ids that a test puts into paths: the actor's own member (Léa if the actor is not a member) and
// the machine laser.
func (s *site) ownTargets(a actor.Actor) (policy.MemberID, policy.MachineID) {
	if _, ok := s.members[a.Member]; ok {
		return a.Member, "laser"
	}
	return "m-lea", "laser"
}

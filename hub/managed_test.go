package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/hub"
	"portillon/hub/store/storetest"
	"portillon/wire"
)

// browser is a person's HTTP client for a hub that manages the site.
type browser struct {
	t    *testing.T
	base string
	c    *http.Client
}

// managedHub runs a new hub on free ports of loopback. Each change may modify its configuration.
func managedHub(t *testing.T, changes ...func(*hub.Config)) (*runningHub, *browser) {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts a hub with its broker")
	}
	dir := storetest.Dir(t)
	made, err := hub.Create(dir, hub.NewHub{Site: "biklab", Host: "localhost", Web: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(made.Config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(
		bytes.ReplaceAll(text, []byte("0.0.0.0:8443"), []byte("127.0.0.1:0")),
		[]byte("0.0.0.0:8883"),
		[]byte("127.0.0.1:0"),
	)
	write(t, made.Config, string(text))
	c, err := hub.ReadConfig(made.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range changes {
		f(&c)
	}
	o := run(t, c)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return o, &browser{
		t,
		"http://localhost:" + o.WebPort(),
		&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}
}

// do sends a request and returns the answer's status and body.
func (b *browser) do(method, path, kind string, body []byte, headers ...string) (int, []byte) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, out
}

// json sends in as JSON, checks the status, and decodes the answer into out.
func (b *browser) json(want int, method, path string, in, out any, headers ...string) {
	b.t.Helper()
	var body []byte
	kind := ""
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			b.t.Fatal(err)
		}
		kind = "application/json"
	}
	status, answer := b.do(method, "/api/v1"+path, kind, body, headers...)
	if status != want {
		b.t.Fatalf("%s %s: %d, want %d: %.500s", method, path, status, want, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *browser) form(path string, fields url.Values, headers ...string) int {
	b.t.Helper()
	status, _ := b.do("POST", path, "application/x-www-form-urlencoded", []byte(fields.Encode()), headers...)
	return status
}

func TestNewHubCanBeSetUpThroughPagesAndAPI(t *testing.T) {
	h, b := managedHub(t)
	owner := url.Values{"code": {h.OwnerCode()}, "name": {"ada@lab.example"}, "password": {"a-long-and-odd-password"}}

	// The hub refuses requests before the first owner exists, requests from another site, and requests under another host
	// name.
	if status, _ := b.do("GET", "/api/v1/members", "", nil); status != http.StatusUnauthorized {
		t.Errorf("nobody reads the members: %d", status)
	}
	if status := b.form("/code/owner", owner, "Origin", "https://elsewhere.example"); status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", status)
	}
	if status, _ := b.do("GET", "/", "", nil, "Host", "elsewhere.example"); status != http.StatusMisdirectedRequest {
		t.Errorf("another host: %d", status)
	}
	wrong := url.Values{"code": {"AAAAA-AAAAA-AAAAA"}, "name": {"eve"}, "password": {"a-long-and-odd-password"}}
	if status := b.form("/code/owner", wrong); status < 400 {
		t.Errorf("a wrong code: %d", status)
	}
	if status := b.form("/code/owner", owner); status != http.StatusSeeOther {
		t.Fatalf("the owner's code: %d", status)
	}

	// The hub builds a bundle from the policy, the members and their badges.
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var draft struct {
		Faults []any
		Effect struct{ Lines []string }
	}
	b.json(200, "POST", "/policy/draft", map[string]string{"text": string(text)}, &draft)
	if len(draft.Faults) > 0 || len(draft.Effect.Lines) == 0 {
		t.Errorf("the draft: %+v", draft)
	}
	publish := map[string]string{"text": string(text), "comment": "first"}
	b.json(412, "POST", "/policy", publish, nil, "If-Match", `"7"`)
	b.json(201, "POST", "/policy", publish, nil, "If-Match", `"1"`)
	members, err := os.ReadFile("../site-example/members.yaml")
	if err != nil {
		t.Fatal(err)
	}
	status, answer := b.do("POST", "/api/v1/imports?name=members.yaml", "application/yaml", members)
	var preview struct {
		ID    string
		Added []any
	}
	if err := json.Unmarshal(answer, &preview); err != nil || status >= 300 || len(preview.Added) != 13 {
		t.Fatalf("the preview: %d %.300s %v", status, answer, err)
	}
	b.json(200, "POST", "/imports/"+preview.ID+"/apply", nil, nil)
	badge, err := os.ReadFile("../site-example/badges/lea-laser-user.json")
	if err != nil {
		t.Fatal(err)
	}
	if status, answer = b.do("POST", "/api/v1/badges?name=lea.json", "application/json", badge); status != 201 {
		t.Fatalf("the badge: %d %.500s", status, answer)
	}
	var bundle struct {
		Version uint64
		Policy  int64
		Members int
		Problem string
	}
	eventually(t, func() bool {
		b.json(200, "GET", "/bundle", nil, &bundle)
		return bundle.Members == 13 && bundle.Policy == 2
	})
	if _, version := h.Manifest(); version != bundle.Version || bundle.Problem != "" {
		t.Errorf("version %d is served, %+v is said", version, bundle)
	}

	// Every page answers, a machine gets an enrolment code, the audit log contains each change, and an erasure removes all
	// data of a person.
	for _, page := range []string{"/today", "/members", "/members/m-020dc2", "/machines", "/policy", "/cards", "/reports",
		"/settings", "/settings/audit"} {
		if status, _ := b.do("GET", page, "", nil); status != 200 {
			t.Errorf("%s: %d", page, status)
		}
	}
	var code struct{ Code, Command string }
	b.json(201, "POST", "/machines", map[string]string{"id": "laser"}, nil)
	b.json(201, "POST", "/machines/laser/code", map[string]any{}, &code)
	if !strings.HasPrefix(code.Command, "sudo portillond enrol https://localhost:") ||
		!strings.Contains(code.Command, code.Code) {
		t.Errorf("%+v", code)
	}
	b.json(
		201,
		"POST",
		"/accounts",
		map[string]string{"name": "lea@example.org", "member": "m-020dc2", "role": "member"},
		nil,
	)
	b.json(204, "DELETE", "/members/m-020dc2", nil, nil, "If-Match", fmt.Sprintf("%q", fmt.Sprint(b.version("m-020dc2"))))
	b.json(404, "GET", "/members/m-020dc2", nil, nil)
	if _, accounts := b.do("GET", "/api/v1/accounts", "", nil); bytes.Contains(accounts, []byte("lea@")) {
		t.Errorf("the account of an erased member is there: %s", accounts)
	}
	_, log := b.do("GET", "/api/v1/audit", "", nil)
	for _, act := range []string{"policy.publish", "members.write", "badges.write", "machines.enrol", "members.erase"} {
		if !bytes.Contains(log, []byte(act)) {
			t.Errorf("the audit log has no %s", act)
		}
	}
	if bytes.Contains(log, []byte("Léa")) {
		t.Error("the audit log names an erased member")
	}
}

// version returns the version of a member for the If-Match header.
func (b *browser) version(id string) (n int64) {
	b.t.Helper()
	var m struct{ Version int64 }
	b.json(200, "GET", "/members/"+id, nil, &m)
	return m.Version
}

func TestManagedHubServesNoSecrets(t *testing.T) {
	h, _ := managedHub(t)
	files := 0
	err := filepath.WalkDir(filepath.Dir(h.config.Data), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		files++
		i, err := d.Info()
		if err != nil || i.Mode().Perm()&0o077 == 0 || path == filepath.Dir(h.config.Data) {
			return err
		}
		if !d.IsDir() {
			t.Errorf("others may read %s: %v", path, i.Mode())
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files were looked at, %v", files, err)
	}
}

func TestManagedHubRebuildsADamagedBundle(t *testing.T) {
	h, _ := managedHub(t)
	eventually(t, func() bool { _, version := h.Manifest(); return version > 0 })
	folder := filepath.Join(h.config.Data, "bundle", "chunks")
	chunks, err := os.ReadDir(folder)
	if err != nil || len(chunks) == 0 {
		t.Fatal(chunks, err)
	}
	sha := chunks[0].Name()
	write(t, filepath.Join(folder, sha), "damaged")
	eventually(t, func() bool {
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/chunks/"+sha, nil))
		return w.Code == http.StatusOK && wire.Hash(w.Body.Bytes()) == sha
	})
}

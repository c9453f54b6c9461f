package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"portillon/hub/account"
)

func mustRead(body []byte, into any) {
	if err := json.Unmarshal(body, into); err != nil {
		panic(err)
	}
}

// tryRequest sends a request like rig.ask, but returns an error if the hub closes the connection.
func (r *rig) tryRequest(who *reader, q request) (response, error) {
	q2, err := http.NewRequestWithContext(r.t.Context(), q.method, r.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return response{}, err
	}
	q2.Header.Set("Content-Type", q.kind)
	q2.AddCookie(&http.Cookie{Name: "portillon", Value: who.cookie})
	res, err := r.client.Do(q2)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	return response{status: res.StatusCode, header: res.Header}, nil
}

// The answer to a sign-in does not reveal whether an account exists: text, headers and status are the same. Tests in
// hub/account check that the hub does the same amount of work for both.
func unknownName(t *testing.T, r *rig) {
	nonce := regexp.MustCompile(`[0-9A-Z]{12,}|value="[^"]*"`)
	var first string
	for _, name := range []string{spareName, "nobody@example.org", "blocked@example.org", "member@example.org"} {
		r.forgetAttempts()
		got := r.post(nil, "/sign-in", nil, "name", name, "password", "a-wrong-password")
		got.header.Del("Request-Id")
		got.header.Del("Date")
		got.header.Del("Content-Length")
		text := fmt.Sprint(got.status, got.header, nonce.ReplaceAllString(string(got.body), ""))
		if first == "" {
			first = text
		}
		if got.status != 401 || text != first {
			t.Errorf("%s is answered %d, otherwise than %s", name, got.status, spareName)
		}
	}
}

// triesUntilThrottled sends a form until the hub refuses it because of the rate limit, and returns the number of
// answers before that refusal.
func (r *rig) triesUntilThrottled(t *testing.T, path string, most int, pairs func(int) []string) int {
	t.Helper()
	for i := range most {
		got := r.post(nil, path, nil, pairs(i)...)
		if got.status == 429 {
			if got.header.Get("Retry-After") == "" {
				t.Errorf("%s: 429 without Retry-After", path)
			}
			return i
		}
		if got.status < 400 {
			t.Fatalf("%s: attempt %d: %d", path, i, got.status)
		}
	}
	return most
}

func guessedPassword(t *testing.T, r *rig) {
	n := r.triesUntilThrottled(t, "/sign-in", 30, func(i int) []string {
		return []string{"name", "victim@example.org", "password", fmt.Sprintf("a-wrong-password-%d", i)}
	})
	if n != 10 {
		t.Errorf("%d passwords of one name were tried, want 10", n)
	}
}

// Codes have at least 60 bits. A visitor may try ten codes in total, not ten of each kind.
func guessedCode(t *testing.T, r *rig) {
	for _, path := range []string{"/code", "/code/password"} {
		r.forgetAttempts()
		n := r.triesUntilThrottled(t, path, 30, func(i int) []string {
			return []string{"code", fmt.Sprintf("AAAAA-AAAAA-AAA%02d", i), "name", "eve", "password", "another random text"}
		})
		if n != 10 {
			t.Errorf("%s: %d codes were tried, want 10", path, n)
		}
		got := r.post(nil, "/code/owner", nil, "code", "AAAAA-AAAAA-AAAAA", "name", "eve", "password", "another random text")
		if got.status != 429 {
			t.Errorf("after %s a code for the first owner may be tried: %d", path, got.status)
		}
	}
	r.forgetAttempts()
	code, err := r.h.Accounts().Recovery.ResetCode(t.Context(), root, r.victim.account)
	if err != nil || len(strings.ReplaceAll(code, "-", ""))*5 < 60 {
		t.Errorf("a code of %q has fewer than 60 bits, %v", code, err)
	}
}

func guessedToken(t *testing.T, r *rig) {
	right := &reader{token: r.readers["spare"].token}
	wrong := 0
	for i := range 100 {
		token := fmt.Sprintf("ptl_%036d", i)
		got := r.ask(&reader{token: token}, request{method: "GET", path: "/api/v1/members"})
		if got.status == 429 {
			break
		}
		if wrong++; got.status != 401 {
			t.Fatalf("%s: %d", token, got.status)
		}
	}
	if wrong == 100 {
		t.Error("100 wrong tokens were answered")
	}
	if got := r.ask(right, request{method: "GET", path: "/api/v1/members"}); got.status != 200 {
		t.Errorf("a right token is throttled by wrong ones: %d", got.status)
	}
	both := r.ask(r.readers["owner"], request{method: "GET", path: "/api/v1/members"}, "Authorization",
		"Bearer "+right.token)
	if both.status != 400 {
		t.Errorf("a token beside a session: %d, want 400", both.status)
	}
}

// The hub refuses ids of another site of the same database in request bodies. The tests of the authorisation tables
// send such ids in paths; this test sends them in bodies.
func otherSite(t *testing.T, r *rig) {
	owner := r.readers["owner"]
	post := func(path string, body any) request {
		return request{method: "POST", path: "/api/v1" + path, body: mustJSON(body)}
	}
	for name, q := range map[string]request{
		"merge":         post("/members/"+string(r.victim.member)+"/merge", map[string]string{"drop": foreignID}),
		"printed codes": post("/printed-codes", map[string]any{"members": []string{foreignID}}),
		"account":       post("/accounts", map[string]string{"name": "x", "member": foreignID}),
		"assign":        post("/taps/t-none/assign", map[string]string{"member": foreignID}),
	} {
		q.kind = "application/json"
		if got := r.ask(owner, q); got.status != 404 && got.status != 422 {
			t.Errorf("%s: %d %.200s", name, got.status, got.body)
		}
	}
	for _, q := range r.everythingShown() {
		got := r.ask(owner, q)
		if bytes.Contains(got.body, []byte(foreignID)) || bytes.Contains(got.body, []byte("Foreign")) {
			t.Errorf("%s shows another site's member", q.path)
		}
	}
	if _, err := r.h.Accounts().Passwords.SignIn(t.Context(), "foreign", "a-wrong-password", ""); err != account.ErrWrong {
		t.Errorf("signing in with another site's name: %v", err)
	}
}

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// signInHub simulates a hub that signs one account in, and creates a token for that account.
func signInHub(t *testing.T) (url string, asked *[]string) {
	asked = new([]string)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		*asked = append(*asked, r.Method+" "+r.URL.Path)
		session, err := r.Cookie("portillon-session")
		switch {
		case r.URL.Path == "/sign-in" && string(b) == "name=olivia&password=right",
			r.URL.Path == "/code/owner" && string(b) == "code=AAAAA-BBBBB&name=olivia&password=right":
			http.SetCookie(w, &http.Cookie{Name: "portillon-session", Value: "s", Path: "/", HttpOnly: true})
			http.Redirect(w, r, "/", http.StatusSeeOther)
		case r.URL.Path == "/sign-in" || r.URL.Path == "/code/owner":
			w.WriteHeader(http.StatusUnauthorized)
		case err != nil || session.Value != "s":
			t.Errorf("%s without a session", r.URL.Path)
		case r.URL.Path == "/api/v1/me/tokens" && strings.Contains(string(b), `"members.read"`):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"id": "t-1", "token": "ptl_secret", "expires": "2027-02-28T12:00:00Z"}`)
		case r.URL.Path != "/sign-out":
			t.Errorf("%s %s", r.URL.Path, b)
		}
	}))
	t.Cleanup(ts.Close)
	return ts.URL, asked
}

func TestHubTokenCreatesATokenOfTheAccountThatSignsIn(t *testing.T) {
	url, asked := signInHub(t)
	dir := t.TempDir()
	code := filepath.Join(dir, "owner-code")
	if err := os.WriteFile(code, []byte("AAAAA-BBBBB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, password string
		more           []string
		code           int
		says, asks     string
	}{
		{"wrong", "wrong\n", nil, 1, "refuses this name or password", "POST /sign-in"},
		{"nothing", "\n", nil, 2, "holds no line", ""},
		{"days", "right\n", []string{"--days", "400"}, 2, "want 1 to 365", ""},
		{"owner", "right\n", []string{"--owner-code-file", code}, 0, "until 2027-02-28",
			"POST /code/owner POST /api/v1/me/tokens POST /sign-out"},
		{"right", "right\n", nil, 0, "until 2027-02-28", "POST /sign-in POST /api/v1/me/tokens POST /sign-out"},
		{"right", "right\n", nil, 2, "exists already", ""},
	} {
		*asked = nil
		out := filepath.Join(dir, c.name)
		var o, e bytes.Buffer
		args := append([]string{"hub", "token", "olivia", "--hub", url, "-o", out, "--lang", "en"}, c.more...)
		code := run(args, stdio{strings.NewReader(c.password), &o, &e, nil})
		if said := o.String() + e.String(); code != c.code || !strings.Contains(said, c.says) || strings.Join(*asked,
			" ") != c.asks {
			t.Errorf("%s: exit %d, %q, asked %q", c.name, code, said, *asked)
		}
		b, err := os.ReadFile(out)
		if i, serr := os.Stat(out); c.code == 0 && (err != nil || serr != nil || string(b) != "ptl_secret\n" ||
			i.Mode().Perm() != 0o600) {
			t.Errorf("%s: %q %v", c.name, b, err)
		}
	}
}

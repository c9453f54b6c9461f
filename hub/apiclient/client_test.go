package apiclient

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tokenFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTokensAreSentOnlyOverTLSOrLoopback(t *testing.T) {
	token := tokenFile(t, "s3cret\n", 0o600)
	for given, ok := range map[string]bool{
		"https://hub.local:8443": true, "https://hub.local/": true, "http://127.0.0.1:8038": true, "http://localhost": true,
		"http://[::1]:80":  true,
		"http://hub.local": false, "http://127.0.0.1.evil.example": false, "http://localhost.evil.example": false,
		"hub.local": false, "": false,
		"ftp://localhost": false, "https://user:pw@hub.local": false, "https://hub.local/api": false,
		"https://hub.local?x=1": false, "file:///etc": false,
		"http://0.0.0.0": false, "http://10.0.0.1": false,
	} {
		if _, err := New(Options{URL: given, TokenFile: token}); (err == nil) != ok {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestTokenFilesMustBeReadableByTheirOwnerOnly(t *testing.T) {
	for _, c := range []struct {
		text string
		mode os.FileMode
		ok   bool
	}{
		{"s3cret\n", 0o600, true}, {"s3cret", 0o400, true}, {"s3cret", 0o640, false}, {"s3cret", 0o604, false}, {"s3cret",
			0o620, false},
		{"", 0o600, false}, {" \n", 0o600, false}, {"a b", 0o600, false}, {"a\nb", 0o600, false}, {"é", 0o600,
			false}, {strings.Repeat("a", 1025), 0o600, false},
	} {
		_, err := New(Options{URL: "http://localhost", TokenFile: tokenFile(t, c.text, c.mode)})
		if (err == nil) != c.ok {
			t.Errorf("%.20q with mode %v: %v", c.text, c.mode, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the token: %v", err)
		}
	}
	for _, path := range []string{"", t.TempDir(), "/nonexistent"} {
		if _, err := New(Options{URL: "http://localhost", TokenFile: path}); err == nil {
			t.Errorf("%q was taken as a token file", path)
		}
	}
}

func client(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	c, err := New(Options{URL: ts.URL, TokenFile: tokenFile(t, "s3cret", 0o600), Language: "fr"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHubCertificateIsVerified(t *testing.T) {
	ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"name": "`+r.Header.Get("Authorization")+`"}`)
	}))
	defer ts.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw}),
		0o644); err != nil {
		t.Fatal(err)
	}
	token := tokenFile(t, "s3cret", 0o600)
	ask := func(ca string) (string, error) {
		c, err := New(Options{URL: ts.URL, TokenFile: token, CAFile: ca})
		if err != nil {
			return "", err
		}
		var me struct{ Name string }
		_, err = c.Get(t.Context(), "/me", nil, &me)
		return me.Name, err
	}
	if got, err := ask(ca); err != nil || got != "Bearer s3cret" {
		t.Errorf("with the hub's authority: %q, %v", got, err)
	}
	var away *Unreachable
	if _, err := ask(""); !errors.As(err, &away) {
		t.Errorf("with the system's authorities: %v", err)
	}
	if _, err := ask(token); err == nil {
		t.Error("a file without a certificate was taken as an authority")
	}
	if _, err := ask("/nonexistent"); err == nil {
		t.Error("a missing authority was taken")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var seen []string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	var away *Unreachable
	if _, err := c.Get(t.Context(), "/me", nil, nil); !errors.As(err, &away) || len(seen) != 1 {
		t.Errorf("%v, asked for %v", err, seen)
	}
}

func TestRefusalsAreReturnedAsProblems(t *testing.T) {
	answer, status, kind := "", 0, ""
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Language") != "fr" || r.Header.Get("If-Match") != `"7"` ||
			r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", r.Header)
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, answer)
	})
	ask := func() error {
		_, err := c.Do(t.Context(), Request{Method: "POST", Path: Path("members", "a/b"), JSON: map[string]any{},
			Match: `"7"`})
		return err
	}
	answer, status, kind = `{"type":"x","title":"données refusées","status":200,"detail":"1 champ","instance":"R",`+
		`"faults":[{"row":2,"field":"name","given":"x","wrong":"vide","right":"un nom"}]}`,
		422, "application/problem+json"
	var p *Problem
	if err := ask(); !errors.As(err, &p) || p.Status != 422 ||
		err.Error() != "données refusées: 1 champ\n  2: name: vide (\"x\") → un nom" {
		t.Errorf("%v", err)
	}
	var away *Unreachable
	for _, other := range []string{"", "<html>", `{"title": ""}`} {
		if answer = other; !errors.As(ask(), &away) {
			t.Errorf("%q was taken as a hub's answer", other)
		}
	}
	if status, kind = 500, "text/html"; !errors.As(ask(), &away) {
		t.Error("a page was taken as a hub's answer")
	}
}

func TestAllReadsEveryPageOfAList(t *testing.T) {
	next := map[string]string{"": "/api/v1/members?cursor=b", "b": "/api/v1/members?cursor=c", "c": ""}
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		cursor := r.URL.Query().Get("cursor")
		fmt.Fprintf(w, `{"items": [{"id": %q}], "next": %q}`, "m"+cursor, next[cursor])
	})
	all := func() (ids []string, err error) {
		err = c.All(t.Context(), "/members", url.Values{}, func(item json.RawMessage) error {
			var m struct{ ID string }
			ids = append(ids, string(item))
			return json.Unmarshal(item, &m)
		})
		return ids, err
	}
	if ids, err := all(); err != nil || len(ids) != 3 {
		t.Errorf("%v, %v", ids, err)
	}
	for _, bad := range []string{"https://evil.example/api/v1/members?cursor=x", "//evil.example/",
		"/api/v1/accounts?cursor=x", "/api/v1/members?cursor=c", "%zz"} {
		next["c"] = bad
		if _, err := all(); err == nil {
			t.Errorf("the next page %q was followed", bad)
		}
	}
}

func TestResponseSizeIsLimited(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, strings.Repeat(" ", 1000)+"{}")
	})
	if _, err := c.Do(t.Context(), Request{Method: "GET", Path: "/me"}); err != nil || c.most != maxAnswer {
		t.Fatalf("%v, at most %d bytes", err, c.most)
	}
	c.most = 1000
	var away *Unreachable
	if _, err := c.Do(t.Context(), Request{Method: "GET", Path: "/me"}); !errors.As(err, &away) {
		t.Errorf("an answer that is too long: %v", err)
	}
}

package hub_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"portillon/hub/display"
)

// The test switches the public status of a whole hub on and off, and opens a wall screen.
func TestPublicStatusOfAHub(t *testing.T) {
	r := newRig(t)
	get := func(path string, header ...string) (int, http.Header, []byte) {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), "GET", r.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			q.Header.Set(header[i], header[i+1])
		}
		a, err := r.client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(a.Body); err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, a.Header, b.Bytes()
	}
	set := func(public bool) {
		t.Helper()
		v, err := r.h.Display().Settings.Get(t.Context(), root)
		if err == nil {
			_, err = r.h.Display().Settings.Change(t.Context(), root, v.Version, func(v *display.Values) error {
				v.Public, v.Website, v.Logo = public, "https://lab.example/", "https://lab.example/logo.svg"
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set(true)
	// A wrong token or an old cookie makes no difference, because the hub does not read them.
	for _, h := range [][]string{nil, {"Authorization", "Bearer wrong"},
		{"Cookie", "portillon=" + strings.Repeat("a", 43)}} {
		status, header, body := get("/spaceapi.json", h...)
		var doc struct {
			Space string `json:"space"`
			Links []struct{ URL string }
		}
		if err := json.Unmarshal(body, &doc); err != nil || status != 200 || doc.Space != "biklab" ||
			doc.Links[0].URL != r.h.WebURL()+"/status" || header.Get("Access-Control-Allow-Origin") != "*" ||
			header.Get("Set-Cookie") != "" {
			t.Errorf("with %v: %d %v %v %s", h, status, err, header, body)
		}
	}
	if status, header, _ := get("/status"); status != 200 || header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("status: %d %v", status, header)
	}
	set(false)
	for _, path := range []string{"/spaceapi.json", "/status", "/status/laser.svg"} {
		if status, header, body := get(path); status != 404 || header.Get("Access-Control-Allow-Origin") != "" ||
			bytes.Contains(body, []byte("lab.example/logo")) {
			t.Errorf("%s while switched off: %d %v", path, status, header)
		}
	}
	made, err := r.h.Display().Screens.Add(t.Context(), root, "wood")
	if err != nil {
		t.Fatal(err)
	}
	path, ok := strings.CutPrefix(made.Link, r.h.WebURL())
	if status, _, _ := get(path); !ok || status != 200 {
		t.Errorf("wall screen %q: %d", made.Link, status)
	}
	if err := r.h.Display().Screens.Revoke(t.Context(), root, made.ID); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := get(path); status != 404 {
		t.Errorf("revoked wall screen: %d, want 404", status)
	}
	// The limit of wrong tokens also counts wrong keys of screens.
	limited := 0
	for range 70 {
		if status, _, _ := get("/wall?key=" + strings.Repeat("A", 26)); status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited == 0 {
		t.Error("70 wrong keys were not limited")
	}
}

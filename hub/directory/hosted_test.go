package directory

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portillon/openbadge"
	"portillon/openbadge/fetch"
)

// A hosted badge stays valid as long as the web server at its address returns the badge. When the member is erased,
// the hub removes its copy of the badge.
func TestHostedBadgeCountsWhileItsAddressServesIt(t *testing.T) {
	dir := otherProjects(t, "second", "ob2-verify-alias-moodle")
	w := newWorld(t)
	w.policy = policyTrusting(t, filepath.Join(dir, "trust.yaml"))
	web := must[*openbadge.Directory](t)(openbadge.OpenDirectory(filepath.Join(dir, "documents")))
	data := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "badge.json")))
	const at = "https://moodle.example/badges/json/assertion.php?b=abc&obversion=2.0"
	state := "there"
	w.remake(func(o *Options) {
		o.Fetch = func(context.Context) openbadge.Resolver {
			return resolver(func(url string) ([]byte, error) {
				switch {
				case state == "away":
					return nil, errors.New("out of reach")
				case url == at && state == "gone":
					return nil, openbadge.ErrGone
				}
				return web.Resolve(url)
			})
		}
	})
	m := w.add("Léa", "lea@example.org")
	b := must[Badge](t)(w.Badges.AddBadgeURL(t.Context(), owner, m.ID, at))
	if b.Verdict != "valid" || len(data) == 0 {
		t.Fatalf("%+v", b)
	}
	for _, step := range []struct{ state, verdict string }{{"away", "valid"}, {"gone", "invalid"}, {"there", "valid"},
		{"gone", "invalid"}} {
		state = step.state
		if err := w.Verdicts.Verify(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		got := w.member(m.ID).Badges[0]
		if got.Verdict != step.verdict || got.Name != b.Name ||
			(got.Verdict == "invalid") != slices.ContainsFunc(got.Checks, func(c Check) bool { return !c.OK }) {
			t.Errorf("%s: %+v", state, got)
		}
		x := must[*index](t)(w.Members.core.index.current(t.Context()))
		if h := x.byID[m.ID].held[0]; h.proved != (step.verdict == "valid") {
			t.Errorf("%s: %+v", state, h)
		}
	}
	if n := len(must[*Snapshot](t)(w.Exports.Snapshot(t.Context())).Web); n < 2 {
		t.Errorf("%d documents", n)
	}
	if err := w.Erasures.Erase(t.Context(), owner, m.ID, w.member(m.ID).Version); err != nil {
		t.Fatal(err)
	}
	snap := must[*Snapshot](t)(w.Exports.Snapshot(t.Context()))
	if _, kept := snap.Web[at]; kept || len(snap.Badges) > 0 {
		t.Error("the erased member's badge is still there")
	}
}

// The hub's fetcher requests no address within the hub's network, whatever host name the URL has.
func TestBadgeURLReachesNoAddressOfTheHub(t *testing.T) {
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client := fetch.New(fetch.Options{RootCAs: roots, AllowHosts: []string{"localhost", "127.0.0.1"}})
	defer client.Close()
	w := newWorld(t)
	w.remake(func(o *Options) { o.Fetch = client.For })
	m := w.add("Léa", "lea@example.org")
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0",
		"169.254.169.254", "10.0.0.1"} {
		if _, err := w.Badges.AddBadgeURL(t.Context(), owner, m.ID, "https://"+host+port+"/badge"); len(invalid(err)) != 1 ||
			!strings.Contains(err.Error(), "not a public address") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if asked > 0 {
		t.Errorf("%d requests", asked)
	}
}

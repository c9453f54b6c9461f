package membersource

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"portillon/hub/memberlist"
)

func TestOnlyConfiguredAddressesAreDialled(t *testing.T) {
	for _, c := range []struct {
		address           string
		private, loopback bool
		want              bool
	}{
		{"93.184.216.34", false, false, true}, {"2606:2800:220:1::1", false, false, true},
		{"10.0.0.4", false, false, false}, {"10.0.0.4", true, false, true}, {"fd12::1", true, false, true},
		{"100.64.0.9", true, false, true}, {"127.0.0.1", true, false, false}, {"127.0.0.1", false, true, true},
		{"::1", true, false, false}, {"::1", false, true, true}, {"169.254.169.254", true, false, false},
		{"169.254.169.254", false, true, false}, {"93.184.216.34", false, true, false}, {"0.0.0.0", true, false, false},
		{"224.0.0.1", true, false, false},
	} {
		if got := isPermitted(netip.MustParseAddr(c.address), c.private, c.loopback); got != c.want {
			t.Errorf("%s, private %v, loopback %v: %v", c.address, c.private, c.loopback, got)
		}
	}
}

// fuzz runs a source whose program answers each request with the same bytes.
func fuzz(f *testing.F, kind memberlist.Program, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		f.Fatal(err)
	}
	var body []byte
	answer := roundTrip(func(r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Total", "2")
		if r.URL.Path == "/oauth2/token" {
			w.WriteString(`{"access_token":"a"}`)
		} else {
			w.Write(body)
		}
		return w.Result()
	})
	s, err := New(Config{Kind: kind, URL: "https://members.example", SecretFile: filepath.Join(dir, "secret"),
		Organization: "a", Form: "b", ClientID: "c", Cards: "hex"},
		Options{Transport: answer, Wait: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		body = data
		table, err := s.Fetch(t.Context())
		if err == nil && len(table.Rows) == 0 || err != nil && len(table.Rows) > 0 {
			t.Errorf("%d rows, %v", len(table.Rows), err)
		}
		for _, r := range table.Rows {
			if len(r.Cells) > len(table.Header) || len(table.Header) > 100 {
				t.Errorf("%d cells under %d columns", len(r.Cells), len(table.Header))
			}
		}
		memberlist.Recognise(table, func(string) string { return "" })
	})
}

// roundTrip answers requests without a network.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func FuzzHelloAsso(f *testing.F) {
	fuzz(f, memberlist.HelloAsso, `{"data":[],"pagination":{}}`, `{"data":[{"id":1,"customFields":[{"name":"é"}]}],`+
		`"pagination":{"totalCount":3,"continuationToken":"x"}}`, `null`, `[]`)
}

func FuzzFabManager(f *testing.F) {
	fuzz(f, memberlist.FabManager, `{"users":[{"id":1},{"id":2}],"subscriptions":[{"id":1,"user_id":1,`+
		`"expiration_date":"2027-01-01T00:00:00Z"},{"id":2,"user_id":1,"expiration_date":"2027-01-01T00:00:00+02:00",`+
		`"canceled_at":"2027-01-01T00:00:00Z"}],"user_trainings":[{"id":1},{"id":3,"training":{"name":"x"}}]}`)
}

func FuzzMemberMatters(f *testing.F) {
	fuzz(f, memberlist.MemberMatters, `[{"id":1,"state":"active","rfid":"12","name":{"full":"Léa"}}]`,
		`[{"id":1,"state":"noob","rfid":12.5e3,"lastInduction":"01/02/2026, 00:00:00"}]`)
}

package openbadge

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/otherstest"
)

// shared returns the path of test data that other projects made; the data is beside the repository.
func shared(t testing.TB, parts ...string) string { return otherstest.Path(t, parts...) }

func file(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const inspector = "1EdTech+digital-credentials-public-validator/inspector-vc/src/test/resources/ob30"

var (
	example = Issuer{
		ID:   "https://example.com/issuers/876543",
		Keys: []string{"z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"},
	}
	today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

func codes(v Verdict) string {
	out := []string{v.State.String()}
	for _, r := range v.Reasons {
		out = append(out, r.Code)
	}
	return strings.Join(out, " ")
}

func TestBadgesOfOtherProjectsAreValid(t *testing.T) {
	for name, want := range map[string]string{
		"simple.json":                 "valid",
		"simple.1ob":                  "valid",
		"simple-err-expired.json":     "invalid expired",
		"simple-err-issued.json":      "invalid issuer-not-trusted not-yet-valid not-an-open-badge",
		"simple-err-proof-value.json": "invalid bad-signature",
		"simple-noproof.json":         "invalid no-proof not-an-open-badge",
		"simple-err-context.json":     "invalid unknown-term",
		"simple-context-alias.json":   "valid",
		"simple-err-type.json":        "invalid unknown-term",
		"simple-err-issuer.json":      "invalid not-an-open-badge",
		"simple.jwt":                  "invalid unknown-context",
		"simple-did-web-method.json":  "invalid issuer-not-trusted",
		// the issuer signed this picture with another key: see TestBadgesAreReadFromPictures
		"simple-json.png": "invalid key-not-pinned",
		"simple-jwt.svg":  "invalid issuer-not-trusted",
	} {
		got := codes(Verify(file(t, filepath.Join(shared(t, inspector), name)), Options{Trust: []Issuer{example}, At: today}))
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// If the authors of a case call it invalid, Verify must not return the verdict valid. If the authors of a case call
// it valid, Verify must return the verdict valid or a reason that begins with "unsupported".
func TestNothingThatOtherProjectsRejectIsAccepted(t *testing.T) {
	var cases []struct{ Path, Kind, Verdict, Reason string }
	if err := json.Unmarshal(file(t, shared(t, "expected.json")), &cases); err != nil {
		t.Fatal(err)
	}
	right := 0
	for _, c := range cases {
		if !strings.HasPrefix(c.Kind, "OB3") {
			continue
		}
		data := file(t, shared(t, c.Path))
		v := Verify(data, Options{Trust: []Issuer{example}, At: today})
		if v.State == Valid && !strings.HasPrefix(c.Verdict, "valid") {
			t.Errorf("%s: valid here, %s there: %s", c.Path, c.Verdict, c.Reason)
		}
		if v.State != Valid && len(v.Reasons) == 0 {
			t.Errorf("%s: refused without a reason", c.Path)
		}
		if strings.HasPrefix(c.Verdict, "valid") == (v.State == Valid) {
			right++
		} else {
			t.Logf("%-90s there %-40.40s here %s", filepath.Base(c.Path), c.Verdict, v.Why())
		}
	}
	t.Logf("%d agree", right)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

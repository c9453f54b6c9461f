package site

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"portillon/openbadge"
	"portillon/policy"
)

// If the policy accepts another lab's badge as a badge of the site, Build lists the expiry under the site's badge,
// not under "membership", because the member must renew a badge.
func TestExpiryOfAnAcceptedBadgeIsListedUnderTheSitesBadge(t *testing.T) {
	ours, err1 := openbadge.GenerateKey("ours")
	theirs, err2 := openbadge.GenerateKey("theirs")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	const accepts = `, accepts: [{ issuer: other, achievement: "https://other.example/laser" }] }`
	text := `portillon: 1
site: biklab
language: fr
timezone: Europe/Paris
issuers:
  lab: { name: Lab, keys: ["` + ours.DID() + `"] }
  other: { name: Other, keys: ["` + theirs.DID() + `"] }
badges:
  user: { name: { fr: Usager }, issuer: lab, achievement: "https://lab.example/user"` + accepts + `
  host: { name: { fr: Animateur }, issuer: lab, achievement: "https://lab.example/host"` + accepts + `
machines:
  laser: { name: { fr: Laser }, grants: [{ role: user, needs: user }, { role: host, needs: host }] }
`
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	badge, err := openbadge.IssueJSON(
		openbadge.Draft{
			IssuerName:  "Other",
			Subject:     "did:example:lea",
			ValidFrom:   at.AddDate(-1, 0, 0),
			ValidUntil:  at.AddDate(0, 0, 9),
			Achievement: openbadge.Achievement{ID: "https://other.example/laser", Name: "x", Criteria: "y"},
		},
		theirs,
		at,
	)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"policy.yaml": []byte(text), "badges/theirs.json": badge,
		"members.yaml": []byte("portillon: 1\nmembers: [{ id: m-1, name: Léa, subject: \"did:example:lea\", cards: " +
			"[\"62E3086CED\"] }]\n")} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Build(order(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range b.Ending {
		got = append(got, e.In(policy.English, s.Policy))
	}
	want := []string{"2026-12-02  Léa (m-1), badge “Usager”", "2026-12-02  Léa (m-1), badge “Animateur”"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q; warnings %q", got, want, b.Warnings)
	}
}

package roster

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"portillon/openbadge"
)

const webPolicy = `portillon: 1
site: biklab
language: fr
timezone: Europe/Paris
issuers:
  school: { name: École, keys: ["did:web:school.example"] }
  factory: { name: Factory, keys: ["https://factory.example/issuer"] }
badges:
  user: { name: { fr: Usager }, issuer: school, achievement: "https://school.example/achievements/user" }
  mentor: { name: { fr: Mentor }, issuer: factory, achievement: "https://factory.example/classes/mentor" }
machines:
  laser: { name: { fr: Laser }, grants: [{ role: user, needs: user }, { role: mentor, needs: mentor }] }
`

// A site's badges may depend on documents on the web: a school's did:web, or an older issuer's hosted badge. The bundle
// contains copies of these documents, so that the machine verifies the badges offline. When a document changes, the
// machine verifies the badges again.
func TestBadgesThatDependOnWebDocumentsAreVerifiedOffline(t *testing.T) {
	b := newBench(t)
	dir := filepath.Join(b.dir, "site")
	write := func(name string, v any) {
		t.Helper()
		data, ok := v.([]byte)
		if s, text := v.(string); text {
			data, ok = []byte(s), true
		}
		if !ok {
			data, _ = json.Marshal(v)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"badges", "status"} {
		os.RemoveAll(filepath.Join(dir, sub))
	}
	key, _ := openbadge.GenerateKey("a school's")
	doc, err := openbadge.DIDDocument("did:web:school.example", key)
	if err != nil {
		t.Fatal(err)
	}
	badge, err := openbadge.IssueJSON(
		openbadge.Draft{IssuerID: "did:web:school.example", Email: "lea@example.org", ValidFrom: monday.AddDate(-1, 0, 0),
			Achievement: openbadge.Achievement{
				ID:       "https://school.example/achievements/user",
				Name:     "Usager",
				Criteria: "Avoir montré",
			}},
		key,
		monday,
	)
	if err != nil {
		t.Fatal(err)
	}
	const context = "https://w3id.org/openbadges/v2"
	hosted := map[string]any{
		"@context":     context,
		"type":         "Assertion",
		"id":           "https://factory.example/badges/1",
		"badge":        "https://factory.example/classes/mentor",
		"issuedOn":     "2026-01-01T00:00:00Z",
		"verification": map[string]any{"type": "hosted"},
		"recipient":    map[string]any{"type": "email", "hashed": false, "identity": "lea@example.org"},
	}
	write("policy.yaml", webPolicy)
	write(
		"members.yaml",
		"portillon: 1\nmembers: [{ id: m-1, name: Léa, email: lea@example.org, cards: [\"62E3086CED\"] }]\n",
	)
	write("badges/user.json", badge)
	write("badges/mentor.json", hosted)
	write("documents/school.example/.well-known/did.json", doc)
	write("documents/badge.json", hosted)
	write(
		"documents/class.json",
		map[string]any{
			"@context": context,
			"type":     "BadgeClass",
			"id":       "https://factory.example/classes/mentor",
			"name":     "Mentor",
			"criteria": "https://factory.example/c",
			"issuer":   "https://factory.example/issuer",
		},
	)
	write(
		"documents/issuer.json",
		map[string]any{"@context": context, "type": "Profile", "id": "https://factory.example/issuer", "name": "Factory"},
	)
	b.install(2, nil)
	if got := held(lookup(t, b.load(), "62E3086CED")); got != "mentor user" {
		t.Fatalf("holds %q", got)
	}
	hosted["revoked"] = true
	write("documents/badge.json", hosted)
	b.install(3, nil)
	if got := held(lookup(t, b.load(), "62E3086CED")); got != "user" {
		t.Errorf("after the hosted badge was revoked: %q", got)
	}
	os.RemoveAll(filepath.Join(dir, "documents"))
	b.install(4, nil)
	if got := held(lookup(t, b.load(), "62E3086CED")); got != "" {
		t.Errorf("without the documents: %q", got)
	}
}

package site

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy/analysis"
	policyfile "portillon/policy/file"
)

func signer(t testing.TB) note.Signer {
	t.Helper()
	skey, _, err := note.GenerateKey(rand.Reader, "hub")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func example(t *testing.T) (*Site, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../site-example")); err != nil {
		t.Fatal(err)
	}
	s, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func order(t *testing.T, version uint64) Order {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return Order{
		Version: version,
		Issued:  at,
		Expires: at.AddDate(0, 1, 0),
		Signer:  signer(t),
		CardKey: bytes.Repeat([]byte{1}, 32),
	}
}

func TestExampleSiteIsReadAndBuiltCompletely(t *testing.T) {
	s, _ := example(t)
	if len(s.Members) != 13 || len(s.Badges) != 20 || len(s.Status) != 1 || len(s.Policy.Badges) != 14 ||
		len(s.Policy.Machines) != 3 {
		t.Fatalf("%d members, %d badges, %d lists", len(s.Members), len(s.Badges), len(s.Status))
	}
	b, err := s.Build(order(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if b.Counted != 20 || len(b.Warnings) != 1 ||
		!strings.Contains(b.Warnings[0], "malik-laser-user.json: expired on 2026-03-03") {
		t.Errorf("%d count, warnings %q", b.Counted, b.Warnings)
	}
}

func TestBundleContainsNoCardNumber(t *testing.T) {
	s, _ := example(t)
	b, err := s.Build(order(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	for sha, c := range b.Chunks {
		for _, m := range s.Members {
			for _, card := range m.Cards {
				if bytes.Contains(bytes.ToUpper(c), []byte(card)) {
					t.Errorf("the chunk %.8s holds the number of a card of %s", sha, m.ID)
				}
			}
		}
	}
}

func TestChangeOfOneMemberChangesOnlyOneBucket(t *testing.T) {
	s, _ := example(t)
	before, err := s.Build(order(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	s.Members[0].Name = "Léa Dupont"
	after, err := s.Build(order(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	fresh := 0
	for sha := range after.Chunks {
		if _, old := before.Chunks[sha]; !old {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d chunks are new", fresh)
	}
}

func TestBuildWarnsOfEachInvalidBadge(t *testing.T) {
	s, dir := example(t)
	good, err := os.ReadFile(filepath.Join(dir, "badges", "lea-laser-user.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.Badges = []File{
		{Name: "badges/changed.json", Data: bytes.Replace(good, []byte("Utilisateur"), []byte("Utilisatrice"), 1)},
		{Name: "badges/page.json", Data: []byte("<html>")},
		{Name: "badges/nobodys.json", Data: good},
	}
	s.Members = s.Members[1:] // remove Léa
	b, err := s.Build(order(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"changed.json: does not verify: bad-signature",
		"page.json: does not verify: ",
		"nobodys.json: is no member's",
	} {
		if i >= len(b.Warnings) || !strings.Contains(b.Warnings[i], want) {
			t.Errorf("warning %d of %q, want %q", i, b.Warnings, want)
		}
	}
	if b.Counted != 0 {
		t.Errorf("%d count", b.Counted)
	}
}

func TestAllFaultsOfMembersAreReported(t *testing.T) {
	_, err := ParseMembers("members.yaml", []byte(`portillon: 1
members:
  - { id: m-1, name: Léa, email: lea.example.org, cards: ["62E3086CED"] }
  - { id: m-1, name: Jules, email: jules@example.org, cards: ["62:e3:08:6c:ed"] }
  - { id: "M 3", name: X, language: de, card: "6" }
  - { nmae: Y }
`))
	for _, want := range []string{
		"is no e-mail address",
		`"m-1" is members[0] already`,
		"card 1 is members[0]'s already",
		`"M 3" is not an id`,
		`"de" is not known here`,
		"is not a card's number",
		`did you mean "name"`,
		"members.yaml:6",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "62E3") {
		t.Error("a card's number is quoted")
	}
}

// A card's number may be written in several notations, such as the decimal digits that a USB reader types. All
// notations must give the same number.
func TestCardNumbersAreReadInEveryNotation(t *testing.T) {
	for in, want := range map[string]string{
		"dec:0012345678": "00BC614E", "dec:0": "00000000", "dec:4294967295": "FFFFFFFF", "dec:4294967296": "0100000000",
		"62:e3-08 6C ed": "62E3086CED", "hex:0012345678": "0012345678", "wiegand26:188,24910": "BC614E", "0012345678": "",
		"dec:":                          "",
		"dec:-1":                        "",
		"dec:+1":                        "",
		"dec:1_000":                     "",
		"dec:0x10":                      "",
		"dec:1208925819614629174706176": "",
		"6":                             "",
		"":                              "",
	} {
		members, err := ParseMembers(
			"members.yaml",
			fmt.Appendf(nil, "portillon: 1\nmembers: [{id: a, name: b, cards: [%q]}]", in),
		)
		got := ""
		if err == nil {
			got = members[0].Cards[0]
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
}

func TestErrorOfAnEmptyFolderNamesTheRequiredFiles(t *testing.T) {
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "policy.yaml, members.yaml and badges/") {
		t.Error(err)
	}
}

func TestMissingStatusListCausesAWarning(t *testing.T) {
	s, _ := example(t)
	s.Status = nil
	b, err := s.Build(order(t, 1))
	if err != nil || len(b.Warnings) < 20 || !strings.Contains(strings.Join(b.Warnings, "\n"), "it opens nothing") {
		t.Errorf("%v, %q", err, b.Warnings)
	}
}

// An expired status list must not delay a bundle that blocks a member.
func TestInvalidOrExpiredStatusListIsLeftOut(t *testing.T) {
	s, _ := example(t)
	s.Status = append(s.Status, File{Name: "page.json", Data: []byte("<html>")})
	b, err := s.Build(order(t, 1))
	if err != nil ||
		!strings.Contains(strings.Join(b.Warnings, "\n"), "page.json: is no status list that can be believed") ||
		len(b.lists) != 1 {
		t.Errorf("%v, %q, %d lists", err, b.Warnings, len(b.lists))
	}
}

func TestSiteWithoutBadgesIsRefused(t *testing.T) {
	_, dir := example(t)
	if err := os.RemoveAll(filepath.Join(dir, "badges")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "badges") {
		t.Error(err)
	}
}

func TestBookingForAnUnknownMemberCausesAWarning(t *testing.T) {
	_, dir := example(t)
	text, err := os.ReadFile(filepath.Join(dir, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	booked := strings.Replace(
		string(text),
		"    cooldown: 3m ",
		"    bookings: [{ from: \"2026-11-01T00:00\", to: \"2026-11-02T00:00\", for: m-gone }, { from: "+
			"\"2026-12-01T00:00\", to: \"2026-12-02T00:00\", for: m-nobody }, { from: \"2026-12-02T00:00\", to: "+
			"\"2026-12-03T00:00\", for: m-020dc2 }]\n    cooldown: 3m ",
		1,
	)
	other := filepath.Join(t.TempDir(), "booked.yaml")
	if err := os.WriteFile(other, []byte(booked), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadUnder(dir, other)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Build(order(t, 1))
	if said := strings.Join(b.Warnings, "\n"); err != nil ||
		!strings.Contains(said, "policy.yaml: machines.laser.bookings[1]: there is no member m-nobody") ||
		strings.Contains(said, "m-gone") ||
		strings.Contains(said, "m-020dc2") {
		t.Errorf("%v, %s", err, said)
	}
}

func TestShortCardKeyIsRefused(t *testing.T) {
	s, _ := example(t)
	o := order(t, 1)
	o.CardKey = nil
	if _, err := s.Build(o); err == nil {
		t.Error("a bundle was built without a card key")
	}
}

func FuzzParseMembers(f *testing.F) {
	b, _ := os.ReadFile("../site-example/members.yaml")
	f.Add(b)
	f.Add([]byte("portillon: 1\nmembers: [{id: a, name: b, cards: [00]}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, err := ParseMembers("f", b)
		for _, m := range ms {
			if err == nil && (m.ID == "" || m.Name == "") {
				t.Fatal("a member without id or name")
			}
		}
	})
}

// All policies in the repository, including the sample with every key of the policy language, satisfy the invariants of
// package policy.
func TestShippedPoliciesSatisfyTheInvariants(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds many bundles")
	}
	for _, path := range []string{"../site-example/policy.yaml", "../policy/file/testdata/policy.yaml"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policyfile.Parse(path, b)
		if err != nil {
			t.Fatal(err)
		}
		if err := analysis.Prove(p, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

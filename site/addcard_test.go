package site

import (
	"os"
	"slices"
	"strings"
	"testing"

	"portillon/policy"
)

var enrolled = strings.Repeat("0123456789abcdef", 4)

func TestAddCardKeepsTheTextAndItsComments(t *testing.T) {
	const e = `"hmac:` + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + `"`
	for name, c := range map[string]struct{ before, after string }{
		"a list in brackets": {
			`  - { id: m-1, name: "Léa [x", cards: ["62E3086CED"] } # hers`,
			`  - { id: m-1, name: "Léa [x", cards: ["62E3086CED", ` + e + `] } # hers`,
		},
		"an empty list": {
			`  - { id: m-1, name: Tom, cards: [] }   # no card yet`,
			`  - { id: m-1, name: Tom, cards: [` + e + `] }   # no card yet`,
		},
		"no cards": {`  - {id: m-1, name: D'Arcy}`, `  - {id: m-1, name: D'Arcy, cards: [` + e + `]}`},
		"one card": {
			`  - { id: m-1, name: Tom, card: "62E3086CED" }`,
			`  - { id: m-1, name: Tom, card: "62E3086CED", cards: [` + e + `] }`,
		},
		"one card as cards": {
			`  - { id: m-1, name: Tom, cards: "62E3086CED" }`,
			`  - { id: m-1, name: Tom, cards: "62E3086CED", card: [` + e + `] }`,
		},
		"a lost card": {`  - { id: m-1, name: Tom, cards: [{ number: "AA00112233", state: lost }] }`,
			`  - { id: m-1, name: Tom, cards: [{ number: "AA00112233", state: lost }, ` + e + `] }`},
		"brackets over several lines": {
			"  - { id: m-1, name: Tom, cards: [\n    \"62E3086CED\", # old ]\n    ] }",
			"  - { id: m-1, name: Tom, cards: [\n    \"62E3086CED\", " + e + " # old ]\n    ] }",
		},
		"a block": {
			"  - id: m-1\n    name: Tom # hello\n    language: fr",
			"  - id: m-1\n    cards: [" + e + "]\n    name: Tom # hello\n    language: fr",
		},
		"cards as a block list": {
			"  - id: m-1\n    name: Tom\n    cards:\n      # two\n      - \"62E3086CED\"\n      - \"AA00112233\"",
			"  - id: m-1\n    name: Tom\n    cards:\n      # two\n      - " + e + "\n      - \"62E3086CED\"\n      - " +
				"\"AA00112233\"",
		},
	} {
		head := "# é\nportillon: 1\nmembers:\n  - { id: m-0, name: Zoé, cards: [\"1700E45B22\"] }\n"
		tail := "\n  - { id: m-2, name: Ada, cards: [\"1700E45B23\"] }\n"
		got, err := AddCard("members.yaml", []byte(head+c.before+tail), "m-1", enrolled)
		if err != nil || string(got) != head+c.after+tail {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, head+c.after+tail)
		}
	}
}

func TestAddCardReturnsAnErrorInsteadOfAWrongResult(t *testing.T) {
	text := `{portillon: 1, members: [{id: m-1, name: Léa, cards: ["hmac:` + enrolled + `"]}, {id: m-2, name: Tom, ` +
		`card: "62E3086CED", cards: "AA00112233"}]}`
	for _, c := range []struct {
		text, member, hmac, want string
	}{
		{text, "m-9", enrolled, "no member"},
		{text, "m-2", enrolled, "already belongs to Léa (m-1)"},
		{text, "m-2", "04A1B2C3", "want 64"},
		{text, "m-2", strings.Repeat("ab", 32), "by hand"}, {"portillon: 1", "m-1", enrolled, "members"},
	} {
		got, err := AddCard("members.yaml", []byte(c.text), policy.MemberID(c.member), c.hmac)
		if got != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.member, err, c.want)
		}
	}
}

func TestEnrolledCardOfEveryMemberOfTheExampleBuilds(t *testing.T) {
	text, err := os.ReadFile("../site-example/members.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := example(t)
	for _, m := range s.Members {
		out, err := AddCard("members.yaml", text, m.ID, enrolled)
		if err != nil || len(out) < len(text)+len(enrolled) {
			t.Errorf("%s: %v", m.ID, err)
		}
	}
}

func TestCardListedByNumberAndByHMACStopsTheBuild(t *testing.T) {
	o := order(t, 1)
	s := members(t, `"62E3086CED"`, `"hmac:`+cardHash(o.CardKey, "62E3086CED")+`"`)
	if _, err := s.Build(o); err == nil ||
		!strings.Contains(err.Error(), "card 1 of Zoé (m-2) is the same card as card 1 of Léa (m-1)") {
		t.Error(err)
	}
}

func FuzzAddCard(f *testing.F) {
	f.Add([]byte("portillon: 1\nmembers:\n  - { id: m-1, name: Tom, cards: [] }\n"))
	f.Add([]byte("portillon: 1\nmembers:\n  - id: m-1\n    name: Tom\n    cards:\n    - \"62E3086CED\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := AddCard("m", b, "m-1", enrolled)
		if err == nil && !strings.Contains(string(out), enrolled) {
			t.Fatal("the card is missing")
		}
	})
}

// A reader of short numbers reports the same number for the cards of two members. A machine with a reader of short
// numbers treats such a card as unknown and shows a code. If an administrator enrols the card of one member by that
// code, the bundle must leave out the new entry, because machines would accept the other member's card too.
func TestBundleLeavesOutAnEnrolledHMACThatMatchesAnotherMembersCard(t *testing.T) {
	o := order(t, 1)
	short := cardHash(o.CardKey, "161DD6")
	for _, c := range []struct {
		lea, zoe string
		left     bool
	}{
		{`"0801161DD6", "hmac:` + short + `"`, `"0902161DD6"`, true},
		{`"hmac:` + short + `"`, `"0902161DD6"`, true},
		{`"0801161DD6", "hmac:` + short + `"`, `"62E3086CED"`, false}, // one member has both cards
		{`"hmac:` + short + `"`, `"62E3086CED"`, false},
		{`"hmac:` + short + `", { number: "0801161DD6", state: lost }`, `"62E3086CED"`, true}, // one member has both cards
	} {
		s := members(t, c.lea, c.zoe)
		b := &Built{}
		b.beginBuild(nil, o.CardKey)
		buckets, err := s.buckets(b, o)
		if err != nil {
			t.Fatal(err)
		}
		listed := false
		for _, bucket := range buckets {
			for _, m := range bucket.roster.Members {
				listed = listed || slices.Contains(m.Cards, short)
			}
		}
		if warned := strings.Contains(strings.Join(b.Warnings, " "), "enrolled by its code"); listed == c.left ||
			warned != c.left {
			t.Errorf("Léa [%s], Zoé [%s]: in the bundle %v, warnings %q", c.lea, c.zoe, listed, b.Warnings)
		}
	}
}

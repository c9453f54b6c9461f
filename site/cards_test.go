package site

import (
	"fmt"
	"strings"
	"testing"

	"portillon/rfid"
	"portillon/wire"
)

func members(t *testing.T, lea, zoe string) *Site {
	t.Helper()
	s, _ := example(t)
	m, err := ParseMembers(
		"members.yaml",
		fmt.Appendf(
			nil,
			`{portillon: 1, members: [{id: m-1, name: Léa, cards: [%s]}, {id: m-2, name: Zoé, cards: [%s]}]}`,
			lea,
			zoe,
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	s.Members, s.Badges = m, nil
	return s
}

func TestBuildNamesBothMembersWhoseCardsShareAForm(t *testing.T) {
	for _, c := range []struct{ lea, zoe, want string }{
		{`"0801161DD6"`, `"62E3086CED"`, ``},
		{`"0801161DD6", "dec:0018226646"`, ``, ``}, // one member, whose card is listed in two forms
		{`"0801161DD6", "0901161DD6"`, ``, ``},
		{`"0801161DD6"`, `"62E3086CED", "0901161DD6"`,
			`card 1 of Léa (m-1) (last 32 bits) and card 2 of Zoé (m-2) (last 32 bits) have the same form: that form ` +
				`counts for neither`},
		{`"0801161DD6"`, `"0902161DD6"`, `card 1 of Léa (m-1) (last 24 bits) and card 1 of Zoé (m-2) (last 24 bits)`},
		{`"0801161DD6"`, `"dec:0018226646"`,
			`card 1 of Léa (m-1), read as "last 32 bits", is card 1 of Zoé (m-2): that form counts for Zoé (m-2) alone`},
		{`"529D06E3"`, `"E3069D52"`, `card 1 of Léa (m-1), read as "bytes reversed", is card 1 of Zoé (m-2)`},
		// A member's card is active under one number and refused under another number. Build must warn, because machines
		// still accept the card.
		{`"0801161DD6", { number: "dec:0018226646", state: lost }`, ``,
			`card 2 of Léa (m-1) is lost, and may be the same card as card 1 of Léa (m-1), which is in use: where they are ` +
				`one card, it still opens`},
		{
			`"dec:0018226646", { number: "0801161DD6", state: blocked }`,
			``,
			`card 2 of Léa (m-1) is blocked, and may be the same card as card 1`,
		},
		{`"hmac:` + cardHash(order(t, 1).CardKey, "161DD6") + `", { number: "0801161DD6", state: lost }`, ``,
			`card 1 of Léa (m-1), which was enrolled by its code, is what a reader gives for card 2 of Léa (m-1) (last 24 ` +
				`bits): the entry is left out`},
		{`"0801161DD6", { number: "hmac:` + cardHash(order(t, 1).CardKey, "161DD6") + `", state: lost }`, ``,
			`card 2 of Léa (m-1) is lost, and may be the same card as card 1 of Léa (m-1), which is in use`},
		{
			`"529D06E3", { number: "E3069D52", state: lost }`,
			``,
			`card 2 of Léa (m-1) is lost, and may be the same card as card 1`,
		},
		{`"D61D1601"`, `"0801161DD6"`, `card 1 of Léa (m-1) (bytes reversed) and card 1 of Zoé (m-2) (last 32 bits)`},
	} {
		b, err := members(t, c.lea, c.zoe).Build(order(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(b.Warnings, "\n")
		if !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("[%s] and [%s]: %q, want %q", c.lea, c.zoe, got, c.want)
		}
		for _, secret := range []string{"161DD6", "18226646", "529D", "9D52"} {
			if strings.Contains(got, secret) {
				t.Errorf("a number is quoted: %s", got)
			}
		}
	}
}

// Each entry of cards in a bundle must be unique, because machines with the previous release block two members with
// equal entries.
func TestCardEntriesOfABundleAreUnique(t *testing.T) {
	for _, c := range [][2]string{
		{`"0801161DD6"`, `"0901161DD6"`},
		{`"0801161DD6", "dec:0018226646"`, `"0901161DD6"`},
		{`"0801161DD6"`, `"wiegand26:022,07638"`},
		{`"D61D1601"`, `"0801161DD6", "0901161DD6"`},
		{`"0801161DD6", "0901161DD6"`, ``},
		{`"0801161DD6"`, `"dec:0018226646", "0901161DD6"`},
	} {
		s := members(t, c[0], c[1])
		o := order(t, 1)
		seen := map[string]bool{}
		b := &Built{}
		b.beginBuild(nil, o.CardKey)
		buckets, err := s.buckets(b, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, bucket := range buckets {
			for _, m := range bucket.roster.Members {
				for _, entry := range m.Cards {
					if seen[entry] {
						t.Errorf("%q: an entry of %s stands twice", c, m.Name)
					}
					seen[entry] = true
				}
			}
		}
		u, _ := rfid.ParseUID("0801161DD6")
		if card := cardHash(o.CardKey, u.Hex()); wire.IsCardForm(card) || !seen[card] {
			t.Errorf("%q: the number itself does not stand in the bundle, or as a form", c)
		}
	}
}

func TestAmbiguousTenDigitCardNumberIsRefusedWithBothReadings(t *testing.T) {
	_, err := ParseMembers(
		"members.yaml",
		[]byte(`{portillon: 1, members: [{id: m-1, name: Léa, cards: ["04A1B2C3D4", "0012345678"]}]}`),
	)
	for _, want := range []string{"card 2", "dec:0012345678", "00BC614E", "hex:0012345678"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

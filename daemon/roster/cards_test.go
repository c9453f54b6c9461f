package roster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/rfid"
	"portillon/site"
	"portillon/wire"
)

// installCards installs the site with only Léa and Zoé, who have these cards, and returns the bundle's warnings.
func (b *bench) installCards(version uint64, lea, zoe string) (warnings []string) {
	b.t.Helper()
	text := fmt.Sprintf(`portillon: 1
members:
  - { id: m-020dc2, name: "Léa Martin", email: lea@example.org, cards: [%s] }
  - { id: m-9d017e, name: "Zoé Girard", email: zoe@example.org, cards: [%s] }
`, lea, zoe)
	if err := os.WriteFile(filepath.Join(b.dir, "site", "members.yaml"), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.install(version, func(built *site.Built) { warnings = built.Warnings })
	return warnings
}

// ownerOf returns the first name of the member to whom the machine assigns a number.
func (b *bench) ownerOf(number string, short bool) string {
	b.t.Helper()
	r, err := Load(b.store, b.m, Options{CardKey: cardKey, Now: monday, ShortNumbers: short})
	if err != nil {
		b.t.Fatal(err)
	}
	uid, err := rfid.ParseUID(number)
	if err != nil {
		b.t.Fatal(err)
	}
	p, _ := r.Lookup(uid)
	for id, name := range map[string]string{"m-020dc2": "Léa", "m-9d017e": "Zoé"} {
		switch {
		case p.Member == nil:
			return ""
		case p.Member.Blocked:
			b.t.Errorf("%s is blocked", p.Name)
		case string(p.Member.ID) == id:
			return name
		}
	}
	return ""
}

// Each row lists the cards of Léa and of Zoé in members.yaml, and the member that two machines find by a number: The
// first machine has a reader that reports whole numbers (RDM6300, PN532, MFRC522, PC/SC). The second machine has a
// reader that may report a part of a number (26-bit Wiegand, a USB reader).
func TestCardIsFoundByTheNumberOfAnyReader(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds and verifies many bundles")
	}
	b := newBench(t)
	for i, c := range []struct{ lea, zoe, number, whole, short string }{
		// members.yaml lists the whole number. A short number is accepted only if the reader reports short numbers.
		{`"0801161DD6"`, ``, "0801161DD6", "Léa", "Léa"},
		{`"0801161DD6"`, ``, "01161DD6", "", "Léa"},
		{`"0801161DD6"`, ``, "161DD6", "", "Léa"},
		{`"0801161DD6"`, ``, "D61D160108", "Léa", "Léa"},
		{`"0801161DD6"`, ``, "0901161DD6", "", ""}, // a different version byte is a different card
		{`"529D06E3"`, ``, "E3069D52", "Léa", "Léa"},
		{`"529D06E3"`, ``, "9D06E3", "", "Léa"},
		{`"529D06E3"`, ``, "069D52", "", "Léa"},
		// Four plain bytes are a whole number. An EM4100 card whose number ends with these bytes is a different card.
		{`"529D06E3"`, ``, "00529D06E3", "", ""},
		{`"04A224BA115E80"`, ``, "805E11BA24A204", "Léa", "Léa"},
		{`"04A224BA115E80"`, ``, "8804A224", "", ""},
		{`"04A224BA115E80"`, ``, "115E80", "", ""},
		// members.yaml lists a part with the name of its format. Lookup accepts every whole number that ends in that part.
		{`"dec:0018226646"`, ``, "0801161DD6", "Léa", "Léa"},
		{`"dec:0018226646"`, ``, "01161DD6", "Léa", "Léa"},
		{`"dec:0018226646"`, ``, "161DD6", "", "Léa"},
		{`"wiegand26:022,07638"`, ``, "0801161DD6", "Léa", "Léa"},
		{`"wiegand26:022,07638"`, ``, "01161DD6", "Léa", "Léa"},
		{`"wiegand26:022,07638"`, ``, "161DD6", "Léa", "Léa"},
		{`"wiegand26:022,07638"`, ``, "D61D16", "", ""},
		{`"wiegand34:00623,27706"`, ``, "01026F6C3A", "Léa", "Léa"},
		{`"hex:161DD6"`, ``, "0801161DD6", "", ""}, // three plain bytes are not a part of any number
		// An exact match of the number has precedence.
		{`"0801161DD6"`, `"dec:0018226646"`, "0801161DD6", "Léa", "Léa"},
		{`"0801161DD6"`, `"dec:0018226646"`, "01161DD6", "Zoé", "Zoé"},
		{`"0801161DD6"`, `"dec:0018226646"`, "0901161DD6", "Zoé", "Zoé"},
		{`"529D06E3"`, `"E3069D52"`, "529D06E3", "Léa", "Léa"},
		{`"529D06E3"`, `"E3069D52"`, "E3069D52", "Zoé", "Zoé"},
		// A derived form that leads to two members identifies neither member and blocks neither member.
		{`"0801161DD6"`, `"0901161DD6"`, "01161DD6", "", ""},
		{`"0801161DD6"`, `"0901161DD6"`, "161DD6", "", ""},
		{`"0801161DD6"`, `"0901161DD6"`, "0801161DD6", "Léa", "Léa"},
		{`"0801161DD6"`, `"0901161DD6"`, "0901161DD6", "Zoé", "Zoé"},
		{`"dec:0018226646"`, `"wiegand26:022,07638"`, "0801161DD6", "", ""},
		{`"D61D1601"`, `"0801161DD6"`, "01161DD6", "Léa", ""}, // reversed: Léa's number; shortened: Zoé's number
		// If members.yaml lists two forms of one card for one member, both remain valid.
		{`"0801161DD6", "dec:0018226646"`, ``, "01161DD6", "Léa", "Léa"},
		{`"0801161DD6", "dec:0018226646"`, ``, "0801161DD6", "Léa", "Léa"},
		{`"0801161DD6", "0901161DD6"`, ``, "161DD6", "", "Léa"},
	} {
		b.installCards(uint64(i+2), c.lea, c.zoe)
		if got := b.ownerOf(c.number, false); got != c.whole {
			t.Errorf(
				"Léa [%s], Zoé [%s]: %s is %q's at a reader of whole numbers, want %q",
				c.lea,
				c.zoe,
				c.number,
				got,
				c.whole,
			)
		}
		if got := b.ownerOf(c.number, true); got != c.short {
			t.Errorf(
				"Léa [%s], Zoé [%s]: %s is %q's at a reader of short numbers, want %q",
				c.lea,
				c.zoe,
				c.number,
				got,
				c.short,
			)
		}
	}
}

// A card form that a bundle lists for two members belongs to neither member.
func TestFormSharedByTwoMembersBlocksNeither(t *testing.T) {
	r := &Roster{
		cards:   cards{active: newCardIndex(cardKey), refused: newCardIndex(cardKey), key: cardKey},
		members: members{people: make([]person, 2)},
	}
	uid, _ := rfid.ParseUID("161DD6")
	for i := range r.members.people {
		r.members.people[i].name = fmt.Sprint(i)
		r.cards.active.addForm(wire.CardFormHash(cardKey, wire.ShortForm, uid.Bytes()), int32(i))
		if p, ok := r.LookupPart(uid); ok != (i == 0) || ok && p.Name != "0" {
			t.Errorf("after %d members: %v %v", i+1, p, ok)
		}
	}
	if _, ok := r.Lookup(uid); ok {
		t.Error("a short form counts where the reader gives whole numbers")
	}
}

// A lost card is refused in every form that other readers report. A different card whose whole number equals such a
// form is accepted.
func TestARefusedCardIsFoundByItsForms(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds and verifies many bundles")
	}
	b := newBench(t)
	for i, c := range []struct {
		lea, zoe, number string
		short            bool
		refused, active  string
	}{
		{`{ number: "0801161DD6", state: lost }`, ``, "0801161DD6", false, "Léa", ""},
		{`{ number: "0801161DD6", state: lost }`, ``, "D61D160108", false, "Léa", ""},
		{`{ number: "0801161DD6", state: lost }`, ``, "161DD6", true, "Léa", ""},
		{`{ number: "0801161DD6", state: lost }`, ``, "161DD6", false, "", ""},
		{`{ number: "dec:0018226646", state: lost }`, ``, "0801161DD6", false, "Léa", ""},
		{`{ number: "dec:0018226646", state: lost }, {
			number: "wiegand26:022,07638",
			state: lost,
		}`, ``, "0801161DD6", false, "Léa", ""},
		{`{ number: "dec:0018226646", state: lost }, {
			number: "wiegand26:022,07638",
			state: lost,
		}`, `"D61D160108"`, "0801161DD6", false, "Léa", ""},
		{`{ number: "0801161DD6", state: lost }`, `"01161DD6"`, "01161DD6", true, "", "Zoé"},
		{`{ number: "0801161DD6", state: lost }`, `"0901161DD6"`, "161DD6", true, "", ""},
		{`"0801161DD6", { number: "0901161DD6", state: lost }`, ``, "161DD6", true, "Léa", ""},
		{`"0801161DD6", { number: "0901161DD6", state: lost }`, ``, "0801161DD6", true, "", "Léa"},
	} {
		b.installCards(uint64(i+2), c.lea, c.zoe)
		r, err := Load(b.store, b.m, Options{CardKey: cardKey, Now: monday, ShortNumbers: c.short})
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := rfid.ParseUID(c.number)
		refused, _ := r.Refused(uid)
		active, _ := r.Lookup(uid)
		first := func(p Person) string { name, _, _ := strings.Cut(p.Name, " "); return name }
		if first(refused.Person) != c.refused || first(active) != c.active {
			t.Errorf(
				"Léa [%s], Zoé [%s], %s: refused %q, found %q",
				c.lea,
				c.zoe,
				c.number,
				first(refused.Person),
				first(active),
			)
		}
	}
}

package directory

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"portillon/hub/fault"
	"portillon/hub/store"
)

const changedMark = "1a2b3c4d"

// hashUnder returns a substitute for the HMAC of a number under a card key.
func hashUnder(key string) func([]byte) string {
	return func(number []byte) string {
		text := key + hex.EncodeToString(number)
		return text + strings.Repeat("0", 64-len(text))
	}
}

// newChangingWorld returns the directory of a site that is changing its card key.
func newChangingWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.remake(func(o *Options) { o.CardHash = hashUnder("aa") })
	return w
}

func (w *world) beginChange() {
	w.t.Helper()
	w.remake(func(o *Options) {
		o.CardHash = hashUnder("bb")
		o.OldCardKey = func() string { return changedMark }
		o.OldCardHash = func(number []byte) string { return changedMark + ":" + hashUnder("aa")(number) }
	})
	with := func(*store.Tx) (string, error) { return "", nil }
	if err := w.Rekeying.SetAsideCards(w.t.Context(), owner, changedMark, with); err != nil {
		w.t.Fatal(err)
	}
}

// The directory stores a card as an HMAC with the state lost, and a list contains the card's number. The card must stay
// lost after an import of the list, and after a tap during a change of the card key.
func TestLostCardStaysLostThroughImportsAndAChangeOfTheCardKey(t *testing.T) {
	number := []byte{0x5e, 0xaa, 0xbb, 0xcc}
	list := Import{Name: "list.csv", Data: []byte("name,email,card\nLea,lea@biklab.example,5EAABBCC\n")}
	for _, when := range []string{"before", "during", "added twice"} {
		w := newChangingWorld(t)
		lea := w.add("Lea", "lea@biklab.example")
		c, err := w.Cards.AddCard(t.Context(), owner, lea.ID, Card{Number: "hmac:" + hashUnder("aa")(number)})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Cards.SetCard(t.Context(), owner, lea.ID, c.ID, Lost, ""); err != nil {
			t.Fatal(err)
		}
		if when == "before" {
			w.importList(list)
		}
		w.beginChange()
		if when == "during" {
			w.importList(list)
		}
		if when == "added twice" { // insert the row that an earlier release of the hub wrote at an import
			err := w.Members.core.write(t.Context(), owner, "cards.write", func(c *change) (string, string, error) {
				return "", "", c.insertCard(t.Context(), lea.ID, &Card{ID: "c-2", Number: "5eaabbcc", State: Active, Since: w.now})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Rekeying.Rebind(t.Context(), owner, number); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if m := w.member(lea.ID); len(m.Cards) != 1 || m.Cards[0].State != Lost {
			t.Errorf("%s: %+v", when, m.Cards)
		}
	}
}

// During a change of the card key, the import of a list stores the number of a card. The member then need not tap the
// card: after the previous key is deleted, the directory still has the card with its state.
func TestListBindsACardToTheNewKey(t *testing.T) {
	for _, state := range []CardState{Active, Lost} {
		w := newChangingWorld(t)
		lea := w.add("Lea", "lea@biklab.example")
		c, err := w.Cards.AddCard(t.Context(), owner, lea.ID, Card{State: state,
			Number: "hmac:" + hashUnder("aa")([]byte{0x5e, 0xaa, 0xbb, 0xcc})})
		if err != nil {
			t.Fatal(err)
		}
		w.beginChange()
		list := Import{Name: "list.csv", Data: []byte("name,email,card\nLea,lea@biklab.example,5EAABBCC\n")}
		w.importList(list)
		with := func(*store.Tx) (string, error) { return "", nil }
		if err := w.Rekeying.EndOldCards(t.Context(), owner, changedMark, with); err != nil {
			t.Fatal(err)
		}
		w.remake(func(o *Options) { o.OldCardKey, o.OldCardHash = nil, nil })
		w.importList(list)
		got := w.member(lea.ID).Cards
		if len(got) != 1 || got[0].ID != c.ID || got[0].State != state || got[0].Number != "5EAABBCC" {
			t.Errorf("%s: %+v", state, got)
		}
	}
}

// During a change of the card key, an import cannot assign a card that another member has.
func TestImportRefusesACardThatAnotherMemberHasUnderTheOldKey(t *testing.T) {
	w := newChangingWorld(t)
	lea := w.add("Lea", "lea@biklab.example")
	_, err := w.Cards.AddCard(
		t.Context(),
		owner,
		lea.ID,
		Card{Number: "hmac:" + hashUnder("aa")([]byte{0x5e, 0xaa, 0xbb, 0xcc})},
	)
	if err != nil {
		t.Fatal(err)
	}
	list := Import{Name: "list.csv", Data: []byte("name,email,card\nKarim,karim@biklab.example,5EAABBCC\n")}
	for _, when := range []string{"before", "during"} {
		if when == "during" {
			w.beginChange()
		}
		var invalid *fault.Invalid
		if _, err := w.Imports.Preview(t.Context(), owner, list); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", when, err)
		}
	}
}

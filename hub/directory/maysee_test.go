package directory

import (
	"errors"
	"testing"

	"portillon/hub/actor"
)

// ownerToken returns an owner's token that permits only these acts.
func ownerToken(acts ...actor.Act) actor.Actor {
	return actor.Actor{Account: "t", Name: "Token", Site: actor.Owner, Scopes: acts}
}

func TestActorWhoMayNotSeeACardNoteCannotReplaceIt(t *testing.T) {
	w := newWorld(t)
	m := w.add("Léa")
	noted := must[Card](
		t,
	)(
		w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: "62E3086CED", Note: "found in the tram"}),
	)
	bare := must[Card](t)(w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: "62E3086CEE"}))
	blind := ownerToken(actor.WriteCards)
	for _, c := range []struct {
		name       string
		a          actor.Actor
		card, note string
		want       string
		denied     bool
	}{
		{"nothing is written", blind, noted.ID, "", "found in the tram", false},
		{"another note", blind, noted.ID, "replaced", "found in the tram", true},
		{"the same note", blind, noted.ID, "found in the tram", "found in the tram", false},
		{"a note where there is none", blind, bare.ID, "new", "new", false},
		{"with the right", owner, noted.ID, "replaced", "replaced", false},
		{"removed with the right", owner, noted.ID, "", "", false},
	} {
		before := w.member(m.ID)
		var denied *actor.Denied
		if err := w.Cards.SetCard(t.Context(), c.a, m.ID, c.card, Lost, c.note); errors.As(err, &denied) != c.denied ||
			err != nil && !c.denied {
			t.Errorf("%s: %v", c.name, err)
		}
		after := w.member(m.ID)
		for _, card := range after.Cards {
			if card.ID == c.card && card.Note != c.want {
				t.Errorf("%s: the note is %q, want %q", c.name, card.Note, c.want)
			}
		}
		if c.denied && after.Version != before.Version {
			t.Errorf("%s: refused, and the member was changed", c.name)
		}
	}
}

// A search must not find members by notes or card numbers that the actor may not see, because the result would reveal
// them.
func TestSearchIgnoresFieldsThatItsActorMayNotSee(t *testing.T) {
	w := newWorld(t)
	m := w.add("Léa")
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: "62E3086CED", Note: "tramway"}))
	for name, c := range map[string]struct {
		a    actor.Actor
		text string
		want int
	}{
		"note":                           {ownerToken(actor.ReadMembers), "tramway", 0},
		"note with its right":            {ownerToken(actor.ReadMembers, actor.ReadNotes), "tramway", 1},
		"note with the right to numbers": {ownerToken(actor.ReadMembers, actor.WriteCards), "tramway", 0},
		"number":                         {ownerToken(actor.ReadMembers), "62e308", 0},
		"number with its right":          {ownerToken(actor.ReadMembers, actor.WriteCards), "62e308", 1},
		"number with the right to notes": {ownerToken(actor.ReadMembers, actor.ReadNotes), "62e308", 0},
		"end of the number":              {ownerToken(actor.ReadMembers), "6ced", 1},
	} {
		got, _, err := w.Cards.Held(t.Context(), c.a, CardFilter{Text: c.text}, Page{})
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %+v, %v, want %d", name, got, err, c.want)
		}
	}
}

func TestOldCardsOmitsNamesForActorsWhoMayNotSeeMembers(t *testing.T) {
	w := newChangingWorld(t)
	m := w.add("Léa")
	number := []byte{0x5e, 0xaa, 0xbb, 0xcc}
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: "hmac:" + hashUnder("aa")(number)}))
	w.beginChange()
	for name, c := range map[string]struct {
		a    actor.Actor
		want string
	}{
		"without the right to members": {ownerToken(actor.EnrolMachines), ""},
		"with the right to members":    {ownerToken(actor.EnrolMachines, actor.ReadMembers), "Léa"},
	} {
		got, err := w.Rekeying.OldCards(t.Context(), c.a)
		if err != nil || len(got) != 1 || got[0].Name != c.want || (got[0].Last != "") != (c.want != "") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

package directory

import (
	"context"
	"fmt"
	"testing"

	"portillon/hub/actor"
)

// A search of members looks in notes and full card numbers only for actors who may read them, because the result
// reveals the content.
func TestMembersAreFoundByNoteAndCard(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	for i, name := range []string{"Zoé Bel", "Ana Roy"} {
		m, err := w.Members.Add(ctx, owner, Member{Name: name, Note: fmt.Sprintf("Clé nº %d du dépôt", i)})
		if err != nil {
			t.Fatal(err)
		}
		card := Card{Number: fmt.Sprintf("04A2B3C%d00", i), Note: "porte-clés"}
		if _, err := w.Cards.AddCard(ctx, owner, m.ID, card); err != nil {
			t.Fatal(err)
		}
	}
	with := func(scopes ...actor.Act) actor.Actor {
		return actor.Actor{Account: "r", Site: actor.Owner, Scopes: append(scopes, actor.ReadMembers)}
	}
	const both, ana, none = "[Ana Roy Zoé Bel]", "[Ana Roy]", "[]"
	for _, c := range []struct {
		a          actor.Actor
		text, want string
	}{
		{owner, "cle DEPOT", both}, {owner, "depot 1", ana}, {owner, "roy depot", ana}, {owner, "zoe bel 1", none},
		{owner, "c100", ana}, {owner, "04a2b3", both}, {owner, "100", none}, {owner, "porte-cles", both},
		{with(), "depot", none}, {with(), "porte-cles", none}, {with(), "04a2b3", none}, {with(), "c100", ana},
		{with(actor.ReadNotes), "depot", both}, {with(actor.ReadNotes), "porte-cles", both},
		{with(actor.ReadNotes), "04a2b3", none}, {with(actor.WriteCards), "04a2b3", both},
		{with(actor.WriteCards), "depot", none},
	} {
		list, _, err := w.Members.List(ctx, c.a, Filter{Text: c.text}, Page{})
		names := []string{}
		for _, m := range list {
			names = append(names, m.Name)
		}
		if got := fmt.Sprint(names); err != nil || got != c.want {
			t.Errorf("%q with %v: %s %v, want %s", c.text, c.a.Scopes, got, err, c.want)
		}
		some, _, err := w.Members.Count(ctx, c.a, Filter{Text: c.text})
		if err != nil || some != len(list) {
			t.Errorf("%q with %v: counted %d %v, listed %d", c.text, c.a.Scopes, some, err, len(list))
		}
	}
}

package directory

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"portillon/hub/actor"
)

// cardsOf returns the last digits of all cards that match a filter, read in pages of limit cards.
func (w *world) cardsOf(a actor.Actor, f CardFilter, limit int) (out []string) {
	w.t.Helper()
	after := ""
	for range 100 {
		list, next, err := w.Cards.Held(context.Background(), a, f, Page{After: after, Limit: limit})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(list) > limit || next != "" && len(list) < limit {
			w.t.Fatalf("%d cards on a page of %d, next %q", len(list), limit, next)
		}
		for _, c := range list {
			out = append(out, c.Name+" "+c.Last)
		}
		if after = next; next == "" {
			return out
		}
	}
	w.t.Fatal("the list has no end")
	return nil
}

func TestCardsAreListedInPagesAndByFilter(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	for i, name := range []string{"Zoé Bel", "Ana Roy", "Éli Mas"} {
		m, err := w.Members.Add(ctx, owner, Member{Name: name, Emails: []string{fmt.Sprintf("m%d@lab.example", i)}})
		if err != nil {
			t.Fatal(err)
		}
		for k := range 2 {
			c, err := w.Cards.AddCard(ctx, owner, m.ID, Card{Number: fmt.Sprintf("04A2B3C%d%d0", i, k), Note: "key ring"})
			if err != nil {
				t.Fatal(err)
			}
			if k == 1 {
				if err := w.Cards.SetCard(ctx, owner, m.ID, c.ID, Lost, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const all = "[Ana Roy C100 Ana Roy C110 Éli Mas C200 Éli Mas C210 Zoé Bel C000 Zoé Bel C010]"
	reader := actor.Actor{Account: "r", Site: actor.Owner, Scopes: []actor.Act{actor.ReadMembers}}
	for _, c := range []struct {
		a    actor.Actor
		f    CardFilter
		want string
	}{
		{owner, CardFilter{}, all},
		{owner, CardFilter{State: Lost}, "[Ana Roy C110 Éli Mas C210 Zoé Bel C010]"},
		{owner, CardFilter{State: Replaced}, "[]"},
		{owner, CardFilter{Text: "ELI"}, "[Éli Mas C200 Éli Mas C210]"},
		{owner, CardFilter{Text: "eli c210"}, "[Éli Mas C210]"},
		{owner, CardFilter{Text: "04a2b3c1"}, "[Ana Roy C100 Ana Roy C110]"},
		{owner, CardFilter{Text: "ring"}, "[Ana Roy C100 Éli Mas C200 Zoé Bel C000]"},
		{owner, CardFilter{Idle: true}, "[Ana Roy C100 Éli Mas C200 Zoé Bel C000]"},
		{reader, CardFilter{Text: "04a2b3c1"}, "[]"}, // an actor who may not see card numbers cannot search by number
		{reader, CardFilter{Text: "ring"}, "[]"},
	} {
		for _, limit := range []int{1, 2, 4, 50} {
			if got := fmt.Sprint(w.cardsOf(c.a, c.f, limit)); got != c.want {
				t.Errorf("%+v, %d a page: %s, want %s", c.f, limit, got, c.want)
			}
		}
	}
	list, _, err := w.Cards.Held(ctx, reader, CardFilter{}, Page{})
	if err != nil || list[0].Number != "" || list[0].Note != "" {
		t.Errorf("a reader sees %+v %v", list, err)
	}
	for _, f := range []CardFilter{{State: "none"}, {Text: strings.Repeat("a", 201)}} {
		if _, _, err := w.Cards.Held(ctx, owner, f, Page{}); err == nil {
			t.Errorf("%+v is accepted", f)
		}
	}
	if _, _, err := w.Cards.Held(ctx, owner, CardFilter{}, Page{After: "m-nobody c-1"}); err == nil {
		t.Error("a page after nobody")
	}
	if _, _, err := w.Cards.Held(ctx, actor.Actor{}, CardFilter{}, Page{}); err == nil {
		t.Error("nobody reads cards")
	}
	// Remove the last card of a page. The next page must continue after that position.
	first, next, err := w.Cards.Held(ctx, owner, CardFilter{}, Page{Limit: 2})
	if err != nil || w.Cards.RemoveCard(ctx, owner, first[1].Member, first[1].ID) != nil {
		t.Fatal(err)
	}
	list, _, err = w.Cards.Held(ctx, owner, CardFilter{}, Page{After: next})
	if err != nil || list[0].Name != "Éli Mas" {
		t.Errorf("%+v %v", list, err)
	}
}

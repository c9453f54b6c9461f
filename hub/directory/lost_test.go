package directory

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// asMember returns the actor of a member without any other role.
func asMember(id policy.MemberID) actor.Actor {
	return actor.Actor{Account: "a-" + string(id), Name: "M", Member: id, Site: actor.Member}
}

func TestMemberReportsOnlyTheOwnActiveCardAsLost(t *testing.T) {
	w := newWorld(t)
	lea, tom := w.add("Léa"), w.add("Tom")
	card := func(m Member, number string, s CardState) string {
		c := must[Card](t)(w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: number, State: s}))
		return c.ID
	}
	active, blocked := card(lea, "62E3086CED", Active), card(lea, "62E3086CEE", Blocked)
	replaced, others := card(lea, "62E3086CEF", Replaced), card(tom, "62E3086CFF", Active)
	w.now = w.now.Add(time.Hour)
	for _, c := range []struct {
		name  string
		card  string
		found bool
		want  CardState
		says  string // the audit entry; empty: there is none
	}{
		{"an active card", active, true, Lost, "card " + active + " is lost"},
		{"the same card again", active, true, Lost, ""},
		{"a blocked card", blocked, true, Blocked, ""},
		{"a replaced card", replaced, true, Replaced, ""},
		{"another member's card", others, false, Active, ""},
		{"no card", "c-none", false, "", ""},
	} {
		w.audit = nil
		err := w.Cards.ReportLost(t.Context(), asMember(lea.ID), c.card)
		missing := (*fault.NotFound)(nil)
		if c.found && err != nil || !c.found && !errors.As(err, &missing) {
			t.Errorf("%s: %v", c.name, err)
		}
		all := append(w.member(lea.ID).Cards, w.member(tom.ID).Cards...)
		at := slices.IndexFunc(all, func(x Card) bool { return x.ID == c.card })
		if at >= 0 && all[at].State != c.want {
			t.Errorf("%s: state %q, want %q", c.name, all[at].State, c.want)
		}
		if got := strings.Join(w.audit, "\n"); c.says == "" && got != "" ||
			c.says != "" && got != "own.cards member "+string(lea.ID)+": "+c.says {
			t.Errorf("%s: audit entry %q", c.name, got)
		}
	}
	if got := w.member(lea.ID).Cards[0]; !got.Since.Equal(w.now) {
		t.Errorf("lost since %v, want %v", got.Since, w.now)
	}
	snapshot := must[*Snapshot](t)(w.Exports.Snapshot(t.Context()))
	if m := snapshot.Members[0]; len(m.Cards) != 0 || len(m.Inactive) != 3 {
		t.Errorf("the next bundle has the cards %+v and refuses %+v", m.Cards, m.Inactive)
	}
}

// The bundle is built again after the topic Directory, and a report that changes nothing must not cause a build.
func TestReportOfALostCardNotifiesTheBuilderOnce(t *testing.T) {
	w := newWorld(t)
	lea := w.add("Léa")
	card := must[Card](t)(w.Cards.AddCard(t.Context(), owner, lea.ID, Card{Number: "62E3086CED"}))
	sub, stop := w.o.Site.Subscribe(store.Directory)
	defer stop()
	sub.Take()
	for _, want := range []int{1, 0} {
		if err := w.Cards.ReportLost(t.Context(), asMember(lea.ID), card.ID); err != nil {
			t.Fatal(err)
		}
		if got := len(sub.Take()); got != want {
			t.Errorf("%d notifications, want %d", got, want)
		}
	}
}

func TestNoMemberMakesACardWorkAgain(t *testing.T) {
	w := newWorld(t)
	lea := w.add("Léa")
	card := must[Card](t)(w.Cards.AddCard(t.Context(), owner, lea.ID, Card{Number: "62E3086CED"}))
	me := asMember(lea.ID)
	if err := w.Cards.ReportLost(t.Context(), me, card.ID); err != nil {
		t.Fatal(err)
	}
	denied := (*actor.Denied)(nil)
	if err := w.Cards.SetCard(t.Context(), me, lea.ID, card.ID, Active, ""); !errors.As(err, &denied) {
		t.Errorf("a member sets the own card to active: %v", err)
	}
	if err := w.Cards.ReportLost(t.Context(), actor.Actor{Account: "boss", Site: actor.Owner}, card.ID); err == nil {
		t.Error("an account without a member reports a card as lost")
	}
	if w.member(lea.ID).Cards[0].State != Lost {
		t.Error("the card is not lost any more")
	}
}

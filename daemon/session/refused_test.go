package session

import (
	"testing"

	"portillon/policy"
	"portillon/wire"
)

func refusedCard(m policy.MemberID, s policy.CardState) RefusedCard {
	return RefusedCard{
		Member:   m,
		State:    s,
		Since:    "2026-11-01",
		Decision: denied(policy.Deny, policy.User, policy.CardBlocked),
	}
}

func TestTapOfALostCardRaisesAnAlertAndChangesNothing(t *testing.T) {
	w := newWorld().tap(nour)
	before := w.State
	w.journal = nil
	w.do(refusedCard(nour, policy.LostCard))
	if w.Phase != On || w.Current.Session != before.Current.Session || w.Current.Member != nour || !w.relay {
		t.Errorf("the member's session did not go on: %v %q", w.Phase, w.Current.Session)
	}
	want := Record{Kind: wire.CardAlert, Member: nour, Body: wire.CardAlertBody{State: "lost", Since: "2026-11-01"}}
	if len(w.journal) != 1 || w.journal[0].Kind != want.Kind || w.journal[0].Member != want.Member ||
		w.journal[0].Body != want.Body ||
		w.journal[0].Session != "" {
		t.Errorf("%+v", w.journal)
	}
	if got := formatEffects(w.effects); got != "record card-alert, tell card-refused" {
		t.Errorf("%s", got)
	}
	for _, e := range w.effects {
		if x, ok := e.(Notify); ok && x.Member != "" {
			t.Errorf("whoever holds the card is told whose it is: %+v", x)
		}
	}
}

func TestAlertsAreRateLimitedPerMember(t *testing.T) {
	w := newWorld()
	alerts := func() (n int) {
		for _, r := range w.journal {
			if r.Kind == wire.CardAlert {
				n++
			}
		}
		return n
	}
	for range 20 {
		w.do(refusedCard(nour, policy.LostCard)) // do advances the clock by two seconds between the taps
	}
	if alerts() != 1 {
		t.Errorf("%d alerts of one card within a minute", alerts())
	}
	w.do(refusedCard(zoe, policy.BlockedCard))
	if alerts() != 2 {
		t.Error("another member's alert is not on record")
	}
	w.wait(AlertEvery)
	if w.do(refusedCard(nour, policy.LostCard)); alerts() != 3 {
		t.Error("a minute later there is no alert")
	}
	w.tap(nour)
	if w.do(refusedCard(bruno, policy.LostCard)); alerts() != 4 {
		t.Error("an alert waits for nothing")
	}
}

// If a member was refused, the alert that a tap of their lost card raises a moment later is still recorded.
func TestRefusalsDoNotSuppressAlerts(t *testing.T) {
	w := newWorld().tap(zoe)
	w.atOnce(refusedCard(zoe, policy.LostCard))
	if last := w.journal[len(w.journal)-1]; last.Kind != wire.CardAlert {
		t.Errorf("%+v", last)
	}
	n := len(w.journal)
	if w.atOnce(refusedCard(zoe, policy.ReplacedCard)); len(w.journal) != n {
		t.Error("a replaced card is a refusal like any other: once in a while")
	}
}

func TestNoticeOfARefusedCardIsShownEvenIfTheJournalIsFull(t *testing.T) {
	w := newWorld().disk(true)
	w.do(refusedCard(nour, policy.LostCard))
	told := false
	for _, e := range w.effects {
		x, ok := e.(Notify)
		told = told || ok && x.Notice == CardRefused
	}
	if !told || len(w.Ledger.Pending) != 0 {
		t.Errorf("%s; %d records wait", formatEffects(w.effects), len(w.Ledger.Pending))
	}
	w = newWorld().do(Shutdown{})
	if w.do(refusedCard(nour, policy.LostCard)); len(w.effects) != 0 {
		t.Errorf("after the end: %s", formatEffects(w.effects))
	}
}

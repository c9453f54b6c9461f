package daemon

import (
	"fmt"
	"testing"
	"time"

	"portillon/wire"
)

func TestUnknownCardsAreRememberedOnceEachAndBounded(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	var u unknownCards
	card := func(i int) wire.EnrolCard { return wire.EnrolCard{Code: fmt.Sprintf("%06d", i), Card: fmt.Sprint(i)} }
	u.note(card(0), at)
	u.note(card(1), at)
	u.note(card(0), at.Add(time.Minute))
	if len(u.cards) != 2 || u.cards[1].Code != "000000" || u.cards[1].Tap != 3 ||
		!u.cards[1].At.Equal(at.Add(time.Minute)) ||
		u.shown != "000000" {
		t.Errorf("%+v", u)
	}
	for i := range 10 * maxUnknown {
		u.note(card(i), at)
	}
	if len(u.cards) != maxUnknown || u.cards[maxUnknown-1].Code != fmt.Sprintf("%06d", 10*maxUnknown-1) {
		t.Errorf("%d cards, the last is %+v", len(u.cards), u.cards[len(u.cards)-1])
	}
}

func TestUnknownCardIsListedAsLongAsItsCodeIsValid(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	m := New(Config{})
	m.cfg.Now = func() time.Time { return at }
	m.engine.model.unknown.note(wire.EnrolCard{Code: "7F3K9Q"}, at)
	for after, want := range map[time.Duration]int{0: 1, wire.CodeLife - time.Second: 1, wire.CodeLife: 0,
		-wire.CodeLife: 0} {
		m.cfg.Now = func() time.Time { return at.Add(after) }
		if got := m.operator.orderUnknown(); !got.OK || len(got.Unknown.Cards) != want || got.Unknown.Taps != 1 {
			t.Errorf("after %v: %+v", after, got.Unknown)
		}
	}
}

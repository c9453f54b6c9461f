package daemon

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/daemon/control"
	"portillon/rfid"
	"portillon/wire"
)

func (b *bench) unreadInput(u rfid.Unread) { b.e.readerEvent(b.t.Context(), rfid.Event{Unread: u}) }

func (b *bench) line() string { return b.cfg.Panel.Current().Line.EN }

func TestUnreadableInputIsShownAndLoggedOnceAMinute(t *testing.T) {
	r := exampleRoster(t)
	synctest.Test(t, func(t *testing.T) {
		b := benchOf(t, r)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true})
		logged := func(times int) {
			t.Helper()
			if n := strings.Count(b.log.String(), "reader input ignored"); n != times {
				t.Errorf("logged %d times, want %d", n, times)
			}
		}
		b.unreadInput(rfid.Unread{Raw: "62E3086CED", Why: "letters"})
		if v := b.cfg.Panel.Current(); v.Line.EN != "Card not readable here" || v.Line.FR != "Carte illisible ici" ||
			!strings.Contains(v.Next.EN, "desk") {
			t.Errorf("the panel says %q, %q", v.Line, v.Next)
		}
		logged(1)
		if strings.Contains(b.log.String(), "62E3086CED") {
			t.Error("the log holds a card's number")
		}
		for range 55 { // the inputs are a second apart, as from one card that stays on the reader
			time.Sleep(time.Second)
			b.unreadInput(rfid.Unread{Why: "letters"})
		}
		logged(1)
		if b.line() == "Card not readable here" {
			t.Error("what lies on the reader keeps the panel from showing the machine's state")
		}
		time.Sleep(5 * time.Second)
		b.unreadInput(rfid.Unread{Why: "letters"})
		logged(2)
		if !strings.Contains(b.log.String(), "times=56") {
			t.Errorf("the count is wrong: %s", b.log.String())
		}
		if b.line() != "Card not readable here" {
			t.Errorf("the next card is answered with %q", b.line())
		}
		time.Sleep(10 * time.Second)
		b.unreadInput(rfid.RandomNumber())
		if v := b.cfg.Panel.Current(); !strings.Contains(v.Next.EN, "phone") || !strings.Contains(v.Next.FR, "téléphone") {
			t.Errorf("a telephone is answered with %q", v.Next)
		}
		if len(b.notes.said) > 0 {
			t.Errorf("recorded or switched: %q", b.notes.said)
		}
		time.Sleep(time.Minute) // the time for which the panel shows the answer has passed
	})
}

func TestUnreadableInputDoesNotHideARunningSession(t *testing.T) {
	r := exampleRoster(t)
	synctest.Test(t, func(t *testing.T) {
		b := benchOf(t, r)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true})
		b.operator.order(t.Context(), control.Request{Do: "tap", Card: lea}, "")
		before := b.line()
		b.unreadInput(rfid.Unread{Why: "noise"})
		if b.line() != before || !b.m.state.Running() {
			t.Errorf("%q became %q", before, b.line())
		}
		b.operator.order(t.Context(), control.Request{Do: "stop"}, "")
		time.Sleep(time.Minute)
	})
}

// The command "machine tap" accepts a card in the formats of members.yaml, including the part of the number that is
// printed on the card, even if the reader reports whole numbers.
func TestMachineTapAcceptsTheFormatsOfMembersYaml(t *testing.T) {
	r := exampleRoster(t)
	for card, want := range map[string]string{
		"62E3086CED": "on", "hex:62e3086ced": "on", "dec:424715775213": "on", "dec:3808980205": "on",
		"wiegand26:8,27885": "on", "ED6C08E362": "on",
		"dec:3808980206": "unknown", "hex:E3086CED": "unknown", "086CED": "unknown",
		"0012345678": "wrong", "8,27885": "wrong", "62E3086CE": "wrong", "dec:": "wrong",
	} {
		b := benchOf(t, r)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true})
		rep := b.operator.order(t.Context(), control.Request{Do: "tap", Card: card}, "")
		got := "unknown"
		switch {
		case rep.Wrong:
			got = "wrong"
		case b.m.state.Running() && strings.Contains(rep.EN, "Léa"):
			got = "on"
		case !strings.Contains(rep.EN, "Unknown card"):
			got = rep.EN
		}
		if got != want {
			t.Errorf("%s: %q, want %s: %+v", card, got, want, rep)
		}
		if rep.Wrong && (rep.Error == "" || !strings.Contains(rep.Hint, "dec:")) {
			t.Errorf("%s: %+v", card, rep)
		}
	}
}

// Only an order can contain a part of a card's number: after the order, numbers from the reader are again read as whole
// numbers.
func TestPartOfANumberIsAcceptedOnlyFromItsOrder(t *testing.T) {
	b := newBench(t)
	b.e.readerEvent(t.Context(), rfid.Event{Alive: true})
	b.operator.order(t.Context(), control.Request{Do: "tap", Card: "dec:3808980205"}, "")
	b.operator.order(t.Context(), control.Request{Do: "stop"}, "")
	b.notes.said = nil
	u, _ := rfid.ParseUID("E3086CED")
	b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, At: time.Now()}})
	if b.m.state.Running() || strings.Contains(strings.Join(b.notes.said, " "), string(wire.SessionStart)) {
		t.Errorf("a reader of whole numbers read a part: %q", b.notes.said)
	}
}

package daemon

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/rfid"
	"portillon/wire"
)

// The card is removed while the loop is blocked, because an SD card may pause for up to diskHang. A removal is valid
// however late the loop processes it.
func TestLateReportOfARemovedCardEndsItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.m.state.Holds.ReaderDown = false
		b.wants(b.tapWithProof(lea, 0), "session-start RELAY ON [on]")
		u, _ := rfid.ParseUID(lea)
		before, left := time.Now().Add(-time.Second), time.Now().Add(time.Second)
		time.Sleep(2 * staleTap)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Away: true, At: before}})
		if !b.m.relay {
			t.Error("a card that left before the session began ended it")
		}
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Away: true, At: left}})
		if b.m.state.Running() || b.m.relay {
			t.Errorf("the slot is empty, nobody will say so again, and the relay is on: %v", b.m.state.Phase)
		}
	})
}

// A slot has room for one card. A reader that recovers from a fault may find another card in the slot, or the same
// card.
func TestAnotherCardInTheSlotEndsTheSession(t *testing.T) {
	for name, x := range map[string]struct {
		card string
		lies bool
		want bool
	}{"the same card, detected again": {lea, false, true}, "the same card, in the slot before": {lea, true,
		true}, "another card, in the slot before": {zoe, true, false},
		"an unknown card, in the slot before": {"DEADBEEF", true, false}, "another card": {zoe, false, false}} {
		b := newBench(t)
		b.m.state.Holds.ReaderDown = false
		b.tapWithProof(lea, 0)
		b.now = b.now.Add(10 * time.Second)
		u, _ := rfid.ParseUID(x.card)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Slot: true, Lies: x.lies, At: time.Now()}})
		if b.m.relay != x.want {
			t.Errorf("%s: relay %v", name, b.m.relay)
		}
	}
	b := newBench(t)
	b.m.state.Holds.ReaderDown = false
	u, _ := rfid.ParseUID(lea)
	b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Slot: true, Lies: true, At: time.Now()}})
	if b.m.relay {
		t.Error("a card that was left lying started the machine")
	}
}

// slowJournal is a journal whose commits take a given time.
type slowJournal struct {
	*notebook
	d time.Duration
}

func (s slowJournal) Append(r session.Record, f map[string][]byte) error {
	time.Sleep(s.d)
	return s.notebook.Append(r, f)
}

// If recording a start takes longer than staleTap, the member may have walked away, and the relay must not close.
func TestStartThatIsRecordedTooLateClosesNoRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.m.state.Holds.ReaderDown = false
		b.cfg.Journal = slowJournal{b.notes, staleTap + 500*time.Millisecond}
		b.wants(b.tapWithProof(lea, 0), "session-start relay off session-end [refused]")
		b.cfg.Journal = slowJournal{b.notes, staleTap - 500*time.Millisecond}
		b.now = b.now.Add(time.Hour)
		b.tapWithProof(lea, 0)
		if !b.m.relay {
			t.Error("a disk that is merely slow keeps a member out")
		}
	})
}

// The wall clock may be set back by hours while the loop hangs: only elapsed time counts.
func TestLivenessIgnoresTheWallClock(t *testing.T) {
	m := New(Config{})
	m.engine.live.born = m.engine.live.born.Add(-2 * hang) // Add also moves the monotonic reading
	if m.Alive() {
		t.Error("the loop has not turned for two seconds")
	}
	m.engine.live.markIteration()
	if !m.Alive() {
		t.Error("it has just turned")
	}
	m.engine.live.born = m.engine.live.born.Round(0).Add(-hang) // no monotonic reading: the wall clock counts
	if m.engine.live.born.String() == "" || m.engine.live.beat.Load() > int64(time.Hour) {
		t.Errorf("the beat is no length of time: %d", m.engine.live.beat.Load())
	}
}

// The wait has expired, although no tick has ended it yet. The strength of the first card therefore no longer counts
// for the second tap.
func TestStrengthOfACardIsForgottenAfterItsWait(t *testing.T) {
	b := newBench(t)
	b.m.state.Holds.ReaderDown = false
	b.wants(b.tapWithProof(jules, rfid.AES), "[awaiting]")
	b.now = b.now.Add(session.AwaitFor)    // no tick has ended the wait
	b.tapWithProof(jules, rfid.NumberOnly) // a copy of Jules' number
	if b.m.state.Phase != session.Awaiting || b.m.state.Cards.Strength != strength(rfid.NumberOnly) {
		t.Errorf("the wait began with a number alone, and counts as %v", b.m.state.Cards.Strength)
	}
}

// If a tag's record could never be written, the record would stay pending forever, and no session could start.
func TestTagWithALongNameDoesNotBlockTheJournal(t *testing.T) {
	b := newBench(t)
	if rep := b.operator.order(t.Context(), control.Request{Do: "tag", Tag: strings.Repeat("x", 9000),
		Reason: "courroie"}, ""); rep.OK ||
		!rep.Wrong ||
		len(b.m.state.Holds.Tags) > 0 {
		t.Errorf("%+v", rep)
	}
}

// After an emergency stop the card is still in the slot, and the reader loses contact with the card for two seconds.
// Finding the card again is not a tap.
func TestCardLeftInItsSlotStartsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.m.state.Holds.ReaderDown = false
		u, _ := rfid.ParseUID(lea)
		says := func(x rfid.Tap) {
			time.Sleep(2 * time.Second)
			b.now = b.now.Add(2 * time.Second)
			x.At, x.UID = time.Now(), u
			b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: x})
		}
		if says(rfid.Tap{Slot: true}); !b.m.relay {
			t.Fatal("no start")
		}
		b.signal(t.Context(), Signal{What: "e-stop", On: true})
		b.signal(t.Context(), Signal{What: "e-stop"})
		for range 3 { // the reader loses the card three times
			says(rfid.Tap{Away: true})
			if says(rfid.Tap{Slot: true}); b.m.relay {
				t.Fatal("the machine started by itself")
			}
		}
		says(rfid.Tap{Away: true})
		time.Sleep(session.TakenOut)
		if says(rfid.Tap{Slot: true}); !b.m.relay {
			t.Error("a card that was taken out and put in starts nothing")
		}
		says(rfid.Tap{Away: true})
		if says(rfid.Tap{Slot: true}); !b.m.relay {
			t.Error("nor one that ended its own session by leaving")
		}
	})
}

// A faulty reader, or children with many cards, cause sixteen taps a second for a minute. Each session that begins also
// ends, the relay is never closed between sessions, unknown cards do not fill the journal, and afterwards a member can
// use the machine.
func TestMachineWorksAfterAThousandTapsAMinute(t *testing.T) {
	b := newBench(t)
	b.m.state.Holds.ReaderDown = false
	cards := []string{lea, zoe, "DEADBEEF", malik, lea, "DEADBEEF", jules, karim}
	before, strangers, noted := len(b.notes.said), 0, 0
	b.cfg.Journal = bodyRecorder{b.notes, func(r session.Record) {
		if r.Kind == wire.Refused && r.Member == "" {
			noted++
		}
	}}
	for n := range 1000 {
		b.now = b.now.Add(60 * time.Millisecond)
		u, _ := rfid.ParseUID(cards[n%len(cards)])
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u}})
		if v := b.cfg.Panel.Current(); v.Sign == panel.SignUnknown {
			strangers++
		}
	}
	b.do(control.Request{Do: "stop"})
	on, records := false, map[string]int{}
	for _, s := range b.notes.said[before:] {
		records[s]++
		if s == "RELAY ON" && on {
			t.Fatal("switched on twice")
		}
		on = (on || s == "RELAY ON") && s != "relay off"
	}
	if on || b.m.relay || records["session-start"] == 0 || records["session-start"] != records["session-end"] ||
		records["session-start"] != records["RELAY ON"] {
		t.Errorf("on %v, %v", on, records)
	}
	if strangers < 200 || noted > 31 {
		t.Errorf("%d strangers were answered, %d are on record", strangers, noted)
	}
	b.now = b.now.Add(time.Minute)
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
}

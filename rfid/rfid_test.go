package rfid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFormattingAUIDHidesTheNumber(t *testing.T) {
	u, err := ParseUID("62:E3:08 6c-ed")
	if err != nil || u.Hex() != "62E3086CED" || !bytes.Equal(u.Bytes(), []byte{0x62, 0xE3, 0x08, 0x6C, 0xED}) {
		t.Fatal(u.Hex(), err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("tap", "uid", u, "tap", Tap{UID: u})
	for _, s := range []string{u.String(), fmt.Sprintf("%v %+v %#v %s %x %q", u, u, u, u, u, u),
		fmt.Sprintf("%v %+v", Tap{UID: u}, &Tap{UID: u}), log.String()} {
		if low := strings.ToLower(s); strings.Contains(low, "62e3") || strings.Contains(low, "98 227") {
			t.Errorf("the number shows in %q", s)
		}
	}
}

func TestMalformedNumbersAreRefusedWithoutQuotingThem(t *testing.T) {
	for _, s := range []string{"", "6", "62E3086CEX", strings.Repeat("62", 11), "é"} {
		u, err := ParseUID(s)
		if err == nil || u != (UID{}) {
			t.Errorf("%q was taken", s)
		}
		if err != nil && len(s) > 1 && strings.Contains(err.Error(), s) {
			t.Errorf("the error quotes the number: %v", err)
		}
	}
}

func TestCardThatStaysIsOneTap(t *testing.T) {
	a, _ := ParseUID("01000734E0")
	b, _ := ParseUID("62E3086CED")
	c, d, e := UID{n: 1, b: [10]byte{1}}, UID{n: 1, b: [10]byte{2}}, UID{n: 1, b: [10]byte{3}}
	for _, c := range []struct {
		name string
		at   []int // milliseconds
		who  []UID
		want string // T: the reading is a tap; a dot: the reading belongs to the tap before it
	}{
		{"repeats for ten seconds", []int{0, 65, 130, 900, 1800, 2700, 3600, 10000 - 6000}, []UID{a, a, a, a, a, a, a, a},
			"T......."},
		{"a glitch of the field", []int{0, 65, 1000}, []UID{a, a, a}, "T.."},
		{"gone for a second", []int{0, 65, 1065}, []UID{a, a, a}, "T.T"},
		{"another card at once", []int{0, 65, 130}, []UID{a, b, b}, "TT."},
		{"two cards that lie together", []int{0, 65, 130, 195, 900, 1100}, []UID{a, b, a, b, a, b}, "TT...."},
		{"one of two taken away and back", []int{0, 65, 600, 1064, 1065}, []UID{a, b, a, a, b}, "TT..T"},
		{"more cards than are told apart: the one longest unseen is forgotten", []int{0, 1, 2, 3, 4, 5, 6},
			[]UID{a, b, c, d, e, b, a}, "TTTTT.T"},
		{"the clock is set back an hour", []int{3600_000, 3600_065, 0, 65}, []UID{a, a, a, a}, "T.T."},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o Once
			got := ""
			for i, ms := range c.at {
				if o.Tap(c.who[i], time.Unix(0, 0).Add(time.Duration(ms)*time.Millisecond)) {
					got += "T"
				} else {
					got += "."
				}
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// scriptedReader returns the taps of a list, after the settle time or at once, and then fails.
type scriptedReader struct {
	taps   int
	err    error
	atOnce bool
	closed *int
}

func (s *scriptedReader) Read(ctx context.Context) (Tap, error) {
	if !s.atOnce {
		if wait(ctx, 2*settle); ctx.Err() != nil {
			return Tap{}, ctx.Err()
		}
	}
	if s.taps == 0 {
		return Tap{}, s.err
	}
	s.taps--
	s.atOnce = false
	return Tap{UID: UID{n: 1}, At: time.Now()}, nil
}
func (s *scriptedReader) Close() error { *s.closed++; return nil }

func TestFailedReaderIsReopenedWithBackoffAndReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan Event)
		gone, opened, closed := errors.New("gone"), 0, 0
		var tries []time.Time
		open := func() (Reader, error) {
			tries = append(tries, time.Now())
			if opened++; opened > 1 && opened < 6 {
				return nil, gone
			}
			return &scriptedReader{taps: 2, err: gone, atOnce: opened == 1, closed: &closed}, nil
		}
		done := make(chan bool)
		go func() { Watch(ctx, open, out); close(done) }()
		// The first card already lay on the reader when the reader was opened, so it is not a tap.
		want := []string{"alive", "tap", "lost", "alive", "tap", "tap", "lost"}
		for i, w := range want {
			e := <-out
			got := "alive"
			switch {
			case e.Err != nil:
				got = "lost"
			case e.Tap.UID != UID{}:
				got = "tap"
			}
			if got != w {
				t.Fatalf("event %d: %s, want %s", i, got, w)
			}
		}
		cancel()
		<-done
		if closed != 2 {
			t.Errorf("%d readers closed of 2 opened", closed)
		}
		for i := 2; i < 6; i++ {
			if gap := tries[i].Sub(tries[i-1]); gap < firstPause || gap > 2*longPause {
				t.Errorf("pause %d: %v", i, gap)
			}
		}
		if first, last := tries[1].Sub(tries[0]), tries[5].Sub(tries[4]); last < 2*first {
			t.Errorf("the pause did not grow: %v, then %v", first, last)
		}
	})
}

// follow returns the events that Watch sends during the duration d, in the fake time of synctest.
func follow(t *testing.T, d time.Duration, open func() (Reader, error)) (out []Event) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	events := make(chan Event)
	go func() { Watch(ctx, open, events); close(events) }()
	for e := range events {
		out = append(out, e)
	}
	return out
}

// lying reads the same card all the time, as a module does while a card lies on it.
type lying struct{ once Once }

func (l *lying) Read(ctx context.Context) (Tap, error) {
	for {
		if wait(ctx, 65*time.Millisecond); ctx.Err() != nil {
			return Tap{}, ctx.Err()
		}
		if now := time.Now(); l.once.Tap(UID{n: 1}, now) {
			return Tap{UID: UID{n: 1}, At: now}, nil
		}
	}
}
func (*lying) Close() error { return nil }

func TestCardOnTheReaderWhenItIsOpenedGivesNoTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := follow(t, time.Minute, func() (Reader, error) { return &lying{}, nil })
		if len(got) != 1 || !got[0].Alive || got[0].Tap != (Tap{}) {
			t.Errorf("events %+v", got)
		}
	})
}

func TestReaderIsAliveOnlyAfterTheSettleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, closed := time.Now(), 0
		events := make(chan Event)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		go func() {
			Watch(ctx, func() (Reader, error) { return &scriptedReader{taps: 1, closed: &closed}, nil }, events)
			close(done)
		}()
		if e := <-events; !e.Alive || time.Since(start) != settle {
			t.Errorf("%+v after %v", e, time.Since(start))
		}
		if e := <-events; e.Tap.UID == (UID{}) {
			t.Errorf("the tap that came after is lost: %+v", e)
		}
		cancel()
		<-done
	})
}

func TestReaderThatFailsWhileSettlingIsNeverReportedAsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		got := follow(t, time.Minute, func() (Reader, error) {
			return &scriptedReader{err: errors.New("gone"), atOnce: true,
				closed: &closed}, nil
		})
		if len(got) != 1 || got[0].Alive || got[0].Err == nil {
			t.Errorf("events %+v", got)
		}
		// the pauses between attempts double from 250 ms to 10 s, and jitter adds at most half of a pause
		if closed < 6 || closed > 14 {
			t.Errorf("%d tries in a minute", closed)
		}
	})
}

// muteReader is a reader that delivers no taps and fails after the duration life.
type muteReader struct{ life time.Duration }

func (m muteReader) Read(ctx context.Context) (Tap, error) {
	if wait(ctx, m.life); ctx.Err() != nil {
		return Tap{}, ctx.Err()
	}
	return Tap{}, errors.New("gone")
}
func (muteReader) Close() error { return nil }

func TestReaderThatWorkedForLongIsReopenedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Time
		follow(t, 10*time.Minute, func() (Reader, error) {
			tries = append(tries, time.Now())
			return muteReader{30 * time.Second}, nil
		})
		for i := 1; i < len(tries); i++ {
			if gap := tries[i].Sub(tries[i-1]); gap > 31*time.Second {
				t.Errorf("try %d came %v after the one before", i, gap)
			}
		}
	})
}

func FuzzParseUID(f *testing.F) {
	f.Add("62E3086CED")
	f.Add("04:a2:24:ba:11:5e:80")
	f.Add("::::")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUID(s)
		if err != nil {
			return
		}
		if again, err := ParseUID(u.Hex()); err != nil || again != u {
			t.Fatalf("%q reads back as %v, %v", s, again, err)
		}
	})
}

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

func TestNumberIsHiddenUnlessAskedFor(t *testing.T) {
	u, err := ParseUID("62:E3:08 6c-ed")
	if err != nil || u.Hex() != "62E3086CED" || !bytes.Equal(u.Bytes(), []byte{0x62, 0xE3, 0x08, 0x6C, 0xED}) {
		t.Fatal(u.Hex(), err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("tap", "uid", u, "tap", Tap{UID: u})
	for _, s := range []string{u.String(), fmt.Sprintf("%v %+v %#v %s %x %q", u, u, u, u, u, u), fmt.Sprintf("%v %+v", Tap{UID: u}, &Tap{UID: u}), log.String()} {
		if low := strings.ToLower(s); strings.Contains(low, "62e3") || strings.Contains(low, "98 227") {
			t.Errorf("the number shows in %q", s)
		}
	}
}

func TestBadNumbersAreRefusedWithoutBeingQuoted(t *testing.T) {
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
	for _, c := range []struct {
		name string
		at   []int // milliseconds
		who  []UID
		want string // T: a tap, .: the same one
	}{
		{"repeats for ten seconds", []int{0, 65, 130, 900, 1800, 2700, 3600, 10000 - 6000}, []UID{a, a, a, a, a, a, a, a}, "T......."},
		{"a glitch of the field", []int{0, 65, 1000}, []UID{a, a, a}, "T.."},
		{"gone for a second", []int{0, 65, 1065}, []UID{a, a, a}, "T.T"},
		{"another card at once", []int{0, 65, 130}, []UID{a, b, a}, "TTT"},
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

// scripted fails after its taps.
type scripted struct {
	taps   int
	err    error
	closed *int
}

func (s *scripted) Read(ctx context.Context) (Tap, error) {
	if s.taps == 0 {
		return Tap{}, s.err
	}
	s.taps--
	return Tap{UID: UID{n: 1}, At: time.Now()}, nil
}
func (s *scripted) Close() error { *s.closed++; return nil }

func TestDeadReaderIsReopenedWithBackoffAndSaidOnce(t *testing.T) {
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
			return &scripted{taps: 2, err: gone, closed: &closed}, nil
		}
		done := make(chan bool)
		go func() { Watch(ctx, open, out); close(done) }()
		want := []string{"alive", "tap", "tap", "lost", "alive", "tap", "tap", "lost"}
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

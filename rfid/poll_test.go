package rfid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// field is a fake Poller with a card in its field.
type field struct {
	mu    sync.Mutex
	card  UID
	err   error
	reply func([]byte) ([]byte, error)
}

func (f *field) Poll(context.Context) (UID, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.card, f.card != UID{}, f.err
}

func (f *field) put(u UID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.card = u
}
func (f *field) Close() error { return nil }

// strongField is a field whose card also answers commands.
type strongField struct{ *field }

func (f strongField) Exchange(_ context.Context, b []byte) ([]byte, error) { return f.reply(b) }

var léa, nour = card("04A1B2C3"), card("0411223344")

func card(hex string) UID {
	u, err := ParseUID(hex)
	if err != nil {
		panic(err)
	}
	return u
}

// wantTaps runs the function story with a polling reader, and compares the reader's taps with the wanted taps. The
// time of each wanted tap is relative to the tap before it.
func wantTaps(t *testing.T, slot bool, story func(f *field), want ...Tap) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &field{}
		r := Polling{Chip: f, Slot: slot}.Reader()
		ctx, cancel := context.WithCancel(t.Context())
		var got []Tap
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				tap, err := r.Read(ctx)
				if err != nil {
					return
				}
				tap.At = time.Time{}
				got = append(got, tap)
			}
		}()
		story(f)
		<-time.After(3 * time.Second)
		cancel()
		<-done
		if len(got) != len(want) {
			t.Fatalf("%d taps %+v, want %d", len(got), got, len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("tap %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

// hold puts a card into the field for the duration d.
func (f *field) hold(u UID, d time.Duration) {
	f.put(u)
	<-time.After(d)
	f.put(UID{})
}

func TestCardReadTenTimesIsOneTap(t *testing.T) {
	wantTaps(
		t,
		false,
		func(f *field) { f.hold(léa, time.Minute); <-time.After(2 * time.Second); f.hold(léa, time.Second) },
		Tap{UID: léa},
		Tap{UID: léa},
	)
}

func TestCardHeldForAnHourIsOneTap(t *testing.T) {
	wantTaps(t, false, func(f *field) { f.hold(léa, time.Hour) }, Tap{UID: léa})
	wantTaps(t, true, func(f *field) { f.hold(léa, time.Hour) }, Tap{UID: léa, Slot: true}, Tap{UID: léa, Away: true})
}

func TestCardUnreadForLessThanTheToleranceStaysInTheSlot(t *testing.T) {
	wantTaps(t, true, func(f *field) {
		f.hold(léa, time.Second)
		for range 20 { // the sparks of a relay disturb the field several times
			<-time.After(Tolerance - 2*pace)
			f.hold(léa, 2*pace)
		}
		f.hold(léa, time.Second)
	}, Tap{UID: léa, Slot: true}, Tap{UID: léa, Away: true})
}

func TestAnotherCardInTheSlotReportsTheFirstAsRemoved(t *testing.T) {
	wantTaps(t, true, func(f *field) { f.hold(léa, time.Second); f.hold(nour, time.Second) },
		Tap{UID: léa, Slot: true}, Tap{UID: léa, Away: true}, Tap{UID: nour, Slot: true}, Tap{UID: nour, Away: true})
}

func TestEmptySlotIsReportedOnceAfterOpening(t *testing.T) {
	wantTaps(
		t,
		true,
		func(f *field) { <-time.After(time.Minute); f.hold(léa, time.Second) },
		Tap{Away: true},
		Tap{UID: léa, Slot: true},
		Tap{UID: léa, Away: true},
	)
}

func TestFailingChipIsAnError(t *testing.T) {
	dead := errors.New("it answers nonsense")
	if _, err := (Polling{Chip: &field{err: dead}}).Reader().Read(t.Context()); !errors.Is(err, dead) {
		t.Error(err)
	}
}

func TestProofRunsOncePerTapAndFailureLeavesTheNumberOnly(t *testing.T) {
	asked := 0
	wrong := errors.New("wrong key")
	prove := func(ctx context.Context, c Channel, u UID) (Proof, error) {
		asked++
		if b, err := c.Exchange(ctx, []byte{1}); err != nil || b[0] != 2 {
			return AES, wrong // the caller must ignore the returned Proof because of the error
		}
		return AES, nil
	}
	good := strongField{&field{card: léa, reply: func([]byte) ([]byte, error) { return []byte{2}, nil }}}
	bad := strongField{&field{card: léa, reply: func([]byte) ([]byte, error) { return []byte{3}, nil }}}
	for name, c := range map[string]struct {
		p    Polling
		want Proof
		err  error
	}{
		"proves":       {Polling{Chip: good, Prove: prove}, AES, nil},
		"fails":        {Polling{Chip: bad, Prove: prove}, NumberOnly, wrong},
		"cannot speak": {Polling{Chip: good.field, Prove: prove}, NumberOnly, errMute},
		"nobody asks":  {Polling{Chip: good}, NumberOnly, nil},
	} {
		tap, err := c.p.Reader().Read(t.Context())
		if err != nil || tap.UID != léa || tap.Proof != c.want || !errors.Is(tap.Unproven, c.err) {
			t.Errorf("%s: %+v, %v", name, tap, err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// phone is a fake Poller with a telephone in its field, which sends random numbers.
type phone struct {
	field
	looks int
}

func (p *phone) SawRandom() bool { p.looks++; return p.looks <= 3 }

func TestRandomNumbersAreReportedAsUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Unread
		p := &phone{}
		r := Polling{Chip: p, Unread: func(u Unread) { told = append(told, u) }}.Reader()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if tap, err := r.Read(ctx); err == nil {
			t.Errorf("a random number is a tap: %v", tap)
		}
		if len(told) != 3 || !told[0].Random || told[0].Why == "" || fmt.Sprint(told[0]) != told[0].Why {
			t.Errorf("told %v", told)
		}
	})
}

// Unread input may contain a card's number, so the input must not appear in a log or an error.
func TestUnreadInputIsHiddenFromLogs(t *testing.T) {
	var b strings.Builder
	u := Unread{Raw: "62E3086CED", Why: "letters"}
	slog.New(slog.NewTextHandler(&b, nil)).Warn("x", "u", u)
	for _, s := range []string{b.String(), fmt.Sprintf("%v %+v %#v %s", u, u, u, u)} {
		if strings.Contains(s, u.Raw) || !strings.Contains(s, u.Why) {
			t.Error(s)
		}
	}
}

package panel

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// fakeLamp is a lamp that records its changes.
type fakeLamp struct {
	gpio.PinOut
	fail error

	mu  sync.Mutex
	lit bool
	n   int
}

func (b *fakeLamp) Out(l gpio.Level) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lit = bool(l)
	b.n++
	return b.fail
}

func (b *fakeLamp) on() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lit
}

func (b *fakeLamp) times() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

func TestLightsFollowThePanelAndAreOffAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var red, green, buzzer fakeLamp
		p := New(Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			Lights{Red: &red, Green: &green, Buzzer: &buzzer}.Follow(ctx, p, slog.New(slog.DiscardHandler))
			close(done)
		}()
		p.Show(View{Sign: SignOn})
		time.Sleep(frame + time.Millisecond)
		if !green.on() || red.on() || !buzzer.on() {
			t.Errorf("on: green %v, red %v, buzzer %v", green.on(), red.on(), buzzer.on())
		}
		n := green.times()
		time.Sleep(time.Minute)
		if buzzer.on() || green.times() != n {
			t.Errorf("a minute later: the buzzer %v, green was set %d times", buzzer.on(), green.times()-n)
		}
		p.Flash(View{Sign: SignRefused}, 3*time.Second)
		time.Sleep(frame + time.Millisecond)
		if green.on() || !red.on() || !buzzer.on() {
			t.Errorf("refused: green %v, red %v, buzzer %v", green.on(), red.on(), buzzer.on())
		}
		time.Sleep(4 * time.Second)
		if !green.on() || red.on() {
			t.Errorf("after the answer: green %v, red %v", green.on(), red.on())
		}
		cancel()
		<-done
		if green.on() || red.on() || buzzer.on() {
			t.Error("the lights outlive their panel")
		}
	})
}

func TestFailingLampIsLoggedOnceAndTheOtherLampsContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var green fakeLamp
		red := fakeLamp{fail: errors.New("burnt")}
		p := New(Config{})
		p.Show(View{Sign: SignFault})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		go func() { time.Sleep(5 * time.Second); p.Show(View{Sign: SignOn}) }()
		go func() {
			time.Sleep(8 * time.Second)
			if !green.on() {
				t.Error("green is dark")
			}
		}()
		Lights{Red: &red, Green: &green}.Follow(ctx, p, slog.New(slog.NewTextHandler(&log, nil)))
		if strings.Count(log.String(), "burnt") != 1 {
			t.Error(log.String())
		}
	})
}

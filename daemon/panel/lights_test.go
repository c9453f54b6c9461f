package panel

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

	"periph.io/x/conn/v3/gpio"
)

// bulb is a lamp that remembers.
type bulb struct {
	gpio.PinOut
	fail error

	mu  sync.Mutex
	lit bool
	n   int
}

func (b *bulb) Out(l gpio.Level) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lit = bool(l)
	b.n++
	return b.fail
}

func (b *bulb) on() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lit
}

func (b *bulb) times() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

var everySign = []Sign{
	SignReaderSilent,
	SignReady,
	SignOn,
	SignSupervised,
	SignEnding,
	SignFinishing,
	SignCooling,
	SignAwaiting,
	SignRefused,
	SignUnknown,
	SignTagged,
	SignMaintenance,
	SignFault,
}

// film is what the lamps do in the first twelve seconds of a state, without their colours: L is a lamp that is lit.
func film(s signal) string {
	var b strings.Builder
	for t := time.Duration(0); t < 12*time.Second; t += frame {
		n := 0
		for _, r := range []rhythm{s.red, s.amber, s.green} {
			if r.lit(t) {
				n++
			}
		}
		fmt.Fprint(&b, n)
	}
	return b.String()
}

// Whoever cannot tell the colours apart still tells by lamp and rhythm whether the machine may be used.
func TestEveryStateHasLightsOfItsOwn(t *testing.T) {
	for _, s := range everySign {
		x, ok := signals[s]
		if !ok || film(x) == film(signal{}) {
			t.Errorf("%q has no lights", s)
		}
		x.sound = nil
		if fmt.Sprint(x) == fmt.Sprint(signals[SignOn]) && s != SignOn && s != SignSupervised && s != SignWorkshop {
			t.Errorf("%q looks as if the machine were on", s)
		}
	}
	if film(signals[SignOn]) == film(signals[SignRefused]) || film(signals[SignReady]) == film(signals[SignOn]) ||
		film(signals[SignFault]) == film(signals[SignTagged]) {
		t.Error("in grey, two states look alike that must not")
	}
}

func TestLightsFollowThePanelAndGoDarkWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var red, green, buzzer bulb
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

func TestLampThatFailsIsSaidOnceAndStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var green bulb
		red := bulb{fail: errors.New("burnt")}
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

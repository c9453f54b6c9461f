package panel

import (
	"context"
	"log/slog"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Lights are three lamps and a buzzer beside a machine, with or without a screen. A nil pin is not wired. The lamps
// stand one above the other, red on top and green below: whoever cannot tell the colours apart reads which lamp is
// lit and its rhythm.
//
// The table of states gives each state its lamps and its beeps. States that ask the same of whoever stands there share
// their lamps; states that ask something else never do (TestStatesShareLampsOnlyIfTheyAskTheSame):
//
//	lamps                        states
//	green, a glimpse every 3 s   ready
//	green, steady                on, supervised, workshop: one beep
//	green, quick                 card read, thanks: thanks has one beep
//	green steady, amber quick    ending soon: two beeps
//	green and amber, steady      finishing
//	green and amber, slow        awaiting a mentor: one beep
//	amber, a glimpse every 3 s   cooling down
//	amber, slow                  clock not set
//	amber, quick                 the reader is silent
//	amber, steady                maintenance, and maintenance with the machine off: one beep for the first
//	red, quick                   every refusal: one long beep
//	red, steady                  tagged out
//	red quick, amber quick       fault: three long beeps
//
// While one of the machine's own screens does not report itself, amber glimpses too where it is dark otherwise, and two
// long beeps say when that begins.
type Lights struct{ Red, Amber, Green, Buzzer gpio.PinOut }

// rhythm is how a lamp is lit over time.
type rhythm uint8

const (
	dark    rhythm = iota
	steady         // always
	slow           // a second on, a second off
	quick          // four times a second
	glimpse        // a fifth of a second every three
)

// lit reports whether a lamp of this rhythm is lit, t after its state began.
func (r rhythm) lit(t time.Duration) bool {
	switch r {
	case steady:
		return true
	case slow:
		return t%(2*time.Second) < time.Second
	case quick:
		return t%(250*time.Millisecond) < 125*time.Millisecond
	case glimpse:
		return t%(3*time.Second) < 200*time.Millisecond
	}
	return false
}

// beeps are the times, in milliseconds, of a buzzer that is on, off, on …
type beeps []int

func (b beeps) on(t time.Duration) bool {
	for i, ms := range b {
		if t -= time.Duration(ms) * time.Millisecond; t < 0 {
			return i%2 == 0
		}
	}
	return false
}

// lamps is how the three are lit in a state.
type lamps struct{ red, amber, green rhythm }

var (
	lampsReady        = lamps{green: glimpse}
	lampsReading      = lamps{green: quick}
	lampsOn           = lamps{green: steady}
	lampsEnding       = lamps{green: steady, amber: quick}
	lampsFinishing    = lamps{green: steady, amber: steady}
	lampsCooling      = lamps{amber: glimpse}
	lampsAwaiting     = lamps{green: slow, amber: slow}
	lampsRefused      = lamps{red: quick}
	lampsClock        = lamps{amber: slow}
	lampsTagged       = lamps{red: steady}
	lampsMaintenance  = lamps{amber: steady}
	lampsFault        = lamps{red: quick, amber: quick}
	lampsReaderSilent = lamps{amber: quick}
)

// signal is what lamps and buzzer do at one state.
type signal struct {
	lit   lamps
	sound beeps
}

// signal is what a Sign looks and sounds like.
func (s Sign) signal() signal {
	x, _ := s.row()
	return signal{x.lamps, x.buzzer}
}

// frame is how often the lamps are looked at: half of the quickest rhythm's shortest part.
const frame = 60 * time.Millisecond

// Follow sets lamps and buzzer as the panel's state asks, until ctx ends; then they are dark. A lamp that cannot be set
// is logged once and left alone; the others go on.
func (l Lights) Follow(ctx context.Context, p *Panel, log *slog.Logger) {
	outputs := []*lamp{
		{name: "red", pin: l.Red}, {name: "amber", pin: l.Amber}, {name: "green", pin: l.Green},
		{name: "buzzer", pin: l.Buzzer},
	}
	defer func() {
		for _, x := range outputs {
			x.set(false, log)
		}
	}()
	clock := time.NewTicker(frame)
	defer clock.Stop()
	last, since := Sign("?"), time.Time{}
	stuck, stuckSince := false, time.Time{}
	for {
		now, isStuck := p.sign()
		if now != last {
			last, since = now, time.Now()
		}
		if isStuck != stuck {
			stuck, stuckSince = isStuck, time.Now()
		}
		t, s := time.Since(since), last.signal()
		if stuck {
			s = s.withStuckScreen(t, time.Since(stuckSince))
		}
		for i, on := range []bool{s.lit.red.lit(t), s.lit.amber.lit(t), s.lit.green.lit(t), s.sound.on(t)} {
			outputs[i].set(on, log)
		}
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
	}
}

// stuckBeeps are two long ones.
var stuckBeeps = beeps{700, 300, 700}

// withStuckScreen adds that a screen is silent, since stuck, to the signal of a state that began t ago. A state's own
// lamps and beeps go first.
func (s signal) withStuckScreen(t, stuck time.Duration) signal {
	if s.lit.amber == dark {
		s.lit.amber = glimpse
	}
	if !s.sound.on(t) && stuckBeeps.on(stuck) {
		s.sound = beeps{int((t + frame) / time.Millisecond)} // on now
	}
	return s
}

// lamp is a pin that is set only when it changes.
type lamp struct {
	name string
	pin  gpio.PinOut
	on   bool
	dead bool
}

func (x *lamp) set(on bool, log *slog.Logger) {
	if x.pin == nil || x.dead || x.on == on {
		return
	}
	x.on = on
	if err := x.pin.Out(gpio.Level(on)); err != nil {
		x.dead = true
		log.Warn("lamp failed", "lamp", x.name, "err", err)
	}
}

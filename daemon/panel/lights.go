package panel

import (
	"context"
	"log/slog"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Lights are three lamps and a buzzer beside a machine, with or without a screen. A nil pin is not wired. The lamps are
// arranged vertically, red on top and green below, so that a person who cannot distinguish the colours recognises a
// lamp by its place and rhythm.
//
// The table of states defines the lamps and beeps of each state. States that ask the member for the same action share
// their lamps, and other states never do (TestStatesShareLampsOnlyIfTheyAskForTheSameAction):
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
// While one of the machine's own screens sends no reports, the amber lamp shows a glimpse whenever it would be dark.
// Two long beeps mark the beginning of the silence.
type Lights struct{ Red, Amber, Green, Buzzer gpio.PinOut }

// rhythm is a lamp's pattern over time.
type rhythm uint8

const (
	dark    rhythm = iota
	steady         // always
	slow           // a second on, a second off
	quick          // four times a second
	glimpse        // on for 0.2 s, every 3 s
)

// lit reports whether a lamp with this rhythm is on at t after the beginning of its state.
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

// beeps are durations in milliseconds during which the buzzer is alternately on and off, beginning with on.
type beeps []int

func (b beeps) on(t time.Duration) bool {
	for i, ms := range b {
		if t -= time.Duration(ms) * time.Millisecond; t < 0 {
			return i%2 == 0
		}
	}
	return false
}

// lamps holds the rhythms of the three lamps in a state.
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

// signal contains the rhythms of the lamps and the sound of a state.
type signal struct {
	lit   lamps
	sound beeps
}

// signal returns the lamps and the sound of a sign.
func (s Sign) signal() signal {
	x, _ := s.row()
	return signal{x.lamps, x.buzzer}
}

// frame is the interval between two updates of the lamps: half of the shortest phase of the quickest rhythm.
const frame = 60 * time.Millisecond

// Follow sets lamps and buzzer according to the panel's state until ctx ends, then switches them off. If a lamp fails,
// Follow logs the error once and no longer sets that lamp. Follow continues to set the other lamps.
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

// stuckBeeps are the two long beeps that announce a silent screen.
var stuckBeeps = beeps{700, 300, 700}

// withStuckScreen adds the signal of a silent screen to the signal of a state. The state began t ago, and the screen
// has been silent for stuck. The state's own lamps and beeps have priority.
func (s signal) withStuckScreen(t, stuck time.Duration) signal {
	if s.lit.amber == dark {
		s.lit.amber = glimpse
	}
	if !s.sound.on(t) && stuckBeeps.on(stuck) {
		s.sound = beeps{int((t + frame) / time.Millisecond)} // true if the buzzer is on at this moment
	}
	return s
}

// lamp is an output pin, which is set only when its level changes.
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

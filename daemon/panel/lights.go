package panel

import (
	"context"
	"log/slog"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Lights are three lamps and a buzzer beside a machine, with or without a screen. A nil pin is not wired.
//
// Each state has its own lamps and its own rhythm, so that nobody needs to tell red from green:
//
//	ready        green, a glimpse every 3 s      refused, unknown   red, quick; one long beep
//	on           green, steady; a short beep     tagged out         red, steady
//	ending soon  green steady, amber quick;      fault              red, quick, and amber, quick; three long beeps
//	             two short beeps                 silent reader      amber, quick
//	finishing    green and amber, steady         maintenance        amber, steady; a short beep
//	awaiting     green and amber, slow           cooling            amber, a glimpse every 3 s
//	thanks       green, quick; a short beep      unsure of the time amber, slow
//	card read    green, quick
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

// signal is what a Sign looks and sounds like.
type signal struct {
	red, amber, green rhythm
	sound             beeps
}

var signals = map[Sign]signal{
	SignReaderSilent: {amber: quick},
	SignReady:        {green: glimpse},
	SignOn:           {green: steady, sound: beeps{120}},
	SignSupervised:   {green: steady, sound: beeps{120}},
	SignEnding:       {green: steady, amber: quick, sound: beeps{120, 120, 120}},
	SignFinishing:    {green: steady, amber: steady},
	SignCooling:      {amber: glimpse},
	SignAwaiting:     {green: slow, amber: slow, sound: beeps{120}},
	SignRefused:      {red: quick, sound: beeps{700}},
	SignUnknown:      {red: quick, sound: beeps{700}},
	SignExpired:      {red: quick, sound: beeps{700}},
	SignHours:        {red: quick, sound: beeps{700}},
	SignRecent:       {red: quick, sound: beeps{700}},
	SignOccupied:     {red: quick, sound: beeps{700}},
	SignWorkshop:     {green: steady, sound: beeps{120}},
	SignClockNotSet:  {amber: slow},
	SignReading:      {green: quick},
	SignThanks:       {green: quick, sound: beeps{120}},
	SignTagged:       {red: steady},
	SignMaintenance:  {amber: steady, sound: beeps{120}},
	SignPoweredOff:   {amber: steady},
	SignFault:        {red: quick, amber: quick, sound: beeps{700, 300, 700, 300, 700}},
}

// frame is how often the lamps are looked at: half of the quickest rhythm's shortest part.
const frame = 60 * time.Millisecond

// Follow has the lights say what the panel says, until ctx ends; then they are dark. A lamp that cannot be set is said
// once and stops nothing.
func (l Lights) Follow(ctx context.Context, p *Panel, log *slog.Logger) {
	lamps := []*lamp{{name: "red", pin: l.Red}, {name: "amber", pin: l.Amber}, {name: "green", pin: l.Green}, {name: "buzzer", pin: l.Buzzer}}
	defer func() {
		for _, x := range lamps {
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
		t, s := time.Since(since), signals[last]
		if stuck {
			s = s.withStuckScreen(t, time.Since(stuckSince))
		}
		for i, on := range []bool{s.red.lit(t), s.amber.lit(t), s.green.lit(t), s.sound.on(t)} {
			lamps[i].set(on, log)
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
	if s.amber == dark {
		s.amber = glimpse
	}
	if !s.sound.on(t) && stuckBeeps.on(stuck) {
		s.sound = beeps{int((t + frame) / time.Millisecond)} // on now
	}
	return s
}

// sign is what the panel shows at this moment, and whether one of the machine's own screens is silent.
func (p *Panel) sign() (Sign, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flash != nil {
		return p.flash.Sign, p.stuck
	}
	return p.base.Sign, p.stuck
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
		log.Warn("a light does not work", "which", x.name, "why", err)
	}
}

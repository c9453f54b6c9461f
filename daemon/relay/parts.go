package relay

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// The parts of a guard. Each has one duty and is owned by the guard's goroutine.

// speaker tells the daemon what the guard has to say, without waiting for it.
type speaker struct {
	out  chan<- word
	deaf bool // a word found no room: the daemon does not listen
}

func (s *speaker) say(w word) {
	select {
	case s.out <- w:
	default:
		s.deaf = true
	}
}

// relayLine is the relay's pin. Behind a charge pump it needs a heartbeat, which stands still whenever the guard does.
type relayLine struct {
	pin       gpio.PinOut
	heartbeat bool
	beat      *time.Ticker
	level     gpio.Level // of a heartbeat's line
	on        bool
}

func newRelayLine(p Pins) *relayLine {
	r := &relayLine{pin: p.Relay, heartbeat: p.Heartbeat, beat: time.NewTicker(pulse)}
	r.beat.Stop()
	return r
}

func (r *relayLine) out(l gpio.Level) error {
	if err := r.pin.Out(l); err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	return nil
}

// close closes the relay. A heartbeat that runs already goes on in its rhythm.
func (r *relayLine) close() error {
	if err := r.out(gpio.High); err != nil {
		return err
	}
	if !r.on && r.heartbeat {
		r.level = gpio.High
		r.beat.Reset(pulse)
	}
	r.on = true
	return nil
}

// open opens the relay. It counts as open even after an error: nothing more can be done with the pin, and the guard
// ends.
func (r *relayLine) open() error {
	r.beat.Stop()
	r.on = false
	return r.out(gpio.Low)
}

// toggle is one beat.
func (r *relayLine) toggle() error {
	if !r.on {
		return nil
	}
	r.level = !r.level
	return r.out(r.level)
}

// exhaust is the extraction, which runs with the relay and on after it.
type exhaust struct {
	pin   gpio.PinOut // INVALID: none is wired
	off   *time.Timer
	after time.Duration // how long it runs on once the relay is open
}

func (e *exhaust) set(on bool) error {
	e.off.Stop()
	if e.pin == gpio.INVALID {
		return nil
	}
	if err := e.pin.Out(gpio.Level(on)); err != nil {
		return fmt.Errorf("the extraction's pin: %w", err)
	}
	return nil
}

func (e *exhaust) offLater() { e.off.Reset(e.after) }

// mirror compares a contactor's mirror contact with the relay.
type mirror struct {
	pin       gpio.PinIn // INVALID: it has no mirror contact
	check     *time.Timer
	closed    bool // as its contact says
	checking  bool // check runs
	disagrees bool // with the relay
	compared  bool // the daemon has been told the result once
}

// expect has the contact compared with the relay in d from now.
func (c *mirror) expect(d time.Duration) {
	if c.pin == gpio.INVALID {
		return
	}
	c.checking = true
	c.check.Reset(d)
}

// compare looks whether the contactor has followed the relay. One that has not is welded, or its coil or its wire is
// broken. The daemon is told of a change, and of the first comparison whatever it finds: it may hold what a guard
// before this one said.
func (c *mirror) compare(on bool) (report bool) {
	c.checking, c.closed = false, bool(c.pin.Read())
	disagrees := c.closed != on
	report = disagrees != c.disagrees || !c.compared
	c.disagrees, c.compared = disagrees, true
	return report
}

// job is what the machine works at, and how long it may go on without the daemon.
type job struct {
	busy     bool
	finish   time.Duration // how long it may go on; 0: not at all
	orphaned bool          // it goes on without the daemon
	late     *time.Timer   // the end of finish
}

func (j *job) mayFinish() bool { return j.finish > 0 && j.busy }

// orphan lets the job go on without the daemon for a while.
func (j *job) orphan() {
	j.orphaned = true
	j.late.Reset(j.finish)
}

// reclaim gives the job back to the daemon, or ends it.
func (j *job) reclaim() {
	j.orphaned = false
	j.late.Stop()
}

package relay

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// This file contains the components of a guard. Each component has one task and is used only by the guard's goroutine.

// sender sends lines to the daemon without waiting.
type sender struct {
	out  chan<- guardLine
	deaf bool // true once the buffer was full, because the daemon does not read
}

func (s *sender) say(w guardLine) {
	select {
	case s.out <- w:
	default:
		s.deaf = true
	}
}

// relayLine is the relay's pin. For a charge pump, the guard toggles the pin as a heartbeat, so that the heartbeat
// stops whenever the guard stops.
type relayLine struct {
	pin       gpio.PinOut
	heartbeat bool
	beat      *time.Ticker
	level     gpio.Level // present level of the heartbeat signal
	on        bool
}

func newRelayLine(p Pins) *relayLine {
	r := &relayLine{pin: p.Relay, heartbeat: p.Heartbeat, beat: time.NewTicker(pulse)}
	r.beat.Stop()
	return r
}

func (r *relayLine) out(l gpio.Level) error {
	if err := r.pin.Out(l); err != nil {
		return fmt.Errorf("relay's pin: %w", err)
	}
	return nil
}

// close closes the relay. If a heartbeat is already running, it continues without interruption.
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

// open opens the relay. After an error, the relay still counts as open: the guard then ends, and the end of the process
// releases the pin.
func (r *relayLine) open() error {
	r.beat.Stop()
	r.on = false
	return r.out(gpio.Low)
}

// toggle outputs one edge of the heartbeat.
func (r *relayLine) toggle() error {
	if !r.on {
		return nil
	}
	r.level = !r.level
	return r.out(r.level)
}

// exhaust is the extraction, which runs with the relay and for some time after it.
type exhaust struct {
	pin   gpio.PinOut // pin of the extraction; INVALID: not wired
	off   *time.Timer
	after time.Duration // how long the extraction runs after the relay opens
}

func (e *exhaust) set(on bool) error {
	e.off.Stop()
	if e.pin == gpio.INVALID {
		return nil
	}
	if err := e.pin.Out(gpio.Level(on)); err != nil {
		return fmt.Errorf("cannot switch the extraction's pin: %w", err)
	}
	return nil
}

func (e *exhaust) offLater() { e.off.Reset(e.after) }

// mirror compares a contactor's mirror contact with the relay.
type mirror struct {
	pin       gpio.PinIn // pin of the mirror contact; INVALID: not wired
	check     *time.Timer
	closed    bool // true if the mirror contact shows that the contactor is closed
	checking  bool // true while the timer check is running
	disagrees bool // true if the contact differs from the relay
	compared  bool // true once the first result of a comparison was reported
}

// scheduleComparison schedules a comparison of the contact with the relay after the duration d.
func (c *mirror) scheduleComparison(d time.Duration) {
	if c.pin == gpio.INVALID {
		return
	}
	c.checking = true
	c.check.Reset(d)
}

// compare checks whether the contact agrees with the relay. If the contactor has not followed, it is welded, or its
// coil or its wire is broken. compare reports a change of the result. compare always reports the first result, because
// the daemon may still have the result of an earlier guard.
func (c *mirror) compare(on bool) (report bool) {
	c.checking, c.closed = false, bool(c.pin.Read())
	disagrees := c.closed != on
	report = disagrees != c.disagrees || !c.compared
	c.disagrees, c.compared = disagrees, true
	return report
}

// job is the machine's job, and how long it may continue without the daemon.
type job struct {
	busy     bool
	finish   time.Duration // how long the job may continue without the daemon; 0: not at all
	orphaned bool          // true while the job continues without the daemon
	late     *time.Timer   // fires when the time of finish has passed
}

func (j *job) mayFinish() bool { return j.finish > 0 && j.busy }

// orphan lets the job continue without the daemon, for at most the time finish.
func (j *job) orphan() {
	j.orphaned = true
	j.late.Reset(j.finish)
}

// reclaim returns the job to the daemon's control, or ends it.
func (j *job) reclaim() {
	j.orphaned = false
	j.late.Stop()
}

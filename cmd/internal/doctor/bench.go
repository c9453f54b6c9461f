package doctor

import (
	"periph.io/x/conn/v3/gpio"

	"portillon/cmd/internal/daemoncmd"
	"portillon/daemon/relay"
)

// pumpPins contains the pins of a machine's relay, feedback and emergency stop, which this process has opened.
type pumpPins struct{ pins relay.Pins }

var _ PumpBench = pumpPins{}

// OpenPump opens the GPIO lines for an edge test and sets the relay's line low. The returned function closes the lines.
func OpenPump(c daemoncmd.Config) (PumpBench, func(), error) {
	p, err := relay.Wiring{Relay: c.Relay.Pin, EStop: c.Relay.EStop, Contactor: c.Relay.Feedback, Heartbeat: true}.Open()
	if err != nil {
		return nil, nil, err
	}
	return pumpPins{p}, func() {
		p.Relay.Out(gpio.Low)
		p.Relay.Halt()
		p.Contactor.Halt()
		if p.EStop != nil {
			p.EStop.Halt()
		}
	}, nil
}

// Drive implements PumpBench.
func (p pumpPins) Drive(high bool) error { return p.pins.Relay.Out(gpio.Level(high)) }

// Closed implements PumpBench.
func (p pumpPins) Closed() bool { return bool(p.pins.Contactor.Read()) }

// Stopped implements PumpBench.
func (p pumpPins) Stopped() bool { return p.pins.EStop != nil && bool(p.pins.EStop.Read()) }

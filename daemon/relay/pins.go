package relay

import (
	"fmt"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/gpio"

	pins "portillon/daemon/relay/gpio"
	"portillon/daemon/relay/gpio/sim"
)

// Pins are what a guard holds. Where there is none, it is gpio.INVALID or nil: such a relay refuses, and such an input never trips.
type Pins struct {
	Relay gpio.PinOut
	EStop gpio.PinIn // high: open
	Busy  gpio.PinIn // high: the machine works
}

// wired puts gpio.INVALID where nothing is.
func (p Pins) wired() Pins {
	if p.Relay == nil {
		p.Relay = gpio.INVALID
	}
	if p.EStop == nil {
		p.EStop = gpio.INVALID
	}
	if p.Busy == nil {
		p.Busy = gpio.INVALID
	}
	return p
}

// Wiring names the pins as machine.yaml does: "gpio:LABEL/LINE" (a line of the first chip whose label begins so:
// gpio:pinctrl-/17) or "sim:/path" (a simulated pin). An empty input is not wired.
//
// The e-stop is a normally closed contact to ground, on a line that is pulled up; busy is a contact to 3.3 V, closed
// while the machine works, on a line that is pulled down. So a broken wire, or a line that cannot be read, is an open e-stop and
// an idle machine: the relay opens.
type Wiring struct {
	Relay, EStop, Busy string
	ActiveLow          bool // the relay board closes on a low level
}

// Open takes the pins; the relay is open from its first moment on.
func (w Wiring) Open() (Pins, error) {
	if err := w.Check(); err != nil {
		return Pins{}, err
	}
	p := Pins{}
	var err error
	if p.EStop, err = openInput(w.EStop, gpio.PullUp); err != nil {
		return Pins{}, fmt.Errorf("relay: e-stop: %w", err)
	}
	if p.Busy, err = openInput(w.Busy, gpio.PullDown); err != nil {
		return Pins{}, fmt.Errorf("relay: busy: %w", err)
	}
	if p.Relay, err = openRelay(w.Relay, w.ActiveLow); err != nil {
		return Pins{}, fmt.Errorf("relay: pin: %w", err)
	}
	return p, nil
}

// Check says what is wrong with the names, without opening a pin.
func (w Wiring) Check() error {
	out, err := parsePin(w.Relay)
	if err == nil && out.sim == "" {
		err = pins.CheckRelay(out.line)
	}
	if err != nil {
		return fmt.Errorf("relay: pin: %w", err)
	}
	taken := map[spec]string{out: "pin"}
	for _, in := range []struct{ name, pin string }{{"e-stop", w.EStop}, {"busy", w.Busy}} {
		if in.pin == "" {
			continue
		}
		s, err := parsePin(in.pin)
		if err != nil {
			return fmt.Errorf("relay: %s: %w", in.name, err)
		}
		if other := taken[s]; other != "" {
			return fmt.Errorf("relay: %s: %q is already the relay's %s", in.name, in.pin, other)
		}
		taken[s] = in.name
	}
	return nil
}

// spec is the name of a pin, taken apart.
type spec struct {
	sim   string
	label string
	line  int
}

func parsePin(s string) (spec, error) {
	if path, ok := strings.CutPrefix(s, "sim:"); ok && path != "" {
		return spec{sim: path}, nil
	}
	if rest, ok := strings.CutPrefix(s, "gpio:"); ok {
		label, n, _ := strings.Cut(rest, "/")
		line, err := strconv.ParseUint(n, 10, 16)
		if err == nil && label != "" && strconv.FormatUint(line, 10) == n {
			return spec{label: label, line: int(line)}, nil
		}
	}
	return spec{}, fmt.Errorf("%q names no pin: gpio:pinctrl-/17 is line 17 of the Pi's own chip, sim:/path a simulated one", s)
}

func openRelay(s string, activeLow bool) (gpio.PinOut, error) {
	p, err := parsePin(s)
	if err != nil {
		return nil, err
	}
	if p.sim != "" {
		return sim.Hold(p.sim)
	}
	return pins.OpenOut(p.label, p.line, activeLow)
}

func openInput(s string, pull gpio.Pull) (gpio.PinIn, error) {
	if s == "" {
		return gpio.INVALID, nil
	}
	p, err := parsePin(s)
	if err != nil {
		return nil, err
	}
	if p.sim != "" {
		return sim.Watch(p.sim, pull), nil
	}
	return pins.OpenIn(p.label, p.line, pull)
}

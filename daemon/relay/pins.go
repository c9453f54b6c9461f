package relay

import (
	"fmt"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/gpio"

	pins "portillon/daemon/relay/gpio"
	"portillon/daemon/relay/gpio/sim"
)

// Pins are what a guard holds.
type Pins struct {
	Relay gpio.PinOut
	EStop gpio.PinIn // nil: none is wired. High: open
	Busy  gpio.PinIn // nil: none is wired. High: the machine works
}

// Wiring names the pins as machine.yaml does: "gpio:LABEL/LINE" (a line of the first chip whose label begins so:
// gpio:pinctrl-/17) or "sim:/path" (a simulated pin). An empty input is not wired.
type Wiring struct {
	Relay, EStop, Busy string
	ActiveLow          bool // the relay board closes on a low level
}

// Open takes the pins; the relay is open from its first moment on.
func (w Wiring) Open() (Pins, error) {
	var p Pins
	var err error
	if p.EStop, err = openInput(w.EStop); err != nil {
		return Pins{}, fmt.Errorf("relay: e-stop: %w", err)
	}
	if p.Busy, err = openInput(w.Busy); err != nil {
		return Pins{}, fmt.Errorf("relay: busy: %w", err)
	}
	if p.Relay, err = openRelay(w.Relay, w.ActiveLow); err != nil {
		return Pins{}, fmt.Errorf("relay: pin: %w", err)
	}
	return p, nil
}

// Check says what is wrong with the names, without opening a pin.
func (w Wiring) Check() error {
	if _, err := parsePin(w.Relay); err != nil {
		return fmt.Errorf("relay: pin: %w", err)
	}
	if s, _ := parsePin(w.Relay); s.sim == "" {
		if err := pins.CheckRelay(s.line); err != nil {
			return fmt.Errorf("relay: pin: %w", err)
		}
	}
	for name, in := range map[string]string{"e-stop": w.EStop, "busy": w.Busy} {
		if in == "" {
			continue
		}
		if _, err := parsePin(in); err != nil {
			return fmt.Errorf("relay: %s: %w", name, err)
		}
	}
	return nil
}

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
		label, n, ok := strings.Cut(rest, "/")
		line, err := strconv.Atoi(n)
		if ok && err == nil && label != "" && line >= 0 {
			return spec{label: label, line: line}, nil
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
	if err := pins.CheckRelay(p.line); err != nil {
		return nil, err
	}
	return pins.OpenOut(p.label, p.line, activeLow)
}

func openInput(s string) (gpio.PinIn, error) {
	if s == "" {
		return nil, nil
	}
	p, err := parsePin(s)
	if err != nil {
		return nil, err
	}
	if p.sim != "" {
		return sim.Watch(p.sim), nil
	}
	return pins.OpenIn(p.label, p.line)
}

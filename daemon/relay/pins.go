package relay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/gpio"

	pins "portillon/daemon/relay/gpio"
	"portillon/daemon/relay/gpio/sim"
)

// Pins are what a guard holds. Where there is none, it is gpio.INVALID or nil: such a relay refuses, and such an
// input never trips.
type Pins struct {
	Relay     gpio.PinOut
	Exhaust   gpio.PinOut // the extraction's relay
	EStop     gpio.PinIn  // high: open
	Door      gpio.PinIn  // high: open
	Contactor gpio.PinIn  // high: closed
	Busy      gpio.PinIn  // high: the machine works
	Heartbeat bool        // the relay's line is toggled while the relay is closed: a charge pump stands behind it
}

// wired puts gpio.INVALID where nothing is.
func (p Pins) wired() Pins {
	if p.Relay == nil {
		p.Relay = gpio.INVALID
	}
	if p.Exhaust == nil {
		p.Exhaust = gpio.INVALID
	}
	for _, in := range []*gpio.PinIn{&p.EStop, &p.Door, &p.Contactor, &p.Busy} {
		if *in == nil {
			*in = gpio.INVALID
		}
	}
	return p
}

// Wiring names the pins as machine.yaml does: "gpio:LABEL/LINE" (a line of the first chip whose label begins so:
// gpio:pinctrl-/17) or "sim:/path" (a simulated pin). An empty input is not wired.
//
// The e-stop and the door are normally closed contacts to ground, on lines that are pulled up; busy is a contact to
// 3.3 V, closed while the machine works, on a line that is pulled down. So a broken wire, or a line that cannot be
// read, is an open e-stop and an idle machine: the relay opens. The contactor's own word is a mirror contact (IEC
// 60947-4-1, annex F), closed to ground while the contactor is open, on a line that is pulled up: a broken wire says
// closed when it must not, a short says open when it must not. Where a start button
// closes the contactor, a linked contact of the relay K2 stands in series with it (firmware-config/wiring.svg).
//
// A relay closes on a high level. When every program has ended its line is an input that falls low, by the chip's own
// pull (GPIO 9 to 27: down) and the resistor to ground. ActiveLow, PullUp and Supply describe the other kind of
// board, one that closes on a low level; they hold for the relay and the extraction alike, and LevelFault says which
// of their combinations are refused. A simulated pin has no level.
type Wiring struct {
	Relay, Exhaust               string
	EStop, Door, Contactor, Busy string
	ActiveLow                    bool   // the relay boards close on a low level
	PullUp                       bool   // a resistor to 3.3 V holds the boards' inputs high when no program does
	Supply                       string // what feeds the boards' optocouplers: Supply33, Supply5, or "": unknown
	Heartbeat                    bool   // a charge pump stands between the line and the relay
}

// wire is one name of a Wiring.
type wire struct {
	name string // as machine.yaml has it
	pin  string
	pull gpio.Pull    // of an input
	to   *gpio.PinIn  // of an input
	out  *gpio.PinOut // of an output
}

func (w Wiring) wires(p *Pins) []wire {
	return []wire{
		{name: "pin", pin: w.Relay, out: &p.Relay},
		{name: "e-stop", pin: w.EStop, pull: gpio.PullUp, to: &p.EStop},
		{name: "door", pin: w.Door, pull: gpio.PullUp, to: &p.Door},
		{name: "contactor", pin: w.Contactor, pull: gpio.PullUp, to: &p.Contactor},
		{name: "busy", pin: w.Busy, pull: gpio.PullDown, to: &p.Busy},
		{name: "exhaust", pin: w.Exhaust, out: &p.Exhaust},
	}
}

// Open takes the pins; the relay is open from its first moment on.
func (w Wiring) Open() (Pins, error) {
	if err := w.Check(); err != nil {
		return Pins{}, err
	}
	p := Pins{Heartbeat: w.Heartbeat}
	for _, x := range w.wires(&p) {
		var err error
		switch {
		case x.pin == "":
		case x.out != nil:
			*x.out, err = openRelay(x.pin, w.ActiveLow)
		default:
			*x.to, err = openInput(x.pin, x.pull)
		}
		if err != nil {
			for _, y := range w.wires(&p) { // what is held already is let go: the kernel gives a line to one holder
				if y.name == x.name {
					break
				}
				letGo(y)
			}
			return Pins{}, fmt.Errorf("relay: %s: %w", x.name, err)
		}
	}
	return p, nil
}

func letGo(x wire) {
	switch {
	case x.out != nil && *x.out != nil:
		(*x.out).Halt()
	case x.to != nil && *x.to != nil:
		(*x.to).Halt()
	}
}

// Check says all that is wrong with the wiring, without opening a pin.
func (w Wiring) Check() error {
	var errs []error
	taken := map[spec]string{}
	for _, x := range w.wires(&Pins{}) {
		if x.pin == "" && x.name != "pin" {
			continue
		}
		s, err := parsePin(x.pin)
		if x.out != nil {
			err = checkOutput(x.pin, s, err)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("relay: %s: %w", x.name, err))
			continue
		}
		if other := taken[s]; other != "" {
			errs = append(errs, fmt.Errorf("relay: %s: %q is already the relay's %s", x.name, x.pin, other))
			continue
		}
		taken[s] = x.name
	}
	if f, bad := w.LevelFault(); bad {
		errs = append(errs, f)
	}
	return errors.Join(errs...)
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
	return spec{}, fmt.Errorf("%q names no pin: gpio:pinctrl-/17 is line 17 of the Pi's own chip, sim:/path a "+
		"simulated one", s)
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
	p, err := parsePin(s)
	if err != nil {
		return nil, err
	}
	if p.sim != "" {
		return sim.Watch(p.sim, pull), nil
	}
	return pins.OpenIn(p.label, p.line, pull)
}

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

// Pins are the pins of a guard. A pin that is not wired is gpio.INVALID or nil: a relay that is not wired refuses to
// close, and an input that is not wired never opens the relay.
type Pins struct {
	Relay     gpio.PinOut
	Exhaust   gpio.PinOut // output for the extraction's relay
	EStop     gpio.PinIn  // input of the e-stop, which reads high when open
	Door      gpio.PinIn  // input of the door, which reads high when open
	Contactor gpio.PinIn  // input of the mirror contact, which reads high when the contactor is closed
	Busy      gpio.PinIn  // input that reads high while the machine works
	Heartbeat bool        // true if the guard toggles the relay's line while the relay is closed, for a charge pump
}

// withoutNil replaces nil pins with gpio.INVALID.
func (p Pins) withoutNil() Pins {
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

// Wiring names the pins as in machine.yaml: "gpio:LABEL/LINE" (a line of the first chip whose label begins with LABEL:
// gpio:pinctrl-/17) or "sim:/path" (a simulated pin). If the name of an input is empty, the input is not wired.
//
// The e-stop and the door are normally closed contacts to ground, on lines with pull-up. Busy is a contact to 3.3 V,
// closed while the machine works, on a line with pull-down. A broken wire or an unreadable line therefore reads as an
// open e-stop, which opens the relay, or as an idle machine. The contactor's feedback is a mirror contact (IEC
// 60947-4-1, annex F), closed to ground while the contactor is open, on a line with pull-up. A broken wire reads as a
// closed contactor while the contactor should be open, and a short circuit reads as an open contactor while it should
// be closed. Both faults are therefore detected. If a start button closes the contactor, a linked contact of the relay
// K2 must be in series with the mirror contact (firmware-config/wiring.svg).
//
// A relay closes on a high level. After all programs have ended, its line is an input that is pulled low by the chip's
// own pull (GPIO 9 to 27: down) and the resistor to ground. ActiveLow, PullUp and Supply describe boards that close on
// a low level. They apply to the relay and the extraction alike. LevelFault returns the reason why a combination is
// refused. LevelFault ignores simulated pins, which have no voltage.
type Wiring struct {
	Relay, Exhaust               string
	EStop, Door, Contactor, Busy string
	ActiveLow                    bool // true if the relay boards close on a low level
	// True if a resistor to 3.3 V holds the boards' inputs high while no program drives them.
	PullUp bool
	// Supply voltage of the boards' optocouplers: Supply33, Supply5, or "", which means unknown.
	Supply    string
	Heartbeat bool // true if a charge pump is between the line and the relay
}

// namedPin is one pin of a Wiring, with its key.
type namedPin struct {
	name string // key of the pin in machine.yaml
	pin  string
	pull gpio.Pull    // pull of the line, if it is an input
	to   *gpio.PinIn  // where Open stores the pin, if it is an input
	out  *gpio.PinOut // where Open stores the pin, if it is an output
}

func (w Wiring) wires(p *Pins) []namedPin {
	return []namedPin{
		{name: "pin", pin: w.Relay, out: &p.Relay},
		{name: "e-stop", pin: w.EStop, pull: gpio.PullUp, to: &p.EStop},
		{name: "door", pin: w.Door, pull: gpio.PullUp, to: &p.Door},
		{name: "contactor", pin: w.Contactor, pull: gpio.PullUp, to: &p.Contactor},
		{name: "busy", pin: w.Busy, pull: gpio.PullDown, to: &p.Busy},
		{name: "exhaust", pin: w.Exhaust, out: &p.Exhaust},
	}
}

// Open opens the pins. Open leaves the relay open from the first moment on.
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
			// Release the pins that are already open, because only one program at a time can open a line.
			for _, y := range w.wires(&p) {
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

func letGo(x namedPin) {
	switch {
	case x.out != nil && *x.out != nil:
		(*x.out).Halt()
	case x.to != nil && *x.to != nil:
		(*x.to).Halt()
	}
}

// Check returns all errors in the wiring, without opening a pin.
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
			errs = append(errs, fmt.Errorf("relay: %s: pin %q is already used as the relay's %s", x.name, x.pin, other))
			continue
		}
		taken[s] = x.name
	}
	if f, bad := w.LevelFault(); bad {
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}

// spec is a parsed pin name.
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
	return spec{}, fmt.Errorf("%q names no pin: want gpio:pinctrl-/17 for line 17 of the Pi's own chip, "+
		"or sim:/path for a simulated pin", s)
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

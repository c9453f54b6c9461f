package daemoncmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/daemon/relay"
	pins "portillon/daemon/relay/gpio"
	"portillon/rfid"
	"portillon/yamlfile"
)

// RelayConfig is the wiring of the guard's pins.
type RelayConfig struct {
	Pin, EStop, Door, Feedback, Busy, Exhaust string

	ActiveLow bool
	PullUp    bool          // true: a resistor to 3.3 V keeps the inputs of active-low relay boards high
	Supply    string        // supply of the relay boards' optocouplers: 3.3V, 5V, or "" if unknown
	Heartbeat bool          // true: a charge pump is between the pin and the relay
	Ignore    time.Duration // time after a start during which the busy input is ignored
}

// maxIgnore is the upper limit of Ignore. Every machine needs far less than maxIgnore to move to its home position at
// power-on.
const maxIgnore = 10 * time.Minute

// LightsConfig contains the pins of three lamps and a buzzer. An empty name means that the lamp or buzzer is not wired.
type LightsConfig struct{ Red, Amber, Green, Buzzer string }

// parseRelay reads the wiring of the guard's pins. parseRelay reports an error if the GPIO line's default level would
// close the relay board at power-on.
func parseRelay(n yamlfile.Node, beside func(yamlfile.Node) string) RelayConfig {
	n.Only("pin", "active", "pull", "supply", "mode", "e-stop", "door", "feedback", "busy", "ignore", "exhaust")
	pin := func(key string) string { return pinName(n.Get(key), beside) }
	n.Get("pin").Required()
	c := RelayConfig{
		Pin:       pin("pin"),
		EStop:     pin("e-stop"),
		Door:      pin("door"),
		Feedback:  pin("feedback"),
		Busy:      pin("busy"),
		Exhaust:   pin("exhaust"),
		ActiveLow: n.Get("active").OneOf("high", "low") == "low",
		PullUp:    n.Get("pull").OneOf("down", "up") == "up",
		Supply:    n.Get("supply").OneOf(relay.Supply33, relay.Supply5),
		Heartbeat: n.Get("mode").OneOf("level", "heartbeat") == "heartbeat",
	}
	if f, bad := (Config{Relay: c}).wiring().LevelFault(); bad {
		n.Get(f.Key).Fault(f.Cure, "%s", f.Problem)
	}
	if i := n.Get("ignore"); i.Present() {
		if c.Ignore = i.Duration(); c.Busy == "" {
			i.Fault("", "there is no busy input to ignore")
		} else if c.Ignore > maxIgnore {
			i.Fault("as long as the machine takes to find its home, at most 10m: 20s",
				"%s is too long: for all that time the machine's work would count as none", i.Str())
		}
	}
	return c
}

// parseLights reads the pins of the lamps at the machine.
func parseLights(n yamlfile.Node, beside func(yamlfile.Node) string) LightsConfig {
	n.Only("red", "amber", "green", "buzzer")
	pin := func(key string) string { return pinName(n.Get(key), beside) }
	return LightsConfig{Red: pin("red"), Amber: pin("amber"), Green: pin("green"), Buzzer: pin("buzzer")}
}

// wiring returns the wiring in the form that the guard needs.
func (c Config) wiring() relay.Wiring {
	r := c.Relay
	return relay.Wiring{
		Relay:     r.Pin,
		Exhaust:   r.Exhaust,
		EStop:     r.EStop,
		Door:      r.Door,
		Contactor: r.Feedback,
		Busy:      r.Busy,
		ActiveLow: r.ActiveLow,
		PullUp:    r.PullUp,
		Supply:    r.Supply,
		Heartbeat: r.Heartbeat,
	}
}

// Wire is a GPIO line of the Pi that this machine uses.
type Wire struct {
	Key  string // key of the pin in machine.yaml
	Line int    // the GPIO number
	// Use is out, out-high, pull-up, pull-down or bus. Whenever the daemon is not running, a line with the use out is low
	// and pulled down, and a line with the use out-high is high and pulled up.
	Use string
}

// Wires returns all lines of the Pi's own chip that the file uses, including the lines of the reader's bus.
func (c Config) Wires() []Wire {
	var out []Wire
	for _, x := range c.namedPins() {
		if _, line, err := gpioLine(x.pin); err == nil {
			out = append(out, Wire{x.key, line, x.use})
		}
	}
	for _, line := range c.Reader.busLines() {
		out = append(out, Wire{"reader.port", line, "bus"})
	}
	return out
}

// Simulated reports whether the machine uses no pins of this computer.
func (c Config) Simulated() bool {
	return strings.HasPrefix(c.Relay.Pin, "sim:") && len(c.Wires()) == 0
}

// namedPin is a pin in machine.yaml: its key, its name, and its use as in Wire.
type namedPin struct{ key, pin, use string }

// namedPins returns all pins that the machine.yaml names.
func (c Config) namedPins() []namedPin {
	off := "out"
	if c.Relay.ActiveLow {
		off = "out-high"
	}
	out := []namedPin{
		{"relay.pin", c.Relay.Pin, off},
		{"relay.exhaust", c.Relay.Exhaust, off},
		{"relay.e-stop", c.Relay.EStop, "pull-up"},
		{"relay.door", c.Relay.Door, "pull-up"},
		{"relay.feedback", c.Relay.Feedback, "pull-up"},
		{"relay.busy", c.Relay.Busy, "pull-down"},
	}
	for _, k := range c.Reader.spec().Keys {
		switch k.Type {
		case rfid.InputPin:
			out = append(out, namedPin{"reader." + k.Name, c.Reader.Values[k.Name], "pull-up"})
		case rfid.OutputPin:
			out = append(out, namedPin{"reader." + k.Name, c.Reader.Values[k.Name], "out"})
		}
	}
	return append(out,
		namedPin{"lights.red", c.Lights.Red, "out"},
		namedPin{"lights.amber", c.Lights.Amber, "out"},
		namedPin{"lights.green", c.Lights.Green, "out"},
		namedPin{"lights.buzzer", c.Lights.Buzzer, "out"},
	)
}

// busLines returns the GPIO lines of the reader's bus (BCM2835 ARM Peripherals, table 6-31, ALT0): 8 to 11 for SPI0, 2
// and 3 for I2C1, 14 and 15 for the serial port.
func (c ReaderConfig) busLines() []int {
	switch bus := c.wiring().Bus; {
	case bus == rfid.SPI:
		return []int{8, 9, 10, 11}
	case bus == rfid.I2C:
		return []int{2, 3}
	case bus == rfid.Serial && c.isOnboardPort():
		return []int{14, 15}
	}
	return nil
}

// isOnboardPort reports whether the serial port belongs to the Pi itself and not to a USB adapter.
func (c ReaderConfig) isOnboardPort() bool {
	for _, own := range []string{"ttyAMA", "ttyS", "serial0", "serial1"} {
		if strings.Contains(c.Port(), own) {
			return true
		}
	}
	return false
}

// CheckWires returns an error for each pin that cannot work, and for each line that is used twice.
func (c Config) CheckWires() error {
	var errs []error
	for _, p := range c.namedPins() {
		if p.pin == "" || strings.HasPrefix(p.key, "relay.") { // leave out the relay's pins, which relay.Wiring checks
			continue
		}
		_, line, err := gpioLine(p.pin)
		if err == nil && p.use == "out" {
			err = pins.CheckRelay(line) // reject the lines that the output's driver would reject
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.key, err))
		}
	}
	taken := map[int]string{}
	for _, w := range c.Wires() {
		if other, ok := taken[w.Line]; ok {
			errs = append(errs, fmt.Errorf("%s: GPIO %d is already used by %s", w.Key, w.Line, other))
		}
		taken[w.Line] = w.Key
	}
	return errors.Join(append(errs, c.wiring().Check())...)
}

// gpioLine splits gpio:LABEL/LINE.
func gpioLine(pin string) (label string, line int, err error) {
	rest, ok := strings.CutPrefix(pin, "gpio:")
	label, n, slash := strings.Cut(rest, "/")
	line, err = strconv.Atoi(n)
	if !ok || !slash || label == "" || err != nil || line < 0 || strconv.Itoa(line) != n {
		return "", 0, fmt.Errorf("pin name %q is invalid, want for example gpio:pinctrl-/17, line 17 of the Pi's own chip",
			pin)
	}
	return label, line, nil
}

func has(list []string, s string) bool { return slices.Contains(list, s) }

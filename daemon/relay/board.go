package relay

import (
	"fmt"
	"strings"

	pins "portillon/daemon/relay/gpio"
)

// These are the supply voltages of a relay board's optocouplers. On usual boards the supply is the pin VCC, after the
// jumper between VCC and JD-VCC is removed.
const (
	Supply33 = "3.3V"
	Supply5  = "5V"
)

// ActiveLowCure names the replacement of an active-low board with 5 V on its optocouplers.
const ActiveLowCure = "use an active-high board; " +
	"or put an NPN transistor or a ULN2803A before this board and write active: high; " +
	"or take its JD-VCC jumper out, feed VCC with 3.3 V, fit 4.7 kΩ from IN to 3.3 V and write pull: up, supply: 3.3V: " +
	"drawn in firmware-config/relay-active-low.svg"

// railsSplit describes a state of the supply rails in which an active-low board with a 5 V supply closes its relay.
// With POWER_OFF_ON_HALT=1 in the boot loader's configuration of a Pi 4 or 5, halt switches 3.3 V off and leaves 5 V on
// (raspberrypi/documentation, eeprom-bootloader.adoc, POWER_OFF_ON_HALT). The 3.3 V rail is then near ground, so
// current flows from the 5 V supply through the LED and the pull-up to that rail: (5 V - 1.2 V) / (1 kΩ + 4.7 kΩ) = 0.7
// mA.
const railsSplit = "with 3.3 V off and 5 V on, as after halt with POWER_OFF_ON_HALT=1, " +
	"a resistor to 3.3 V pulls IN low, and the relay closes with no program running"

const fallsLow = "low: when every program has ended the line falls low, and a low level closes this relay"

// LevelFault describes a relay board that closes its relay while no program drives the board's input.
type LevelFault struct {
	Key     string // the wrong key in the section relay: of machine.yaml: active, pull or supply
	Problem string // description of the fault, which begins with the key's value
	Cure    string
}

// Error implements error.
func (f LevelFault) Error() string { return "relay: " + f.Key + ": " + f.Problem + "; " + f.Cure }

// LevelFault returns the fault of a board that closes its relay while no program drives the board's line. ok is false
// if the board has no such fault.
func (w Wiring) LevelFault() (LevelFault, bool) {
	if w.Heartbeat && (w.ActiveLow || w.PullUp || w.Supply != "") {
		return w.pumpFault(), true
	}
	if !strings.HasPrefix(w.Relay, "gpio:") && !strings.HasPrefix(w.Exhaust, "gpio:") {
		return LevelFault{}, false
	}
	if !w.ActiveLow {
		return LevelFault{"pull", "up: when every program has ended the line rises high, and a high level closes this relay",
			"connect the resistor to ground, and leave pull out"}, w.PullUp
	}
	return w.activeLowFault()
}

func (w Wiring) pumpFault() LevelFault {
	f := LevelFault{Key: "active", Problem: "low: a charge pump has no active level",
		Cure: "leave active, pull and supply out with mode: heartbeat"}
	switch {
	case w.ActiveLow:
	case w.PullUp:
		f.Key, f.Problem = "pull", "up: a charge pump has no active level"
	default:
		f.Key, f.Problem = "supply", w.Supply+": a charge pump drives a coil, not a relay board"
	}
	return f
}

// activeLowFault returns a fault unless the optocouplers have a 3.3 V supply and a resistor pulls IN to 3.3 V. Without
// this resistor, the chip's own pull-down closes the relay. With a 5 V supply the board closes when the 3.3 V rail
// switches off before the 5 V rail (railsSplit).
func (w Wiring) activeLowFault() (LevelFault, bool) {
	switch {
	case w.Supply == Supply33 && w.PullUp:
		return LevelFault{}, false
	case w.Supply == Supply33:
		return LevelFault{"active", fallsLow,
			"fit 4.7 kΩ from IN to 3.3 V and write pull: up, as drawn in firmware-config/relay-active-low.svg"}, true
	case w.PullUp && w.Supply == "":
		return LevelFault{"pull", "up: does not hold an active-low board of 5 V open, " +
			"and supply: does not say what feeds it: " + railsSplit,
			"if VCC is fed with 3.3 V already, write supply: 3.3V; otherwise " + ActiveLowCure}, true
	case w.PullUp:
		return LevelFault{"pull", "up: does not hold an active-low board of 5 V open: " + railsSplit, ActiveLowCure}, true
	case w.Supply != "":
		return LevelFault{"supply", w.Supply + ": is refused for an active-low board: " + railsSplit, ActiveLowCure}, true
	}
	return LevelFault{"active", fallsLow + "; " + railsSplit, ActiveLowCure}, true
}

// retainingBoards are kinds of relay boards that keep their outputs when the program, the kernel, the cable or the
// network fails.
var retainingBoards = [...]struct{ prefix, board string }{
	{"i2c:", "an I²C expander (PCF8574, MCP23017)"},
	{"pcf8574:", "an I²C expander (PCF8574)"},
	{"mcp23017:", "an I²C expander (MCP23017)"},
	{"spi:", "an SPI expander (MCP23S17, 74HC595)"},
	{"modbus:", "a Modbus relay board"},
	{"rs485:", "an RS-485 relay board"},
	{"rtu:", "a Modbus relay board"},
	{"usb:", "a USB relay board"},
	{"hid:", "a USB-HID relay board"},
	{"serial:", "a serial relay board"},
	{"tty:", "a serial relay board"},
	{"http:", "a network relay"},
	{"https:", "a network relay"},
	{"tcp:", "a network relay"},
	{"udp:", "a network relay"},
	{"mqtt:", "a network relay"},
}

// checkOutput refuses outputs that must not switch a machine. err is the error of parsePin for this name.
func checkOutput(name string, s spec, err error) error {
	for _, h := range retainingBoards {
		if len(name) >= len(h.prefix) && strings.EqualFold(name[:len(h.prefix)], h.prefix) {
			return fmt.Errorf("%q is %s: it keeps its contacts as they are when the Pi's program, its kernel or the cable "+
				"to it dies, and nothing opens the relay; use a relay board on a line of the Pi's own header, "+
				"as gpio:pinctrl-/17", name, h.board)
		}
	}
	if err == nil && s.sim == "" {
		err = pins.CheckRelay(s.line)
	}
	return err
}

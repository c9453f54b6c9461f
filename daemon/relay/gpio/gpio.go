// Package gpio opens lines of the Linux GPIO character device (v2), and implements periph's interfaces for them.
//
// periph's own pins are not usable for a relay, for three reasons. They make a line an output before they set its
// value, so an active-low board closes its relay for a moment at each start. They turn an output into an input when the
// output is read. After an attempt to open a busy line, they send the next order to a wrong file. This package requests
// a line once, as an output and with its value in the same request. The package never reads the output back, and keeps
// the line until the process ends.
//
// When the process ends, the kernel releases the line. On Raspberry Pi OS the line then keeps its level, unless
// config.txt contains dtparam=strict_gpiod (or cmdline.txt contains pinctrl_bcm2835.persist_gpio_outputs=n). Without
// that setting, a killed guard leaves the relay closed. With that setting, the line becomes an input, and only
// resistors decide its level: the chip's own pull, which OpenOut sets to the inactive level, and the resistor on the
// board. For a relay that closes on a low level, the resistor on the board must pull the line to 3.3 V (see
// relay.Wiring).
//
// A chip is found by the beginning of its label (pinctrl-bcm2711), never by its number, which changes between kernels.
// As outputs, the package refuses GPIO 0 to 8, which are pulled up at power-on, and GPIO 14, where the serial port
// idles high.
package gpio

import (
	"errors"
	"fmt"
	"strings"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// CheckRelay returns an error for a line of a Raspberry Pi that is high before any program runs (BCM2835 ARM
// Peripherals, table 6-31: GPIO 0 to 8 pull high; GPIO 14 is the UART's TX, which idles high).
func CheckRelay(line int) error {
	switch {
	case line >= 0 && line <= 8:
		return fmt.Errorf("GPIO %d is pulled up from power-on until Linux runs: what a high level switches on is on "+
			"at each start; use GPIO 9 to 27, but not 14", line)
	case line > 27:
		return fmt.Errorf("GPIO %d is not on the Pi's header: the board itself uses it; use GPIO 9 to 27, but not 14", line)
	case line == 14:
		return errors.New("GPIO 14 is the serial port's output, which idles high: what a high level switches on is on " +
			"at each start; use GPIO 9 to 27, but not 14")
	}
	return nil
}

// ErrNoChip reports a computer without GPIO.
var ErrNoChip = errors.New("no GPIO chip on this computer (/dev/gpiochip*)")

// refusals lists, for each GPIO chip, the reason why the chip was not used.
type refusals []error

// Error returns all refusals in one line.
func (r refusals) Error() string {
	var all []string
	for _, err := range r {
		all = append(all, err.Error())
	}
	return strings.Join(all, "; ")
}

// Unwrap returns the refusals, so that errors.Is checks each of them.
func (r refusals) Unwrap() []error { return r }

// base implements the methods that periph requires of every pin.
type base struct {
	name string
	line int
}

func (b base) String() string { return b.name }
func (b base) Name() string   { return b.name }
func (b base) Number() int    { return b.line }

// Out is an output of this process. An Out cannot be read, because reading could turn the output into an input.
type Out struct {
	base
	set   func(high bool) error
	close func() error
}

var _ gpio.PinOut = (*Out)(nil)

// Out implements gpio.PinOut.
func (o *Out) Out(l gpio.Level) error { return o.set(bool(l)) }

// PWM returns an error.
func (o *Out) PWM(gpio.Duty, physic.Frequency) error { return errors.New("a relay has no PWM") }

// Halt releases the line. The kernel and the board then determine the line's level, so switch the relay off before
// Halt.
func (o *Out) Halt() error { return o.close() }

// Function returns the pin's use.
func (o *Out) Function() string { return "Out" }

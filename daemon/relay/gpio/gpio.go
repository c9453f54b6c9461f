// Package gpio holds lines of the Linux GPIO character device (v2), behind periph's interfaces.
//
// periph's own pins cannot be used for a relay: they make a line an output before they set its value, which closes an
// active-low board for a moment at every start; reading an output turns it into an input; and after a busy line the
// next order goes to another file. Here a line is asked for once, as an output with its value in the same request, is
// never read back, and stays ours until the process ends.
//
// When the process ends the kernel lets the line go. On Raspberry Pi OS it then stays as it was, unless config.txt has
// dtparam=strict_gpiod (or cmdline.txt pinctrl_bcm2835.persist_gpio_outputs=n): without that a killed guard leaves the
// relay closed. With it the line is an input then, and only resistors decide its level: the chip's own pull, which
// OpenOut sets towards off, and the board's. For a relay that closes on a low level the board's must go to 3.3 V: see
// relay.Wiring.
//
// It finds a chip by the beginning of its label (pinctrl-bcm2711), never by its number, which changes between kernels.
// It refuses GPIO 0 to 8, which are pulled up at power-on, and 14, where the serial port idles high.
package gpio

import (
	"errors"
	"fmt"
	"strings"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// CheckRelay refuses the lines of a Raspberry Pi that are high before any program runs (BCM2835 ARM Peripherals, table
// 6-31: GPIO 0 to 8 pull high; GPIO 14 is the UART's TX, which idles high).
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

// ErrNoChip is a computer without GPIO.
var ErrNoChip = errors.New("this computer has no GPIO chip (/dev/gpiochip*)")

// refusals are why each chip was not the one.
type refusals []error

func (r refusals) Error() string {
	var all []string
	for _, err := range r {
		all = append(all, err.Error())
	}
	return strings.Join(all, "; ")
}

// Unwrap has errors.Is find what any of them is.
func (r refusals) Unwrap() []error { return r }

// base is what periph asks of every pin.
type base struct {
	name string
	line int
}

func (b base) String() string { return b.name }
func (b base) Name() string   { return b.name }
func (b base) Number() int    { return b.line }

// Out is an output that this process holds. It cannot be read: that is how it stays one.
type Out struct {
	base
	set   func(high bool) error
	close func() error
}

var _ gpio.PinOut = (*Out)(nil)

// Out implements gpio.PinOut.
func (o *Out) Out(l gpio.Level) error { return o.set(bool(l)) }

// PWM refuses.
func (o *Out) PWM(gpio.Duty, physic.Frequency) error { return errors.New("a relay has no PWM") }

// Halt lets the line go. What it does then is the kernel's and the board's affair: switch off first.
func (o *Out) Halt() error { return o.close() }

// Function names the pin's use.
func (o *Out) Function() string { return "Out" }

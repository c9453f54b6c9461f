//go:build !linux

package gpio

import (
	"errors"

	"periph.io/x/conn/v3/gpio"
)

var errNoGPIO = errors.New("GPIO lines are Linux's; here there are simulated pins: sim:/path")

// OpenOut refuses.
func OpenOut(string, int, bool) (gpio.PinOut, error) { return nil, errNoGPIO }

// OpenIn refuses.
func OpenIn(string, int, gpio.Pull) (gpio.PinIn, error) { return nil, errNoGPIO }

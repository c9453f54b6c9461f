//go:build !linux

package gpio

import (
	"errors"
	"time"

	"periph.io/x/conn/v3/gpio"
)

var errNoGPIO = errors.New("GPIO lines are Linux's; here there are simulated pins: sim:/path")

// OpenOut refuses.
func OpenOut(string, int, bool) (gpio.PinOut, error) { return nil, errNoGPIO }

// OpenIn refuses.
func OpenIn(string, int, gpio.Pull) (gpio.PinIn, error) { return nil, errNoGPIO }

// FindLine finds no chip.
func FindLine(string, int) error { return ErrNoChip }

// Fall is a line's fall.
type Fall struct {
	At         time.Duration
	Line, Lost int
}

// Falls are none here.
type Falls struct{}

// OpenFalls refuses.
func OpenFalls(string, ...int) (*Falls, error) { return nil, errNoGPIO }

// Next refuses.
func (*Falls) Next(time.Duration) (Fall, bool, error) { return Fall{}, false, errNoGPIO }

// Close has nothing to close.
func (*Falls) Close() error { return nil }

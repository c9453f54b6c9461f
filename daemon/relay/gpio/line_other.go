//go:build !linux

package gpio

import (
	"errors"
	"time"

	"periph.io/x/conn/v3/gpio"
)

var errNoGPIO = errors.New("GPIO lines need Linux; on this system use simulated pins: sim:/path")

// OpenOut returns an error.
func OpenOut(string, int, bool) (gpio.PinOut, error) { return nil, errNoGPIO }

// OpenIn returns an error.
func OpenIn(string, int, gpio.Pull) (gpio.PinIn, error) { return nil, errNoGPIO }

// FindLine returns ErrNoChip.
func FindLine(string, int) error { return ErrNoChip }

// Fall is a falling edge of a line.
type Fall struct {
	At         time.Duration
	Line, Lost int
}

// Falls is a placeholder: it cannot be opened on this system.
type Falls struct{}

// OpenFalls returns an error.
func OpenFalls(string, ...int) (*Falls, error) { return nil, errNoGPIO }

// Next returns an error.
func (*Falls) Next(time.Duration) (Fall, bool, error) { return Fall{}, false, errNoGPIO }

// Close does nothing.
func (*Falls) Close() error { return nil }

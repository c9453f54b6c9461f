//go:build !linux && !owned_clock

package daemoncmd

import (
	"errors"
	"time"
)

// WallNow returns the time of the computer's clock.
func WallNow() time.Time { return time.Now() }

// synchronised returns false, because this system does not report synchronisation. The clock is therefore not trusted.
func synchronised() bool { return false }

func setTime(time.Time) error { return errors.ErrUnsupported }

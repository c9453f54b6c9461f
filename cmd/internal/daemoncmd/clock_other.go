//go:build !linux && !owned_clock

package daemoncmd

import (
	"errors"
	"time"
)

// WallNow is the computer's clock.
func WallNow() time.Time { return time.Now() }

// synchronised is unknown on this system, so the clock is not trusted.
func synchronised() bool { return false }

func setTime(time.Time) error { return errors.ErrUnsupported }

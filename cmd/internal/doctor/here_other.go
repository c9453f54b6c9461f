//go:build !linux

package doctor

import (
	"context"
	"errors"
	"os"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/daemon/control"
)

var errElsewhere = errors.New("machine cannot be examined on this system, run the command on the machine's Pi")

// Here returns an empty System, because a machine can be examined on Linux only.
func Here(daemoncmd.Config) System {
	return System{Root: os.DirFS("/"), Now: time.Now(), Synchronised: func() bool { return false },
		Status:   func(context.Context) (control.Status, error) { return control.Status{}, errElsewhere },
		Broker:   func(context.Context, string) (time.Time, error) { return time.Time{}, errElsewhere },
		Disk:     func(string) (uint64, time.Duration, error) { return 0, 0, errElsewhere },
		Life:     func(string) (time.Time, time.Time, error) { return time.Time{}, time.Time{}, errElsewhere },
		Watchdog: func(context.Context) (string, error) { return "", errElsewhere },
		Check:    func() daemoncmd.Checked { return daemoncmd.Checked{} }}
}

package daemoncmd

import (
	"context"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// tellSystemd tells systemd that the daemon serves taps, and then, as often as the unit's WatchdogSec= asks, that alive
// returned true: the machine's loop runs and the journal takes records in time. Without these messages systemd kills
// the daemon. The relay does not depend on that: the guard's lease ends within a second. Outside of systemd the
// function does nothing.
func tellSystemd(ctx context.Context, alive func() bool) {
	sd.SdNotify(false, sd.SdNotifyReady)
	defer sd.SdNotify(false, sd.SdNotifyStopping)
	wait, err := sd.SdWatchdogEnabled(false)
	if err != nil || wait == 0 {
		<-ctx.Done()
		return
	}
	t := time.NewTicker(wait / 3)
	defer t.Stop()
	for {
		if alive() {
			sd.SdNotify(false, sd.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

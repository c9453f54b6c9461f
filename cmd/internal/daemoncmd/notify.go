package daemoncmd

import (
	"context"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// tellSystemd says that the daemon serves taps, and from then on, as often as the unit's WatchdogSec= wants it, that it
// still does: that the machine's loop turns and the journal takes records in time. Silence has systemd kill the daemon.
// The relay does not wait for that: its guard's lease ends within a second. Without systemd it does nothing.
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

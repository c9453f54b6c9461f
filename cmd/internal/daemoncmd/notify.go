package daemoncmd

import (
	"context"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// notifySystemd reports to systemd that the daemon serves taps. Then, three times in each interval of the unit's
// WatchdogSec=, notifySystemd calls alive and, if alive returns true, reports that the daemon is alive. The function
// alive returns true while the machine's loop runs and the journal stores records in time. Without these reports,
// systemd kills the daemon. Even without this watchdog a hanging daemon cannot keep the relay on, because the guard's
// lease ends within a second. Outside systemd the function only waits until ctx ends.
func notifySystemd(ctx context.Context, alive func() bool) {
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

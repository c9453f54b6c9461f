package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"portillon/daemon/control"
)

const day = 24 * time.Hour

// synced returns the content of the clock file for a computer whose clock a time server sets.
func synced(offset time.Duration) string { return offset.String() + " synchronised" }

// unsynced returns the content of the clock file for a computer that reaches no time server.
func unsynced(offset time.Duration) string { return offset.String() + " alone" }

// hubOffForAWeek stops the hub, uses the machine on three days of the week, and then starts the hub.
func hubOffForAWeek(ctx context.Context, w *world) (string, error) {
	if err := w.setUpWorkingMachine(ctx); err != nil {
		return "", err
	}
	if err := w.hubProgram.end(); err != nil {
		return "", err
	}
	for _, at := range []time.Duration{0, 3 * day, 7 * day} { // the machine boots on each morning
		if at > 0 {
			if err := w.boot(ctx, synced(at)); err != nil {
				return "", err
			}
		}
		if _, err := w.session(ctx); err != nil {
			return "", fmt.Errorf("run a session without the hub on day %v: %w", at/day, err)
		}
	}
	// While the hub is off, the machine keeps its records and its status says how many are unacknowledged.
	before, err := w.status(ctx)
	if err != nil || before.Hub || before.Acked >= before.Journal || before.Unacked == nil {
		return "", fmt.Errorf("hub is off, but the machine's status does not show unacknowledged records: %+v, %v", before,
			err)
	}
	w.offset = 7 * day
	if err := w.startHub(ctx); err != nil {
		return "", err
	}
	took, err := w.waitForStatus(ctx, "all records acknowledged", acknowledged)
	if err != nil {
		return "", err
	}
	if err := w.waitForUses(ctx, time.Now().Add(-day), time.Now().Add(8*day), 3); err != nil {
		return "", err
	}
	return fmt.Sprintf("3 sessions without it; %d records acknowledged %.1f s after it is back",
		before.Journal-before.Acked, took.Seconds()), nil
}

// machineOffForAYear keeps the machine off until its certificate has long expired.
func machineOffForAYear(ctx context.Context, w *world) (string, error) {
	if err := w.setUpWorkingMachine(ctx); err != nil {
		return "", err
	}
	was, err := w.status(ctx)
	if err != nil {
		return "", err
	}
	expired, err := w.certificateEnd(ctx)
	if err != nil {
		return "", err
	}
	if err := w.daemon.end(); err != nil {
		return "", err
	}
	w.offset = 370 * day
	if err := w.startHub(ctx); err != nil {
		return "", err
	}
	began := time.Now()
	// A Pi without a real-time clock starts with the time of its last shutdown.
	if err := w.boot(ctx, unsynced(0)); err != nil {
		return "", err
	}
	if _, err := w.waitForStatus(ctx, "a newer bundle, and all records acknowledged", func(s control.Status) bool {
		return s.Bundle > was.Bundle && acknowledged(s) && s.Clock == "trusted"
	}); err != nil {
		return "", err
	}
	took := time.Since(began)
	renewed, err := w.certificateEnd(ctx)
	if err != nil || renewed.Sub(time.Now()) < w.offset+80*day || time.Until(expired) > 91*day {
		return "", fmt.Errorf("machine's certificate was not renewed: it expired at %v and now expires at %v: %v",
			expired, renewed, err)
	}
	if _, err := w.session(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("certificate renewed with the machine's key, clock set, bundle in force %.1f s after power-on",
		took.Seconds()), nil
}

// noInternetForEver runs the machine for more than two years without a time server and a name server.
func noInternetForEver(ctx context.Context, w *world) (string, error) {
	if err := errors.Join(w.setUpSite(ctx), w.enrol(ctx)); err != nil {
		return "", err
	}
	if out, err := w.answer(ctx, w.atHub(ctx, "ip route get 192.0.2.1 || true")); err != nil || out != "" {
		return "", fmt.Errorf("hub's computer has a route to the Internet, want none: %s %v", out, err)
	}
	for _, at := range []time.Duration{0, 400 * day, 800 * day} {
		if at > 0 {
			w.offset = at
			if err := w.startHub(ctx); err != nil {
				return "", err
			}
		}
		if err := w.boot(ctx, unsynced(at)); err != nil {
			return "", err
		}
		if _, err := w.waitForStatus(ctx, "a trusted clock, and all records acknowledged", func(s control.Status) bool {
			return s.Clock == "trusted" && s.Bundle > 0 && acknowledged(s)
		}); err != nil {
			return "", fmt.Errorf("read the machine's status on day %d without the Internet: %w", at/day, err)
		}
		if _, err := w.session(ctx); err != nil {
			return "", fmt.Errorf("run a session on day %d without the Internet: %w", at/day, err)
		}
	}
	return "power cuts over 800 days, no time server, no name server: time set by the hub, laser works", nil
}

// hubMovedAndIsFound moves the hub to another address; the machine must find this address by multicast DNS.
func hubMovedAndIsFound(ctx context.Context, w *world) (string, error) {
	if err := w.setUpWorkingMachine(ctx); err != nil {
		return "", err
	}
	if err := w.moveHub(ctx); err != nil {
		return "", err
	}
	if _, err := w.session(ctx); err != nil {
		return "", err
	}
	took, err := w.waitForStatus(ctx, "all records acknowledged", acknowledged)
	if err != nil {
		return "", err
	}
	if at := w.fileText("pi/var/lib/portillon/laser/hub/address"); at != movedAddress+":8443" {
		return "", fmt.Errorf("machine connects to the hub at %q, want the hub's new address", at)
	}
	return fmt.Sprintf("found by multicast DNS; records acknowledged %.0f s after a tap, nothing restarted",
		took.Seconds()), nil
}

// hubMovedAndMachineIsTold moves the hub to another address while multicast is disabled. An administrator then gives
// the machine the new address with portillond enrol.
func hubMovedAndMachineIsTold(ctx context.Context, w *world) (string, error) {
	if err := w.setUpWorkingMachine(ctx); err != nil {
		return "", err
	}
	if err := errors.Join(w.disableMulticast(ctx), w.moveHub(ctx), w.daemon.end()); err != nil {
		return "", err
	}
	if out, err := w.answer(ctx, w.atPi(ctx, "portillond enrol --hub 10.77.0.3:8443 --no-start")); err == nil {
		return "", fmt.Errorf("portillond enrol accepted an address at which no hub listens: %s", out)
	}
	said, err := w.answer(ctx, w.atPi(ctx, "portillond enrol --hub "+movedAddress+" --no-start"))
	if err != nil || !strings.Contains(said, movedAddress+":8443") {
		return "", fmt.Errorf("%s %v", said, err)
	}
	if err := w.boot(ctx, synced(0)); err != nil {
		return "", err
	}
	took, err := w.waitForStatus(ctx, "all records acknowledged", acknowledged)
	return fmt.Sprintf("without multicast: enrol --hub ADDRESS, and records acknowledged %.1f s later",
		took.Seconds()), err
}

// firstBootIn1970 enrols a machine whose clock starts at the epoch.
func firstBootIn1970(ctx context.Context, w *world) (string, error) {
	return w.firstBoot(ctx, time.Unix(3600, 0))
}

// firstBootIn2037 enrols a machine whose clock is years ahead.
func firstBootIn2037(ctx context.Context, w *world) (string, error) {
	return w.firstBoot(ctx, time.Date(2037, 6, 1, 12, 0, 0, 0, time.UTC))
}

// firstBoot enrols a machine whose clock nobody has set and which shows the given time.
func (w *world) firstBoot(ctx context.Context, at time.Time) (string, error) {
	wrong := unsynced(time.Until(at).Round(time.Second))
	if err := errors.Join(w.setUpSite(ctx), w.piClock(wrong), w.enrol(ctx), w.boot(ctx, wrong)); err != nil {
		return "", err
	}
	took, err := w.waitForStatus(ctx, "a trusted clock, and all records acknowledged", func(s control.Status) bool {
		return s.Clock == "trusted" && s.Bundle > 0 && acknowledged(s)
	})
	if err != nil {
		return "", err
	}
	if _, err := w.session(ctx); err != nil {
		return "", err
	}
	if err := w.waitForUses(ctx, time.Now(), time.Now(), 1); err != nil {
		return "", err
	}
	return fmt.Sprintf(
		"enrolled, clock set by the hub, trusted %.1f s after the daemon started; the use has today's date",
		took.Seconds()), nil
}

// cableWithoutReset drops all packets between the hub and the machine without closing a connection.
func cableWithoutReset(ctx context.Context, w *world) (string, error) {
	if err := w.setUpWorkingMachine(ctx); err != nil {
		return "", err
	}
	if err := w.cut(ctx); err != nil {
		return "", err
	}
	cutAt := time.Now()
	opened, err := w.session(ctx)
	if err != nil {
		return "", err
	}
	if _, err := w.waitForStatus(ctx, "a machine that has noticed the loss of the broker",
		func(s control.Status) bool { return !s.Broker && !s.Hub }); err != nil {
		return "", err
	}
	noticed := time.Since(cutAt)
	if err := w.restore(ctx); err != nil {
		return "", err
	}
	took, err := w.waitForStatus(ctx, "all records acknowledged", acknowledged)
	return fmt.Sprintf(
		"relay on %v after the tap; loss noticed after %.0f s; records acknowledged %.1f s after packets pass again",
		opened.Round(time.Millisecond), noticed.Seconds(), took.Seconds()), err
}

// hubThatAnswersNothing stops the process of the hub with SIGSTOP. The connections stay open, but the hub answers
// nothing.
func hubThatAnswersNothing(ctx context.Context, w *world) (string, error) {
	if err := w.setUpWorkingMachine(ctx); err != nil {
		return "", err
	}
	if err := w.hubProgram.freeze(); err != nil {
		return "", err
	}
	opened, err := w.session(ctx)
	if err != nil {
		return "", err
	}
	noticed, err := w.waitForStatus(ctx, "a machine that has noticed the loss of the hub",
		func(s control.Status) bool { return !s.Broker && !s.Hub })
	if err != nil {
		return "", err
	}
	if err := w.hubProgram.thaw(); err != nil {
		return "", err
	}
	took, err := w.waitForStatus(ctx, "all records acknowledged", acknowledged)
	return fmt.Sprintf(
		"relay on %v after the tap; loss noticed %.0f s after the session; records acknowledged %.1f s after "+
			"the hub continues",
		opened.Round(time.Millisecond),
		noticed.Seconds(),
		took.Seconds(),
	), err
}

// certificateReplaced replaces the hub's certificate twice. The first new certificate is from the same authority, the
// second from another authority.
func certificateReplaced(ctx context.Context, w *world) (string, error) {
	if err := w.setUpWorkingMachine(ctx); err != nil {
		return "", err
	}
	// At each start of the hub, the authority that the machine has pinned issues a new certificate for the hub.
	if err := w.startHub(ctx); err != nil {
		return "", err
	}
	took, err := w.waitForStatus(ctx, "all records acknowledged with the hub's next certificate", acknowledged)
	if err != nil {
		return "", err
	}
	// The machine must reject a hub whose certificate comes from another authority.
	if _, err := w.answer(ctx, w.atHub(ctx, "mv biklab/data/authority kept")); err != nil {
		return "", err
	}
	if err := w.startHub(ctx); err != nil {
		return "", err
	}
	if _, err := w.session(ctx); err != nil {
		return "", err
	}
	s, err := w.waitForStatus(ctx, "a machine that refuses the hub and states why", func(s control.Status) bool {
		return !s.Hub && s.Unacked != nil && strings.Contains(s.Unacked.Detail, "authority")
	})
	if err != nil {
		return "", err
	}
	if _, err := w.answer(ctx, w.atHub(ctx, "rm -r biklab/data/authority && mv kept biklab/data/authority")); err != nil {
		return "", err
	}
	if err := w.startHub(ctx); err != nil {
		return "", err
	}
	back, err := w.waitForStatus(ctx, "all records acknowledged", acknowledged)
	return fmt.Sprintf(
		"new certificate accepted after %.1f s; another authority refused after %.1f s, cards still work; own authority "+
			"accepted again after %.1f s",
		took.Seconds(),
		s.Seconds(),
		back.Seconds(),
	), err
}

// revokedWhileAway revokes the machine while it is off, and later enrols the machine again.
func revokedWhileAway(ctx context.Context, w *world) (string, error) {
	if err := w.setUpWorkingMachine(ctx); err != nil {
		return "", err
	}
	was, err := w.status(ctx)
	if err != nil {
		return "", err
	}
	if err := w.daemon.end(); err != nil {
		return "", err
	}
	if _, err := w.answer(ctx, w.atHub(ctx, "portillon machine revoke laser --reason stolen "+atAPI)); err != nil {
		return "", err
	}
	if err := w.boot(ctx, synced(0)); err != nil {
		return "", err
	}
	took, err := w.waitForStatus(ctx, "a machine that is refused and states why", func(s control.Status) bool {
		return !s.Hub && s.Unacked != nil && s.Unacked.Why != ""
	})
	if err != nil {
		return "", err
	}
	if _, err := w.session(ctx); err != nil { // a machine that was revoked keeps its last bundle, as docs/hub.md says
		return "", err
	}
	if now, err := w.status(ctx); err != nil || now.Acked != was.Acked {
		return "", fmt.Errorf(
			"%d records are acknowledged, want at least the %d that were acknowledged before the machine was revoked: %v",
			now.Acked,
			was.Acked,
			err,
		)
	}
	list, err := w.answer(ctx, w.atHub(ctx, "portillon machine list --lang en "+atAPI))
	if err != nil || !strings.Contains(list, "revoked") {
		return "", fmt.Errorf("%s %v", list, err)
	}
	// A new code enrols the machine again, and the machine continues its old journal.
	if err := errors.Join(w.daemon.end(), w.enrol(ctx), w.boot(ctx, synced(0))); err != nil {
		return "", err
	}
	back, err := w.waitForStatus(ctx, "all records acknowledged", acknowledged)
	return fmt.Sprintf("refused after %.1f s, no record accepted; enrolled again: all records acknowledged %.1f s later",
		took.Seconds(), back.Seconds()), err
}

package main

import (
	"fmt"
	"os"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"portillon/daemon/control"
	"portillon/wire"
)

// crashLimit is the time within which the relay must be off after a process has died or hangs: 1 s by design, plus a
// margin for a busy machine.
const crashLimit = 1100 * time.Millisecond

// guardHangLimit is the time within which the relay must be off after its guard hangs. The daemon waits two seconds
// for the guard's next message, and it ends the guard in an orderly way, which takes 0.4 s (relay.Switch).
const guardHangLimit = 2750 * time.Millisecond

// keyboardTap starts and ends a session with taps that the keyboard reader types, and measures the time from the
// first key to the change of the relay.
func keyboardTap(m *machine) (string, error) {
	if err := m.reset(); err != nil {
		return "", err
	}
	m.settle()
	at := uptime()
	if err := m.keys.types(lea + "\n"); err != nil {
		return "", err
	}
	took, err := m.line.waitForEdge(at, true, time.Second)
	if err != nil {
		return "", err
	}
	m.settle()
	at = uptime()
	if err := m.keys.types(lea + "\n"); err != nil {
		return "", err
	}
	off, err := m.line.waitForEdge(at, false, time.Second)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("from the first key to line 17 on %s, off %s", ms(took), ms(off)), ended(wire.CauseTap)
}

// signalProcess sends a signal to the daemon or its guard during a session, and returns the time until line 17 falls.
func (m *machine) signalProcess(guard bool, s syscall.Signal, limit time.Duration) (at, took time.Duration, pid int,
	err error) {
	if err = m.session(); err != nil {
		return
	}
	if pid, err = daemonPID(); err != nil {
		return
	}
	if guard {
		if pid, err = guardPID(pid); err != nil {
			return
		}
	}
	at = uptime()
	if err = syscall.Kill(pid, s); err != nil {
		return
	}
	took, err = m.line.waitForEdge(at, false, limit)
	return
}

// daemonKilled kills the daemon; the guard must turn the relay off within 100 ms.
func daemonKilled(m *machine) (string, error) {
	at, took, _, err := m.signalProcess(false, syscall.SIGKILL, 100*time.Millisecond)
	if err != nil {
		return "", err
	}
	return "line 17 off after " + ms(took),
		runSteps(m.reset, func() error { return m.staysOff(at, 0) }, func() error { return ended(wire.CauseDaemonLost) })
}

// daemonStopped stops the daemon with SIGSTOP; the guard must turn the relay off.
func daemonStopped(m *machine) (string, error) {
	at, took, pid, err := m.signalProcess(false, syscall.SIGSTOP, crashLimit)
	syscall.Kill(pid, syscall.SIGCONT)
	if err != nil {
		return "", err
	}
	// If systemd's watchdog monitors the daemon, systemd has already ended the daemon, and SIGCONT has no effect.
	return "line 17 off after " + ms(took),
		runSteps(func() error {
			return waitForPhase("off",
				20*time.Second)
		}, func() error { return m.staysOff(at, time.Second) },
			func() error { return ended(wire.CauseFault, wire.CauseDaemonLost) })
}

// guardKilled kills the guard; the relay must fall, and the daemon must start a new guard.
func guardKilled(m *machine) (string, error) {
	at, took, _, err := m.signalProcess(true, syscall.SIGKILL, crashLimit)
	if err != nil {
		return "", err
	}
	return "line 17 off after " + ms(took), m.guardIsBack(at)
}

// guardStopped stops the guard with SIGSTOP; the daemon must notice that the guard sends nothing, and must replace
// the guard.
func guardStopped(m *machine) (string, error) {
	at, took, pid, err := m.signalProcess(true, syscall.SIGSTOP, guardHangLimit)
	if err != nil {
		syscall.Kill(pid, syscall.SIGCONT)
		return "", err
	}
	return "line 17 off after " + ms(took), m.guardIsBack(at)
}

// guardIsBack waits until a new guard runs, and checks that the machine is at rest and that no session has started
// without a tap.
func (m *machine) guardIsBack(since time.Duration) error {
	return runSteps(func() error {
		return waitForPhase("off",
			20*time.Second)
	}, func() error { return m.staysOff(since, time.Second) },
		func() error { return ended(wire.CauseFault) }, m.session)
}

// estopOpened opens the emergency stop during a session; the relay must be off within 20 ms, and the machine must
// refuse cards.
func estopOpened(m *machine) (string, error) {
	if err := m.session(); err != nil {
		return "", err
	}
	at := m.estop.set(true)
	took, err := m.line.waitForEdge(at, false, 20*time.Millisecond)
	if err != nil {
		return "", err
	}
	if err := waitForPhase("fault", time.Second); err != nil {
		return "", err
	}
	if _, err := m.refused(); err != nil {
		return "", err
	}
	m.estop.set(false)
	return "line 17 off after " + ms(took),
		runSteps(func() error {
			return waitForPhase("off",
				2*time.Second)
		}, func() error { return m.staysOff(at, time.Second) },
			func() error { return ended(wire.CauseFault) })
}

// estopBroken starts the daemon while the line of the emergency stop is disconnected; only the pull-up that the
// daemon requests can make the line read as open.
func estopBroken(m *machine) (string, error) {
	if err := runSteps(m.reset, func() error { return systemctl("stop", service) }); err != nil {
		return "", err
	}
	m.estop.set(false)
	m.estop.tear()
	if err := runSteps(func() error { return systemctl("start", service) },
		func() error { return waitForPhase("fault", 20*time.Second) }); err != nil {
		return "", err
	}
	why, err := m.refused()
	if err != nil {
		return "", err
	}
	m.estop.set(false)
	return why, runSteps(func() error { return waitForPhase("off", 2*time.Second) }, m.session)
}

// contactorLies simulates a contactor whose mirror contact contradicts the relay: first the contactor is open
// although the relay is closed, then it is welded.
func contactorLies(m *machine) (string, error) {
	text := regexp.MustCompile(`(?m)^relay: \{`).ReplaceAllString(read("/rig/site/laser.yaml"),
		fmt.Sprintf(`relay: { feedback: "gpio:pinctrl-/%d",`, mirrorLine))
	if err := os.WriteFile("/etc/portillon/lies.yaml", []byte(text+"\n"), 0o644); err != nil {
		return "", err
	}
	if err := runSteps(func() error { return os.Rename("/etc/portillon/lies.yaml", "/etc/portillon/laser.yaml") },
		func() error { return systemctl("restart", service) }, m.session); err != nil {
		return "", err
	}
	at := m.mirror.set(false) // the contactor opens while the relay is closed
	took, err := m.line.waitForEdge(at, false, crashLimit)
	if err != nil {
		return "", err
	}
	if err := waitForPhase("fault", time.Second); err != nil {
		return "", err
	}
	if _, err := m.refused(); err != nil {
		return "", err
	}
	// Welded: the contactor stays closed while the relay is open.
	if err := runSteps(func() error { m.mirror.follow(m.line.high); return nil }, m.resetFaults); err != nil {
		return "", err
	}
	m.mirror.set(true)
	if err := runSteps(func() error { return waitForPhase("fault", 3*time.Second) },
		func() error { _, err := m.refused(); return err }); err != nil {
		return "", fmt.Errorf("welded: %w", err)
	}
	m.mirror.follow(m.line.high)
	return relayOff(took), runSteps(m.resetFaults, configure, func() error {
		return systemctl("restart",
			service)
	}, m.reset)
}

// relayOff formats the result of a row that measures how fast the relay opens.
func relayOff(took time.Duration) string { return "line 17 off after " + ms(took) }

// resetFaults removes all tags that a fault has set, and waits until the machine is at rest.
func (m *machine) resetFaults() error {
	return within(10*time.Second, "rest", func() bool {
		s, err := status()
		if err == nil && len(s.Tags) > 0 {
			ask(control.Request{Do: "untag"})
		}
		return err == nil && s.Phase == "off"
	})
}

// diskFull fills the data disk up to the last byte during a session.
func diskFull(m *machine) (string, error) {
	if err := m.session(); err != nil {
		return "", err
	}
	filler := dataFolder + "/filler"
	defer os.Remove(filler)
	if err := fill(filler); err != nil {
		return "", err
	}
	for range 300 { // refused taps write records until the spare pages of the SQLite database are used up
		if s, err := status(); err != nil || len(s.Faults) > 0 {
			break
		}
		ask(control.Request{Do: "tap", Card: "0102030405"})
	}
	figure, err := m.withoutDisk()
	if err != nil {
		return "", err
	}
	if err := os.Remove(filler); err != nil {
		return "", err
	}
	if err := within(20*time.Second, "the end's record, once there is room",
		func() bool { return ended(wire.CauseStop) == nil }); err != nil {
		return "", err
	}
	return figure, m.session()
}

// fill writes a file until the disk has no free byte left.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	f.Sync()
	return nil
}

// diskReadOnly causes an error in the file system. Debian mounts the disk with errors=remount-ro, so the disk becomes
// read-only. To repair the disk, the test mounts it again, as for an SD card, and restarts the daemon. The restarted
// daemon must then record the end of the interrupted session.
func diskReadOnly(m *machine) (string, error) {
	if err := runSteps(func() error { return sh("mount", "-o", "remount,errors=remount-ro", dataFolder) },
		m.session); err != nil {
		return "", err
	}
	if err := write("/sys/fs/ext4/vda/trigger_fs_error", "1"); err != nil {
		return "", err
	}
	figure, err := m.withoutDisk()
	mended := runSteps(func() error { return systemctl("stop", service) }, func() error {
		return sh("umount",
			dataFolder)
	},
		mountData, m.reset)
	if err == nil {
		err = mended
	}
	if err != nil {
		return "", err
	}
	return figure, runSteps(func() error { return ended(wire.CauseDaemonLost, wire.CauseStop) }, m.session)
}

// withoutDisk checks the daemon while it cannot write the journal: a running session can end, and no new session
// starts.
func (m *machine) withoutDisk() (figure string, err error) {
	if !m.line.high() {
		return "", fmt.Errorf("running session ended when the journal became unwritable, want it to continue")
	}
	at := uptime()
	ask(control.Request{Do: "stop"})
	off, err := m.line.waitForEdge(at, false, time.Second)
	if err != nil {
		return "", fmt.Errorf("running session cannot be ended while the journal is unwritable: %w", err)
	}
	why, err := m.refused()
	return fmt.Sprintf("off after %s, then %q", ms(off), why), err
}

// clockSet sets the clock a day ahead and a day back during a session. The session's length and the panel's countdown
// must not change.
func clockSet(m *machine) (string, error) {
	if err := m.session(); err != nil {
		return "", err
	}
	began := uptime()
	for _, days := range []time.Duration{1, -2, 1} {
		time.Sleep(1200 * time.Millisecond)
		now := unix.NsecToTimespec(time.Now().Add(days * 24 * time.Hour).UnixNano())
		if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
			return "", err
		}
		// wait for two periods of the machine's loop, after which the panel shows the new time
		time.Sleep(1200 * time.Millisecond)
		if left, err := panelLeft(); err != nil || left < 12*time.Hour-time.Minute || left > 12*time.Hour {
			return "", fmt.Errorf("panel shows %v remaining after the clock was set, want about 12 h (%v)", left, err)
		}
	}
	time.Sleep(1200 * time.Millisecond)
	if !m.line.high() {
		return "", fmt.Errorf("session ended when the clock was set")
	}
	ask(control.Request{Do: "stop"})
	length := uptime() - began
	_, recorded, err := lastEnd()
	if err != nil {
		return "", err // reading the journal fails if a record has an earlier time than the record before it
	}
	if d := recorded - length; d > time.Second || d < -1100*time.Millisecond {
		return "", fmt.Errorf("journal records a length of %[2]v for a session of %[1]v", length, recorded)
	}
	return fmt.Sprintf("session of %.1f s recorded as %v", length.Seconds(), recorded), nil
}

// clockUntrusted presents a card whose grant has hours in four states of the clock: before any source confirms the
// clock, after a time server has confirmed it, after the time server is gone (also after a restart of the daemon),
// and after somebody has set the clock by hand.
func clockUntrusted(m *machine) (string, error) {
	stop, right := func() error { return systemctl("stop", service) },
		func(yes bool) func() error { return func() error { return vouch(yes) } }
	set := func(by time.Duration) func() error {
		return func() error {
			now := unix.NsecToTimespec(time.Now().Add(by).UnixNano())
			return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
		}
	}
	tap := func(want bool, when string) func() error {
		return func() error {
			at := uptime()
			rep, err := ask(control.Request{Do: "tap", Card: tom})
			if err != nil || rep.OK != want || !want && len(m.line.since(at)) > 0 {
				return fmt.Errorf("tap under a grant with hours is decided wrongly in state %q: %+v, %v", when, rep, err)
			}
			_, err = ask(control.Request{Do: "stop"})
			return err
		}
	}
	// The kernel has already confirmed the clock to the previous daemon in this boot. If somebody sets the clock, the
	// confirmation is no longer valid.
	if err := runSteps(m.reset, stop, right(false), set(time.Hour), startDaemon, tap(false, "and nobody vouches"),
		m.tap); err != nil {
		return "", err
	}
	if _, err := ask(control.Request{Do: "stop"}); err != nil {
		return "", err
	}
	err := runSteps(set(-time.Hour), right(true), tap(true, "a time server"), right(false), tap(true, "its time server "+
		"gone"),
		stop, startDaemon, tap(true, "and a new daemon"), set(time.Hour), tap(false, "set by hand"), set(-time.Hour),
		right(true))
	return "refused before a time server; allowed with one, without it, and by the next daemon; " +
		"refused once it was set by hand", err
}

// brokerGone ends a real broker and starts it again. While the broker is gone, cards must work; after its return,
// their records must arrive.
func brokerGone(m *machine) (string, error) {
	b, err := startHub()
	if err != nil {
		return "", err
	}
	defer func() { b.stop() }()
	if err := m.session(); err != nil {
		return "", err
	}
	with, err := status()
	if err != nil {
		return "", err
	}
	if err := b.waitFor(with.Session, "the session at the broker"); err != nil {
		return "", err
	}
	b.stop()
	if err := m.session(); err != nil {
		return "", fmt.Errorf("run a session without a broker: %w", err)
	}
	without, err := status()
	if err != nil {
		return "", err
	}
	if b, err = startHub(); err != nil {
		return "", err
	}
	at := uptime()
	err = b.waitFor(without.Session, "what was recorded without the broker")
	return fmt.Sprintf("records arrived %.1f s after the broker", (uptime() - at).Seconds()), err
}

// readerUnplugged unplugs the keyboard reader during a session. The session must continue, and the reader must work
// again after it is plugged in.
func readerUnplugged(m *machine) (string, error) {
	if err := m.session(); err != nil {
		return "", err
	}
	if err := m.keys.unplug(); err != nil {
		return "", err
	}
	m.keys = nil
	if err := within(10*time.Second, "the reader known to be lost",
		func() bool { s, err := status(); return err == nil && !s.Reader }); err != nil {
		return "", err
	}
	if !m.line.high() {
		return "", fmt.Errorf("running session ended when its reader was unplugged, want it to continue")
	}
	at := uptime()
	var err error
	if m.keys, err = plugKeyboard(); err != nil {
		return "", err
	}
	if err := within(40*time.Second, "the reader back",
		func() bool { s, err := status(); return err == nil && s.Reader }); err != nil {
		return "", err
	}
	back := uptime() - at
	m.settle()
	at = uptime()
	if err := m.keys.types(lea + "\n"); err != nil {
		return "", err
	}
	_, err = m.line.waitForEdge(at, false, time.Second)
	return fmt.Sprintf("reader works %.1f s after it is plugged in", back.Seconds()), err
}

// restartService is the row that restarts the service during a session.
func restartService(m *machine) (string, error) {
	return m.endOrderly(func() error { return systemctl("restart", service) },
		func() error { return waitForPhase("off", 30*time.Second) })
}

// stopService is the row that stops the service during a session.
func stopService(m *machine) (string, error) {
	return m.endOrderly(func() error { return systemctl("stop", service) }, func() error { return nil })
}

// endOrderly starts a session, calls do, which ends the daemon in an orderly way, and then calls then. The relay must
// open, and the journal must name the shutdown as the cause of the session's end.
func (m *machine) endOrderly(do, then func() error) (string, error) {
	if err := m.session(); err != nil {
		return "", err
	}
	at := uptime()
	if err := do(); err != nil {
		return "", err
	}
	took, err := m.line.waitForEdge(at, false, 10*time.Second)
	if err != nil {
		return "", err
	}
	return relayOff(took), runSteps(then, func() error { return m.staysOff(at, time.Second) },
		func() error { return ended(wire.CauseShutdown) })
}

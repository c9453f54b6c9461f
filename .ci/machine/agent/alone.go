package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"portillon/daemon/control"
	"portillon/daemon/journal"
	"portillon/wire"
)

const (
	program = "/rig/files/usr/bin/portillond"
	alone   = "/etc/portillon/alone.yaml" // the machine without a reader: cards come by the control socket
)

// startAlone starts portillond where there is no systemd, and waits until it answers.
func startAlone(config string) (*exec.Cmd, error) {
	if err := errors.Join(loopback(), os.MkdirAll("/run/portillon", 0o755), vouch(true)); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-config", config)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := within(30*time.Second, "the daemon",
		func() bool { s, err := status(); return err == nil && s.Phase == "off" }); err != nil {
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	return cmd, nil
}

// loopback brings the network of the machine with itself up.
func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

// cuts is one life of a machine in use, of which the host takes the power away. What the life before it acknowledged
// must be there.
func cuts(m *machine) error {
	if _, err := startAlone(alone); err != nil {
		return err
	}
	if err := first(func() error { return m.stays(0, 0) }, keptAcknowledged, nothingOpen); err != nil {
		return fmt.Errorf("after a power cut: %w", err)
	}
	if commandLine("last") != "" {
		return nil
	}
	say("ready")
	seed, _ := strconv.ParseUint(commandLine("seed"), 10, 64)
	for chance := rand.New(rand.NewPCG(seed, 1)); ; {
		r := []control.Request{{Do: "tap", Card: lea}, {Do: "tap", Card: tom}, {Do: "tap", Card: "0102030405"}, {Do: "stop"},
			{Do: "stop"}}[chance.IntN(5)]
		if _, err := ask(r); err != nil {
			return err
		}
		s, err := status()
		if err != nil {
			return err
		}
		root, err := rootAt(s.Journal)
		if err != nil {
			return err
		}
		say("ack %d:%v", s.Journal, root)
		time.Sleep(time.Duration(chance.IntN(100)) * time.Millisecond)
	}
}

// keptAcknowledged checks that the journal begins with all that was acknowledged before the power went, unchanged.
func keptAcknowledged() error {
	size, text, _ := strings.Cut(commandLine("acked"), ":")
	if size == "" {
		return nil
	}
	n, err := strconv.ParseUint(size, 10, 64)
	if err != nil {
		return err
	}
	want, err := tlog.ParseHash(text)
	if err != nil {
		return err
	}
	got, err := rootAt(n)
	if err != nil {
		return fmt.Errorf("of the %d records that were acknowledged: %w", n, err)
	}
	if got != want {
		return fmt.Errorf("the %d records that were acknowledged are others now", n)
	}
	return nil
}

// nothingOpen checks that the journal verifies, that no session of it is open, and that whatever a power cut
// interrupted says so.
func nothingOpen() error {
	all, err := records()
	if err != nil {
		return err
	}
	starts := map[string]wire.Record{}
	for _, r := range all {
		switch r.Kind {
		case wire.SessionStart:
			if r.Boot == journal.BootID() {
				return fmt.Errorf("record %d is a session that began by itself", r.Seq)
			}
			starts[r.Session] = r
		case wire.SessionEnd:
			if lost := strings.Contains(string(r.Body),
				string(wire.CausePowerLost)); lost != (starts[r.Session].Boot != r.Boot) {
				return fmt.Errorf("record %d ends a session with %s", r.Seq, r.Body)
			}
			delete(starts, r.Session)
		}
	}
	if len(starts) > 0 {
		return fmt.Errorf("sessions are open: %v", starts)
	}
	return nil
}

// pi switches a real driver's pin on, kills everything that holds it, and switches it off as systemd's ExecStopPost
// does. The host looks.
func pi() error {
	config := "/etc/portillon/pi.yaml"
	now, _ := strconv.ParseInt(commandLine("now"), 10, 64) // a Pi has no clock of its own
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &unix.Timespec{Sec: now}); err != nil {
		return err
	}
	daemon, err := startAlone(config)
	if err != nil {
		return err
	}
	if rep, err := ask(control.Request{Do: "tap", Card: lea}); err != nil || !rep.OK {
		return fmt.Errorf("the tap was answered %+v, %w", rep, err)
	}
	console := bufio.NewReader(console.file)
	look := func(what string) error {
		say("look %s", what)
		_, err := console.ReadString('\n')
		return err
	}
	if err := look("session"); err != nil {
		return err
	}
	guard, err := guardPID(daemon.Process.Pid)
	if err != nil {
		return err
	}
	unix.Kill(guard, unix.SIGSTOP) // or it would do its work when the daemon dies
	unix.Kill(daemon.Process.Pid, unix.SIGKILL)
	unix.Kill(guard, unix.SIGKILL)
	daemon.Wait()
	if err := within(5*time.Second, "the guard's end", func() bool {
		return unix.Kill(guard, 0) != nil || strings.Contains(read(fmt.Sprintf("/proc/%d/stat", guard)), ") Z ")
	}); err != nil {
		return err
	}
	if err := look("all killed"); err != nil {
		return err
	}
	if !knows("-off") {
		say("SKIP Pi, portillond -off: it has no such flag yet")
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, program, "-config", config, "-off").CombinedOutput(); err != nil {
		return fmt.Errorf("portillond -off: %w: %s", err, out)
	}
	return look("portillond -off")
}

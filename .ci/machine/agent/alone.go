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

// program is the path of the installed portillond. alone is the path of a configuration without a reader; cards are
// presented through the control socket.
const (
	program = "/rig/files/usr/bin/portillond"
	alone   = "/etc/portillon/alone.yaml"
)

// startAlone starts portillond with a configuration, on a machine without systemd, and waits at most 30 s until the
// daemon answers. If the daemon fails, the error contains what the daemon wrote to standard error.
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

// loopback activates the loopback interface, because without systemd no other program does this.
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

// cuts is the job of one boot: it uses the machine until the host cuts the power. At its start, cuts checks that the
// journal still contains all records that were acknowledged before the last power cut.
func cuts(m *machine) error {
	if _, err := startAlone(alone); err != nil {
		return err
	}
	if err := runSteps(func() error { return m.staysOff(0, 0) }, keptAcknowledged, nothingOpen); err != nil {
		return fmt.Errorf("check the journal after the power cut: %w", err)
	}
	if commandLine("last") != "" {
		return nil
	}
	say("ready")
	seed, _ := strconv.ParseUint(commandLine("seed"), 10, 64)
	for chance := rand.New(rand.NewPCG(seed, 1)); ; {
		// The seed comes from the host, so that a failed run can be repeated with the same taps.
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

// keptAcknowledged checks that the journal begins with all records that were acknowledged before the power cut, and
// that they are unchanged.
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
		return fmt.Errorf("tree root of the %d acknowledged records cannot be calculated: %w", n, err)
	}
	if got != want {
		return fmt.Errorf("first %d records of the journal differ from the acknowledged records", n)
	}
	return nil
}

// nothingOpen checks the journal: it must verify, no session may be open, and exactly the sessions that a power cut
// interrupted may be recorded as interrupted.
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
				return fmt.Errorf("record %d starts a session in this boot, in which no card was presented yet", r.Seq)
			}
			starts[r.Session] = r
		case wire.SessionEnd:
			if lost := strings.Contains(string(r.Body),
				string(wire.CausePowerLost)); lost != (starts[r.Session].Boot != r.Boot) {
				return fmt.Errorf("record %d ends a session with %s; the cause must be power-lost exactly if another boot "+
					"started the session", r.Seq, r.Body)
			}
			delete(starts, r.Session)
		}
	}
	if len(starts) > 0 {
		return fmt.Errorf("journal has open sessions after the power cut, want none: %v", starts)
	}
	return nil
}

// pi turns on a pin with the real driver, kills all processes that hold the pin, and then turns the pin off in the
// same way as systemd's ExecStopPost does. At each stage, the host reads the registers of the pin.
func pi() error {
	config := "/etc/portillon/pi.yaml"
	// set the clock to the host's time, because a Pi has no real-time clock
	now, _ := strconv.ParseInt(commandLine("now"), 10, 64)
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &unix.Timespec{Sec: now}); err != nil {
		return err
	}
	daemon, err := startAlone(config)
	if err != nil {
		return err
	}
	guard, err := guardPID(daemon.Process.Pid)
	if err != nil {
		return err
	}
	if rep, err := ask(control.Request{Do: "tap", Card: lea}); err != nil || !rep.OK {
		return fmt.Errorf("tap of Léa's card was answered with %+v, want a session: %v", rep, err)
	}
	// Stop the daemon and the guard before the host reads the registers. If both processes ran on, the daemon could miss
	// a deadline on a slow host, and the guard would turn the pin off. Stop the guard first, so that it does not notice
	// that the daemon was stopped.
	unix.Kill(guard, unix.SIGSTOP)
	unix.Kill(daemon.Process.Pid, unix.SIGSTOP)
	console := bufio.NewReader(console.file)
	// look asks the host to read the registers, and waits for the host's answer.
	look := func(what string) error {
		say("look %s", what)
		_, err := console.ReadString('\n')
		return err
	}
	if err := look("session"); err != nil {
		return err
	}
	// Kill the daemon and the guard while both are stopped, so that neither can turn the pin off.
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
	if !hasFlag("-off") {
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

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"portillon/daemon/control"
	"portillon/wire"
)

// row is a row of the failure matrix. Its figure is what was measured.
type row struct {
	name string
	play func(*machine) (figure string, err error)
}

var rows = []row{
	{"install", func(m *machine) (string, error) { return "", first(install, configure, m.fresh) }},
	{"off before the first card", func(m *machine) (string, error) { return "", m.stays(0, 0) }},
	{"keyboard tap", keyboardTap},
	{"daemon killed", daemonKilled},
}

// rowsJob plays every row on one boot, and ends in a session that a power cut is to interrupt.
func rowsJob(m *machine) error {
	only := commandLine("only")
	for i, r := range rows {
		if i > 1 && only != "" && !strings.Contains(strings.ReplaceAll(r.name, " ", "-"), only) {
			continue
		}
		m.playRow(r)
	}
	if err := tellJournal(); err != nil {
		return err
	}
	if err := first(m.fresh, m.session); err != nil {
		return err
	}
	say("cut")
	select {}
}

func (m *machine) playRow(r row) {
	figure, err := r.play(m)
	if err != nil {
		say("FAIL %s: %v", r.name, err)
		return
	}
	say("PASS %s: %s", r.name, figure)
}

// first does one thing after the other until one fails.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// revivedJob is the boot after the power cut.
func revivedJob(m *machine) error {
	m.playRow(row{"power cut", func(m *machine) (string, error) {
		if err := first(install, configure, m.fresh); err != nil {
			return "", err
		}
		if err := m.stays(0, time.Second); err != nil {
			return "", err
		}
		return "session closed as power-lost", ended(wire.CausePowerLost)
	}})
	return first(m.session, func() error { return systemctl("stop", service) })
}

func ms(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

func keyboardTap(m *machine) (string, error) {
	if err := m.fresh(); err != nil {
		return "", err
	}
	at := uptime()
	if err := m.keys.types(lea + "\n"); err != nil {
		return "", err
	}
	took, err := m.line.after(at, true, 2*time.Second)
	if err != nil {
		return "", err
	}
	return "first key to line 17 " + ms(took), phase("on", time.Second)
}

func daemonKilled(m *machine) (string, error) {
	if err := first(m.fresh, m.session); err != nil {
		return "", err
	}
	pid, err := daemonPID()
	if err != nil {
		return "", err
	}
	at, err := signal(pid, syscall.SIGKILL)
	if err != nil {
		return "", err
	}
	took, err := m.line.after(at, false, 100*time.Millisecond)
	if err != nil {
		return "", err
	}
	return "line 17 off after " + ms(took), first(m.fresh, func() error { return m.stays(at, 0) }, func() error { return ended(wire.CauseDaemonLost) })
}

var _ = os.Remove
var _ = control.Request{}
var _ = fmt.Sprint

func cuts(*machine) error { return nil }

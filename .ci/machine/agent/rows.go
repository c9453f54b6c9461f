package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"portillon/wire"
)

// row is one row of the failure matrix: one fault and the check of its effect. The function play returns the measured
// value of the row as text.
type row struct {
	name string
	play func(*machine) (figure string, err error)
}

// rows lists the rows of the failure matrix in the order in which they run; all rows run in one boot. The first two
// rows always run, because they install the service. The row "clock table" is the last row, because it leaves the
// clock in a state that no other row can use.
var rows = []row{
	{"install", (*machine).installService},
	{"off before the first card", func(m *machine) (string, error) { return "", m.staysOff(0, 0) }},
	{"setup", setUp},
	{"keyboard tap", keyboardTap},
	{"daemon killed", daemonKilled},
	{"daemon stopped", daemonStopped},
	{"guard killed", guardKilled},
	{"guard stopped", guardStopped},
	{"e-stop opened", estopOpened},
	{"e-stop wire broken", estopBroken},
	{"contactor lies", contactorLies},
	{"disk full", diskFull},
	{"disk read-only", diskReadOnly},
	{"clock set", clockSet},
	{"clock not trusted", clockUntrusted},
	{"broker gone", brokerGone},
	{"reader unplugged", readerUnplugged},
	{"restart", restartService},
	{"stop", stopService},
	{"memory", memory},
	{"first load", firstLoad},
	{"upgrade", upgraded},
	{"clock table", clockTable},
}

// errSkip says why a row cannot run on this version of portillond.
type errSkip string

// Error returns the reason for skipping the row.
func (e errSkip) Error() string { return string(e) }

// rowsJob runs all chosen rows in one boot, and then starts a session, which the host interrupts by a power cut.
func rowsJob(m *machine) error {
	only := commandLine("only")
	for i, r := range rows {
		if i < 2 || chosen(r.name, only) {
			m.playRow(r)
		}
	}
	if err := runSteps(tellJournal, m.beforeCut); err != nil {
		return err
	}
	say("cut")
	select {}
}

// chosen reports whether the name of a row contains one of the words; commas separate the words. If there are no
// words, every row is chosen.
func chosen(name, words string) bool {
	return slices.ContainsFunc(strings.Split(words, ","), func(word string) bool {
		return strings.Contains(strings.ReplaceAll(name, " ", "-"), word)
	})
}

// beforeCut starts the session that the power cut will interrupt. If the row setup has run, beforeCut first restores
// the files of setup, so that the acceptance test waits for this power cut.
func (m *machine) beforeCut() error {
	if _, err := os.Stat(saved); err == nil {
		(&bench{m: m}).wire()
		if err := restoreSettings(); err != nil {
			return err
		}
	}
	return m.session()
}

// playRow runs one row and reports its result to the host. If the row fails, the report includes the end of the
// daemon's log.
func (m *machine) playRow(r row) {
	at := time.Now()
	figure, err := r.play(m)
	switch skip, is := err.(errSkip); {
	case is:
		say("SKIP %s: %v", r.name, skip)
	case err != nil:
		say("FAIL %s: %v", r.name, err)
		for _, line := range lastLog(time.Since(at)) {
			say("said %s", line)
		}
	default:
		say("PASS %s: %s", r.name, figure)
	}
}

// lastLog returns the end of the daemon's log and how long the row has run.
func lastLog(row time.Duration) []string {
	out, err := exec.Command("journalctl", "--unit", service, "--lines", "60", "--no-pager", "--output",
		"short-monotonic").CombinedOutput()
	if err != nil {
		return []string{fmt.Sprintf("log cannot be read: %v %s", err, out)}
	}
	return append(strings.Split(strings.TrimSpace(string(out)), "\n"),
		fmt.Sprintf("(the row began %s earlier)", row.Round(time.Second)))
}

// runSteps runs steps in order, and stops at the first step that fails.
func runSteps(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// revivedJob runs the rows of the boot after the power cut; the last of these rows removes the package.
func revivedJob(m *machine) error {
	m.playRow(row{"power cut in a session", func(m *machine) (string, error) {
		if _, err := m.installService(); err != nil {
			return "", err
		}
		if err := m.staysOff(0, time.Second); err != nil {
			return "", err
		}
		return "no session started by itself, the interrupted one ended as power-lost", ended(wire.CausePowerLost)
	}})
	m.playRow(row{"setup after the power cut", setUpAfterCut})
	m.playRow(row{"removal", removed})
	return nil
}

// installService is the row that installs the service, configures it, and starts it.
func (m *machine) installService() (string, error) {
	at := uptime()
	if err := runSteps(install, configure); err != nil {
		return "", err
	}
	took := uptime() - at
	return "in " + took.Round(time.Second).String(), m.reset()
}

// ms formats a duration as milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1e3) }

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"portillon/daemon/control"
	"portillon/daemon/journal"
	"portillon/wire"
)

// These are the service under test, its files, and the cards of its members.
const (
	service     = "portillond@laser.service"
	journalPath = dataFolder + "/laser/journal.db"
	socket      = "/run/portillon/laser.sock"

	lea = "62E3086CED" // Léa may use the laser at any time, by a grant without hours
	tom = "01000734E0" // Tom may use the laser by a grant with hours; these hours cover the whole week
)

// machine is the machine under test, together with its simulated hardware.
type machine struct {
	line   *line         // the relay's output
	estop  *contact      // the emergency stop, whose contact is normally closed
	mirror *contact      // the contactor's mirror contact, which is closed while the contactor is open
	keys   *keyboard     // the card reader; nil: the reader is unplugged
	tapped time.Duration // uptime at which the test last presented Léa's card
}

// withMachine runs a job on the machine, and at the end sends the records of the journal to the host.
func withMachine(job func(*machine) error) error {
	if job == nil {
		return fmt.Errorf("kernel's command line names job %q, which machine jobs do not include", commandLine("rig"))
	}
	say("boot %s", journal.BootID())
	folder, err := chip()
	if err != nil {
		return err
	}
	m := &machine{}
	if m.line, err = watchLine(folder); err != nil {
		return err
	}
	m.estop = newContact(folder, estopLine, func() bool { return false })
	m.mirror = newContact(folder, mirrorLine, m.line.high)
	if err := job(m); err != nil {
		return err
	}
	return tellJournal()
}

// tellJournal verifies the journal and sends its records to the host.
func tellJournal() error {
	all, err := records()
	for _, r := range all {
		b, _ := json.Marshal(r)
		say("record %s", b)
	}
	return err
}

// records verifies the journal and returns its records. The daemon may run meanwhile.
func records() ([]wire.Record, error) {
	j, err := journal.OpenReadOnly(journalPath)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	if _, err := j.Verify(context.Background()); err != nil {
		return nil, fmt.Errorf("verification of the journal failed: %w", err)
	}
	var out bytes.Buffer
	if err := j.Export(context.Background(), &out, 1); err != nil {
		return nil, err
	}
	var all []wire.Record
	for d := json.NewDecoder(&out); d.More(); {
		var l wire.Leafed
		if err := d.Decode(&l); err != nil {
			return nil, err
		}
		r, err := wire.ParseRecord(l.Record)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// rootAt returns the root hash of the tree over the first size records of the journal.
func rootAt(size uint64) (tlog.Hash, error) {
	j, err := journal.OpenReadOnly(journalPath)
	if err != nil {
		return tlog.Hash{}, err
	}
	defer j.Close()
	return j.Root(size)
}

// lastEnd returns, for the session that ended last, the cause of its end and its recorded length.
func lastEnd() (wire.Cause, time.Duration, error) {
	all, err := records()
	if err != nil {
		return "", 0, err
	}
	var body wire.EndBody
	for _, r := range all {
		if r.Kind == wire.SessionEnd {
			if err := json.Unmarshal(r.Body, &body); err != nil {
				return "", 0, err
			}
		}
	}
	return body.Cause, time.Duration(body.Seconds) * time.Second, nil
}

// ended waits at most 2 s until the journal's last session has ended for one of these causes. The wait is needed
// because the relay opens before the end is recorded.
func ended(want ...wire.Cause) error {
	for end := uptime() + 2*time.Second; ; time.Sleep(50 * time.Millisecond) {
		got, _, err := lastEnd()
		if err == nil && !slices.Contains(want, got) {
			err = fmt.Errorf("last session ended with cause %q, want one of %q", got, want)
		}
		if err == nil || uptime() > end {
			return err
		}
	}
}

// ask sends a request to the daemon's control socket and returns the answer.
func ask(r control.Request) (control.Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return control.Call(ctx, socket, r)
}

// status returns the status that the daemon reports.
func status() (control.Status, error) {
	rep, err := ask(control.Request{Do: "status"})
	if err != nil || rep.Status == nil {
		return control.Status{}, fmt.Errorf("daemon's answer contains no status: %w", err)
	}
	return *rep.Status, nil
}

// within waits until the function holds returns true, and returns an error if this takes longer than the limit.
func within(limit time.Duration, what string, holds func() bool) error {
	for end := time.Now().Add(limit); !holds(); time.Sleep(10 * time.Millisecond) {
		// After compares monotonic times, because the test may set the wall clock while it waits
		if time.Now().After(end) {
			s, err := status()
			text, _ := json.Marshal(s) // for pointers, %+v would show addresses instead of values, so print JSON
			return fmt.Errorf("condition was not met within %v: %s (status %s %v)", limit, what, text, err)
		}
	}
	return nil
}

// waitForPhase waits until the machine is in the phase want.
func waitForPhase(want string, limit time.Duration) error {
	return within(limit, "phase "+want, func() bool { s, err := status(); return err == nil && s.Phase == want })
}

// reset brings the machine to rest: the daemon runs, the reader is plugged in, all contacts are connected, and no
// session runs.
func (m *machine) reset() (err error) {
	m.estop.set(false)
	m.mirror.follow(m.line.high)
	if m.keys == nil {
		if m.keys, err = plugKeyboard(); err != nil {
			return err
		}
	}
	if err := vouch(true); err != nil {
		return err
	}
	if err := systemctl("start", service); err != nil {
		return err
	}
	if err := within(60*time.Second, "the daemon and its reader",
		func() bool { s, err := status(); return err == nil && s.Reader }); err != nil {
		return err
	}
	if _, err := ask(control.Request{Do: "stop"}); err != nil {
		return err
	}
	return waitForPhase("off", 15*time.Second)
}

// settle waits two seconds, after which another presentation of the same card is a new tap.
func (m *machine) settle() {
	time.Sleep(m.tapped + 2100*time.Millisecond - uptime())
	m.tapped = uptime()
}

// tap presents Léa's card at the control socket, and waits until the relay closes.
func (m *machine) tap() error {
	m.settle()
	at := uptime()
	rep, err := ask(control.Request{Do: "tap", Card: lea})
	if err != nil || !rep.OK {
		return fmt.Errorf("tap of Léa's card was answered with %+v, want a session: %v", rep, err)
	}
	_, err = m.line.waitForEdge(at, true, time.Second)
	return err
}

// session brings the machine to rest, and then starts a session with Léa's card.
func (m *machine) session() error { return runSteps(m.reset, m.tap) }

// refused presents Léa's card, checks that the machine refuses it, and returns the English text that the panel shows.
func (m *machine) refused() (string, error) {
	m.settle()
	at := uptime()
	rep, err := ask(control.Request{Do: "tap", Card: lea})
	if err != nil {
		return "", err
	}
	if rep.OK || m.line.high() || len(m.line.since(at)) > 0 {
		return "", fmt.Errorf("tap was answered with %+v, line 17 high=%t, want a refusal and a low line", rep, m.line.high())
	}
	return rep.EN, nil
}

// staysOff waits for a while, and then checks that the relay has not closed since a given time after boot.
func (m *machine) staysOff(since time.Duration, wait time.Duration) error {
	time.Sleep(wait)
	for _, e := range m.line.since(since) {
		if e.high {
			return fmt.Errorf("relay closed without a tap after %v", e.at-since)
		}
	}
	if m.line.high() {
		return fmt.Errorf("line 17 is high, want low")
	}
	return nil
}

// daemonPID returns the process id of the daemon portillond.
func daemonPID() (int, error) {
	out, err := exec.Command("systemctl", "show", "-P", "MainPID", service).Output()
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || pid == 0 {
		return 0, fmt.Errorf("systemd names %q as the process id of the daemon: the daemon is not running", out)
	}
	return pid, nil
}

// guardPID returns the process id of the guard, which is a child process of the daemon.
func guardPID(daemon int) (int, error) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		_, rest, _ := strings.Cut(read(path), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(daemon) && f[0] != "Z" {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("daemon %d has no guard", daemon)
}

// vouch tells the kernel, as an NTP daemon does, that the clock is synchronised or that it is not.
func vouch(right bool) error {
	t := unix.Timex{Modes: unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR, Status: unix.STA_UNSYNC}
	if right {
		t.Status = 0
	}
	_, err := unix.Adjtimex(&t)
	return err
}

// systemctl runs systemctl.
func systemctl(args ...string) error { return sh("systemctl", args...) }

// sh runs a command and returns its output. The returned error contains the end of the command's output.
func sh(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(out))
	}
	return nil
}

// tail returns the last 2000 bytes of a text.
func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// install installs portillon on the machine: the Debian package, or, if there is no package, the same files at the
// same paths.
func install() error {
	if deb := debianPackage(); deb != "" {
		if err := sh("dpkg", "-i", deb); err != nil {
			return err
		}
	} else if err := sh("cp", "-R", "/rig/files/.", "/"); err != nil {
		return err
	}
	return runSteps(adjustUnit, func() error { return systemctl("daemon-reload") })
}

// debianPackage returns the path of the Debian package, or "" if there is no package.
func debianPackage() string {
	found, _ := filepath.Glob("/rig/*.deb")
	return strings.Join(found, " ")
}

// adjustUnit changes systemd's unit for an older daemon, which has no flag -off and does not notify systemd.
func adjustUnit() error {
	if hasFlag("-off") {
		return nil
	}
	dir := "/etc/systemd/system/portillond@.service.d"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(dir+"/stand-in.conf", []byte("[Service]\nType=simple\nWatchdogSec=0\nExecStopPost=\n"), 0o644)
}

// hasFlag reports whether the installed portillond has a flag of this name.
func hasFlag(flag string) bool {
	out, _ := exec.Command(program, "-h").CombinedOutput()
	return bytes.Contains(out, []byte("\n  "+flag+"\n")) || bytes.Contains(out, []byte("\n  "+flag+"\t"))
}

// configure copies the site's files to the places that machine.yaml names.
func configure() error {
	if err := os.MkdirAll("/etc/portillon", 0o755); err != nil {
		return err
	}
	return sh("cp", "-R", "/rig/site/.", "/etc/portillon/")
}

// panelLeft returns the remaining time that the panel's countdown shows: the end of the session minus the machine's
// time.
func panelLeft() (time.Duration, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://127.0.0.1:8037/events")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var v struct{ Until, Now time.Time }
			err := json.Unmarshal([]byte(data), &v)
			return v.Until.Sub(v.Now), err
		}
	}
	return 0, errors.New("panel's event stream ended without an event")
}

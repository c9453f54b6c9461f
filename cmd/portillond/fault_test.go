package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon"
	"portillon/daemon/control"
	"portillon/daemon/journal"
	"portillon/daemon/relay/gpio/sim"
	"portillon/policy"
	"portillon/rfid/rfidtest"
	"portillon/wire"
)

// reactionLimit is the time limit for the reaction of a real process, long enough for a loaded computer. The tests of
// daemon/relay check the speed of the reaction with a simulated clock.
const reactionLimit = 20 * time.Second

// guardOf returns the guard's process, which is a child of the daemon.
func guardOf(t *testing.T, l *lab) int {
	t.Helper()
	pid := strconv.Itoa(l.cmd.Process.Pid)
	b, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	if err != nil {
		t.Skipf("the kernel does not list children: %v", err)
	}
	for _, f := range strings.Fields(string(b)) {
		line, _ := os.ReadFile("/proc/" + f + "/cmdline")
		if bytes.Contains(line, []byte("guard")) {
			n, _ := strconv.Atoi(f)
			return n
		}
	}
	// Search the children of all threads of the daemon, because any thread may have started the guard.
	out, err := exec.Command("pgrep", "-P", pid).Output()
	if err != nil {
		t.Fatalf("the daemon has no guard: %v", err)
	}
	n, err := strconv.Atoi(strings.Fields(string(out))[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func causes(t *testing.T, l *lab) []wire.Cause {
	var out []wire.Cause
	for _, r := range records(t, l.path("data/journal.db")) {
		if r.Kind == wire.SessionEnd {
			out = append(out, decode[wire.EndBody](t, r.Body).Cause)
		}
	}
	return out
}

func TestKillingTheDaemonOpensTheRelayAndRecordsWhyTheSessionEnded(t *testing.T) {
	l := startedLab(t)
	l.signal(syscall.SIGKILL)
	l.within(reactionLimit, "the relay off", func() bool { return !l.isOn() })
	l.waitForExit()
	l.start()
	if l.isOn() || l.status().Phase != "off" {
		t.Error("a session resumed by itself")
	}
	if got := causes(t, l); !slices.Equal(got, []wire.Cause{wire.CauseDaemonLost}) {
		t.Errorf("closed with %v", got)
	}
	// The session ended within its first minute, before the daemon stored its length. The member's practice nevertheless
	// contains one session more.
	l.signal(syscall.SIGTERM)
	l.waitForExit()
	for _, r := range records(t, l.path("data/journal.db")) {
		if r.Kind != wire.SessionStart {
			continue
		}
		if p := practiceOf(t, l, r.Member); p.Sessions != 1 || p.Logged != 0 || !p.Last.Equal(r.Wall) {
			t.Errorf("practice %+v, want one session of no known length, begun at %v", p, r.Wall)
		}
	}
}

// practiceOf returns a member's practice from the facts of the machine's journal. The caller must stop the daemon
// first.
func practiceOf(t *testing.T, l *lab, id policy.MemberID) policy.Practice {
	t.Helper()
	j := openJournal(t, l)
	defer j.Close()
	facts, err := j.Facts(daemon.FactPractice)
	if err != nil {
		t.Fatal(err)
	}
	return decode[policy.Practice](t, facts[daemon.FactPractice+string(id)])
}

// openJournal opens the machine's journal as the daemon does after a restart of the computer. The caller must stop the
// daemon first.
func openJournal(t *testing.T, l *lab) *journal.Journal {
	t.Helper()
	text, err := os.ReadFile(l.path("machine.key"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(string(text))
	if err != nil {
		t.Fatal(err)
	}
	o := journal.Options{Site: "test", Machine: "laser", Signer: signer, Boot: "another"}
	j, err := journal.Open(l.path("data/journal.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// If a power cut ends a session, the member's practice grows by the session's last stored length. A member who pulls
// the plug therefore does not regain the used time of the day's quota.
func TestPowerCutAddsTheSessionsLastStoredLengthToThePractice(t *testing.T) {
	l := startedLab(t)
	l.signal(syscall.SIGKILL)
	l.waitForExit()
	j := openJournal(t, l)
	left, open, err := j.OpenSession()
	if err != nil || !open {
		t.Fatal(err, open)
	}
	// Use noon of the day on which the test starts, so that the 1234 seconds before noon are on the same day.
	y, m, d := left.Start.Wall.In(time.UTC).Date()
	at := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	kept, _ := json.Marshal(daemon.UnderWay{Session: left.Start.Session, Seconds: 1234, At: at})
	if err := errors.Join(j.Keep(map[string][]byte{daemon.FactUnderWay: kept}), j.Close()); err != nil {
		t.Fatal(err)
	}
	l.start()
	for _, r := range records(t, l.path("data/journal.db")) {
		if r.Kind == wire.SessionEnd {
			if b := decode[wire.EndBody](t, r.Body); b.Seconds != 1234 {
				t.Errorf("%+v", b)
			}
		}
	}
	l.signal(syscall.SIGTERM)
	l.waitForExit()
	if p := practiceOf(t, l, left.Start.Member); p.Day != 1234*time.Second || p.Sessions != 1 {
		t.Errorf("%+v", p)
	}
}

func TestStoppedDaemonOpensTheRelay(t *testing.T) {
	l := startedLab(t)
	l.signal(syscall.SIGSTOP)
	l.within(reactionLimit, "the relay off", func() bool { return !l.isOn() })
	l.signal(syscall.SIGCONT)
	l.within(5*time.Second, "the session over", func() bool { return l.status().Phase == "off" })
	if l.isOn() {
		t.Error("the relay closed again by itself")
	}
	if got := causes(t, l); !slices.Equal(got, []wire.Cause{wire.CauseFault}) {
		t.Errorf("closed with %v", got)
	}
}

func TestKilledGuardIsRecordedAsAFault(t *testing.T) {
	l := startedLab(t)
	syscall.Kill(guardOf(t, l), syscall.SIGKILL)
	l.within(reactionLimit, "the relay off", func() bool { return !l.isOn() })
	// The next guard may start within 20 ms and clear the fault before the test reads the status. The test therefore
	// reads the journal, in which the fault remains.
	l.within(reactionLimit, "the session ended by a fault", func() bool {
		return slices.Equal(causes(t, l), []wire.Cause{wire.CauseFault})
	})
	// The answer to the tap depends on whether the next guard already runs. Whether or not the next guard runs, the tap
	// starts no session, because it comes within 2 s of the last tap.
	if rep := l.ask(control.Request{Do: "tap", Card: "62E3086CED"}); l.isOn() {
		t.Errorf("a tap started a session without a guard: %+v", rep)
	}
	l.within(20*time.Second, "another guard", func() bool { return l.status().Phase == "off" })
	if l.isOn() {
		t.Error("the relay closed again by itself")
	}
}

func TestDaemonOpensTheRelayBeforeItClosesItsJournal(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		l := startedLab(t)
		l.signal(s)
		if err := l.waitForExit(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		if l.isOn() {
			t.Errorf("%v: the relay is on", s)
		}
		if got := causes(t, l); !slices.Equal(got, []wire.Cause{wire.CauseShutdown}) {
			t.Errorf("%v: closed with %v", s, got)
		}
	}
}

func TestEmergencyStopOpensTheRelayAndBlocksTheMachine(t *testing.T) {
	l := startedLab(t)
	if err := sim.Drive(l.path("estop"), true); err != nil {
		t.Fatal(err)
	}
	l.within(reactionLimit, "the relay off", func() bool { return !l.isOn() })
	l.within(reactionLimit, "the machine in fault", func() bool { return l.status().Phase == "fault" })
	sim.Drive(l.path("estop"), false)
	l.within(reactionLimit, "the fault cleared", func() bool { return l.status().Phase == "off" })
	if l.isOn() {
		t.Error("the relay closed again by itself")
	}
}

// smallDisk mounts a disk of one megabyte as the daemon's data folder. The returned function fill fills this disk.
func smallDisk(t *testing.T, l *lab) (fill func()) {
	t.Helper()
	dir := l.path("data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: %s", err, out)
		}
		t.Skipf("a disk cannot be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { l.kill(); exec.Command("umount", "-l", dir).Run() })
	return func() {
		f, err := os.Create(filepath.Join(dir, "filler"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for size := 64 << 10; size >= 1; size /= 2 { // fill writes until the disk is full to the last byte
			for {
				if _, err := f.Write(make([]byte, size)); err != nil {
					break
				}
			}
		}
	}
}

func TestIfTheDiskIsFullSessionsCanEndButNoSessionStarts(t *testing.T) {
	t.Parallel() // mostly waits
	l := ownSite(t)
	fill := smallDisk(t, l)
	l.start()
	if rep := l.ask(control.Request{Do: "tap", Card: "62E3086CED"}); !rep.OK || !l.isOn() {
		t.Fatalf("%+v", rep)
	}
	fill()
	for n := 0; n < 300; n++ { // repeat until SQLite has used up the free pages in its own files
		l.ask(control.Request{Do: "tap", Card: "0102030405"})
	}
	l.ask(control.Request{Do: "stop"})
	if l.isOn() {
		t.Fatal("a running session could not end")
	}
	rep := l.ask(control.Request{Do: "tap", Card: "62E3086CED"})
	if rep.OK || l.isOn() || !strings.Contains(rep.FR, "ne peut plus rien enregistrer") ||
		!strings.Contains(rep.EN, "can no longer record") {
		t.Errorf("on a full disk a tap is answered %+v, relay %v", rep, l.isOn())
	}
	os.Remove(l.path("data/filler"))
	l.within(15*time.Second, "a start, once there is room", func() bool {
		return l.ask(control.Request{Do: "tap", Card: "62E3086CED"}).OK && l.isOn()
	})
	l.signal(syscall.SIGTERM)
	l.waitForExit()
	if got := causes(t, l); !slices.Equal(got, []wire.Cause{wire.CauseStop, wire.CauseShutdown}) {
		t.Errorf("the ends: %v", got)
	}
}

func TestSessionContinuesWhenTheReaderIsUnplugged(t *testing.T) {
	t.Parallel() // mostly waits
	line, port, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	l := ownSite(t)
	l.reader = "{ kind: rdm6300, port: " + l.path("tty") + " }"
	os.Symlink(port, l.path("tty"))
	l.start()
	l.waitForReader()
	line.WriteString(rfidtest.Frame)
	l.within(5*time.Second, "the relay on", l.isOn)
	line.Close()
	l.within(10*time.Second, "the reader known to be lost", func() bool { return !l.status().Reader })
	if !l.isOn() || l.status().Phase != "on" {
		t.Fatal("the running session ended with its reader")
	}
	line, port, err = rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	os.Remove(l.path("tty"))
	os.Symlink(port, l.path("tty"))
	l.within(30*time.Second, "the reader back", func() bool { return l.status().Reader })
	var last time.Time
	l.within(15*time.Second, "the card ends the session", func() bool {
		if time.Since(last) > 1200*time.Millisecond { // retry, because the simulated reader may miss a tap
			line.WriteString(rfidtest.Frame)
			last = time.Now()
		}
		return !l.isOn()
	})
}

func TestRejectedBundlesLeaveTheOldBundleInForce(t *testing.T) {
	t.Parallel() // mostly waits
	l := startedLab(t)
	l.ask(control.Request{Do: "stop"})
	good, err := os.ReadFile(l.path("site.bundle"))
	if err != nil {
		t.Fatal(err)
	}
	l.buildBundle(7)
	newer, _ := os.ReadFile(l.path("site.bundle"))
	policy, _ := os.ReadFile(l.path("site/policy.yaml"))
	l.write("site/policy.yaml", bytes.Replace(policy, []byte("site: test"), []byte("site: elsewhere"), 1))
	l.buildBundle(8)
	foreign, _ := os.ReadFile(l.path("site.bundle"))
	l.write("site/policy.yaml", policy)
	l.key("other.key", "portillon-test")
	hubKey, _ := os.ReadFile(l.path("hub.key"))
	other, _ := os.ReadFile(l.path("other.key"))
	l.write("hub.key", other)
	l.buildBundle(9)
	forged, _ := os.ReadFile(l.path("site.bundle"))
	l.write("hub.key", hubKey)
	offer := func(b []byte) {
		if err := wire.WriteFile(l.path("site.bundle"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		why   string
		bytes []byte
	}{
		{"bad-signature", forged},
		{"other-site", foreign},
		{"truncated", newer[:len(newer)/2]},
		{"missing-chunk", withoutChunk(t, newer)},
		{"wrong-hash", flipped(newer)},
		{"not-a-bundle", bytes.Repeat([]byte("<html>"), 200)},
	} {
		offer(c.bytes)
		l.within(10*time.Second, c.why, func() bool { return strings.Contains(lastWhy(t, l), c.why) })
		if s := l.status(); s.Bundle != 1 {
			t.Fatalf("%s: the machine now works from %d", c.why, s.Bundle)
		}
		// Wait, because the daemon ignores a tap within two seconds of the last tap.
		l.within(
			10*time.Second,
			c.why+": a tap under the old bundle",
			func() bool { return l.ask(control.Request{Do: "tap", Card: "62E3086CED"}).OK },
		)
		l.ask(control.Request{Do: "stop"})
	}
	offer(newer)
	l.within(10*time.Second, "the newer one", func() bool { return l.status().Bundle == 7 })
	offer(good)
	l.within(10*time.Second, "older-version", func() bool { return strings.Contains(lastWhy(t, l), "older-version") })
	if l.status().Bundle != 7 {
		t.Error("an older bundle was taken")
	}
}

func lastWhy(t *testing.T, l *lab) string {
	why := ""
	for _, r := range records(t, l.path("data/journal.db")) {
		if r.Kind == wire.BundleKept {
			why = decode[wire.BundleBody](t, r.Body).Why
		}
	}
	return why
}

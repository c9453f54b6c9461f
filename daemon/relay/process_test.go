package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"portillon/daemon/relay/gpio/sim"
)

// The test binary also runs as guard and as daemon, to test real processes and signals.
func TestMain(m *testing.M) {
	dir := os.Getenv("RELAY_TEST_DIR")
	switch os.Getenv("RELAY_TEST_CHILD") {
	case "guard":
		os.Exit(guardChild(dir))
	case "daemon":
		daemonChild(dir)
	}
	os.Exit(m.Run())
}

func wiring(dir string) Wiring {
	return Wiring{
		Relay: "sim:" + filepath.Join(dir, "pin"),
		EStop: "sim:" + filepath.Join(dir, "estop"),
		Busy:  "sim:" + filepath.Join(dir, "busy"),
	}
}

// guardChild runs a guard, as the command portillond guard does.
func guardChild(dir string) int {
	signal.Ignore(os.Interrupt, syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	p, err := wiring(dir).Open()
	if err != nil {
		fmt.Println("fault", err)
		return 1
	}
	Guard(ctx, os.Stdin, os.Stdout, p)
	return 0
}

// daemonChild closes the relay, prints the guard's pid, and runs until the process is ended.
func daemonChild(dir string) {
	events := make(chan Event, 64)
	s, err := Start(context.Background(), child("guard", dir), func() bool { return true }, events)
	if err == nil {
		finish, _ := time.ParseDuration(os.Getenv("RELAY_TEST_FINISH"))
		err = s.Set(context.Background(), true, finish, 0)
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	if os.Getenv("RELAY_TEST_BUSY") != "" { // the job begins after the machine was switched on
		sim.Drive(filepath.Join(dir, "busy"), true)
		for e := range events {
			if e.What == Busy && e.On {
				break
			}
		}
	}
	fmt.Println("on", s.pid)
	select {}
}

func child(kind, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	// this setting of GORACE is needed because a guard under the race detector otherwise takes a second to exit
	cmd.Env = append(os.Environ(), "RELAY_TEST_CHILD="+kind, "RELAY_TEST_DIR="+dir, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

func lit(dir string) bool {
	on, err := sim.Level(filepath.Join(dir, "pin"))
	return err == nil && on
}

// busy is the factor by which limits are extended, because other programs use the computer too. Tests in the simulated
// time of synctest check the limits to the millisecond, and tests on the emulated machine measure the real times.
const busy = 5

// within waits until the function holds returns true: at most d on an otherwise idle computer, and longer on a busy
// one.
func within(t *testing.T, d time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	// Poll the pin, because a process gets no signal when a pin changes.
	start, poll := time.Now(), time.Tick(time.Millisecond)
	for ; !holds(); <-poll {
		if time.Since(start) > busy*d {
			t.Fatalf("not within %v: %s", busy*d, what)
		}
	}
	return time.Since(start)
}

// stays checks that the pin does not change during d.
func stays(t *testing.T, d time.Duration, on bool, dir string) {
	t.Helper()
	poll := time.Tick(time.Millisecond)
	for end := time.Now().Add(d); time.Now().Before(end); <-poll {
		if lit(dir) != on {
			t.Fatalf("the pin did not stay as it was (%v)", on)
		}
	}
}

// hasExited reports whether a process has exited. A process that has exited but was not reaped by its parent also
// counts as exited.
func hasExited(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return syscall.Kill(pid, 0) != nil || err == nil && strings.Contains(string(b), ") Z ")
}

// daemonOn starts a daemon and waits until its relay is on.
func daemonOn(t *testing.T, dir string, env ...string) (daemon *exec.Cmd, guard int) {
	t.Helper()
	daemon = child("daemon", dir)
	daemon.Env = append(daemon.Env, env...)
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { within(t, 3*time.Second, "the guard's end", func() bool { return hasExited(guard) }) })
	t.Cleanup(func() { daemon.Process.Signal(syscall.SIGCONT); daemon.Process.Kill(); daemon.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, serr := fmt.Sscanf(line, "on %d", &guard); serr != nil {
		t.Fatalf("the daemon said %q, %v", line, err)
	}
	if !lit(dir) {
		t.Fatal("the daemon said on, and the pin is low")
	}
	return daemon, guard
}

func TestGuardDropsRelayWhenDaemonIsKilled(t *testing.T) {
	dir := t.TempDir()
	d, _ := daemonOn(t, dir)
	d.Process.Kill()
	t.Logf("off after %v", within(t, time.Second, "relay off", func() bool { return !lit(dir) }))
}

func TestGuardDropsRelayWhenDaemonHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the guard as a process, or waits for its times")
	}
	dir := t.TempDir()
	d, _ := daemonOn(t, dir)
	d.Process.Signal(syscall.SIGSTOP)
	t.Logf("off after %v", within(t, time.Second, "relay off", func() bool { return !lit(dir) }))
	d.Process.Signal(syscall.SIGCONT)
	// When the daemon returns, it sends keep, which must not close the relay again. Only an order may close the relay.
	stays(t, 600*time.Millisecond, false, dir)
}

func TestRelayIsOffWhenItsGuardIsKilled(t *testing.T) {
	dir := t.TempDir()
	_, guard := daemonOn(t, dir)
	syscall.Kill(guard, syscall.SIGKILL)
	within(t, time.Second, "relay off", func() bool { return !lit(dir) })
}

func TestJobFinishesWithoutItsDaemonIfAllowed(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the guard as a process, or waits for its times")
	}
	dir := t.TempDir()
	d, _ := daemonOn(t, dir, "RELAY_TEST_FINISH=1h", "RELAY_TEST_BUSY=1")
	d.Process.Kill()
	stays(t, 1500*time.Millisecond, true, dir)
	sim.Drive(filepath.Join(dir, "busy"), false)
	within(t, time.Second, "off when the job is done", func() bool { return !lit(dir) })
}

func TestEStopEndsAJobWithoutDaemon(t *testing.T) {
	dir := t.TempDir()
	d, _ := daemonOn(t, dir, "RELAY_TEST_FINISH=1h", "RELAY_TEST_BUSY=1")
	d.Process.Kill()
	sim.Drive(filepath.Join(dir, "estop"), true)
	within(t, time.Second, "relay off", func() bool { return !lit(dir) })
}

func TestJobWithoutDaemonIsLimitedInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the guard as a process, or waits for its times")
	}
	dir := t.TempDir()
	d, _ := daemonOn(t, dir, "RELAY_TEST_FINISH=1s", "RELAY_TEST_BUSY=1")
	d.Process.Kill()
	within(t, 3*time.Second, "relay off after its bound", func() bool { return !lit(dir) })
}

func started(t *testing.T, alive func() bool) (*Switch, chan Event, string) {
	t.Helper()
	dir := t.TempDir()
	events := make(chan Event, 64)
	s, err := Start(t.Context(), child("guard", dir), alive, events)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, events, dir
}

func yes() bool { return true }

// next waits for an event of this kind.
func next(t *testing.T, events <-chan Event, what EventKind) Event {
	t.Helper()
	for {
		select {
		case e := <-events:
			if e.What == what {
				return e
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no %s", what)
		}
	}
}

func TestSwitchConfirmsEachOrder(t *testing.T) {
	s, _, dir := started(t, yes)
	for range 3 {
		if err := s.Set(t.Context(), true, 0, 0); err != nil || !lit(dir) {
			t.Fatal(err, lit(dir))
		}
		if err := s.Set(t.Context(), false, 0, 0); err != nil || lit(dir) {
			t.Fatal(err, lit(dir))
		}
	}
	s.Set(t.Context(), true, 0, 0)
	s.Close()
	if lit(dir) {
		t.Error("closed, and the pin is high")
	}
}

func TestOpenEStopOpensTheRelayAndPreventsClosing(t *testing.T) {
	s, events, dir := started(t, yes)
	if e := next(t, events, EStop); e.On {
		t.Fatal("the e-stop is open from the start")
	}
	s.Set(t.Context(), true, 0, 0)
	sim.Drive(filepath.Join(dir, "estop"), true)
	if e := next(t, events, EStop); !e.On {
		t.Fatal("no e-stop")
	}
	within(t, time.Second, "relay off", func() bool { return !lit(dir) })
	if err := s.Set(t.Context(), true, 0, 0); err == nil || lit(dir) {
		t.Error("the relay closes while the e-stop is open")
	}
	sim.Drive(filepath.Join(dir, "estop"), false)
	next(t, events, EStop)
	if lit(dir) {
		t.Error("the relay closed again by itself")
	}
	if err := s.Set(t.Context(), true, 0, 0); err != nil {
		t.Error(err)
	}
}

func TestDeadDaemonLoopLetsTheLeaseEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the guard as a process, or waits for its times")
	}
	s, events, dir := started(t, func() bool { return false })
	if err := s.Set(t.Context(), true, 0, 0); err != nil {
		t.Fatal(err)
	}
	next(t, events, Dropped)
	if lit(dir) {
		t.Error("dropped, and the pin is high")
	}
}

func TestSwitchReportsALostGuard(t *testing.T) {
	s, events, _ := started(t, yes)
	s.Set(t.Context(), true, 0, 0)
	syscall.Kill(s.pid, syscall.SIGKILL)
	if e := next(t, events, Lost); !strings.Contains(e.Why, "killed") {
		t.Errorf("why: %q", e.Why)
	}
	if err := s.Set(t.Context(), true, 0, 0); err == nil {
		t.Error("a lost guard switched on")
	}
}

func TestPinUsedByAnotherProcessIsRefused(t *testing.T) {
	_, _, dir := started(t, yes)
	_, err := Start(t.Context(), child("guard", dir), yes, make(chan Event, 8))
	if err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Fatal(err)
	}
}

func TestStoppedGuardIsDetectedAndEnded(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the guard as a process, or waits for its times")
	}
	s, events, dir := started(t, yes)
	if err := s.Set(t.Context(), true, 0, 0); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(s.pid, syscall.SIGSTOP)
	next(t, events, Lost)
	if lit(dir) {
		t.Error("the guard is lost, and the relay closed")
	}
}

func TestOrderToAStoppedGuardOpensTheRelayWithinASecond(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the guard as a process, or waits for its times")
	}
	s, _, dir := started(t, yes)
	s.Set(t.Context(), true, 0, 0)
	syscall.Kill(s.pid, syscall.SIGSTOP)
	go s.Set(t.Context(), false, 0, 0)
	within(t, time.Second, "relay off", func() bool { return !lit(dir) })
}

func TestTerminatedGuardOpensTheRelayAndEnds(t *testing.T) {
	s, events, dir := started(t, yes)
	s.Set(t.Context(), true, time.Hour, 0)
	syscall.Kill(s.pid, syscall.SIGTERM)
	within(t, time.Second, "relay off", func() bool { return !lit(dir) })
	next(t, events, Lost)
}

func TestTerminalSignalsReachOnlyTheDaemon(t *testing.T) {
	s, _, dir := started(t, yes)
	s.Set(t.Context(), true, 0, 0)
	for range 20 {
		syscall.Kill(s.pid, syscall.SIGINT)
		syscall.Kill(s.pid, syscall.SIGHUP)
	}
	stays(t, 300*time.Millisecond, true, dir)
	if pgid, err := syscall.Getpgid(s.pid); err != nil || pgid == syscall.Getpgrp() {
		t.Errorf("the terminal's signals reach the guard: its group is %d, %v", pgid, err)
	}
}

func TestCloseEndsAJobThatMayFinishWithoutDaemon(t *testing.T) {
	s, events, dir := started(t, yes)
	if err := s.Set(t.Context(), true, time.Hour, 0); err != nil {
		t.Fatal(err)
	}
	sim.Drive(filepath.Join(dir, "busy"), true)
	for !next(t, events, Busy).On {
	}
	if err := s.Close(); err != nil || lit(dir) {
		t.Error(err, lit(dir))
	}
}

// The daemon's open files are its journal, its sockets and the device of its reader. If a guard inherited such a file,
// the file would stay open after the daemon has ended.
func TestGuardInheritsNoFilesOfTheDaemon(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ours := map[string]bool{target("self", file): true, target("self", r): true}
	s, _, _ := started(t, yes)
	// Start another guard: it must not inherit the pipe by which the first guard detects the daemon's end.
	other, _, _ := started(t, yes)
	for _, pid := range []int{s.pid, other.pid} {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Skipf("no /proc: %v", err)
		}
		for _, fd := range fds {
			to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
			if ours[to] || pid == other.pid && fd.Name() != "0" && to == target("self", s.in.(*os.File)) {
				t.Errorf("the guard holds %s → %s", fd.Name(), to)
			}
		}
	}
}

func target(pid string, f *os.File) string {
	to, _ := os.Readlink(fmt.Sprintf("/proc/%s/fd/%d", pid, f.Fd()))
	return to
}

func TestInvalidLineOnAPipeBetweenProcessesOpensTheRelay(t *testing.T) {
	dir := t.TempDir()
	g := child("guard", dir)
	in, _ := g.StdinPipe()
	out, _ := g.StdoutPipe()
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "on 1 3600000 0\n")
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "done 1 1" {
	}
	if !lit(dir) {
		t.Fatal("not on")
	}
	sim.Drive(filepath.Join(dir, "busy"), true)
	for lines.Scan() && lines.Text() != "busy 1" {
	}
	io.WriteString(in, "\x00\xff\n")
	within(t, 500*time.Millisecond, "off", func() bool { return !lit(dir) })
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	if err := g.Wait(); err != nil || !strings.HasPrefix(last, "fault invalid order") {
		t.Errorf("the guard ended with %v, and said last %q", err, last)
	}
}

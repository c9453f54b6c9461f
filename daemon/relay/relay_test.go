package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"portillon/daemon/relay/gpio/sim"
)

// The test binary is its own guard and its own daemon: real processes, real signals.
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
	return Wiring{Relay: "sim:" + filepath.Join(dir, "pin"), EStop: "sim:" + filepath.Join(dir, "estop"), Busy: "sim:" + filepath.Join(dir, "busy")}
}

func guardChild(dir string) int {
	p, err := wiring(dir).Open()
	if err != nil {
		fmt.Println("fault", err)
		return 1
	}
	Guard(context.Background(), os.Stdin, os.Stdout, p)
	return 0
}

// daemonChild switches on, says so with the guard's pid, and lives until it is ended.
func daemonChild(dir string) {
	events := make(chan Event, 64)
	s, err := Start(context.Background(), child("guard", dir), func() bool { return true }, events)
	if err == nil {
		finish, _ := time.ParseDuration(os.Getenv("RELAY_TEST_FINISH"))
		err = s.Set(context.Background(), true, finish)
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("on", s.Process())
	select {}
}

func child(kind, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RELAY_TEST_CHILD="+kind, "RELAY_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func lit(dir string) bool {
	on, err := sim.Level(filepath.Join(dir, "pin"))
	return err == nil && on
}

// within waits for what must come.
func within(t *testing.T, d time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !holds() {
		if time.Since(start) > d {
			t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(start)
}

// daemonOn starts a daemon whose relay is on.
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
	dir := t.TempDir()
	d, _ := daemonOn(t, dir)
	d.Process.Signal(syscall.SIGSTOP)
	t.Logf("off after %v", within(t, time.Second, "relay off", func() bool { return !lit(dir) }))
	d.Process.Signal(syscall.SIGCONT)
	// A daemon that comes back says keep: that alone must not close the relay again. Its next order, if any, would.
	for end := time.Now().Add(600 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if lit(dir) {
			t.Fatal("the relay closed again by itself")
		}
	}
}

func TestRelayIsOffWhenItsGuardIsKilled(t *testing.T) {
	dir := t.TempDir()
	_, guard := daemonOn(t, dir)
	syscall.Kill(guard, syscall.SIGKILL)
	within(t, time.Second, "relay off", func() bool { return !lit(dir) })
}

func TestJobFinishesWithoutItsDaemonWhereThatIsAllowed(t *testing.T) {
	dir := t.TempDir()
	sim.Drive(filepath.Join(dir, "busy"), true)
	d, _ := daemonOn(t, dir, "RELAY_TEST_FINISH=1h")
	within(t, time.Second, "", func() bool { return true })
	d.Process.Kill()
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if !lit(dir) {
			t.Fatal("the job was cut")
		}
	}
	sim.Drive(filepath.Join(dir, "busy"), false)
	within(t, time.Second, "off when the job is done", func() bool { return !lit(dir) })
}

func TestEStopEndsEvenAJobThatFinishesAlone(t *testing.T) {
	dir := t.TempDir()
	sim.Drive(filepath.Join(dir, "busy"), true)
	d, _ := daemonOn(t, dir, "RELAY_TEST_FINISH=1h")
	d.Process.Kill()
	sim.Drive(filepath.Join(dir, "estop"), true)
	within(t, time.Second, "relay off", func() bool { return !lit(dir) })
}

func TestJobThatFinishesAloneIsBounded(t *testing.T) {
	dir := t.TempDir()
	sim.Drive(filepath.Join(dir, "busy"), true)
	d, _ := daemonOn(t, dir, "RELAY_TEST_FINISH=1s")
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

// next waits for an event of the kind.
func next(t *testing.T, events <-chan Event, what Happening) Event {
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
		if err := s.Set(t.Context(), true, 0); err != nil || !lit(dir) {
			t.Fatal(err, lit(dir))
		}
		if err := s.Set(t.Context(), false, 0); err != nil || lit(dir) {
			t.Fatal(err, lit(dir))
		}
	}
	s.Set(t.Context(), true, 0)
	s.Close()
	if lit(dir) {
		t.Error("closed, and the pin is high")
	}
}

func TestEStopOpensTheRelayAndHoldsItOpen(t *testing.T) {
	s, events, dir := started(t, yes)
	if e := next(t, events, EStop); e.On {
		t.Fatal("the e-stop is open from the start")
	}
	s.Set(t.Context(), true, 0)
	sim.Drive(filepath.Join(dir, "estop"), true)
	if e := next(t, events, EStop); !e.On {
		t.Fatal("no e-stop")
	}
	within(t, time.Second, "relay off", func() bool { return !lit(dir) })
	if err := s.Set(t.Context(), true, 0); err == nil || lit(dir) {
		t.Error("the relay closes while the e-stop is open")
	}
	sim.Drive(filepath.Join(dir, "estop"), false)
	next(t, events, EStop)
	if lit(dir) {
		t.Error("the relay closed again by itself")
	}
	if err := s.Set(t.Context(), true, 0); err != nil {
		t.Error(err)
	}
}

func TestDeadDaemonLoopLetsTheLeaseEnd(t *testing.T) {
	s, events, dir := started(t, func() bool { return false })
	if err := s.Set(t.Context(), true, 0); err != nil {
		t.Fatal(err)
	}
	next(t, events, Dropped)
	if lit(dir) {
		t.Error("dropped, and the pin is high")
	}
}

func TestSwitchTellsThatItsGuardIsLost(t *testing.T) {
	s, events, _ := started(t, yes)
	s.Set(t.Context(), true, 0)
	syscall.Kill(s.Process(), syscall.SIGKILL)
	if e := next(t, events, Lost); !strings.Contains(e.Why, "killed") {
		t.Errorf("why: %q", e.Why)
	}
	if err := s.Set(t.Context(), true, 0); err == nil {
		t.Error("a lost guard switched on")
	}
}

func TestPinThatIsHeldIsRefused(t *testing.T) {
	_, _, dir := started(t, yes)
	_, err := Start(t.Context(), child("guard", dir), yes, make(chan Event, 8))
	if err == nil || !strings.Contains(err.Error(), "another process holds it") {
		t.Fatal(err)
	}
}

func TestUnsetSwitchRefuses(t *testing.T) {
	if err := new(Switch).Set(t.Context(), true, 0); err == nil {
		t.Error("the zero Switch switched on")
	}
}

func TestNonsenseOpensTheRelay(t *testing.T) {
	for _, line := range []string{"", "on", "on x", "on -1", "ON 0", "keep keep on", strings.Repeat("k", 4096), "\x00\xff", "toggle"} {
		dir := t.TempDir()
		g := child("guard", dir)
		in, _ := g.StdinPipe()
		out, _ := g.StdoutPipe()
		if err := g.Start(); err != nil {
			t.Fatal(err)
		}
		io.WriteString(in, "on 0\n")
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "level 1" {
		}
		if !lit(dir) {
			t.Fatal("not on")
		}
		if line != "keep keep on" { // a word and more: the word counts
			io.WriteString(in, line+"\n")
		} else {
			in.Close()
		}
		within(t, 850*time.Millisecond, fmt.Sprintf("off after %.10q", line), func() bool { return !lit(dir) })
		in.Close()
		g.Wait()
	}
}

func TestWiringIsChecked(t *testing.T) {
	for pin, want := range map[string]string{"": "names no pin", "gpio:17": "names no pin", "gpio:pinctrl-/x": "names no pin", "gpio:pinctrl-/4": "pulled up",
		"gpio:pinctrl-/14": "idles high", "sim:": "names no pin", "gpio:pinctrl-/17": "", "sim:/tmp/x": ""} {
		err := Wiring{Relay: pin}.Check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", pin, err)
		}
	}
}

package sim

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// The test binary also runs as the process that holds the pin, because POSIX locks do not conflict within one process.
func TestMain(m *testing.M) {
	if path := os.Getenv("SIM_TEST_HOLD"); path != "" {
		holdPin(path)
	}
	os.Exit(m.Run())
}

// holdPin drives the pin according to the lines of its input.
func holdPin(path string) {
	p, err := Hold(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		p.Out(gpio.Level(in.Text() == "1"))
		fmt.Println("done")
	}
	os.Exit(0)
}

type holder struct {
	t   *testing.T
	cmd *exec.Cmd
	say func(string)
	out *bufio.Scanner
}

// startHolder starts a process that holds the pin.
func startHolder(t *testing.T, path string) *holder {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SIM_TEST_HOLD="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	h := &holder{t, cmd, func(s string) { fmt.Fprintln(in, s) }, bufio.NewScanner(out)}
	h.wants("held")
	return h
}

func (h *holder) wants(line string) {
	h.t.Helper()
	if !h.out.Scan() || h.out.Text() != line {
		h.t.Fatalf("the holder said %q, not %q", h.out.Text(), line)
	}
}

func (h *holder) drive(level string) {
	h.t.Helper()
	h.say(level)
	h.wants("done")
}

func level(t *testing.T, path string, want bool, when string) {
	t.Helper()
	if got, err := Level(path); err != nil || got != want {
		t.Errorf("%s: %v, %v", when, got, err)
	}
}

func TestPinHasTheLevelOfItsHolderOrIsLowWithoutAHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pin")
	level(t, path, false, "a pin that nobody made")
	h := startHolder(t, path)
	level(t, path, false, "held")
	h.drive("1")
	level(t, path, true, "driven high")
	h.drive("0")
	level(t, path, false, "driven low")
	h.drive("1")
	h.cmd.Process.Kill()
	h.cmd.Wait()
	if b, _ := os.ReadFile(path); !strings.HasPrefix(string(b), "1") {
		t.Errorf("the killed holder left %q, not what this test is about", b)
	}
	level(t, path, false, "its holder killed")
	h = startHolder(t, path)
	level(t, path, false, "held anew")
	h.drive("1")
	level(t, path, true, "driven anew")
}

func TestPinCanBeHeldByOneProcessOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pin")
	h := startHolder(t, path)
	h.drive("1")
	if _, err := Hold(path); err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Error(err)
	}
	level(t, path, true, "after a second hand on it")
}

func TestDrivenInputIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	in := Watch(path, gpio.PullUp)
	if in.Read() != gpio.Low {
		t.Error("an input that was never driven is high")
	}
	for _, high := range []bool{true, false, true} {
		if err := Drive(path, high); err != nil {
			t.Fatal(err)
		}
		if in.Read() != gpio.Level(high) {
			t.Errorf("driven %v, read %v", high, in.Read())
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if err := Drive(filepath.Join(path, "x"), true); err == nil {
		t.Error("an input that cannot be driven was driven")
	}
}

func TestInputWithInvalidTextHasTheLevelOfABrokenWire(t *testing.T) {
	for _, text := range []string{"", "x", "\n1"} {
		path := filepath.Join(t.TempDir(), "in")
		os.WriteFile(path, []byte(text), 0o644)
		if Watch(path, gpio.PullUp).Read() != gpio.High || Watch(path, gpio.PullDown).Read() != gpio.Low {
			t.Errorf("%q is not the pull's level", text)
		}
	}
}

func TestWaitForEdgeEndsWithTheEdgeOrTheTimeout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	in := Watch(path, gpio.PullUp)
	if in.WaitForEdge(0) || in.WaitForEdge(2*poll) {
		t.Error("an edge that was none")
	}
	seen := make(chan bool, 1)
	go func() { seen <- in.WaitForEdge(-1) }() // -1 means a wait without a time limit, as periph defines
	time.AfterFunc(4*poll, func() { Drive(path, true) })
	select {
	case ok := <-seen:
		if !ok {
			t.Error("it did not wait for ever")
		}
	case <-time.After(5 * time.Second):
		t.Error("no edge")
	}
}

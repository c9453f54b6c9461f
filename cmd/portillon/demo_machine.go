package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/enrol"
	"portillon/cmd/internal/setup"
	"portillon/daemon/control"
	"portillon/daemon/relay/gpio/sim"
	"portillon/policy"
)

// demoMachine is a real portillond with its guard, connected to a simulated pin and enrolled at the hub.
type demoMachine struct {
	id     policy.MachineID
	name   policy.Text // machine's name in the policy
	dir    string      // folder with the machine's keys, data and pins
	file   string      // text of machine.yaml without panel:, which method config adds
	origin string      // address of the demo's page, which may embed the panel
	d      *demo

	mu    sync.Mutex
	panel string        // address of the panel, once the daemon is ready
	cmd   *exec.Cmd     // the daemon
	ended chan struct{} // closed when the daemon has ended
	log   bytes.Buffer  // standard error of the daemon
	quit  bool          // true: the demo is ending, so it does not start the daemon again
}

// demoHost simulates, for the enrolment, a computer whose clock is the demo's clock.
type demoHost struct {
	setup.Pi
	now func() time.Time
}

// Now returns the time on the demo's clock.
func (h demoHost) Now() time.Time { return h.now() }

// join enrols the machine at the hub, with a one-time code.
func (m *demoMachine) join(ctx context.Context, d *demo) error {
	code, err := d.hub.Enrol().Codes.New(ctx, demoActor, m.id, false)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	e := enrol.Enrolment{Host: demoHost{now: d.now}, Out: &said, Program: daemoncmd.Version,
		Options: enrol.Options{Address: d.hub.MachinesAddr(), Code: code.Text, Folder: m.dir, Lang: policy.English}}
	if err := e.Run(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, said.String())
	}
	b, err := os.ReadFile(m.path())
	m.file = string(b)
	return err
}

// path returns the path of the machine's configuration.
func (m *demoMachine) path() string { return filepath.Join(m.dir, string(m.id)+".yaml") }

// hubPage returns the path of the machine's page at the hub.
func (m *demoMachine) hubPage() string { return "/machines/" + url.PathEscape(string(m.id)) }

// config returns the text of machine.yaml, which allows the demo's page to show the panel in a frame.
func (m *demoMachine) config() string {
	return m.file + fmt.Sprintf("panel: { listen: %q, framed: %q }\n", m.listen(), m.origin)
}

// listen returns the address for the panel: at the first start with any free port, and at a restart of a killed daemon
// with the same port as before.
func (m *demoMachine) listen() string {
	if m.panel == "" {
		return "127.0.0.1:0"
	}
	return strings.TrimSuffix(strings.TrimPrefix(m.panel, "http://"), "/")
}

// start starts the daemon and waits until it is ready, for at most 20 seconds.
func (m *demoMachine) start(d *demo, origin string) error {
	m.d, m.origin = d, origin
	m.mu.Lock()
	defer m.mu.Unlock()
	conf := m.path()
	if err := os.WriteFile(conf, []byte(m.config()), 0o600); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{Path: self, Stderr: &m.log, SysProcAttr: ownGroup(),
		Args: []string{"portillond", "-config", conf, "-demo-clock", d.now().Format(time.RFC3339Nano)}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	m.cmd, m.ended = cmd, make(chan struct{})
	// Read the daemon's output for the address of its panel. When the daemon ends, start it again.
	ready := make(chan string, 1)
	go func(ended chan struct{}) {
		for s := bufio.NewScanner(out); s.Scan(); {
			if _, at, ok := strings.Cut(s.Text(), "ready panel="); ok {
				ready <- at
			}
		}
		cmd.Wait()
		close(ended)
		m.restartKilled()
	}(m.ended)
	select {
	case m.panel = <-ready:
		return nil
	case <-m.ended:
		return fmt.Errorf("daemon ended during its start: %s", m.log.String())
	case <-time.After(20 * time.Second):
		return errors.New("daemon was not ready after 20 s")
	}
}

// restartKilled restarts a killed daemon, as systemd does on a real machine.
func (m *demoMachine) restartKilled() {
	m.mu.Lock()
	quit := m.quit
	m.mu.Unlock()
	if !quit {
		time.Sleep(2 * time.Second) // the delay is long enough for a person to see the lamp go out
		m.start(m.d, m.origin)
	}
}

// socket returns the path of the daemon's control socket.
func (m *demoMachine) socket() string { return filepath.Join(m.dir, string(m.id)+".sock") }

// ask sends a request to the daemon.
func (m *demoMachine) ask(ctx context.Context, r control.Request) control.Reply {
	rep, err := control.Call(ctx, m.socket(), r)
	if err != nil {
		return control.Reply{FR: "Le démon de cette machine redémarre", EN: "This machine's daemon is starting again"}
	}
	return rep
}

// isPinHigh returns the level of the relay's pin, read from the simulated pin itself, because the daemon might report
// another level.
func (m *demoMachine) isPinHigh() bool {
	on, err := sim.Level(filepath.Join(m.dir, "pin"))
	return err == nil && on
}

// estop opens or closes the simulated emergency stop.
func (m *demoMachine) estop(open bool) error {
	return sim.Drive(filepath.Join(m.dir, "e-stop"), open)
}

// estopOpen reports whether the emergency stop is pressed.
func (m *demoMachine) estopOpen() bool {
	b, err := os.ReadFile(filepath.Join(m.dir, "e-stop"))
	return err == nil && bytes.HasPrefix(b, []byte("1"))
}

// kill ends the daemon with SIGKILL. After the kill, the guard must open the relay without the daemon.
func (m *demoMachine) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd != nil {
		m.cmd.Process.Kill()
	}
}

// stop ends the daemon with SIGTERM, and with SIGKILL after 10 seconds.
func (m *demoMachine) stop() error {
	m.mu.Lock()
	m.quit = true
	cmd, ended := m.cmd, m.ended
	m.mu.Unlock()
	if cmd == nil {
		return nil
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
		return nil
	case <-time.After(10 * time.Second):
		cmd.Process.Kill()
		return fmt.Errorf("daemon of %s did not end within 10 s and was killed", m.id)
	}
}

// runVerb runs one of the tool's commands, as if a person had typed it, and returns the command's output.
func (d *demo) runVerb(ctx context.Context, verb func(context.Context, stdio, []string) error,
	args ...string) (string, error) {
	var out, errs bytes.Buffer
	if err := verb(ctx, stdio{out: &out, err: &errs}, args); err != nil {
		return "", fmt.Errorf("command portillon %s… failed: %w", args[0], err)
	}
	return strings.TrimSpace(out.String()), nil
}

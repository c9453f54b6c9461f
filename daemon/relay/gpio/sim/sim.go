// Package sim has simulated pins: files whose level any process can read, for demonstrations and tests.
//
// A relay's pin is held as the kernel holds a line: as long as the process that holds it lives. Hold takes a lock on the file that
// the kernel drops with the process, however it ends; without a holder the level is the pull's, which is low, as on a board that is wired right.
package sim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// Pin is an output that this process holds.
type Pin struct {
	f *os.File
}

var _ gpio.PinOut = (*Pin)(nil)

// Hold takes the pin, low. A pin that another process holds is refused.
func Hold(path string) (*Pin, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
		f.Close()
		return nil, fmt.Errorf("simulated pin %s: another process holds it: %w", path, err)
	}
	p := &Pin{f}
	return p, p.Out(gpio.Low)
}

// Out implements gpio.PinOut.
func (p *Pin) Out(l gpio.Level) error {
	_, err := p.f.WriteAt(text(l), 0)
	return err
}

func text(l gpio.Level) []byte {
	if l {
		return []byte("1\n")
	}
	return []byte("0\n")
}

// Level reads a pin as anyone may: high only while a process holds it high. A pin that nobody has made yet is low.
// It must not be called by the process that holds the pin: closing the file would drop its lock (fcntl(2), POSIX locks).
func Level(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return false, err
	}
	b := make([]byte, 1)
	n, _ := f.ReadAt(b, 0)
	return lock.Type != unix.F_UNLCK && n == 1 && b[0] == '1', nil
}

// Drive sets a simulated input, as a hand on a button would.
func Drive(path string, high bool) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(tmp, text(gpio.Level(high)), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Input is an input that Drive sets. One that was never driven is low; one that cannot be read is high.
type Input struct{ path string }

var _ gpio.PinIn = Input{}

// Watch makes an input of a file.
func Watch(path string) Input { return Input{path} }

// Read implements gpio.PinIn.
func (i Input) Read() gpio.Level {
	b, err := os.ReadFile(i.path)
	if errors.Is(err, os.ErrNotExist) {
		return gpio.Low
	}
	return gpio.Level(err != nil || len(b) == 0 || b[0] != '0')
}

// poll is how often a simulated input is looked at.
const poll = 5 * time.Millisecond

// WaitForEdge implements gpio.PinIn. It waits at most timeout, which must not be negative.
func (i Input) WaitForEdge(timeout time.Duration) bool {
	before := i.Read()
	for end := time.Now().Add(timeout); time.Now().Before(end); {
		time.Sleep(poll)
		if i.Read() != before {
			return true
		}
	}
	return false
}

// In implements gpio.PinIn.
func (i Input) In(gpio.Pull, gpio.Edge) error { return nil }

// Pull implements gpio.PinIn.
func (i Input) Pull() gpio.Pull { return gpio.PullDown }

// DefaultPull implements gpio.PinIn.
func (i Input) DefaultPull() gpio.Pull { return gpio.PullDown }

func (i Input) String() string   { return "sim:" + i.path }
func (i Input) Halt() error      { return nil }
func (i Input) Name() string     { return i.path }
func (i Input) Number() int      { return -1 }
func (i Input) Function() string { return "In" }

func (p *Pin) String() string   { return "sim:" + p.f.Name() }
func (p *Pin) Name() string     { return p.f.Name() }
func (p *Pin) Number() int      { return -1 }
func (p *Pin) Function() string { return "Out" }

// Halt lets the pin go: its level is the pull's.
func (p *Pin) Halt() error { return p.f.Close() }

// PWM refuses: a relay is on or off.
func (p *Pin) PWM(gpio.Duty, physic.Frequency) error {
	return errors.New("a simulated pin has no PWM")
}

// Package sim has simulated pins: files whose level any process can read, for demonstrations and tests.
//
// A relay's pin is held as the kernel holds a line: as long as the process that holds it lives. Hold takes locks on the
// file that the kernel drops with the process, however it ends; without a holder the level is the pull's, which is low,
// as on a board that is wired right. The file's text (0 or 1) is for people and for Level; it counts only while its
// second byte is locked, which Hold does when it has written 0: what a killed holder left behind is never a level.
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

// The bytes that a holder locks.
const (
	held  = 0 // nobody else may hold the pin
	valid = 1 // the text is the level
)

// Hold takes the pin, low. A pin that another process holds is refused.
func Hold(path string) (*Pin, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lock(f, held); err != nil {
		f.Close()
		return nil, fmt.Errorf("simulated pin %s: another process holds it: %w", path, err)
	}
	p := &Pin{f}
	if err := errors.Join(p.Out(gpio.Low), lock(f, valid)); err != nil {
		f.Close()
		return nil, fmt.Errorf("simulated pin %s: %w", path, err)
	}
	return p, nil
}

func lock(f *os.File, b int64) error {
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: b, Len: 1})
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

// Level reads a pin as anyone may: high only while a process holds it high. A pin that nobody has made yet is low. It
// must not be called by the process that holds the pin: closing the file would drop its lock (fcntl(2), POSIX locks).
func Level(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: valid, Len: 1}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return false, err
	}
	b := make([]byte, 1)
	n, _ := f.ReadAt(b, 0)
	return lock.Type != unix.F_UNLCK && n == 1 && b[0] == '1', nil
}

// Drive sets a simulated input, as a hand on a button would.
func Drive(path string, high bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text(gpio.Level(high)))
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// Input is an input that Drive sets. One that was never driven is low: its contact is closed to ground, or its machine
// idle. One that cannot be read, or holds neither 0 nor 1, is what its pull makes of a broken wire.
type Input struct {
	path string
	pull gpio.Pull
}

var _ gpio.PinIn = Input{}

// Watch makes an input of a file.
func Watch(path string, pull gpio.Pull) Input { return Input{path, pull} }

// Read implements gpio.PinIn.
func (i Input) Read() gpio.Level {
	b, err := os.ReadFile(i.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return gpio.Low
	case err == nil && len(b) > 0 && b[0] == '0':
		return gpio.Low
	case err == nil && len(b) > 0 && b[0] == '1':
		return gpio.High
	}
	return gpio.Level(i.pull == gpio.PullUp)
}

// poll is how often a simulated input is looked at.
const poll = 5 * time.Millisecond

// WaitForEdge implements gpio.PinIn; a negative timeout is none.
func (i Input) WaitForEdge(timeout time.Duration) bool {
	before := i.Read()
	for began := time.Now(); timeout < 0 || time.Since(began) < timeout; {
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
func (i Input) Pull() gpio.Pull { return i.pull }

// DefaultPull implements gpio.PinIn.
func (i Input) DefaultPull() gpio.Pull { return i.pull }

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

// Package sim provides simulated pins: files whose level any process can read, for demonstrations and tests.
//
// A simulated relay pin is held as long as the process of its holder runs, like a GPIO line of the kernel. Hold locks
// bytes of the file, and the kernel releases the locks when the process ends for any reason. Without a holder the pin
// has the level of its pull resistor, which is low, as on a correctly wired board. The file's text (0 or 1) is for
// people and for Level. The text is valid only while the second byte is locked. Hold locks that byte only after it has
// written 0, so the text that a killed holder has left never counts as a level.
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

// Pin is an output held by this process.
type Pin struct {
	f *os.File
}

var _ gpio.PinOut = (*Pin)(nil)

// A holder of the pin locks these bytes of the file.
const (
	held  = 0 // while this byte is locked, no other process may hold the pin
	valid = 1 // while this byte is locked, the text of the file is the level
)

// Hold opens the pin at a low level. Hold returns an error if another process holds the pin.
func Hold(path string) (*Pin, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lock(f, held); err != nil {
		f.Close()
		return nil, fmt.Errorf("simulated pin %s: another process uses it: %w", path, err)
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

// Level returns a pin's level: high only while a process holds it high. If the file of the pin is missing, the level is
// low. The holder itself must not call Level, because closing the file would release its lock (fcntl(2), POSIX locks).
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

// Drive sets a simulated input.
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

// Input is an input that Drive sets. An input that Drive has never set is low, which means that a contact to ground is
// closed, or that a machine is idle. An input that cannot be read, or whose text is not 0 or 1, has the level that a
// broken wire would give it.
type Input struct {
	path string
	pull gpio.Pull
}

var _ gpio.PinIn = Input{}

// Watch returns the input whose level is in the file at path.
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

// poll is the interval between two reads of a simulated input.
const poll = 5 * time.Millisecond

// WaitForEdge implements gpio.PinIn. A negative timeout means no limit.
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

// Halt releases the pin. The pull resistor then determines the pin's level.
func (p *Pin) Halt() error { return p.f.Close() }

// PWM returns an error, because a relay is only on or off.
func (p *Pin) PWM(gpio.Duty, physic.Frequency) error {
	return errors.New("a simulated pin has no PWM")
}

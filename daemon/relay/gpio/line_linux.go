package gpio

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// kernel contains the system calls of the driver. Tests replace these calls.
type kernel struct {
	chips func() ([]string, error)
	open  func(path string) (int, error)
	ioctl func(fd int, req uintptr, arg unsafe.Pointer) error
	close func(fd int) error
	poll  func(fd int, timeout time.Duration) (bool, error)
	read  func(fd int, b []byte) (int, error)
}

// systemKernel returns the system calls of this computer's kernel.
func systemKernel() kernel {
	return kernel{
		chips: func() ([]string, error) { return filepath.Glob("/dev/gpiochip*") },
		open:  func(path string) (int, error) { return unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0) },
		ioctl: func(fd int, req uintptr, arg unsafe.Pointer) error {
			_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg))
			if errno != 0 {
				return errno
			}
			return nil
		},
		close: unix.Close,
		poll: func(fd int, timeout time.Duration) (bool, error) {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(p, milliseconds(timeout))
			// A signal interrupts poll, which the kernel does not restart (signal(7)), and Go's scheduler sends signals.
			if errors.Is(err, unix.EINTR) {
				return false, nil
			}
			return n > 0, err
		},
		read: func(fd int, b []byte) (int, error) { return unix.Read(fd, b) },
	}
}

// milliseconds converts a timeout for poll(2): a negative timeout means no limit, and a fraction of a millisecond is
// rounded up.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((d + time.Millisecond - 1) / time.Millisecond)
}

// OpenOut opens a line as an output, which has its inactive level from the request on. If activeLow is set, the low
// level is the active one. The chip's own pull (about 50 kΩ on a Pi) is set to the inactive level in the same request,
// and stays set when the line is released. A driver that cannot set pulls ignores this setting.
func OpenOut(label string, line int, activeLow bool) (*Out, error) {
	return systemKernel().openOut(label, line, activeLow)
}

// OpenIn opens a line as an input with pull-up or pull-down.
func OpenIn(label string, line int, pull gpio.Pull) (*In, error) {
	return systemKernel().openIn(label, line, pull)
}

// FindLine returns an error if no chip whose label begins with label has the line. FindLine does not open the line.
func FindLine(label string, line int) error { return systemKernel().findLine(label, line) }

// findLine returns an error if no chip with this label has the line.
func (k kernel) findLine(label string, line int) error {
	chip, _, err := k.find(label, line)
	if err != nil {
		return err
	}
	return k.close(chip)
}

func (k kernel) openOut(label string, line int, activeLow bool) (*Out, error) {
	if err := CheckRelay(line); err != nil {
		return nil, err
	}
	r := request(line, "portillon-relay")
	r.config.flags = flagOutput | flagPullDown
	if activeLow {
		r.config.flags = flagOutput | flagActiveLow | flagPullUp
	}
	r.config.attrs = 1
	r.config.attr[0] = configAttribute{attribute{id: attrOutputValues, value: 0}, 1}
	name, err := k.request(label, line, r)
	if err != nil {
		return nil, err
	}
	fd := int(r.fd)
	return &Out{base: base{name, line},
		set: func(high bool) error {
			v := lineValues{mask: 1}
			if high {
				v.bits = 1
			}
			if err := k.ioctl(fd, setValues, unsafe.Pointer(&v)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		},
		close: func() error { return k.close(fd) }}, nil
}

// request returns the kernel's request for a line, in the name of one consumer.
func request(line int, consumer string) *lineRequest {
	r := &lineRequest{lines: 1, fd: -1}
	r.offsets[0] = uint32(line)
	copy(r.consumer[:maxName-1], consumer)
	return r
}

// request requests the line from the chip. After success, r.fd is the file descriptor of the line.
func (k kernel) request(label string, line int, r *lineRequest) (string, error) {
	chip, path, err := k.find(label, line)
	if err != nil {
		return "", err
	}
	defer k.close(chip)
	name := fmt.Sprintf("line %d of %s", line, path)
	err = k.ioctl(chip, getLine, unsafe.Pointer(r))
	switch {
	case errors.Is(err, unix.EBUSY):
		return "", fmt.Errorf("%s is used by %s", name, k.lineUser(chip, line))
	case err != nil:
		return "", fmt.Errorf("%s: %w", name, err)
	case r.fd <= 0:
		return "", fmt.Errorf("%s: kernel returned no file descriptor", name)
	}
	return name, nil
}

// find opens the first chip whose label begins with label and that has the line.
func (k kernel) find(label string, line int) (int, string, error) {
	paths, err := k.chips()
	if err != nil {
		return -1, "", err
	}
	var seen refusals
	for _, path := range paths {
		fd, err := k.open(path)
		if err != nil {
			seen = append(seen, fmt.Errorf("%s: %w", path, err))
			continue
		}
		var info chipInfo
		if err := k.ioctl(fd, getChipInfo, unsafe.Pointer(&info)); err != nil {
			seen = append(seen, fmt.Errorf("%s: %w", path, err))
			k.close(fd)
			continue
		}
		got := cString(info.label[:])
		if strings.HasPrefix(got, label) && uint32(line) < info.lines {
			return fd, path, nil
		}
		seen = append(seen, fmt.Errorf("%s is %q with %d lines", path, got, info.lines))
		k.close(fd)
	}
	if len(seen) == 0 {
		return -1, "", ErrNoChip
	}
	return -1, "", fmt.Errorf("no GPIO chip %q… with a line %d: %w", label, line, seen)
}

// lineUser returns the quoted name of the program that uses a line, or "another program" if the name is unknown.
func (k kernel) lineUser(chip, line int) string {
	info := lineInfo{offset: uint32(line)}
	if err := k.ioctl(chip, getLineInfo, unsafe.Pointer(&info)); err != nil || info.consumer[0] == 0 {
		return "another program"
	}
	return fmt.Sprintf("%q", cString(info.consumer[:]))
}

// cString returns the text before the first zero byte.
func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

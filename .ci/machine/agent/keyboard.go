package main

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These are requests of linux/uinput.h and codes of linux/input-event-codes.h.
const (
	uiDevCreate = 0x5501
	uiDevSetup  = 0x405c5503
	uiSetEvBit  = 0x40045564
	uiSetKeyBit = 0x40045565
	evKey       = 1
)

// keyOf maps the hexadecimal digits and Enter to their key codes.
var keyOf = map[rune]uint16{'1': 2, '2': 3, '3': 4, '4': 5, '5': 6, '6': 7, '7': 8, '8': 9, '9': 10, '0': 11,
	'A': 30, 'B': 48, 'C': 46, 'D': 32, 'E': 18, 'F': 33, '\n': 28}

// keyboard is a simulated card reader that types the numbers of cards: a uinput keyboard that the kernel creates and
// udev detects.
type keyboard struct{ fd int } // the open /dev/uinput

// plugKeyboard creates the keyboard and waits until udev has detected it.
func plugKeyboard() (*keyboard, error) {
	fd, err := unix.Open("/dev/uinput", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/uinput: %w", err)
	}
	k := &keyboard{fd}
	if err := k.set(uiSetEvBit, evKey); err != nil {
		return nil, err
	}
	// declare all keys, because udev recognises a device as a keyboard only if it has all keys
	for code := 1; code < 120; code++ {
		if err := k.set(uiSetKeyBit, code); err != nil {
			return nil, err
		}
	}
	var setup [92]byte // struct uinput_setup: input_id of 8 bytes, name of 80, ff_effects_max of 4
	binary.NativeEndian.PutUint16(setup[:], 3)
	copy(setup[8:], "portillon test reader") // rig.rules makes udev create /dev/input/portillon-reader for this name
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uiDevSetup, uintptr(unsafe.Pointer(&setup[0]))); e != 0 {
		return nil, e
	}
	return k, k.set(uiDevCreate, 0)
}

// set sends an ioctl request with a value to the device uinput.
func (k *keyboard) set(request uint, value int) error { return unix.IoctlSetInt(k.fd, request, value) }

// types types text. On arm64, an event has 24 bytes: two longs of time, then type, code and value.
func (k *keyboard) types(text string) error {
	var b []byte
	event := func(kind, code uint16, value uint32) {
		b = append(b, make([]byte, 16)...)
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = binary.NativeEndian.AppendUint16(b, code)
		b = binary.NativeEndian.AppendUint32(b, value)
	}
	for _, r := range text {
		for _, value := range []uint32{1, 0} {
			event(evKey, keyOf[r], value)
			event(0, 0, 0)
		}
		if _, err := unix.Write(k.fd, b); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}

// unplug removes the simulated keyboard.
func (k *keyboard) unplug() error { return unix.Close(k.fd) }

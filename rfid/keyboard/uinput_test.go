//go:build linux && uinput

// These tests type on a virtual keyboard of the kernel. They need /dev/uinput, root and the module evdev. The build
// tag uinput excludes them from a normal run, because a check fails if any test is skipped, and that check also runs
// on computers without these requirements. To run them:
//
//	go test -tags uinput ./rfid/keyboard
package keyboard

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"portillon/rfid"
)

// These are the request codes that linux/uinput.h defines.
const (
	uiDevCreate  = 0x5501
	uiDevDestroy = 0x5502
	uiDevSetup   = 0x405c5503
	uiSetEvBit   = 0x40045564
	uiSetKeyBit  = 0x40045565
	uiGetSysname = 0x8040552c // a request for a name of at most 64 bytes
)

// virtualKeyboard is a virtual keyboard.
type virtualKeyboard struct {
	t    *testing.T
	fd   int
	path string // path of the keyboard's event device
}

func newTypist(t *testing.T) *virtualKeyboard {
	t.Helper()
	fd, err := unix.Open("/dev/uinput", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal("/dev/uinput: ", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	k := &virtualKeyboard{t: t, fd: fd}
	k.set(uiSetEvBit, evKey)
	for code := 1; code < 120; code++ {
		k.set(uiSetKeyBit, code)
	}
	var setup [92]byte // struct uinput_setup: input_id of 8 bytes, name of 80, ff_effects_max of 4
	binary.NativeEndian.PutUint16(setup[:], 3)
	copy(setup[8:], "portillon test reader")
	k.ask(uiDevSetup, setup[:])
	k.set(uiDevCreate, 0)
	var name [64]byte
	k.ask(uiGetSysname, name[:])
	dir := "/sys/devices/virtual/input/" + unix.ByteSliceToString(name[:])
	found, _ := filepath.Glob(dir + "/event*")
	if len(found) != 1 {
		t.Fatalf("no event device in %s", dir)
	}
	k.path = "/dev/input/" + filepath.Base(found[0])
	return k
}

func (k *virtualKeyboard) set(request uint, value int) {
	k.t.Helper()
	if err := unix.IoctlSetInt(k.fd, request, value); err != nil {
		k.t.Fatal(err)
	}
}

func (k *virtualKeyboard) ask(request uint, b []byte) {
	k.t.Helper()
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(k.fd), uintptr(request), uintptr(unsafe.Pointer(&b[0]))); e != 0 {
		k.t.Fatal(e)
	}
}

func (k *virtualKeyboard) types(s string) {
	k.t.Helper()
	size := newReader(nil, Hex, nil).size
	if _, err := unix.Write(k.fd, encodeEvents(typed(s), size)); err != nil {
		k.t.Fatal(err)
	}
}

func opened(t *testing.T, k *virtualKeyboard) *Reader {
	t.Helper()
	r, err := Open(k.path, Hex)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func reads(t *testing.T, r *Reader, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if tap, err := r.Read(ctx); err != nil || tap.UID.Hex() != want {
		t.Fatalf("read %q %v, want %q", tap.UID.Hex(), err, want)
	}
}

func TestVirtualKeyboardIsRead(t *testing.T) {
	k := newTypist(t)
	r := opened(t, k)
	for _, card := range []string{"62E3086CED", "01000734E0"} {
		for _, key := range card + "\n" {
			k.types(string(key))
		}
		reads(t, r, card)
	}
}

func TestVirtualKeyboardIsOpenedExclusively(t *testing.T) {
	k := newTypist(t)
	other, err := os.Open(k.path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	r := opened(t, k)
	if _, err := Open(k.path, Hex); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("a second reader of the same device: %v", err)
	}
	k.types("62E3086CED\n")
	reads(t, r, "62E3086CED")
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(other.Fd()), Events: unix.POLLIN}}, 100); n != 0 || err != nil {
		t.Errorf("another program got the number: %d %v", n, err)
	}
}

// Three cards are typed while Read is not called, which is more than the kernel's buffer can hold. After a loss of
// events, the events that remain must not form a card, and the next card must be read.
func TestEventsLostByTheKernelAreNotACard(t *testing.T) {
	k := newTypist(t)
	r := opened(t, k)
	k.types("62E3086CED\n62E3086CED\n62E3086CED\n")
	k.types("01000734E0\n")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		if tap, err := r.Read(ctx); err == nil && tap.UID.Hex() != "62E3086CED" && tap.UID.Hex() != "01000734E0" {
			t.Fatal("a card that nobody has: ", tap.UID.Hex())
		}
	}
	// wait until the line without Enter expires; this takes real time, because the kernel's clock cannot be simulated
	<-time.After(pause + 100*time.Millisecond)
	k.types("04A224BA11\n")
	reads(t, r, "04A224BA11")
}

func TestUnpluggingTheVirtualKeyboardIsAnError(t *testing.T) {
	k := newTypist(t)
	r := opened(t, k)
	failed := make(chan error)
	go func() { _, err := r.Read(t.Context()); failed <- err }()
	k.set(uiDevDestroy, 0)
	if err := <-failed; !errors.Is(err, syscall.ENODEV) {
		t.Fatal(err)
	}
}

// The reader must accept lines that end with Tab. The reader must report a line without Enter or Tab, and still read
// later lines.
func TestVirtualKeyboardLinesEndWithTabOrAreReported(t *testing.T) {
	k := newTypist(t)
	r := opened(t, k)
	said := make(chan string, 1)
	r.Unread = func(u rfid.Unread) { said <- u.Raw }
	k.types("62E3\t")
	reads(t, r, "62E3")
	k.types("0100")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if raw := <-said; raw != "0100" {
			t.Errorf("%q is said", raw)
		}
		cancel()
	}()
	if _, err := r.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// The ten keys of the line are 40 events, which fit in the kernel's buffer of 64 events.
func TestStaleLineInTheKernelsBufferGivesNoTap(t *testing.T) {
	k := newTypist(t)
	r := opened(t, k)
	k.types("62E3\n")
	<-time.After(stale + 100*time.Millisecond)
	k.types("0100\n")
	reads(t, r, "0100")
}

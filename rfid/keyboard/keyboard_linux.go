package keyboard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"portillon/rfid"
)

const (
	eviocgrab    = 0x40044590 // EVIOCGRAB, _IOW('E', 0x90, int) of linux/input.h
	eviocsclocki = 0x400445a0 // EVIOCSCLOCKID, _IOW('E', 0xa0, int)
	// stale is how old a line may be when it is read.
	stale = 2 * time.Second
)

// Reader reads cards from an input device.
type Reader struct {
	f    *os.File
	size int
	dec  Decoder
	once rfid.Once
	rest []byte               // bytes of an event that is not whole yet
	more []Event              // read, not yet decoded
	now  func() time.Duration // the clock that events are stamped with
	// quiet is how long a line that has begun is waited for; a test shortens it.
	quiet time.Duration

	// Unread, where it is set, is told of each line that is no card's number. It is called from Read and must not block.
	Unread func(rfid.Unread)
	// Heard, where it is set, is told of each line, before Unread. It may hold a card's number: only for whoever tests a
	// reader.
	Heard func(line string)
}

var _ rfid.Reader = (*Reader)(nil)

// Open opens the device, as in /dev/input/by-id/usb-…-event-kbd, and takes it for itself, so that the number is typed
// nowhere else.
func Open(path string, format Format) (*Reader, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", path, err)
	}
	if err := take(fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("reader %s: %w", path, err)
	}
	return newReader(os.NewFile(uintptr(fd), path), format, uptime), nil
}

// take asks for times that no clock's setting changes, and for the device alone.
func take(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, eviocsclocki, unix.CLOCK_MONOTONIC); err != nil {
		return fmt.Errorf("not an input device: %w", err)
	}
	if err := unix.IoctlSetInt(fd, eviocgrab, 1); err != nil {
		return fmt.Errorf("cannot take the device for this program alone, another program may hold it: %w", err)
	}
	return nil
}

// uptime is CLOCK_MONOTONIC.
func uptime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // fails for no reason that can hold here
	return time.Duration(t.Nano())
}

func newReader(f *os.File, format Format, now func() time.Duration) *Reader {
	size := size64
	if strconv.IntSize == 32 {
		size = size32
	}
	return &Reader{f: f, size: size, dec: Decoder{Format: format}, now: now, quiet: pause + pause/10}
}

// Read implements rfid.Reader. A device that was unplugged is an error: ENODEV.
func (r *Reader) Read(ctx context.Context) (rfid.Tap, error) {
	defer r.until(ctx)()
	for {
		if tap, ok := r.decode(); ok {
			return tap, nil
		}
		err := r.fill(ctx)
		switch {
		case ctx.Err() != nil:
			return rfid.Tap{}, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded): // a line has begun, and a pause has followed it
			r.dec.Idle(r.now())
			r.tellUnread()
		case err != nil:
			return rfid.Tap{}, fmt.Errorf("reader %s: %w", r.f.Name(), err)
		}
	}
}

// until lets ctx end what reads the file, until the returned function is called.
func (r *Reader) until(ctx context.Context) (release func()) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		r.f.SetReadDeadline(time.Unix(1, 0))
		close(ended)
	})
	return func() {
		if !stop() {
			<-ended
			r.f.SetReadDeadline(time.Time{}) // the reader outlives the context
		}
	}
}

// decode goes through the events that were read, up to a tap.
func (r *Reader) decode() (rfid.Tap, bool) {
	for len(r.more) > 0 {
		e := r.more[0]
		r.more = r.more[1:]
		u, ok := r.dec.Push(e)
		r.tellUnread()
		if age := r.now() - e.At; !ok || age > stale {
			continue
		}
		if now := time.Now(); r.once.Tap(u, now) {
			return rfid.Tap{UID: u, At: now}, true
		}
	}
	return rfid.Tap{}, false
}

func (r *Reader) tellUnread() {
	if line, ok := r.dec.Heard(); ok && r.Heard != nil {
		r.Heard(line)
	}
	if u, ok := r.dec.Unread(); ok && r.Unread != nil {
		r.Unread(u)
	}
}

// fill reads the device once, while a line waits for its end no longer than the pause that ends it.
func (r *Reader) fill(ctx context.Context) error {
	until := time.Time{}
	if r.dec.Pending() {
		until = time.Now().Add(r.quiet)
	}
	if r.f.SetReadDeadline(until); ctx.Err() != nil { // until's end of ctx may have come before this deadline
		return ctx.Err()
	}
	buf := make([]byte, 64*size64)
	n := copy(buf, r.rest)
	got, err := r.f.Read(buf[n:])
	if err != nil {
		return err
	}
	whole := buf[:n+got]
	used := len(whole) / r.size * r.size
	r.more, r.rest = events(whole[:used], r.size), append([]byte(nil), whole[used:]...)
	return nil
}

// Close gives the device back, and ends a Read under way.
func (r *Reader) Close() error { return r.f.Close() }

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
	// stale is the age from which Read discards a line.
	stale = 2 * time.Second
)

// Reader reads cards from an input device.
type Reader struct {
	f    *os.File
	size int
	dec  Decoder
	once rfid.Once
	rest []byte               // the first bytes of an event whose other bytes have not arrived
	more []Event              // events read but not decoded
	now  func() time.Duration // the clock by which the events are timed
	// quiet is how long Read waits for the rest of a line. Tests set a shorter time.
	quiet time.Duration

	// Unread, if set, is called during Read for each line that does not contain a card's number. Unread must not block.
	Unread func(rfid.Unread)
	// Heard, if set, is called with each line as typed, before Unread. The line may be a card's number, so use Heard
	// only in reader tests.
	Heard func(line string)
}

var _ rfid.Reader = (*Reader)(nil)

// Open opens the device, such as /dev/input/by-id/usb-…-event-kbd, exclusively, so that no other program receives the
// number.
func Open(path string, format Format) (*Reader, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", path, err)
	}
	if err := grab(fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("reader %s: %w", path, err)
	}
	return newReader(os.NewFile(uintptr(fd), path), format, uptime), nil
}

// grab selects the monotonic clock for event times, and grabs the device exclusively.
func grab(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, eviocsclocki, unix.CLOCK_MONOTONIC); err != nil {
		return fmt.Errorf("not an input device: %w", err)
	}
	if err := unix.IoctlSetInt(fd, eviocgrab, 1); err != nil {
		return fmt.Errorf("cannot open the device exclusively, another program may use it: %w", err)
	}
	return nil
}

// uptime returns the present time of CLOCK_MONOTONIC.
func uptime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // this call cannot fail with these arguments
	return time.Duration(t.Nano())
}

func newReader(f *os.File, format Format, now func() time.Duration) *Reader {
	size := size64
	if strconv.IntSize == 32 {
		size = size32
	}
	return &Reader{f: f, size: size, dec: Decoder{Format: format}, now: now, quiet: pause + pause/10}
}

// Read implements rfid.Reader. Read returns ENODEV when the device is unplugged.
func (r *Reader) Read(ctx context.Context) (rfid.Tap, error) {
	defer r.interruptWith(ctx)()
	for {
		if tap, ok := r.decode(); ok {
			return tap, nil
		}
		err := r.fill(ctx)
		switch {
		case ctx.Err() != nil:
			return rfid.Tap{}, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded): // Read waited without input after an incomplete line
			r.dec.Idle(r.now())
			r.reportUnread()
		case err != nil:
			return rfid.Tap{}, fmt.Errorf("reader %s: %w", r.f.Name(), err)
		}
	}
}

// interruptWith arranges that the end of ctx interrupts reads of the file, until the returned function is called.
func (r *Reader) interruptWith(ctx context.Context) (release func()) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		r.f.SetReadDeadline(time.Unix(1, 0))
		close(ended)
	})
	return func() {
		if !stop() {
			<-ended
			// remove the deadline, so that the reader can be read again after the end of the context
			r.f.SetReadDeadline(time.Time{})
		}
	}
}

// decode decodes the waiting events up to the first tap.
func (r *Reader) decode() (rfid.Tap, bool) {
	for len(r.more) > 0 {
		e := r.more[0]
		r.more = r.more[1:]
		u, ok := r.dec.Push(e)
		r.reportUnread()
		if age := r.now() - e.At; !ok || age > stale {
			continue
		}
		if now := time.Now(); r.once.Tap(u, now) {
			return rfid.Tap{UID: u, At: now}, true
		}
	}
	return rfid.Tap{}, false
}

// reportUnread passes the last line to Heard and Unread.
func (r *Reader) reportUnread() {
	if line, ok := r.dec.Heard(); ok && r.Heard != nil {
		r.Heard(line)
	}
	if u, ok := r.dec.Unread(); ok && r.Unread != nil {
		r.Unread(u)
	}
}

// fill reads events from the device once. While a line is incomplete, fill waits at most for the duration quiet.
func (r *Reader) fill(ctx context.Context) error {
	until := time.Time{}
	if r.dec.Pending() {
		until = time.Now().Add(r.quiet)
	}
	if r.f.SetReadDeadline(until); ctx.Err() != nil { // ctx may have ended before fill set this deadline
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
	r.more, r.rest = splitEvents(whole[:used], r.size), append([]byte(nil), whole[used:]...)
	return nil
}

// Close releases the device, and ends a running Read.
func (r *Reader) Close() error { return r.f.Close() }

package keyboard

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"portillon/rfid"
)

// eviocgrab is EVIOCGRAB, _IOW('E', 0x90, int) of linux/input.h.
const eviocgrab = 0x40044590

// Reader reads cards from an input device.
type Reader struct {
	f    *os.File
	size int
	dec  Decoder
	once rfid.Once
	rest []byte  // bytes of an event that is not whole yet
	more []Event // read, not yet decoded
}

var _ rfid.Reader = (*Reader)(nil)

// Open opens the device and takes it for itself, so that the number is typed nowhere else.
func Open(path string, format Format) (*Reader, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", path, err)
	}
	if err := unix.IoctlSetInt(fd, eviocgrab, 1); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("reader %s: it cannot be taken from the console: %w", path, err)
	}
	return newReader(os.NewFile(uintptr(fd), path), format), nil
}

func newReader(f *os.File, format Format) *Reader {
	size := size64
	if strconv.IntSize == 32 {
		size = size32
	}
	return &Reader{f: f, size: size, dec: Decoder{Format: format}}
}

// Read implements rfid.Reader. A device that was unplugged is an error.
func (r *Reader) Read(ctx context.Context) (rfid.Tap, error) {
	stop := context.AfterFunc(ctx, func() { r.f.SetReadDeadline(time.Now()) })
	defer stop()
	for {
		for len(r.more) > 0 {
			e := r.more[0]
			r.more = r.more[1:]
			if u, ok := r.dec.Push(e); ok {
				if now := time.Now(); r.once.Tap(u, now) {
					return rfid.Tap{UID: u, At: now}, nil
				}
			}
		}
		if err := r.fill(); err != nil {
			if ctx.Err() != nil {
				return rfid.Tap{}, ctx.Err()
			}
			return rfid.Tap{}, fmt.Errorf("reader %s: %w", r.f.Name(), err)
		}
	}
}

func (r *Reader) fill() error {
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

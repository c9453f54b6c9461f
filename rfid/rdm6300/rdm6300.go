// Package rdm6300 reads 125 kHz EM4100 cards through an RDM6300 (or a compatible module) on a serial line.
//
// While a card is in its field, the module repeats a frame of 14 bytes at 9600 baud 8N1: 02, ten hexadecimal digits
// (five bytes: version and number), two digits of checksum (the XOR of the five bytes), 03. The frame has no CRC, and
// the module accepts no commands. A module whose wires are unplugged only stops sending bytes. If a USB adapter is
// unplugged, Read returns an error.
//
// The package finds a frame even if its bytes arrive in several reads, if it is repeated, or if noise surrounds it.
// Digits may be upper or lower case. The package refuses a frame with a wrong checksum, and begins a new frame at
// each byte 02. The package takes all five bytes as the card's number. A reader that types the number of the same
// card in decimal delivers only the last four bytes (see rfid.Forms).
//
// The bytes of a serial line have no timestamps, so the package cannot know when a waiting byte arrived. If nobody
// called Read for two seconds (because the process was suspended, or the disk was slow), the waiting bytes may come
// from the card of a person who has left. Read then returns an error; the caller opens a new Reader, which discards
// these bytes.
package rdm6300

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"go.bug.st/serial"

	"portillon/rfid"
)

const (
	stx = 0x02
	etx = 0x03
	// digits is the number of digits between 02 and 03: ten digits of the number, and two digits of the checksum.
	digits = 12
	// patience is the longest time that one read of the line may wait. After each read, Read checks whether ctx has
	// ended.
	patience = 200 * time.Millisecond
	// maxPause is the longest allowed pause between two calls of Read. If Read is called after a longer pause, the
	// waiting bytes are stale.
	maxPause = 2 * time.Second
)

// Decoder finds frames in a stream of bytes. The zero Decoder is ready for the beginning of a frame.
type Decoder struct {
	buf [digits]byte
	n   int
	in  bool // the byte 02 was received, and the byte 03 not yet

	unread rfid.Unread // reason why the last invalid frame was refused, until Unread returns it
	heard  string      // text of the last frame, until Heard returns it
}

// Push processes one byte of the stream. When a byte ends a valid frame, Push returns the card's number.
func (d *Decoder) Push(b byte) (rfid.UID, bool) {
	switch {
	case b == stx:
		d.in, d.n = true, 0
	case !d.in:
	case b == etx && d.n == digits:
		d.in = false
		return d.number()
	case b == etx, d.n == digits:
		d.in = false
	default:
		d.buf[d.n] = b
		d.n++
	}
	return rfid.UID{}, false
}

func (d *Decoder) number() (rfid.UID, bool) {
	var b [digits / 2]byte
	d.heard = fmt.Sprintf("%q", d.buf[:])
	d.unread = rfid.Unread{Raw: d.heard,
		Why: "checksum does not match the number: check the module's antenna, wires and supply"}
	if _, err := hex.Decode(b[:], d.buf[:]); err != nil {
		return rfid.UID{}, false
	}
	sum := byte(0)
	for _, x := range b[:5] {
		sum ^= x
	}
	if sum != b[5] {
		return rfid.UID{}, false
	}
	d.unread = rfid.Unread{}
	u, err := rfid.UIDOf(b[:5])
	return u, err == nil
}

// Heard returns, once, the last frame, whether valid or not: ten digits of the number and two digits of the checksum.
// The frame may be a card's number, so use Heard only in reader tests.
func (d *Decoder) Heard() (frame string, ok bool) {
	frame, d.heard = d.heard, ""
	return frame, frame != ""
}

// Unread returns, once, the reason why the last invalid frame was refused.
func (d *Decoder) Unread() (u rfid.Unread, ok bool) {
	u, d.unread = d.unread, rfid.Unread{}
	return u, u.Why != ""
}

// line contains those methods of a serial port that Reader uses.
type line interface {
	Read([]byte) (int, error) // (0, nil): timeout
	SetReadTimeout(time.Duration) error
	ResetInputBuffer() error
	Close() error
}

// Reader reads cards from a serial line.
type Reader struct {
	name string
	port line
	dec  Decoder
	once rfid.Once
	buf  []byte    // bytes read but not decoded
	last time.Time // time of the last read of the line

	// Unread, if set, is called during Read for each invalid frame. Unread must not block.
	Unread func(rfid.Unread)
	// Heard, if set, is called with each frame, before Unread. The frame may be a card's number, so use Heard only in
	// reader tests.
	Heard func(frame string)
}

var _ rfid.Reader = (*Reader)(nil)

// Open opens the serial port, such as /dev/ttyAMA0 or /dev/serial/by-id/…, exclusively. Open discards the bytes that
// were received before.
func Open(port string) (*Reader, error) {
	p, err := serial.Open(port, &serial.Mode{BaudRate: 9600, DataBits: 8, Parity: serial.NoParity,
		StopBits: serial.OneStopBit})
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", port, err)
	}
	r, err := newReader(port, p)
	if err != nil {
		p.Close()
		return nil, err
	}
	return r, nil
}

func newReader(name string, p line) (*Reader, error) {
	if err := p.ResetInputBuffer(); err != nil {
		return nil, fmt.Errorf("reader %s: %w", name, err)
	}
	return &Reader{name: name, port: p, last: time.Now()}, nil
}

// Read implements rfid.Reader. If the port is unplugged, Read returns an error.
func (r *Reader) Read(ctx context.Context) (rfid.Tap, error) {
	if err := r.rejectStaleBytes(time.Now()); err != nil {
		return rfid.Tap{}, fmt.Errorf("reader %s: %w", r.name, err)
	}
	for {
		for len(r.buf) > 0 {
			b := r.buf[0]
			r.buf = r.buf[1:]
			u, ok := r.dec.Push(b)
			if f, whole := r.dec.Heard(); whole && r.Heard != nil {
				r.Heard(f)
			}
			if x, unread := r.dec.Unread(); unread && r.Unread != nil {
				r.Unread(x)
			}
			if ok {
				if now := time.Now(); r.once.Tap(u, now) {
					return rfid.Tap{UID: u, At: now}, nil
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return rfid.Tap{}, err
		}
		if err := r.fill(ctx); err != nil {
			return rfid.Tap{}, fmt.Errorf("reader %s: %w", r.name, err)
		}
	}
}

// fill reads bytes from the line once, and waits at most until ctx ends.
func (r *Reader) fill(ctx context.Context) error {
	wait := patience
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, max(time.Until(end), 0))
	}
	if err := r.port.SetReadTimeout(wait); err != nil {
		return err
	}
	var chunk [64]byte
	n, err := r.port.Read(chunk[:])
	if err != nil {
		return err
	}
	now := time.Now()
	if err := r.rejectStaleBytes(now); err != nil {
		return err
	}
	r.last, r.buf = now, append(r.buf[:0], chunk[:n]...)
	return nil
}

// rejectStaleBytes returns an error if the waiting bytes are so old that the person may have left.
func (r *Reader) rejectStaleBytes(now time.Time) error {
	if late := now.Sub(r.last); late > maxPause {
		return fmt.Errorf("reader data is stale: the last read was %v ago", late.Round(time.Second))
	}
	return nil
}

// Close closes the port, and ends a running Read.
func (r *Reader) Close() error { return r.port.Close() }

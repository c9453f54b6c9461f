// Package rdm6300 reads 125 kHz EM4100 cards through an RDM6300 (or a compatible module) on a serial line.
//
// The module sends, at 9600 baud 8N1, a frame of 14 bytes as long as a card is in its field: 02, ten hexadecimal digits
// (five bytes: version and number), two digits of checksum (the XOR of the five bytes), 03. There is no CRC, no command
// and no answer: a module that is unplugged from its line is silent, one that is unplugged with its USB adapter is an
// error.
//
// It accepts frames split anywhere, repeated and surrounded by noise, in capitals as the module sends them or not. It
// refuses a frame with a wrong checksum, and starts anew at each 02. A card's number is all five bytes; a reader that
// types the same card in decimal gives only the last four (see rfid.Forms).
//
// Bytes carry no time. After two seconds in which nobody read (the process was stopped, or the machine's disk held it
// up), what waits on the line may be the card of somebody who has left: the reader is then dead, and a new one begins
// with an empty line.
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
	// digits between 02 and 03: ten of the number, two of the checksum.
	digits = 12
	// patience is how long one read of the line waits before it looks whether it should end.
	patience = 200 * time.Millisecond
	// deaf is how long nobody may read before what waits on the line is too old to act on.
	deaf = 2 * time.Second
)

// Decoder finds frames in a stream of bytes. The zero Decoder waits for a frame's beginning.
type Decoder struct {
	buf [digits]byte
	n   int
	in  bool // a frame has begun

	unread rfid.Unread // the last frame that was no number, until Unread takes it
	heard  string      // the last frame, until Heard takes it
}

// Push takes a byte and returns the card's number with the frame's last.
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
		Why: "frame's checksum does not match its number: look at the antenna, the wires and the supply of the module"}
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

// Heard gives once the last frame, number or not: ten digits and the checksum's two. It may be a card's number: only
// for whoever tests a reader.
func (d *Decoder) Heard() (frame string, ok bool) {
	frame, d.heard = d.heard, ""
	return frame, frame != ""
}

// Unread says once what was wrong with the last frame that was no number.
func (d *Decoder) Unread() (u rfid.Unread, ok bool) {
	u, d.unread = d.unread, rfid.Unread{}
	return u, u.Why != ""
}

// line is what a serial port does for a reader.
type line interface {
	Read([]byte) (int, error) // (0, nil): nothing came in time
	SetReadTimeout(time.Duration) error
	ResetInputBuffer() error
	Close() error
}

// Reader reads cards from a line.
type Reader struct {
	name string
	port line
	dec  Decoder
	once rfid.Once
	buf  []byte    // read, not yet decoded
	last time.Time // when the line was last read

	// Unread, where it is set, is told of each frame that is no card's number. It is called from Read and must not block.
	Unread func(rfid.Unread)
	// Heard, where it is set, is told of each frame, before Unread. It may hold a card's number: only for whoever tests a
	// reader.
	Heard func(frame string)
}

var _ rfid.Reader = (*Reader)(nil)

// Open opens the serial port, as in /dev/ttyAMA0 or /dev/serial/by-id/…, for itself alone. What came before is thrown
// away.
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

// Read implements rfid.Reader. A port that was unplugged is an error.
func (r *Reader) Read(ctx context.Context) (rfid.Tap, error) {
	if err := r.fresh(time.Now()); err != nil {
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

// fill reads the line once, for no longer than ctx lasts.
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
	if err := r.fresh(now); err != nil {
		return err
	}
	r.last, r.buf = now, append(r.buf[:0], chunk[:n]...)
	return nil
}

// fresh says whether what waits on the line may still be acted on.
func (r *Reader) fresh(now time.Time) error {
	if late := now.Sub(r.last); late > deaf {
		return fmt.Errorf("reader data is stale (%v)", late.Round(time.Second))
	}
	return nil
}

// Close closes the port, and ends a Read under way.
func (r *Reader) Close() error { return r.port.Close() }

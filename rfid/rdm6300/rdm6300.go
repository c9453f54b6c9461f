// Package rdm6300 reads 125 kHz EM4100 cards through an RDM6300 (or a compatible module) on a serial line.
//
// The module sends, at 9600 baud 8N1, a frame of 14 bytes as long as a card is in its field: 02, ten hexadecimal digits (five
// bytes: version and number), two digits of checksum (the XOR of the five bytes), 03. There is no CRC, no command and no
// answer: a module that is unplugged from its line is silent, one that is unplugged with its USB adapter is an error.
//
// It accepts frames split anywhere, repeated and surrounded by noise. It refuses a frame with a wrong checksum, and starts anew at each 02.
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
)

// Decoder finds frames in a stream of bytes. The zero Decoder waits for a frame's beginning.
type Decoder struct {
	buf [digits]byte
	n   int // -1 is not needed: in says whether a frame has begun
	in  bool
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
	u, err := rfid.UIDOf(b[:5])
	return u, err == nil
}

// line is what a serial port does for a reader.
type line interface {
	Read([]byte) (int, error)
	Close() error
}

// Reader reads cards from a line.
type Reader struct {
	name string
	port line
	dec  Decoder
	once rfid.Once
	buf  []byte // read, not yet decoded
}

var _ rfid.Reader = (*Reader)(nil)

// Open opens the serial port, as in /dev/ttyAMA0 or /dev/serial/by-id/….
func Open(port string) (*Reader, error) {
	p, err := serial.Open(port, &serial.Mode{BaudRate: 9600, DataBits: 8, Parity: serial.NoParity, StopBits: serial.OneStopBit})
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", port, err)
	}
	if err := p.SetReadTimeout(patience); err != nil {
		p.Close()
		return nil, fmt.Errorf("reader %s: %w", port, err)
	}
	return &Reader{name: port, port: p}, nil
}

// Read implements rfid.Reader. A port that was unplugged is an error.
func (r *Reader) Read(ctx context.Context) (rfid.Tap, error) {
	chunk := make([]byte, 64)
	for {
		for len(r.buf) > 0 {
			b := r.buf[0]
			r.buf = r.buf[1:]
			if u, ok := r.dec.Push(b); ok {
				if now := time.Now(); r.once.Tap(u, now) {
					return rfid.Tap{UID: u, At: now}, nil
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return rfid.Tap{}, err
		}
		n, err := r.port.Read(chunk) // (0, nil): nothing came in time
		if err != nil {
			return rfid.Tap{}, fmt.Errorf("reader %s: %w", r.name, err)
		}
		r.buf = append(r.buf[:0], chunk[:n]...)
	}
}

// Close closes the port, and ends a Read under way.
func (r *Reader) Close() error { return r.port.Close() }

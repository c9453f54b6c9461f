// Package wiegand reads cards from a reader with two data lines, D0 and D1, that are high at rest. A low pulse on D0 is
// a bit 0, a low pulse on D1 a bit 1.
//
// The package reads frames of 26 bits (H10301: facility 8, card 16), 34 (H10306: facility 16, card 16) and 37 (H10302:
// card 35, and H10304: facility 16, card 19, with the same parities). A card's number is the bits between the parity
// bits, in 3, 4 or 5 bytes, highest bit first: facility 99 card 999 of 26 bits is 6303E7. Wiegand has no proof, and its
// only checksum is two parity bits. Therefore every frame with a fault is discarded: with bits too close or too far
// apart, a wrong parity, another length, or edges that the kernel lost.
//
// A reader with a keypad sends each key as a frame of 4 or 8 bits. Keys start no session. The Reader only reports that
// keys were pressed (keypad.go). A keypad that collects digits and sends them as a frame of 26 bits looks like a card:
// configure it to send single keys.
//
// Edges have the kernel's timestamp and sequence number, so that a busy computer does not distort their times, and a
// lost edge is detected.
package wiegand

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portillon/rfid"
)

// These are times of a frame. Readers send pulses of 20 to 100 µs every 0.2 to 20 ms (SIA AC-01, 1996: 50 µs and 1 ms
// are typical).
const (
	nearest = 100 * time.Microsecond // two bits closer than this are noise
	gap     = 25 * time.Millisecond  // silence that ends a frame
	longest = 37
	// maxPause is the longest pause between two calls of Read. After a longer pause, waiting edges are stale.
	maxPause = 2 * time.Second
	// patience is the longest wait for an edge. After each wait, Read checks whether ctx has ended.
	patience = 200 * time.Millisecond
	// wrongInRow is how many consecutive frames with wrong parity count as a sign of exchanged wires.
	wrongInRow = 5
)

// Decoder turns edges into card numbers. The zero Decoder accepts all supported frames.
type Decoder struct {
	Bits int // the accepted length: 26, 34 or 37; 0: all three

	bits    uint64
	n       int
	last    time.Duration
	spoilt  bool
	parity  int  // number of consecutive frames with a wrong parity
	key     bool // a key was pressed since the last call of Key
	started bool
	unread  rfid.Unread // last invalid frame, until Unread returns it
	heard   string      // last frame, until Heard returns it
}

// Push processes an edge. Line 0 is D0, and line 1 is D1. A frame ends with a call of Idle, or with an edge after a
// gap.
func (d *Decoder) Push(e rfid.Edge) (u rfid.UID, ok bool) {
	since := e.At - d.last
	if d.started && since >= gap {
		u, ok = d.end()
	}
	d.spoilt = d.spoilt || e.Lost > 0 || d.n > 0 && since < nearest || d.n == longest
	d.bits <<= 1
	if e.Line == 1 { // D1
		d.bits |= 1
	}
	d.n, d.last, d.started = min(d.n+1, longest), e.At, true
	return u, ok
}

// Idle ends the current frame. Call Idle when no edge has occurred for the time of a gap.
func (d *Decoder) Idle() (rfid.UID, bool) {
	if !d.started {
		return rfid.UID{}, false
	}
	return d.end()
}

// Suspect reports whether all recent frames were complete and had wrong parities: D0 and D1 are probably exchanged.
func (d *Decoder) Suspect() bool { return d.parity >= wrongInRow }

func (d *Decoder) end() (rfid.UID, bool) {
	bits, n, spoilt := d.bits, d.n, d.spoilt
	d.bits, d.n, d.spoilt, d.started = 0, 0, false, false
	d.key = d.key || !spoilt && isKey(bits, n)
	if n >= minFrame {
		d.heard = formatFrame(bits, n)
	}
	if spoilt || d.Bits != 0 && n != d.Bits {
		d.reportRefused(bits, n, spoilt)
		return rfid.UID{}, false
	}
	u, ok := d.parseFrame(bits, n)
	if !ok {
		d.reportRefused(bits, n, false)
	}
	return u, ok
}

// parseFrame checks the parities and returns the card's number. The first bit and the first half have an even number of
// ones, and the second half and the last bit have an odd number. In frames of 37 bits both halves contain the middle
// bit.
func (d *Decoder) parseFrame(bits uint64, n int) (rfid.UID, bool) {
	if n != 26 && n != 34 && n != 37 {
		return rfid.UID{}, false
	}
	half := (n - 1) / 2 // half of the n-2 bits between the parity bits: 12, 16, 18
	first := bits >> (n - 1 - half)
	second := bits & (1<<(half+1) - 1)
	if ones(first)%2 != 0 || ones(second)%2 != 1 {
		d.parity++
		return rfid.UID{}, false
	}
	d.parity = 0
	number := bits >> 1 & (1<<(n-2) - 1)
	b := make([]byte, (n-2+7)/8)
	for i := range b {
		b[len(b)-1-i] = byte(number >> (8 * i))
	}
	u, err := rfid.UIDOf(b)
	return u, err == nil
}

func ones(x uint64) (n int) {
	for ; x != 0; x &= x - 1 {
		n++
	}
	return n
}

// Reader reads taps from two lines.
type Reader struct {
	// Keys, if set, is called during Read when somebody starts to press keys of the reader's keypad, at most once a
	// minute. Keys must not block. Keys receives no key values, because the keys may be a PIN.
	Keys func()
	// Unread, if set, is called during Read for each invalid frame. Unread must not block.
	Unread func(rfid.Unread)
	// Heard, if set, is called with each frame, before Unread. The frame may be a card's number, so use Heard only in
	// reader tests.
	Heard func(frame string)

	lines rfid.FallingEdges
	dec   Decoder
	once  rfid.Once
	last  time.Time // time at which the lines were last read
	typed keyBursts
}

var _ rfid.Reader = (*Reader)(nil)

// New returns a Reader for frames of 26, 34 or 37 bits; 0 accepts all three lengths. Closing the Reader closes the
// lines.
func New(l rfid.FallingEdges, bits int) (*Reader, error) {
	if err := CheckBits(bits); err != nil {
		return nil, err
	}
	return &Reader{lines: l, dec: Decoder{Bits: bits}}, nil
}

// CheckBits returns an error unless New accepts the length: 26, 34, 37, or 0 for all three.
func CheckBits(bits int) error {
	switch bits {
	case 0, 26, 34, 37:
		return nil
	case 32:
		return errors.New("wiegand: frames of 32 bits have no parity, so a lost or added bit would give another number: " +
			"set the reader to 34 bits")
	}
	return fmt.Errorf("wiegand: frames of %d bits are not supported, want 26, 34 or 37", bits)
}

var (
	errDeaf  = errors.New("wiegand: reader data is stale")
	errWires = errors.New("wiegand: all frames fail the parity check: check whether D0 and D1 are exchanged")
)

// Read implements rfid.Reader. Some readers repeat the frame of a card in their field, and most readers send the frame
// once. Both count as one tap.
func (r *Reader) Read(ctx context.Context) (rfid.Tap, error) {
	for ctx.Err() == nil {
		if !r.last.IsZero() && time.Since(r.last) > maxPause {
			return rfid.Tap{}, errDeaf
		}
		r.last = time.Now()
		u, ok, err := r.waitForFrame()
		r.reportKeys()
		if f, ok := r.dec.Heard(); ok && r.Heard != nil {
			r.Heard(f)
		}
		if u, unread := r.dec.Unread(); unread && r.Unread != nil {
			r.Unread(u)
		}
		switch {
		case err != nil:
			return rfid.Tap{}, err
		case r.dec.Suspect():
			return rfid.Tap{}, errWires
		case ok && r.once.Tap(u, r.last):
			return rfid.Tap{UID: u, At: r.last}, nil
		}
	}
	return rfid.Tap{}, ctx.Err()
}

// waitForFrame waits for one edge, or for the end of a frame.
func (r *Reader) waitForFrame() (rfid.UID, bool, error) {
	wait := patience
	if r.dec.started {
		wait = gap
	}
	e, ok, err := r.lines.Next(wait)
	if err != nil {
		return rfid.UID{}, false, err
	}
	if !ok {
		u, ok := r.dec.Idle()
		return u, ok, nil
	}
	u, ok := r.dec.Push(e)
	return u, ok, nil
}

// Close implements rfid.Reader. A running Read ends after the time patience at the latest.
func (r *Reader) Close() error { return r.lines.Close() }

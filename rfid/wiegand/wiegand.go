// Package wiegand reads cards from a reader with two data lines, D0 and D1, which are at high level at rest. A low
// pulse on D0 is a bit 0, a low pulse on D1 a bit 1.
//
// The package reads frames of 26 bits (H10301: facility 8, card 16), 34 (H10306: facility 16, card 16) and 37 (H10302:
// card 35, and H10304: facility 16, card 19, with the same parities). A card's number is the bits between the two
// parity bits, in 3, 4 or 5 bytes, highest bit first: in 26 bits, facility 99 and card 999 are the number 6303E7.
// A Wiegand reader cannot run a card's proof, and the only checksum of a frame is two parity bits. Therefore the
// package discards every faulty frame: a frame whose bits are too close together or too far apart, with a wrong
// parity, with another length, or with edges that the kernel lost.
//
// A reader with a keypad sends each key as a frame of 4 or 8 bits. Key presses never start a session. The Reader only
// reports that somebody pressed keys (keypad.go). If a keypad collects digits and sends them as one frame of 26 bits,
// the frame looks like a card: configure such a keypad to send single keys.
//
// The kernel gives each edge a timestamp and a sequence number, so a busy computer does not falsify the times, and
// the package detects a lost edge.
package wiegand

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portillon/rfid"
)

// These are limits for the times within a frame. Readers send pulses of 20 to 100 µs every 0.2 to 20 ms (SIA AC-01,
// 1996: 50 µs and 1 ms are typical).
const (
	nearest = 100 * time.Microsecond // if two bits are closer together than this, they are noise
	gap     = 25 * time.Millisecond  // a silence of this length ends a frame
	longest = 37
	// maxPause is the longest allowed pause between two calls of Read. If Read is called after a longer pause, the
	// waiting edges are stale.
	maxPause = 2 * time.Second
	// patience is the longest time that one wait for an edge may take. After each wait, Read checks whether ctx has
	// ended.
	patience = 200 * time.Millisecond
	// wrongInRow is how many consecutive frames with wrong parity make Suspect report exchanged wires.
	wrongInRow = 5
)

// Decoder turns edges on the data lines into card numbers. The zero Decoder accepts frames of all supported lengths.
type Decoder struct {
	Bits int // the accepted length: 26, 34 or 37; 0: all three

	bits    uint64
	n       int
	last    time.Duration
	spoilt  bool
	parity  int  // number of consecutive frames with a wrong parity
	key     bool // a person has pressed a key since the last call of Key
	started bool
	unread  rfid.Unread // reason why the last invalid frame was refused, until Unread returns it
	heard   string      // text of the last frame, until Heard returns it
}

// Push processes an edge on a data line. The line with index 0 is D0, and the line with index 1 is D1. A frame ends
// when Idle is called, or when an edge arrives after a gap.
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

// Idle ends the current frame, and returns its card number if the frame is valid. Call Idle when no edge has arrived
// for the length of a gap.
func (d *Decoder) Idle() (rfid.UID, bool) {
	if !d.started {
		return rfid.UID{}, false
	}
	return d.end()
}

// Suspect reports whether all recent frames were complete but had wrong parities, which means that D0 and D1 are
// probably exchanged.
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

// parseFrame checks the parities and returns the card's number. The first bit and the first half together have an
// even number of ones. The second half and the last bit together have an odd number of ones. In frames of 37 bits,
// the middle bit belongs to both halves.
func (d *Decoder) parseFrame(bits uint64, n int) (rfid.UID, bool) {
	if n != 26 && n != 34 && n != 37 {
		return rfid.UID{}, false
	}
	half := (n - 1) / 2 // number of bits in each half of the n-2 bits between the parity bits: 12, 16 or 18
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

// Reader reads taps from the two data lines.
type Reader struct {
	// Keys, if set, is called during Read when somebody starts to press keys on the reader's keypad, but at most once a
	// minute. The function Keys must not block. Keys does not receive the keys' values, because the keys may be a PIN.
	Keys func()
	// Unread, if set, is called during Read for each invalid frame. Unread must not block.
	Unread func(rfid.Unread)
	// Heard, if set, is called with each frame, before Unread. The frame may be a card's number, so use Heard only in
	// reader tests.
	Heard func(frame string)

	lines rfid.FallingEdges
	dec   Decoder
	once  rfid.Once
	last  time.Time // time when Read last took edges from the lines
	typed keyBursts
}

var _ rfid.Reader = (*Reader)(nil)

// New returns a Reader for frames of 26, 34 or 37 bits; 0 accepts all three lengths. When the Reader is closed, it
// also closes the lines.
func New(l rfid.FallingEdges, bits int) (*Reader, error) {
	if err := CheckBits(bits); err != nil {
		return nil, err
	}
	return &Reader{lines: l, dec: Decoder{Bits: bits}}, nil
}

// CheckBits returns an error unless New accepts this length: 26, 34, 37, or 0 for all three lengths.
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
	errDeaf  = errors.New("wiegand: reader data is stale: edges waited for too long")
	errWires = errors.New("wiegand: all frames fail the parity check: check whether the wires D0 and D1 are exchanged")
)

// Read implements rfid.Reader. Most readers send a card's frame once, and some readers repeat it while the card is in
// their field. In both cases the card is one tap.
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

// waitForFrame waits for one edge, or for the silence that ends a frame.
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

// Close implements rfid.Reader. A running Read then ends after at most the time patience.
func (r *Reader) Close() error { return r.lines.Close() }

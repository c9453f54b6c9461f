// Package pcsc reads 13.56 MHz cards through a PC/SC reader on USB (ACS ACR122U and ACR1252U, HID
// Omnikey), and speaks to those that answer commands (ISO/IEC 14443-4), so that a card can prove a
// key. The reader's driver runs in pcscd, which this package asks.
//
// # Why its own client
//
// The package speaks the protocol of pcscd's Unix socket itself, in Go: eight structures of 32-bit
// fields (wire.go). The alternatives:
//
//   - github.com/ebfe/scard binds libpcsclite with cgo. The .deb is built for three architectures without
//     cgo, and Debian's armhf libraries and compiler are ARMv7: a program linked to them does not start on
//     a Pi Zero W (ARMv6).
//   - github.com/gballet/go-libpcsclite speaks the socket in Go (BSD-3). It was last changed in 2019 and
//     has no release, wants one protocol version exactly, sets no deadline on any read, and allocates what
//     a length in an answer says.
//   - github.com/ebitengine/purego loads libpcsclite.so.1 without cgo. The program would then need glibc's
//     loader, where it is one static file today, and a call into the library that hangs cannot be given
//     up.
//
// The protocol is versioned. 4.4 (Debian 12, pcscd 1.9.9) and 4.5 (Debian 13, pcscd 2.3.3) are spoken;
// another one is refused by name.
//
// # What can go wrong
//
// pcscd can be absent, hang, die, be restarted, or answer nonsense. Each look is bounded, and each
// answer is checked for its length. A look that pcscd does not answer within 300 ms is given up and
// finds no card; the second in a row, an answer that does not fit, a connection that ends or a reader
// that is unplugged is an error: close it and open another, which rfid.Watch does.
//
// # What it accepts
//
// Numbers of 4, 7 and 10 bytes. Numbers of four bytes that begin with 08 are no card: a telephone or a
// bank card makes them up anew each time (ISO/IEC 14443-3, 6.4.4). While a card lies there it is
// connected exclusively: no other program can speak to it.
//
// An ACR122U beeps at each card by itself, and so confuses those who wait for Portillon's own signal:
// the reader is told to be quiet with the first card that it reads after it was opened.
package pcsc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"portillon/rfid"
)

const (
	// lookTime is how long one look may take. A card is unseen for two looks and two pauses of
	// rfid.Polling (100 ms) at most before the reader is an error: 800 ms, less than rfid.Gone, so that
	// a hung pcscd makes no second tap of a card that lies there.
	lookTime = 300 * time.Millisecond
	// patience is how long pcscd may take to answer a request that was given up: an exchange
	// (rfid.MaxPoll) and the look after it.
	patience = rfid.MaxPoll + lookTime
	// openTime bounds Open before its first look. systemd starts pcscd when the socket is first used,
	// which takes a Pi a moment.
	openTime = 2 * time.Second
	// settle is how long Open looks at the reader before it is called open. After it was plugged in, an
	// ACR122U looks for cards every 250 or 500 ms (ACR122U API v2.04, PICC operating parameter
	// (check)), and pcscd looks every 400 ms (PCSCLITE_STATUS_POLL_RATE): a card that lay there before
	// must be seen before taps count.
	settle = time.Second
	pace   = 100 * time.Millisecond
)

// Pseudo-commands: class FF is the reader's own (PC/SC part 3, 3.2.2).
var (
	askUID = []byte{0xFF, 0xCA, 0, 0, 0} // GET DATA (3.2.2.1.3): the card's number and 90 00
	// ACR122U API v2.04: no buzzer when a card is detected; P2 FF is its default (check the section)
	quiet = []byte{0xFF, 0, 0x52, 0, 0}
)

var (
	errNoCard = errors.New("no card lies on the reader")
	errAnswer = errors.New("card's answer is not a command's: want 2 to 258 bytes")
	errLate   = errors.New("not in time")
	errClosed = errors.New("reader is closed")
)

// Device is one reader of pcscd's. Poll and Exchange may be called at once, and take turns.
type Device struct {
	calls sync.Mutex // held by Poll and Exchange
	late  int        // calls in a row that were given up

	random bool // the last look met a number that is made up for one tap

	turn   chan struct{} // full while a request is under way: who fills it owns what is below
	client *client
	name   string // the reader's, whole
	card   *card  // nil: none is connected
	events uint32 // the reader's counter when the card was connected
	hushed bool   // the reader was told to be quiet

	close sync.Once
	ended chan struct{}
}

var (
	_ rfid.Poller  = (*Device)(nil)
	_ rfid.Channel = (*Device)(nil)
)

// newDevice takes the first reader whose name begins so, and looks at it until it has settled.
func newDevice(c *client, prefix string) (*Device, error) {
	list, err := c.readers()
	if err != nil {
		return nil, err
	}
	s, ok := find(list, func(name string) bool { return strings.HasPrefix(name, prefix) })
	if !ok {
		return nil, fmt.Errorf("%w: %q, it has %q", ErrNoReader, prefix, names(list))
	}
	d := &Device{client: c, name: s.name, turn: make(chan struct{}, 1), ended: make(chan struct{})}
	for since := time.Now(); time.Since(since) < settle; time.Sleep(pace) {
		if v := d.look(); v.err != nil {
			return nil, v.err
		}
	}
	return d, nil
}

// view is what a look finds.
type view struct {
	uid    rfid.UID
	found  bool
	random bool // a number that is made up for one tap
	err    error
}

// Poll implements rfid.Poller.
func (d *Device) Poll(ctx context.Context) (rfid.UID, bool, error) {
	d.calls.Lock()
	defer d.calls.Unlock()
	v, err := within(ctx, d, lookTime, d.look)
	d.random = v.random
	switch {
	case err == nil:
		d.late = 0
		return v.uid, v.found, v.err
	case errors.Is(err, errClosed):
		return rfid.UID{}, false, err
	case ctx.Err() != nil: // the caller gave up, not pcscd
		return rfid.UID{}, false, nil
	}
	if d.late++; d.late > 1 {
		return rfid.UID{}, false, ErrSilent
	}
	return rfid.UID{}, false, nil
}

// Exchange implements rfid.Channel.
func (d *Device) Exchange(ctx context.Context, command []byte) ([]byte, error) {
	d.calls.Lock()
	defer d.calls.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(command) == 0 || len(command) > maxCommand:
		return nil, fmt.Errorf("command of %d bytes, want 1 to %d", len(command), maxCommand)
	case command[0] == 0xFF: // the reader's own class: no card would hear it
		return nil, errors.New("command of class FF is for the reader, not for a card")
	}
	type answer struct {
		b   []byte
		err error
	}
	a, err := within(ctx, d, rfid.MaxPoll, func() answer {
		b, err := d.exchange(command)
		return answer{b, err}
	})
	if errors.Is(err, errLate) || errors.Is(err, context.DeadlineExceeded) {
		d.late++ // and the next look that is late too is an error
	}
	if err != nil {
		return nil, fmt.Errorf("card does not answer: %w", err)
	}
	d.late = 0
	return a.b, a.err
}

// within has f use the reader, and waits for it until limit or ctx ends. What f does then goes on, for
// patience at most, and counts for nothing: whoever comes next waits for its end. Close ends it too.
func within[T any](ctx context.Context, d *Device, limit time.Duration, f func() T) (none T, err error) {
	end := time.NewTimer(limit)
	defer end.Stop()
	select {
	case <-d.ended: // a select takes any case that is ready
		return none, errClosed
	default:
	}
	select {
	case d.turn <- struct{}{}:
	case <-end.C:
		return none, errLate
	case <-ctx.Done():
		return none, ctx.Err()
	case <-d.ended:
		return none, errClosed
	}
	done := make(chan T, 1)
	go func() {
		defer func() { <-d.turn }()
		done <- f()
	}()
	select {
	case v := <-done:
		return v, nil
	case <-end.C:
		return none, errLate
	case <-ctx.Done():
		return none, ctx.Err()
	case <-d.ended:
		return none, errClosed
	}
}

// look asks once which card lies there.
func (d *Device) look() view {
	d.client.until(time.Now().Add(patience))
	list, err := d.client.readers()
	if err != nil {
		return view{err: err}
	}
	s, ok := find(list, func(name string) bool { return name == d.name })
	if !ok {
		return view{err: fmt.Errorf("%w: %q was unplugged", ErrNoReader, d.name)}
	}
	if d.card != nil && (!s.card || s.events != d.events) { // it left, or left and another came
		if err := d.letGo(); err != nil {
			return view{err: err}
		}
	}
	if !s.card {
		return view{}
	}
	if d.card == nil {
		k, rv, err := d.client.connect(d.name)
		if err != nil {
			return view{err: err}
		}
		if rv != codeOK {
			if rv.noCard() {
				return view{}
			}
			return view{err: rv.err("connect to the card")}
		}
		d.card, d.events = &k, s.events
	}
	return d.number()
}

// number asks for the number of the card that is connected.
func (d *Device) number() view {
	b, rv, err := d.client.transmit(*d.card, askUID)
	if err != nil {
		return view{err: err}
	}
	if rv != codeOK { // the card left
		return view{err: d.letGo()}
	}
	u, ok := parseNumber(b)
	if ok && !d.hushed && strings.HasPrefix(d.name, "ACS ACR122") {
		d.hushed = true
		// a reader that does not know the command goes on beeping
		if _, _, err := d.client.transmit(*d.card, quiet); err != nil {
			return view{err: err}
		}
	}
	if rfid.Random(u) {
		return view{random: true}
	}
	return view{uid: u, found: ok}
}

// SawRandom implements rfid.Randomised.
func (d *Device) SawRandom() bool {
	d.calls.Lock()
	defer d.calls.Unlock()
	return d.random
}

// parseNumber reads the answer to askUID.
func parseNumber(b []byte) (rfid.UID, bool) {
	n := len(b) - 2
	if n != 4 && n != 7 && n != 10 || b[n] != 0x90 || b[n+1] != 0 {
		return rfid.UID{}, false
	}
	u, err := rfid.UIDOf(b[:n])
	return u, err == nil
}

// letGo ends the connection to the card.
func (d *Device) letGo() error {
	k := *d.card
	d.card = nil
	return d.client.disconnect(k)
}

// exchange gives a command to the card that is connected.
func (d *Device) exchange(command []byte) ([]byte, error) {
	if d.card == nil {
		return nil, errNoCard
	}
	d.client.until(time.Now().Add(patience))
	b, rv, err := d.client.transmit(*d.card, command)
	switch {
	case err != nil:
		return nil, err
	case rv != codeOK:
		return nil, errors.Join(fmt.Errorf("card has left: %w", rv.err("transmit")), d.letGo())
	case len(b) < 2:
		return nil, errAnswer
	}
	return b, nil
}

// Close implements rfid.Poller. pcscd resets the card when the connection ends.
func (d *Device) Close() (err error) {
	d.close.Do(func() {
		close(d.ended)
		err = d.client.conn.Close()
		d.turn <- struct{}{} // what was under way has ended
	})
	return err
}

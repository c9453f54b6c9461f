// Package pcsc reads 13.56 MHz cards through a PC/SC reader on USB (ACS ACR122U and ACR1252U, HID Omnikey). The package
// exchanges commands with cards that support ISO/IEC 14443-4, so that a card can prove that it holds a key. The
// reader's driver runs in the daemon pcscd, to which this package connects.
//
// # Why the package has its own client
//
// The package implements the protocol of pcscd's Unix socket in Go: eight structures of 32-bit fields (wire.go). The
// alternatives were:
//
//   - github.com/ebfe/scard binds libpcsclite with cgo. Portillon's .deb is built for three architectures without
//     cgo, and Debian's armhf libraries and compiler are ARMv7: a program linked to these libraries does not start on
//     a Pi Zero W (ARMv6).
//   - github.com/gballet/go-libpcsclite implements the socket in Go (BSD-3). It was last changed in 2019 and has no
//     release, accepts exactly one version of the protocol, sets no deadline on reads, and allocates as much memory
//     as an answer claims to need.
//   - github.com/ebitengine/purego loads libpcsclite.so.1 without cgo. The program, which is one static file today,
//     would then need glibc's loader. If a call into the library hung, the program could not abandon the call.
//
// The protocol has a version number. The package supports 4.4 (Debian 12, pcscd 1.9.9) and 4.5 (Debian 13, pcscd
// 2.3.3), and names any other version in an error.
//
// # What can go wrong
//
// pcscd can be absent, hang, crash, be restarted, or send invalid answers. Each poll has a time limit, and the length
// of each answer is checked. A poll that gets no answer within 300 ms reports no card. A second poll in a row without
// an answer, an invalid answer, a closed connection or an unplugged reader is an error. The caller must then close
// the device and open it again, as rfid.Watch does.
//
// # What the package accepts
//
// The package accepts numbers of 4, 7 and 10 bytes. Random numbers, four bytes that begin with 08 as telephones and
// bank cards send, are not reported as a card (ISO/IEC 14443-3, 6.4.4). The package connects to a present card
// exclusively: no other program can use the card.
//
// An ACR122U beeps at each card, and members would confuse this beep with Portillon's own signal. At the first card
// after opening, the package switches the beep off.
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
	// lookTime is the longest time of one poll. If a reader hangs, a present card stays unread for at most two polls and
	// two pauses of rfid.Polling (100 ms) before Poll returns an error: 800 ms, less than rfid.Gone. This is too short
	// for a present card to become a second tap while pcscd hangs.
	lookTime = 300 * time.Millisecond
	// patience is how long pcscd may take to answer a request that timed out: the time of an exchange (rfid.MaxPoll) and
	// of the next poll.
	patience = rfid.MaxPoll + lookTime
	// openTime is the longest time that Open may take before its first poll. systemd starts pcscd at the first use of
	// the socket, which takes time on a Pi.
	openTime = 2 * time.Second
	// settle is how long Open polls the reader before it returns. After being plugged in, an ACR122U looks for cards
	// every 250 or 500 ms (ACR122U API v2.04, PICC operating parameter), and pcscd polls it every 400 ms
	// (PCSCLITE_STATUS_POLL_RATE). A card that was already on the reader must be detected before Open returns, so that
	// the card is not reported as a tap.
	settle = time.Second
	pace   = 100 * time.Millisecond
)

// These commands are for the reader, not for a card, because their class is FF (PC/SC part 3, 3.2.2).
var (
	askUID = []byte{0xFF, 0xCA, 0, 0, 0} // GET DATA (3.2.2.1.3): the card's number and 90 00
	// quiet switches off the buzzer that sounds when a card is detected (ACR122U API v2.04). The default value of its
	// parameter P2 is FF, which keeps the buzzer on.
	quiet = []byte{0xFF, 0, 0x52, 0, 0}
)

var (
	errNoCard = errors.New("no card on the reader")
	errAnswer = errors.New("card's answer has a wrong length, want 2 to 258 bytes")
	errLate   = errors.New("request timed out")
	errClosed = errors.New("reader is closed")
)

// Device is one reader of pcscd. Poll and Exchange may be called concurrently; the Device runs one call after the
// other.
type Device struct {
	calls sync.Mutex // Poll and Exchange hold this lock
	late  int        // number of consecutive calls that timed out

	random bool // the last call of Poll met a card with a random number

	turn   chan struct{} // lock of the fields below: a running request fills the channel
	client *client
	name   string // the reader's whole name
	card   *card  // the connected card; nil: no card is connected
	events uint32 // value of the reader's event counter when the card was connected
	hushed bool   // the reader's beep was switched off

	close sync.Once
	ended chan struct{}
}

var (
	_ rfid.Poller  = (*Device)(nil)
	_ rfid.Channel = (*Device)(nil)
)

// newDevice opens the first reader whose name begins with prefix, and polls this reader for the settle time.
func newDevice(c *client, prefix string) (*Device, error) {
	list, err := c.readers()
	if err != nil {
		return nil, err
	}
	s, ok := find(list, func(name string) bool { return strings.HasPrefix(name, prefix) })
	if !ok {
		return nil, fmt.Errorf("%w: %q, pcscd's readers are %q", ErrNoReader, prefix, names(list))
	}
	d := &Device{client: c, name: s.name, turn: make(chan struct{}, 1), ended: make(chan struct{})}
	for since := time.Now(); time.Since(since) < settle; time.Sleep(pace) {
		if v := d.look(); v.err != nil {
			return nil, v.err
		}
	}
	return d, nil
}

// pollResult is the result of one poll.
type pollResult struct {
	uid    rfid.UID
	found  bool
	random bool // the card's number is random
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
	case ctx.Err() != nil: // the caller's context ended, which is not a failure of pcscd
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
	case command[0] == 0xFF: // commands of class FF are for the reader and would not reach the card
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
		d.late++ // a timeout in the next poll will be an error
	}
	if err != nil {
		return nil, fmt.Errorf("card does not answer: %w", err)
	}
	d.late = 0
	return a.b, a.err
}

// within runs f, which uses the reader, and waits for its result until the limit or the end of ctx. After that time,
// f may still run for at most patience; its result is then discarded, and the next caller waits until f ends. Close
// also makes f end.
func within[T any](ctx context.Context, d *Device, limit time.Duration, f func() T) (none T, err error) {
	end := time.NewTimer(limit)
	defer end.Stop()
	select {
	case <-d.ended: // check first, because select chooses at random if several cases are ready
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

// look asks pcscd once which card is on the reader.
func (d *Device) look() pollResult {
	d.client.setDeadline(time.Now().Add(patience))
	list, err := d.client.readers()
	if err != nil {
		return pollResult{err: err}
	}
	s, ok := find(list, func(name string) bool { return name == d.name })
	if !ok {
		return pollResult{err: fmt.Errorf("%w: %q was unplugged", ErrNoReader, d.name)}
	}
	if d.card != nil && (!s.card || s.events != d.events) { // the card has left, or was replaced by another card
		if err := d.disconnectCard(); err != nil {
			return pollResult{err: err}
		}
	}
	if !s.card {
		return pollResult{}
	}
	if d.card == nil {
		k, rv, err := d.client.connect(d.name)
		if err != nil {
			return pollResult{err: err}
		}
		if rv != codeOK {
			if rv.isAboutCard() {
				return pollResult{}
			}
			return pollResult{err: rv.err("connect to the card")}
		}
		d.card, d.events = &k, s.events
	}
	return d.readNumber()
}

// readNumber asks the reader for the number (UID) of the connected card.
func (d *Device) readNumber() pollResult {
	b, rv, err := d.client.transmit(*d.card, askUID)
	if err != nil {
		return pollResult{err: err}
	}
	if rv != codeOK { // the card has left
		return pollResult{err: d.disconnectCard()}
	}
	u, ok := parseNumber(b)
	if ok && !d.hushed && strings.HasPrefix(d.name, "ACS ACR122") {
		d.hushed = true
		// If a reader does not know the command quiet, it continues to beep.
		if _, _, err := d.client.transmit(*d.card, quiet); err != nil {
			return pollResult{err: err}
		}
	}
	if rfid.Random(u) {
		return pollResult{random: true}
	}
	return pollResult{uid: u, found: ok}
}

// SawRandom implements rfid.Randomised.
func (d *Device) SawRandom() bool {
	d.calls.Lock()
	defer d.calls.Unlock()
	return d.random
}

// parseNumber parses the answer to askUID.
func parseNumber(b []byte) (rfid.UID, bool) {
	n := len(b) - 2
	if n != 4 && n != 7 && n != 10 || b[n] != 0x90 || b[n+1] != 0 {
		return rfid.UID{}, false
	}
	u, err := rfid.UIDOf(b[:n])
	return u, err == nil
}

// disconnectCard ends the connection to the card.
func (d *Device) disconnectCard() error {
	k := *d.card
	d.card = nil
	return d.client.disconnect(k)
}

// exchange sends a command to the connected card.
func (d *Device) exchange(command []byte) ([]byte, error) {
	if d.card == nil {
		return nil, errNoCard
	}
	d.client.setDeadline(time.Now().Add(patience))
	b, rv, err := d.client.transmit(*d.card, command)
	switch {
	case err != nil:
		return nil, err
	case rv != codeOK:
		return nil, errors.Join(fmt.Errorf("card left the reader: %w", rv.err("transmit")), d.disconnectCard())
	case len(b) < 2:
		return nil, errAnswer
	}
	return b, nil
}

// Close implements rfid.Poller. When the connection ends, pcscd resets the card.
func (d *Device) Close() (err error) {
	d.close.Do(func() {
		close(d.ended)
		err = d.client.conn.Close()
		d.turn <- struct{}{} // wait until a running request has ended
	})
	return err
}

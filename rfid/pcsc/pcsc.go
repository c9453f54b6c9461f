// Package pcsc reads 13.56 MHz cards through a PC/SC reader (an ACR122U on a desk) and speaks to those that answer commands. It is meant
// for the desk where cards are given out; at a machine, pcscd is one more program that can fail.
//
// The reader itself needs libpcsclite, and so cgo: Open exists in a build with the tag pcsc alone. What is here without it is what can be
// judged without a reader: numbers and status words (PC/SC Workgroup, part 3, 3.2.2.1.3: FF CA 00 00 00 gives the UID and 90 00).
package pcsc

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"portillon/rfid"
)

// Card is a card that a reader has powered.
type Card interface {
	Transmit(command []byte) ([]byte, error)
	Disconnect() error
}

// Reader powers cards. Connect says false where no card lies on it; an error means that the reader or its service is gone.
type Reader interface {
	Connect() (Card, bool, error)
	Close() error
}

// Device makes a Poller and a Channel of a Reader.
type Device struct {
	mu     sync.Mutex
	reader Reader
	card   Card // nil: none lies there
}

var (
	_ rfid.Poller  = (*Device)(nil)
	_ rfid.Channel = (*Device)(nil)
)

// New takes a reader, and closes it when it is closed.
func New(r Reader) *Device { return &Device{reader: r} }

var (
	askUID  = []byte{0xFF, 0xCA, 0, 0, 0}
	errNone = errors.New("no card lies on the reader")
	errOdd  = errors.New("the card's answer is not one")
)

// maxAnswer is the most that a short command may answer: 256 bytes and the status word (ISO/IEC 7816-4).
const maxAnswer = 258

// Poll implements rfid.Poller. It does not end before the reader's service answers, which that bounds by itself.
func (d *Device) Poll(context.Context) (rfid.UID, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.card == nil {
		c, found, err := d.reader.Connect()
		if err != nil || !found {
			return rfid.UID{}, false, err
		}
		d.card = c
	}
	b, err := d.card.Transmit(askUID)
	if err != nil { // it left
		d.letGo()
		return rfid.UID{}, false, nil
	}
	u, err := number(b)
	return u, err == nil, nil
}

// number reads the answer to askUID. Numbers of four bytes that begin with 08 are made up anew each time: no card.
func number(b []byte) (rfid.UID, error) {
	n := len(b) - 2
	if n != 4 && n != 7 && n != 10 || b[n] != 0x90 || b[n+1] != 0 || n == 4 && b[0] == 0x08 {
		return rfid.UID{}, errOdd
	}
	return rfid.UIDOf(b[:n])
}

func (d *Device) letGo() {
	if d.card != nil {
		d.card.Disconnect()
	}
	d.card = nil
}

// Exchange implements rfid.Channel.
func (d *Device) Exchange(ctx context.Context, command []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case d.card == nil:
		return nil, errNone
	case len(command) == 0 || command[0] == 0xFF: // FF is the reader's own class: no card would hear it
		return nil, fmt.Errorf("% X is no command for a card", command[:min(1, len(command))])
	}
	b, err := d.card.Transmit(command)
	switch {
	case err != nil:
		d.letGo()
		return nil, fmt.Errorf("the card has left: %w", err)
	case len(b) < 2 || len(b) > maxAnswer:
		return nil, errOdd
	}
	return b, nil
}

// Close implements rfid.Poller.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letGo()
	return d.reader.Close()
}

package pn532

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"portillon/rfid"
)

// These are the chip's commands (§7).
const (
	diagnose     = 0x00
	firmware     = 0x02
	samConfig    = 0x14
	rfConfig     = 0x32
	dataExchange = 0x40
	listTarget   = 0x4A
	iso14443_4   = 0x20 // bit 6 of SAK: the card supports ISO/IEC 14443-4
	ackTime      = 100 * time.Millisecond
	startTime    = time.Second
	ackRoom      = 32 // number of bytes to read from a bus while waiting for an ACK
	forgiven     = 2
	maxAnswer    = 4096 // longest answer of a card to one exchange, over all its parts, in bytes
	statusMore   = 0x40 // bit of InDataExchange's status: the answer continues in another part (§7.3.8)
	statusError  = 0x3F
)

// Device is a started chip. The methods of a Device may be called concurrently. Close waits until a running command
// has ended.
type Device struct {
	mu      sync.Mutex
	link    link
	unread  []byte
	card    target // the card that Poll found last
	strikes int
	ended   bool
}

var (
	_ rfid.Poller  = (*Device)(nil)
	_ rfid.Channel = (*Device)(nil)
)

// target is a card in the chip's answer to InListPassiveTarget.
type target struct {
	uid    rfid.UID
	speaks bool
	found  bool
	random bool // the number is random
}

var (
	errSilent = errors.New("chip does not answer: check its wires, its switches (serial, I²C or SPI) and its supply")
	errFault  = errors.New("chip does not know the command")
	errClosed = errors.New("reader is closed")
)

// start wakes the chip, verifies that it is a PN532, tests the line and configures the chip.
func (d *Device) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := d.link.wake(); err != nil {
		return err
	}
	v, err := d.command(ctx, firmware)
	if err != nil { // the chip may lose the first command after a wake-up
		v, err = d.command(ctx, firmware)
	}
	if err != nil {
		return err
	}
	if len(v) < 4 || v[0] != 0x32 { // the first byte is 32 for a PN532 (§7.2.2)
		return fmt.Errorf("unexpected firmware ID % X, want 32 (PN532) first", v)
	}
	echo := []byte("\x00portillon") // communication line test (§7.2.1)
	got, err := d.command(ctx, diagnose, echo...)
	if err != nil {
		return fmt.Errorf("communication test failed: %w", err)
	}
	if !bytes.Equal(got, echo) {
		return fmt.Errorf("communication test failed: chip echoed % X, want % X", got, echo)
	}
	if _, err := d.command(ctx, samConfig, 1, 0, 0); err != nil { // §7.2.10: normal mode, no time-out, no IRQ
		return err
	}
	// §7.3.1, item 5: InListPassiveTarget looks for a card twice at most. Otherwise InListPassiveTarget would wait
	// forever for a card.
	if _, err := d.command(ctx, rfConfig, 5, 0xFF, 0x01, 0x01); err != nil {
		return err
	}
	_, err = d.command(ctx, rfConfig, 1, 1) // §7.3.1, item 1: switch the field on
	return err
}

// command sends one command and returns the answer's arguments.
func (d *Device) command(ctx context.Context, code byte, args ...byte) ([]byte, error) {
	frame, err := encode(code, args)
	if err != nil {
		return nil, err
	}
	d.unread = nil
	if err := d.link.drop(); err != nil {
		return nil, err
	}
	if err := d.link.send(frame); err != nil {
		return nil, err
	}
	soon, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	if _, err := d.awaitPacket(soon, ackRoom, func(p packet) bool { return p.kind == ack }); err != nil {
		return nil, err
	}
	p, err := d.awaitPacket(ctx, maxFrame, func(p packet) bool { return p.kind == data && p.body[0] == code+1 })
	if err != nil {
		d.link.send(ackFrame) // §6.2.1.3: an ACK from the host aborts the running command
		return nil, err
	}
	return p.body[1:], nil
}

// awaitPacket reads until wanted accepts a packet. awaitPacket discards other packets, which are late answers to
// earlier commands, or noise.
func (d *Device) awaitPacket(ctx context.Context, n int, wanted func(packet) bool) (packet, error) {
	for {
		p, rest, err := nextPacket(d.unread)
		d.unread = rest
		switch {
		case err != nil: // the wanted packet may follow the damaged one
			continue
		case p.kind == fault:
			return p, errFault
		case p.kind != none && wanted(p):
			return p, nil
		case p.kind != none:
			continue
		}
		b, err := d.link.receive(ctx, n)
		if err != nil {
			return packet{}, err
		}
		if len(b) == 0 {
			return packet{}, errSilent
		}
		if d.link.whole() {
			d.unread = nil // discard the incomplete packet
		}
		d.unread = append(d.unread, b...)
		if len(d.unread) > 4*maxFrame {
			return packet{}, errSilent // the chip sends bytes without end, but no packet
		}
	}
}

// Poll implements rfid.Poller.
func (d *Device) Poll(ctx context.Context) (rfid.UID, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.card = target{}
	if d.ended {
		return rfid.UID{}, false, errClosed
	}
	bounded, cancel := context.WithTimeout(ctx, rfid.MaxPoll/2)
	defer cancel()
	b, err := d.command(bounded, listTarget, 1, 0) // §7.3.5: one target, 106 kbps type A
	if err != nil {
		return d.tolerate(ctx, err)
	}
	d.strikes = 0
	d.card = parseTarget(b)
	return d.card.uid, d.card.found, nil
}

// SawRandom implements rfid.Randomised.
func (d *Device) SawRandom() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.card.random
}

// tolerate ignores two failures in a row, because a spark can cause them. tolerate returns the third failure in a row
// as an error.
func (d *Device) tolerate(ctx context.Context, err error) (rfid.UID, bool, error) {
	if ctx.Err() != nil {
		return rfid.UID{}, false, nil
	}
	if d.strikes++; d.strikes > forgiven {
		return rfid.UID{}, false, err
	}
	return rfid.UID{}, false, nil
}

// parseTarget parses the answer of InListPassiveTarget for type A (§7.3.5): the number of cards, then target number,
// SENS_RES (2 bytes), SEL_RES, length and number of the card, and for ISO/IEC 14443-4 its ATS.
func parseTarget(b []byte) target {
	if len(b) < 6 || b[0] != 1 || b[1] != 1 {
		return target{}
	}
	n := int(b[5])
	if len(b) < 6+n || n != 4 && n != 7 && n != 10 {
		return target{}
	}
	id, sak, rest := b[6:6+n], b[4], b[6+n:]
	u, err := rfid.UIDOf(id)
	if err != nil || n == 4 && id[0] == 0x88 { // 88 is the cascade tag, with which a number of more than four bytes begins
		return target{}
	}
	if rfid.Random(u) {
		return target{random: true}
	}
	speaks := sak&iso14443_4 != 0 && len(rest) > 0 && int(rest[0]) == len(rest)
	return target{uid: u, speaks: speaks, found: true}
}

// cardErrors are the error codes of InDataExchange (§7.1, table 15).
var cardErrors = map[byte]string{
	0x01: "card does not answer",
	0x02: "CRC does not match",
	0x03: "parity does not match",
	0x05: "corrupt frame",
	0x06: "two cards answered at once",
	0x0A: "field is off",
	0x0B: "card violated the protocol",
	0x0D: "chip is too hot",
	0x27: "command is not valid for this card",
	0x29: "card was released",
	0x2B: "card has left",
	0x2C: "another card is in the field",
}

// Exchange implements rfid.Channel.
func (d *Device) Exchange(ctx context.Context, command []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ended:
		return nil, errClosed
	case !d.card.found:
		return nil, errors.New("no card in the field")
	case !d.card.speaks:
		return nil, errors.New("card does not support ISO 14443-4")
	case len(command) == 0 || len(command) > maxSent:
		return nil, fmt.Errorf("command has %d bytes, want 1 to %d", len(command), maxSent)
	}
	ctx, cancel := context.WithTimeout(ctx, rfid.MaxPoll)
	defer cancel()
	var answer []byte
	for args := append([]byte{1}, command...); ; args = []byte{1} {
		b, err := d.command(ctx, dataExchange, args...)
		if err != nil {
			return nil, err
		}
		if len(b) == 0 {
			return nil, errBad
		}
		if e := b[0] & statusError; e != 0 {
			return nil, said(e)
		}
		if answer = append(answer, b[1:]...); b[0]&statusMore == 0 {
			return answer, nil
		}
		if len(answer) > maxAnswer || len(b) == 1 {
			return nil, errors.New("card's answer is too long")
		}
	}
}

func said(e byte) error {
	if s := cardErrors[e]; s != "" {
		return errors.New(s)
	}
	return fmt.Errorf("communication with the card failed (chip error %02X)", e)
}

// Close implements rfid.Poller.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil
	}
	d.ended = true
	return d.link.Close()
}

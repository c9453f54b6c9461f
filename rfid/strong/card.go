package strong

import (
	"context"
	"errors"
	"fmt"
	"io"

	"portillon/rfid"
)

// This package sends each native command as 90 INS 00 00 Lc data 00 (NT4H2421Gx §8.4).
const (
	insEV2First   = 0x71 // AuthenticateEV2First, NT4H2421Gx §10.4.1
	insAES        = 0xAA // AuthenticateAES, DESFire EV1
	insMore       = 0xAF // the second part of both methods of authentication
	insCardUID    = 0x51 // GetCardUID, §10.5.4
	insKeyVersion = 0x64 // GetKeyVersion, §10.6.3
	insChangeKey  = 0xC4 // ChangeKey, §10.6.1
	insSelect     = 0x5A // SelectApplication, DESFire
	insCreate     = 0xCA // CreateApplication, DESFire
)

// A status is the status word at the end of a card's answer.
type status uint16

// These are the status words of NT4H2421Gx §10.2. DESFire cards use the same status words.
const (
	swISO        status = 0x9000
	swOK         status = 0x9100
	swMore       status = 0x91AF
	swIllegal    status = 0x911C
	swNoINS      status = 0x6D00
	swIntegrity  status = 0x911E
	swNoSuchKey  status = 0x9140
	swPermission status = 0x919D
	swNoApp      status = 0x91A0
	swDelay      status = 0x91AD
	swAuth       status = 0x91AE
)

// err returns the error for an unexpected status.
func (s status) err(doing string) error {
	why := ErrAnswer
	switch s {
	case swAuth, swNoSuchKey, swNoApp, swIntegrity: // swIntegrity (§10.6.1): the card expected another old key
		why = ErrWrongKey
	case swDelay:
		why = ErrLocked
	case swIllegal, swNoINS:
		why = ErrNotStrong
	case swPermission:
		why = ErrForbidden
	}
	return fmt.Errorf("%s: %w (status %04X)", doing, why, uint16(s))
}

// maxAnswer is the largest accepted size of an answer, in bytes. The longest valid answer is half as long: 32 bytes
// in the second part of an authentication, and the status.
const maxAnswer = 66

// card is a connection to the card in the field.
type card struct {
	ch     rfid.Channel
	rand   io.Reader
	uid    []byte
	kind   Kind
	legacy bool // the card has reported that it does not support AuthenticateEV2First
}

// send sends one command and returns the card's answer, within rfid.MaxPoll.
func (c *card) send(ctx context.Context, command []byte) ([]byte, status, error) {
	ctx, done := context.WithTimeout(ctx, rfid.MaxPoll)
	defer done()
	a, err := c.ch.Exchange(ctx, command)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrLeft, err)
	}
	n := len(a) - 2
	if n < 0 || len(a) > maxAnswer {
		return nil, 0, fmt.Errorf("card's answer has %d bytes, want 2 to 66: %w", len(a), ErrAnswer)
	}
	w := status(a[n])<<8 | status(a[n+1])
	if n > 0 && w != swOK && w != swMore { // the answers to refused commands and to selections contain only a status
		return nil, 0, fmt.Errorf("card's answer has %d bytes and status %04X, want only a status: %w",
			len(a), uint16(w), ErrAnswer)
	}
	return a[:n:n], w, nil
}

// sendNative sends one native command of an NTAG 424 DNA or a DESFire.
func (c *card) sendNative(ctx context.Context, ins byte, data ...byte) ([]byte, status, error) {
	command := []byte{0x90, ins, 0, 0}
	if len(data) > 0 {
		command = append(append(command, byte(len(data))), data...)
	}
	return c.send(ctx, append(command, 0))
}

var errBlank = errors.New("card has no application of this site")

// selectApplication selects the application of this site, and returns the kind of the card. selectApplication tries
// the DESFire application first, because a DESFire that is also an NFC Forum tag has an application with the same
// name as the NTAG's. If a DESFire does not have this application, the error wraps errBlank.
func (c *card) selectApplication(ctx context.Context) error {
	a, s, err := c.sendNative(ctx, insSelect, DESFire.app()...)
	switch {
	case err != nil:
		return err
	case s == swOK && len(a) == 0:
		c.kind = DESFire
		return nil
	case s == swNoApp:
		c.kind = DESFire
		return fmt.Errorf("select the application: %w: %w", ErrWrongKey, errBlank)
	}
	name := NTAG424.app()
	command := append([]byte{0x00, 0xA4, 0x04, 0x0C, byte(len(name))}, name...) // ISOSelectFile, NT4H2421Gx §10.9.1
	if _, s, err = c.send(ctx, append(command, 0)); err != nil {
		return err
	}
	if s != swISO {
		return fmt.Errorf("select the application: %w (status %04X)", ErrNotStrong, uint16(s))
	}
	c.kind = NTAG424
	return nil
}

// session is an authenticated session.
type session interface {
	// cardUID asks the card, inside the session, for its own number.
	cardUID(context.Context) ([]byte, error)
	// changeOwn replaces the key that opened the session. The card then ends the session.
	changeOwn(context.Context, block) error
}

// authenticate opens a session with one of the application's keys, by its number.
func (c *card) authenticate(ctx context.Context, no byte, key block) (session, error) {
	if !c.legacy {
		s, err := c.ev2First(ctx, no, key)
		if err == nil {
			return s, nil
		}
		if c.kind != DESFire || !errors.Is(err, errUnknownCommand) {
			return nil, err
		}
		c.legacy = true
	}
	s, err := c.authenticateAES(ctx, no, key)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// errUnknownCommand means that the card does not know the command AuthenticateEV2First.
var errUnknownCommand = fmt.Errorf("card does not support AuthenticateEV2First: %w", ErrNotStrong)

// newRndA returns the reader's random challenge RndA.
func (c *card) newRndA() (block, error) {
	var b block
	_, err := io.ReadFull(c.rand, b[:])
	if err != nil {
		return b, fmt.Errorf("generate the challenge RndA: %w", err)
	}
	return b, nil
}

// deriveKey derives from the site's key the key of this card with the given key number.
func (c *card) deriveKey(site Key, no byte) block {
	m := append(append([]byte{}, c.uid...), c.kind.app()...)
	return diversify(site.block(), append(append(m, no), "portillon"...))
}

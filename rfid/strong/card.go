package strong

import (
	"context"
	"errors"
	"fmt"
	"io"

	"portillon/rfid"
)

// Commands, sent as 90 INS 00 00 Lc data 00 (NT4H2421Gx §8.4).
const (
	insEV2First   = 0x71 // AuthenticateEV2First, NT4H2421Gx §10.4.1
	insAES        = 0xAA // AuthenticateAES, DESFire EV1
	insMore       = 0xAF // the second part of both
	insCardUID    = 0x51 // GetCardUID, §10.5.4
	insKeyVersion = 0x64 // GetKeyVersion, §10.6.3
	insChangeKey  = 0xC4 // ChangeKey, §10.6.1
	insSelect     = 0x5A // SelectApplication, DESFire
	insCreate     = 0xCA // CreateApplication, DESFire
)

// status is the word that ends an answer.
type status uint16

// Status words (NT4H2421Gx §10.2, DESFire's in the same numbers).
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

// err says what a status that was not hoped for means.
func (s status) err(doing string) error {
	why := ErrAnswer
	switch s {
	case swAuth, swNoSuchKey, swNoApp, swIntegrity: // §10.6.1: integrity error, where the old key is not what was thought
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

// maxAnswer is the longest answer here: 32 bytes of a second part of authentication, and the status. Twice that is
// noise.
const maxAnswer = 66

// card is a conversation with one card.
type card struct {
	ch     rfid.Channel
	rand   io.Reader
	uid    []byte
	kind   Kind
	legacy bool // it knows no AuthenticateEV2First
}

// send is one exchange of at most rfid.MaxPoll.
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
		return nil, 0, fmt.Errorf("an answer of %d bytes: %w", len(a), ErrAnswer)
	}
	w := status(a[n])<<8 | status(a[n+1])
	if n > 0 && w != swOK && w != swMore { // a refusal carries nothing, a selection neither
		return nil, 0, fmt.Errorf("an answer of %d bytes, status %04X: %w", len(a), uint16(w), ErrAnswer)
	}
	return a[:n:n], w, nil
}

// native is one of the cards' own commands.
func (c *card) native(ctx context.Context, ins byte, data ...byte) ([]byte, status, error) {
	command := []byte{0x90, ins, 0, 0}
	if len(data) > 0 {
		command = append(append(command, byte(len(data))), data...)
	}
	return c.send(ctx, append(command, 0))
}

var errBlank = errors.New("card has no application of this site")

// meet selects the application, and so finds out what the card is. DESFire is asked first: one that also holds an NFC
// Forum tag has an application of the NTAG's name. A DESFire without ours is errBlank.
func (c *card) meet(ctx context.Context) error {
	a, s, err := c.native(ctx, insSelect, DESFire.app()...)
	switch {
	case err != nil:
		return err
	case s == swOK && len(a) == 0:
		c.kind = DESFire
		return nil
	case s == swNoApp:
		c.kind = DESFire
		return fmt.Errorf("select: %w: %w", ErrWrongKey, errBlank)
	}
	name := NTAG424.app()
	command := append([]byte{0x00, 0xA4, 0x04, 0x0C, byte(len(name))}, name...) // ISOSelectFile, NT4H2421Gx §10.9.1
	if _, s, err = c.send(ctx, append(command, 0)); err != nil {
		return err
	}
	if s != swISO {
		return fmt.Errorf("select: %w (status %04X)", ErrNotStrong, uint16(s))
	}
	c.kind = NTAG424
	return nil
}

// session is what follows an authentication.
type session interface {
	// cardUID is the card's own number.
	cardUID(context.Context) ([]byte, error)
	// changeOwn gives the key that the session was opened with a new value, and ends the session.
	changeOwn(context.Context, block) error
}

// authenticate opens a session with one of the application's keys.
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
	s, err := c.aes(ctx, no, key)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// errUnknownCommand is a card that knows no AuthenticateEV2First.
var errUnknownCommand = fmt.Errorf("card does not support AuthenticateEV2First: %w", ErrNotStrong)

// random is RndA.
func (c *card) random() (block, error) {
	var b block
	_, err := io.ReadFull(c.rand, b[:])
	if err != nil {
		return b, fmt.Errorf("no random number: %w", err)
	}
	return b, nil
}

// key is the card's own key of that number, made from the site's.
func (c *card) key(site Key, no byte) block {
	m := append(append([]byte{}, c.uid...), c.kind.app()...)
	return diversify(site.block(), append(append(m, no), "portillon"...))
}

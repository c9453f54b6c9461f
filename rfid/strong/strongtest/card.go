// Package strongtest simulates cards for tests: an NTAG 424 DNA and DESFires. They compute the card's side of the
// protocol, with faults on request. Package strongtest shares no code with package strong, so that an error in one
// package shows in the other.
package strongtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"

	"portillon/rfid"
)

// Kind is the model of the simulated card.
type Kind string

// These are the kinds of simulated cards.
const (
	NTAG424    Kind = "ntag424"
	DESFire    Kind = "desfire"     // EV2, EV3
	DESFireEV1 Kind = "desfire-ev1" // without AuthenticateEV2First
	Plain      Kind = "plain"       // a card that supports ISO 14443-4 and is none of the models above
)

// Card is one simulated card. The exported fields of a Card are its permanent memory. The other fields are lost when
// the card leaves the reader's field.
type Card struct {
	Kind     Kind
	UID      [7]byte     // the chip's own number
	Shown    [7]byte     // the number that the card shows during anticollision; a clone shows the number of another card
	Keys     [5][16]byte // the application's keys; on a DESFire only the first key exists
	Versions [5]byte     // versions of the application's keys
	Made     bool        // only for a DESFire: the application has been created
	Locked   bool        // only for a DESFire: only a session with the master key may create applications
	Delay    int         // number of authentications that the card will answer with an authentication delay

	Rand  io.Reader `json:"-"` // nil: crypto/rand
	Fault Fault     `json:"-"`
	Said  [][]byte  `json:"-"` // all correct answers that the card has given so far, before a fault changed them
	n     int
	state
}

// state holds the data that a card loses when it leaves the reader's field.
type state struct {
	chosen   bool     // the application is selected
	lost     bool     // the last selection failed, so no application is selected
	pending  byte     // command of the authentication that is running: 71 (EV2First) or AA (AES); 0: none
	mode     byte     // command of the authentication that succeeded; 0: the session is not open
	no       byte     // number of the key with which the session was opened
	rndB     [16]byte // the card's challenge
	iv       [16]byte // initial vector of EV1, which each message takes over from the message before
	enc, mac [16]byte
	ti       [4]byte // transaction identifier TI of an EV2 session
	ctr      int     // number of commands in an EV2 session
}

var (
	_ rfid.Channel = (*Card)(nil)
	_ rfid.Poller  = (*Card)(nil)
)

// New returns a simulated card as it leaves the factory.
func New(k Kind, uid [7]byte) *Card { return &Card{Kind: k, UID: uid, Shown: uid} }

// Number returns the number that the card shows to readers.
func (c *Card) Number() rfid.UID {
	u, _ := rfid.UIDOf(c.Shown[:])
	return u
}

// Poll implements rfid.Poller: the card is always in the field.
func (c *Card) Poll(context.Context) (rfid.UID, bool, error) {
	c.Enter()
	return c.Number(), true, nil
}

// Close implements rfid.Poller.
func (c *Card) Close() error { return nil }

// Enter puts the card into the field: Enter resets the card's state and counts exchanges from one again.
func (c *Card) Enter() { c.state, c.n = state{}, 0 }

// Exchange implements rfid.Channel.
func (c *Card) Exchange(ctx context.Context, command []byte) ([]byte, error) {
	c.n++
	act := func() []byte {
		a := c.execute(command)
		c.Said = append(c.Said, a)
		return bytes.Clone(a)
	}
	if c.Fault == nil {
		return act(), nil
	}
	return c.Fault(ctx, c.n, act)
}

// Exchanges returns the number of exchanges since the card entered the field.
func (c *Card) Exchanges() int { return c.n }

// withStatus returns an answer: the data, followed by the status s.
func withStatus(s uint16, data ...byte) []byte { return append(data, byte(s>>8), byte(s)) }

// execute executes one command of the reader.
func (c *Card) execute(a []byte) []byte {
	if c.Kind == Plain {
		return withStatus(0x6D00)
	}
	if len(a) >= 5 && a[0] == 0x00 && a[1] == 0xA4 {
		return c.isoSelect(a)
	}
	if len(a) < 5 || a[0] != 0x90 || a[2] != 0 || a[3] != 0 || a[len(a)-1] != 0 {
		return withStatus(0x6E00)
	}
	var data []byte
	if len(a) > 5 {
		data = a[5 : len(a)-1]
		if int(a[4]) != len(data) {
			return withStatus(0x917E)
		}
	}
	out := c.native(a[1], data)
	// an error ends the session and also an authentication that is not complete
	if s := out[len(out)-1]; s != 0x00 && s != 0xAF {
		c.pending, c.mode = 0, 0
	}
	return out
}

// isoSelect executes ISO SELECT FILE, which finds only the application of an NTAG 424 DNA.
func (c *Card) isoSelect(a []byte) []byte {
	c.state = state{}
	if c.Kind != NTAG424 || !bytes.Equal(a, []byte{0, 0xA4, 4, 0x0C, 7, 0xD2, 0x76, 0, 0, 0x85, 1, 1, 0}) {
		return withStatus(0x6A82)
	}
	c.chosen = true
	return withStatus(0x9000)
}

// native executes a native command of an NTAG 424 DNA or a DESFire. An incomplete authentication ends at the next
// command, whatever it is.
func (c *Card) native(ins byte, data []byte) []byte {
	pending := c.pending
	c.pending = 0
	switch {
	case ins == 0x71 && c.Kind != DESFireEV1, ins == 0xAA && c.Kind != NTAG424:
		return c.answerPart1(ins, data)
	case ins == 0xAF && pending != 0:
		return c.answerPart2(pending, data)
	case ins == 0x5A && c.Kind != NTAG424:
		return c.selectApplication(data)
	case ins == 0xCA && c.Kind != NTAG424:
		return c.createApplication(data)
	}
	return c.authenticated(ins, data)
}

// authenticated executes a command that needs a session.
func (c *Card) authenticated(ins byte, data []byte) []byte {
	switch {
	case c.mode == 0x71 && (ins == 0x51 || ins == 0x64 || ins == 0xC4):
		return c.executeSecured(ins, data)
	case c.mode == 0xAA && ins == 0x51 && len(data) == 0:
		return c.uidEV1()
	case c.mode == 0xAA && ins == 0xC4:
		return c.changeKeyEV1(data)
	case ins == 0x51 || ins == 0x64 || ins == 0xC4:
		return withStatus(0x91AE)
	}
	return withStatus(0x911C)
}

// selectApplication executes SelectApplication. It selects the card's root, or the application POR if it has been
// created.
func (c *Card) selectApplication(data []byte) []byte {
	c.state = state{}
	switch {
	case bytes.Equal(data, []byte{0, 0, 0}):
		return withStatus(0x9100)
	case c.Made && bytes.Equal(data, []byte("POR")):
		c.chosen = true
		return withStatus(0x9100)
	}
	c.lost = true
	return withStatus(0x91A0)
}

// createApplication executes CreateApplication for the application POR with one AES key.
func (c *Card) createApplication(data []byte) []byte {
	switch {
	case c.Locked:
		return withStatus(0x91AE)
	case c.chosen || c.lost:
		return withStatus(0x919D)
	case len(data) != 5 || data[4] != 0x81 || string(data[:3]) != "POR":
		return withStatus(0x917E)
	case c.Made:
		return withStatus(0x91DE)
	}
	c.Made, c.Keys, c.Versions = true, [5][16]byte{}, [5]byte{}
	return withStatus(0x9100)
}

// keys returns how many keys the application has.
func (c *Card) keys() int {
	if c.Kind == NTAG424 {
		return 5
	}
	return 1
}

// random fills b with bytes from the card's source of random numbers. After the end of the source, random fills b
// with zeros.
func (c *Card) random(b []byte) {
	r := c.Rand
	if r == nil {
		r = rand.Reader
	}
	if _, err := io.ReadFull(r, b); err != nil {
		clear(b)
	}
}

// answerPart1 answers the first part of an authentication with the encrypted RndB.
func (c *Card) answerPart1(ins byte, data []byte) []byte {
	c.mode = 0
	switch {
	case !c.chosen:
		return withStatus(0x919D)
	case c.Delay > 0:
		c.Delay--
		return withStatus(0x91AD)
	case ins == 0x71 && (len(data) != 2 || data[1] != 0), ins == 0xAA && len(data) != 1:
		return withStatus(0x917E)
	case int(data[0]) >= c.keys():
		return withStatus(0x9140)
	}
	c.pending, c.no = ins, data[0]
	c.random(c.rndB[:])
	e := encryptCBC(c.Keys[c.no], [16]byte{}, c.rndB[:])
	c.iv = [16]byte(e)
	return withStatus(0x91AF, e...)
}

// answerPart2 verifies RndB' and answers with the encrypted RndA'.
func (c *Card) answerPart2(ins byte, data []byte) []byte {
	if len(data) != 32 {
		return withStatus(0x917E)
	}
	key, iv := c.Keys[c.no], c.iv
	if ins == 0x71 {
		iv = [16]byte{}
	}
	p := decryptCBC(key, iv, data)
	if !bytes.Equal(p[16:], rotateLeft(c.rndB[:])) {
		return withStatus(0x91AE)
	}
	c.mode = ins
	if ins == 0x71 {
		return c.openEV2(key, p[:16])
	}
	c.openEV1(p[:16])
	return withStatus(0x9100, encryptCBC(key, [16]byte(data[16:]), rotateLeft(p[:16]))...)
}

// openEV1 derives the session key of EV1 from both challenges.
func (c *Card) openEV1(a []byte) {
	b := c.rndB[:]
	c.enc = [16]byte(bytes.Join([][]byte{a[:4], b[:4], a[12:], b[12:]}, nil))
	c.iv = [16]byte{}
}

// openEV2 derives the session keys of EV2 from both challenges and returns the last answer of the
// authentication.
func (c *Card) openEV2(key [16]byte, a []byte) []byte {
	b := c.rndB[:]
	var mid [6]byte
	for i := range mid {
		mid[i] = a[2+i] ^ b[i]
	}
	tail := bytes.Join([][]byte{{0x00, 0x01, 0x00, 0x80}, a[:2], mid[:], b[6:], a[8:]}, nil)
	c.enc = cmac(key, [16]byte{}, append([]byte{0xA5, 0x5A}, tail...))
	c.mac = cmac(key, [16]byte{}, append([]byte{0x5A, 0xA5}, tail...))
	c.ctr = 0
	c.random(c.ti[:])
	return withStatus(0x9100, encryptCBC(key, [16]byte{}, bytes.Join([][]byte{c.ti[:], rotateLeft(a), make([]byte, 12)},
		nil))...)
}

// ErrGone means that the card has left the field.
var ErrGone = errors.New("strongtest: card left the field")

// Package mfrc522test is an MFRC522 that is not there: its registers, FIFO, timer, CRC unit, self-test and field, with
// cards in it, behind an SPI port. A driver that forgets what the data sheet (Rev. 3.9) or ISO/IEC 14443-3 asks for
// finds no card here either: no answer without 100 % modulation, without the antenna, at a level that was not SELECTed,
// at another speed.
//
// Not modelled: parity, the receiver's gain, analogue tests, MIFARE's encryption, UART and I²C, power-down beyond the
// reset's.
package mfrc522test

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Faults are what a Chip does wrong. The zero Faults are none.
type Faults struct {
	Silent        bool                     // the data line stays at Rest
	Rest          byte                     // 0x00 or 0xFF
	Broken        error                    // what every transfer fails with
	Slow          time.Duration            // what every transfer takes
	CommandsHang  bool                     // a Transceive raises no interrupt, its timer neither
	ResetHangs    bool                     // PowerDown stays
	SelfTestHangs bool                     // the FIFO stays empty
	NoReset       bool                     // ignores the soft reset
	Hot           bool                     // TempErr
	Air           func(bits []bool) []bool // noise on what cards answer
	Flags         byte                     // ErrorReg's bits after every answer, with no interrupt
	Wire          func(mosi, miso []byte)  // noise on what a transfer answers
	Before        func(n int)              // called before transfer n, which counts from 1; may use the Chip
}

// Chip is the chip. Its fields may be changed while nobody uses the port, and from Faults.Before.
type Chip struct {
	Version  byte   // VersionReg; 0x92 from New
	SelfTest []byte // 64 bytes
	Cards    []*Card
	Faults   Faults

	mu        sync.Mutex
	reg       [64]byte
	fifo      []byte
	internal  [25]byte // where Mem puts the FIFO's bytes
	transfers int
	closed    bool

	awake time.Time // when the soft reset is over
	done  time.Time // when what was received is complete; zero: nothing on its way
	alarm time.Time // when the timer ends; zero: it does not run
	air   []bool    // what is on its way
	coll  int       // first collided bit of it, -1: none
}

// New gives a chip of version 2.0 after power-on, with cards in its field.
func New(cards ...*Card) *Chip {
	c := &Chip{Version: 0x92, SelfTest: version2(), Cards: cards}
	c.powerOn()
	return c
}

// BrownOut resets the chip as a dip of its supply does.
func (c *Chip) BrownOut() { c.powerOn() }

// Transfers is how many there were.
func (c *Chip) Transfers() int { return c.transfers }

// Closed reports whether the port was closed.
func (c *Chip) Closed() bool { return c.closed }

// AntennaOn reports whether there is a field.
func (c *Chip) AntennaOn() bool { return c.reg[txControl]&0x03 == 0x03 }

// Port gives the SPI port of the chip.
func (c *Chip) Port() spi.PortCloser { return &port{c} }

type port struct{ c *Chip }

func (p *port) String() string                    { return "mfrc522test" }
func (p *port) Close() error                      { p.c.closed = true; return nil }
func (p *port) LimitSpeed(physic.Frequency) error { return nil }

// Connect refuses what the chip cannot follow (§8.1.2: mode 0, up to 10 MHz).
func (p *port) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if f <= 0 || f > 10*physic.MegaHertz || mode != spi.Mode0 || bits != 8 {
		return nil, fmt.Errorf("the chip does not follow %s, mode %v, %d bits", f, mode, bits)
	}
	return p, nil
}

func (p *port) Duplex() conn.Duplex          { return conn.Full }
func (p *port) TxPackets([]spi.Packet) error { return errors.New("not modelled") }

// Tx is one transfer: chip select low, bytes, chip select high.
func (p *port) Tx(w, r []byte) error {
	c := p.c
	c.mu.Lock()
	c.transfers++
	n := c.transfers
	c.mu.Unlock()
	if c.Faults.Before != nil {
		c.Faults.Before(n)
	}
	time.Sleep(c.Faults.Slow)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return errors.New("port closed")
	case c.Faults.Broken != nil:
		return c.Faults.Broken
	case len(w) != len(r) || len(w) < 2:
		return errors.New("lengths differ, or nothing but an address")
	case c.Faults.Silent:
		for i := range r {
			r[i] = c.Faults.Rest
		}
		return nil
	}
	c.transfer(w, r)
	if c.Faults.Wire != nil {
		c.Faults.Wire(w, r)
	}
	return nil
}

// transfer follows §8.1.2: reading, each byte is the address of the next answer; writing, all bytes go to the first
// address.
func (c *Chip) transfer(w, r []byte) {
	c.advance(time.Now())
	if w[0]&0x80 == 0 {
		for _, x := range w[1:] {
			c.set(w[0]>>1&0x3F, x)
		}
		return
	}
	for i := range w[1:] {
		if w[i]&0x81 == 0x80 {
			r[i+1] = c.get(w[i] >> 1 & 0x3F)
		}
	}
}

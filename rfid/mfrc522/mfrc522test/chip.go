// Package mfrc522test simulates an MFRC522 on an SPI port: registers, FIFO, timer, CRC unit, self-test and field, with
// cards in it. A driver that violates the data sheet (Rev. 3.9) or ISO/IEC 14443-3 finds no card: a simulated card
// does not answer without 100 % modulation, without the antenna, at a cascade level that was not selected, or at
// another speed.
//
// The simulation does not cover parity, the receiver's gain, analogue tests, MIFARE's encryption, UART, I²C, or
// power-down outside a reset.
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

// Faults are the faults that a Chip simulates. The zero Faults simulates no fault.
type Faults struct {
	Silent        bool                     // every byte that the driver reads has the value Rest
	Rest          byte                     // 0x00 or 0xFF
	Broken        error                    // every transfer fails with this error; nil: transfers work
	Slow          time.Duration            // every transfer takes this time
	CommandsHang  bool                     // neither a Transceive nor its timer raises an interrupt
	ResetHangs    bool                     // PowerDown stays set
	SelfTestHangs bool                     // the self-test does not end, and the FIFO stays empty
	NoReset       bool                     // the chip ignores the soft reset
	Hot           bool                     // the bit TempErr is set: the chip is too hot
	Air           func(bits []bool) []bool // changes the bits of the cards' answers; nil: no noise
	Flags         byte                     // bits that the chip sets in ErrorReg after every answer, without an interrupt
	Wire          func(mosi, miso []byte)  // changes the bytes of each transfer; nil: no noise
	Before        func(n int)              // called before the transfer with number n, counted from 1; it may use the Chip
}

// Chip is a simulated chip. A test may change the fields while no transfer runs, and in Faults.Before.
type Chip struct {
	Version  byte   // content of VersionReg; New sets 0x92
	SelfTest []byte // 64 bytes
	Cards    []*Card
	Faults   Faults

	mu        sync.Mutex
	reg       [64]byte
	fifo      []byte
	internal  [25]byte // the bytes that the command Mem copied from the FIFO
	transfers int
	closed    bool

	awake time.Time // time at which the soft reset ends
	done  time.Time // time at which the answer has been received; zero: no answer is being received
	alarm time.Time // time at which the timer ends; zero: the timer does not run
	air   []bool    // the answer being received
	coll  int       // index of the first collided bit of the answer; -1: no collision
}

// New returns a chip of version 2.0 after power-on, with these cards in its field.
func New(cards ...*Card) *Chip {
	c := &Chip{Version: 0x92, SelfTest: version2(), Cards: cards}
	c.powerOn()
	return c
}

// BrownOut resets the chip, as a short loss of its supply voltage does.
func (c *Chip) BrownOut() { c.powerOn() }

// Transfers returns the number of SPI transfers so far.
func (c *Chip) Transfers() int { return c.transfers }

// Closed reports whether the port was closed.
func (c *Chip) Closed() bool { return c.closed }

// AntennaOn reports whether the field is on.
func (c *Chip) AntennaOn() bool { return c.reg[txControl]&0x03 == 0x03 }

// Port returns the chip's SPI port.
func (c *Chip) Port() spi.PortCloser { return &port{c} }

type port struct{ c *Chip }

func (p *port) String() string                    { return "mfrc522test" }
func (p *port) Close() error                      { p.c.closed = true; return nil }
func (p *port) LimitSpeed(physic.Frequency) error { return nil }

// Connect refuses settings that the chip does not support (§8.1.2: mode 0, up to 10 MHz).
func (p *port) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if f <= 0 || f > 10*physic.MegaHertz || mode != spi.Mode0 || bits != 8 {
		return nil, fmt.Errorf("simulated chip does not support %s, mode %v, %d bits", f, mode, bits)
	}
	return p, nil
}

func (p *port) Duplex() conn.Duplex          { return conn.Full }
func (p *port) TxPackets([]spi.Packet) error { return errors.New("TxPackets is not simulated") }

// Tx simulates one transfer: the driver sets chip select low, exchanges bytes, and sets chip select high.
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
		return errors.New("port is closed")
	case c.Faults.Broken != nil:
		return c.Faults.Broken
	case len(w) != len(r) || len(w) < 2:
		return errors.New("buffers of a transfer have different lengths or contain no data byte")
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

// transfer follows §8.1.2. In a read, each byte sent is the address whose value the chip sends next. In a write, the
// first byte is the address to which all other bytes go.
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

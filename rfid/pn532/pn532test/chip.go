// Package pn532test simulates a PN532 on a serial line, I²C and SPI, with cards in its field and with faults on
// request. The simulation is written from the manual (UM0701-02), independently of the driver.
package pn532test

import (
	"context"
	"math/bits"
	"sync"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
)

// Card is a card in the field.
type Card struct {
	UID []byte
	SAK byte
	// the card's ATS as the chip's list of cards contains it: its length first
	ATS []byte
	// answers a command as the card does; an error means that the card has left
	Say  func(ctx context.Context, apdu []byte) ([]byte, error)
	rest []byte // the parts of a chained answer that are still to be sent
}

// Faults are the faults that the chip simulates. The zero Faults simulates no fault.
type Faults struct {
	Silent   bool                         // the chip sends nothing
	Deaf     bool                         // the chip acknowledges commands but does not answer
	Noise    []byte                       // bytes that the chip sends before each frame
	Damage   func(i int, b []byte) []byte // changes the frame with number i before the chip sends it; nil: no change
	Nacks    bool                         // the chip sends NACK for every command
	Late     bool                         // the chip sends each answer only after the next command
	Syntax   bool                         // the chip reports every command as unknown
	Endless  bool                         // a card's answer has a further part without end
	NotReady int                          // number of times that the chip reports "not ready" to the bus
	Firmware []byte                       // the chip's answer to GetFirmwareVersion, instead of 32 01 06 07
	Pieces   int                          // number of bytes that one serial read returns; 0: all waiting bytes
	Wire     func() error                 // returns an error to simulate a failing bus; nil: the bus works
}

// Chip is a simulated PN532. A Chip is safe for concurrent use.
type Chip struct {
	mu       sync.Mutex
	Cards    []*Card
	Faults   Faults
	out      [][]byte // frames that the host has not read yet
	late     [][]byte // answers that the chip sends after the next command
	in       []byte   // bytes from the host that the chip has not processed yet
	sent     int      // number of frames that the chip has queued so far
	Aborts   int      // number of ACKs that the host has sent
	Commands []byte   // codes of the commands that the host has sent
	Field    bool     // the host has switched the field on
	Retries  byte     // the setting MxRtyPassiveActivation: how often the chip looks for a card; FF: without end
}

// Set calls the function change while no other goroutine can use the chip.
func (c *Chip) Set(change func(*Chip)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// Hear processes bytes from the host.
func (c *Chip) Hear(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = append(c.in, b...)
	for {
		i := 0
		for ; i+1 < len(c.in) && (c.in[i] != 0 || c.in[i+1] != 0xFF); i++ {
		}
		if i+4 > len(c.in) {
			return
		}
		if c.in[i+2] == 0 && c.in[i+3] == 0xFF { // an ACK from the host aborts the running command
			c.Aborts++
			c.out, c.in = nil, c.in[i+4:]
			continue
		}
		n := int(c.in[i+2])
		if c.in[i+2]+c.in[i+3] != 0 {
			c.in = c.in[i+2:]
			continue
		}
		if len(c.in) < i+4+n+1 {
			return
		}
		frame := c.in[i+4 : i+4+n]
		c.in = c.in[i+4+n+1:]
		if n >= 2 && frame[0] == 0xD4 {
			c.execute(frame[1], frame[2:])
		}
	}
}

// execute executes a command.
func (c *Chip) execute(code byte, args []byte) {
	c.Commands = append(c.Commands, code)
	f := c.Faults
	c.out, c.late = c.late, nil
	switch {
	case f.Silent:
		c.out = nil
		return
	case f.Nacks:
		c.emit([]byte{0, 0, 0xFF, 0xFF, 0, 0})
		return
	}
	c.emit([]byte{0, 0, 0xFF, 0, 0xFF, 0})
	switch {
	case f.Deaf:
	case f.Syntax:
		c.emit([]byte{0, 0, 0xFF, 1, 0xFF, 0x7F, 0x81, 0})
	default:
		if b, ok := c.answer(code, args); ok {
			frame := encode(append([]byte{0xD5, code + 1}, b...))
			if f.Late {
				c.late = append(c.late, frame)
				return
			}
			c.emit(frame)
		}
	}
}

// emit queues a frame for the host. As the Faults state, emit puts noise before the frame and damages the frame.
func (c *Chip) emit(b []byte) {
	if c.Faults.Damage != nil {
		b = c.Faults.Damage(c.sent, append([]byte(nil), b...))
	}
	c.sent++
	c.out = append(c.out, append(append([]byte(nil), c.Faults.Noise...), b...))
}

// encode returns the body as a frame, or as an extended frame if the body is long.
func encode(body []byte) []byte {
	sum := byte(0)
	for _, b := range body {
		sum += b
	}
	n := len(body)
	head := []byte{0, 0, 0xFF, byte(n), byte(-n)}
	if n > 255 {
		head = []byte{0, 0, 0xFF, 0xFF, 0xFF, byte(n >> 8), byte(n), -(byte(n>>8) + byte(n))}
	}
	return append(append(head, body...), -sum, 0)
}

// answer returns the arguments of the answer to a command; false means that the chip does not answer yet.
func (c *Chip) answer(code byte, args []byte) ([]byte, bool) {
	switch code {
	case 0x00:
		return args, true
	case 0x02:
		if c.Faults.Firmware != nil {
			return c.Faults.Firmware, true
		}
		return []byte{0x32, 0x01, 0x06, 0x07}, true
	case 0x14:
		return nil, true
	case 0x32:
		switch {
		case len(args) == 4 && args[0] == 5:
			c.Retries = args[3]
		case len(args) == 2 && args[0] == 1:
			c.Field = args[1]&1 == 1
		}
		return nil, true
	case 0x4A:
		return c.listTargets()
	case 0x40:
		return c.exchange(args)
	}
	return []byte{0x7F}, true
}

// listTargets returns the arguments of the answer to InListPassiveTarget.
func (c *Chip) listTargets() ([]byte, bool) {
	if len(c.Cards) == 0 || !c.Field {
		return []byte{0}, c.Retries != 0xFF // with unlimited retries, the chip answers only once a card is in its field
	}
	if len(c.Cards) > 1 {
		return []byte{0}, true // the cards collide
	}
	k := c.Cards[0]
	b := append([]byte{1, 1, 0x03, 0x44, k.SAK, byte(len(k.UID))}, k.UID...)
	return append(b, k.ATS...), true
}

// exchange returns the arguments of the answer to InDataExchange.
func (c *Chip) exchange(args []byte) ([]byte, bool) {
	if len(args) == 0 || args[0] != 1 || len(c.Cards) != 1 {
		return []byte{0x01}, true
	}
	if c.Faults.Endless {
		return append([]byte{0x40}, make([]byte, 60)...), true
	}
	k := c.Cards[0]
	if len(args) == 1 { // send the next part of a chained answer
		return k.chain(nil), true
	}
	b, err := k.Say(context.Background(), args[1:])
	if err != nil {
		return []byte{0x01}, true
	}
	return k.chain(b), true
}

// piece is the largest size of one part of a chained answer, in bytes.
const piece = 200

// If a card's answer does not fit into one frame, chain returns the next part of the answer.
func (k *Card) chain(b []byte) []byte {
	b = append(k.rest, b...)
	if k.rest = nil; len(b) <= piece {
		return append([]byte{0}, b...)
	}
	k.rest = append([]byte(nil), b[piece:]...)
	return append([]byte{0x40}, b[:piece]...)
}

// read returns the next frame that waits for the host. If n is not 0 and whole is false, read returns only the next n
// bytes of the frame at most.
func (c *Chip) read(n int, whole bool) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) == 0 {
		return nil
	}
	b := c.out[0]
	if whole || n == 0 || n >= len(b) {
		c.out = c.out[1:]
		return b
	}
	c.out[0] = b[n:]
	return b[:n]
}

// Serial is the chip's serial line, with the methods of the driver's port.
type Serial struct {
	*Chip
	Timeout time.Duration
	closed  bool
}

func (s *Serial) Write(b []byte) (int, error) {
	if s.Faults.Wire != nil {
		if err := s.Faults.Wire(); err != nil {
			return 0, err
		}
	}
	s.Hear(b)
	return len(b), nil
}

func (s *Serial) Read(b []byte) (int, error) {
	got := s.read(min(len(b), s.Faults.Pieces), false)
	if got == nil {
		time.Sleep(s.Timeout)
		return 0, nil
	}
	return copy(b, got), nil
}

// SetReadTimeout sets how long Read waits for data before it returns without data.
func (s *Serial) SetReadTimeout(d time.Duration) error { s.Timeout = d; return nil }
func (s *Serial) ResetInputBuffer() error {
	s.Set(func(c *Chip) { c.out = nil })
	return nil
}

// Close closes the port: further calls fail.
func (s *Serial) Close() error { s.closed = true; return nil }

// ready reports whether the host can read a frame, and counts Faults.NotReady down by one.
func (c *Chip) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Faults.NotReady > 0 {
		c.Faults.NotReady--
		return false
	}
	return len(c.out) > 0
}

// I2C is the chip on an I²C bus.
type I2C struct{ *Chip }

func (b I2C) String() string                  { return "model" }
func (b I2C) SetSpeed(physic.Frequency) error { return nil }
func (b I2C) Close() error                    { return nil }

// Tx implements i2c.Bus.
func (b I2C) Tx(addr uint16, w, r []byte) error {
	if b.Faults.Wire != nil {
		if err := b.Faults.Wire(); err != nil {
			return err
		}
	}
	if len(w) > 0 {
		b.Hear(w)
	}
	if len(r) == 0 {
		return nil
	}
	if !b.ready() {
		r[0] = 0
		return nil
	}
	r[0] = 1
	if len(r) > 1 {
		n := copy(r[1:], b.read(0, true))
		for i := 1 + n; i < len(r); i++ {
			r[i] = 0xFF // after the frame no device drives the bus, so every further byte reads the same
		}
	}
	return nil
}

// SPI is the chip on an SPI port; bytes are sent lowest bit first.
type SPI struct{ *Chip }

func (s SPI) String() string      { return "model" }
func (s SPI) Duplex() conn.Duplex { return conn.Full }
func (s SPI) Close() error        { return nil }

// Tx implements conn.Conn.
func (s SPI) Tx(w, r []byte) error {
	if s.Faults.Wire != nil {
		if err := s.Faults.Wire(); err != nil {
			return err
		}
	}
	in := make([]byte, len(w))
	for i, b := range w {
		in[i] = bits.Reverse8(b)
	}
	out := make([]byte, len(w))
	switch in[0] {
	case 0x01:
		s.Hear(in[1:])
	case 0x02:
		if s.ready() {
			out[1] = 1
		}
	case 0x03:
		n := copy(out[1:], s.read(0, true))
		for i := 1 + n; i < len(out); i++ {
			out[i] = 0xFF
		}
	}
	for i, b := range out {
		r[i] = bits.Reverse8(b)
	}
	return nil
}

// Package mfrc522 reads the numbers of 13.56 MHz cards (ISO/IEC 14443 type A) through an NXP MFRC522 on SPI.
//
// It accepts numbers of 4, 7 and 10 bytes, each checked three times over: by its check byte (BCC), by SELECT, to which
// only a card of that number answers, and by the CRC of that answer. It refuses, as no card: an answer with a
// collision, a parity or a framing fault; two cards at once, unless the chip hears only one; and numbers of four bytes
// that begin with 08, which a card (a telephone, most bank cards) makes up anew each time. It does not speak ISO
// 14443-4, so a card read here proves nothing but its number, which anyone can copy.
//
// A chip that does not answer, that is not the one that was started, or that has lost its settings because its supply
// broke down, is an error: close it and open another. It is looked at before every card. A command that does not end,
// or a bus too slow to finish a Poll, is forgiven twice in a row.
//
// A reset pin and an IRQ pin may be connected; neither is needed. The IRQ pin only shortens waits.
//
// Section numbers with no document are those of NXP's data sheet MFRC522, Rev. 3.9 (27 April 2016).
package mfrc522

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3/sysfs"

	"portillon/rfid"
)

const (
	// startTime bounds New, which takes some 120 ms, and 100 ms more with a reset pin.
	startTime = time.Second
	// pollTime bounds Poll: half of what rfid allows. A card of ten bytes takes some 15 ms.
	pollTime = rfid.MaxPoll / 2
	// forgiven is how many Polls in a row may fail in a way that a spark can explain.
	forgiven = 2
)

// Options are what may be chosen. The zero Options will do.
type Options struct {
	Gain         int              // of the receiver, in dB: 18, 23, 33, 38, 43 or 48 (§9.3.3.6); 0: 33, as after a reset
	Speed        physic.Frequency // of SPI, 1 to 10 MHz (§8.1.2); 0: 1 MHz, which a hand's breadth of loose wire bears
	IRQ          gpio.PinIn       // nil: none
	Reset        gpio.PinOut      // NRSTPD; nil: none
	SkipSelfTest bool             // for an imitation that calls itself an NXP chip and fails the self-test
}

// gains are the values of RxGain (§9.3.3.6, table 98).
var gains = map[int]byte{18: 2, 23: 3, 33: 4, 38: 5, 43: 6, 48: 7}

func (o Options) check() (Options, error) {
	if o.Gain == 0 {
		o.Gain = 33
	}
	if o.Speed == 0 {
		o.Speed = physic.MegaHertz
	}
	if err := CheckGain(o.Gain); err != nil {
		return o, err
	}
	if o.Speed < physic.MegaHertz || o.Speed > 10*physic.MegaHertz {
		return o, fmt.Errorf("SPI speed is %s, want 1 to 10 MHz", o.Speed)
	}
	return o, nil
}

// CheckGain says which gains, in dB, Open takes; 0 is the chip's own.
func CheckGain(gain int) error {
	if _, ok := gains[gain]; !ok && gain != 0 {
		return fmt.Errorf("gain is %d dB, want 18, 23, 33, 38, 43 or 48", gain)
	}
	return nil
}

func (o Options) gainBits() byte { return gains[o.Gain] }

// Device is a chip that was started. Poll and Close may run at once; Close ends a Poll.
type Device struct {
	turn    chan struct{} // a lock of the bus: it holds a value while somebody uses the bus
	bus     bus
	port    io.Closer // nil: the caller's
	version byte
	note    string
	kept    []kept
	random  bool // the last look met a number that is made up for one tap
	strikes int
}

var _ rfid.Poller = (*Device)(nil)

// Open starts the chip on an SPI port, as in /dev/spidev0.0. It blocks for
// no longer than a second, if the bus itself does not hang.
func Open(port string, o Options) (*Device, error) {
	d, err := open(port, o)
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", port, err)
	}
	return d, nil
}

// openSPI opens a port by its file. Of periph's host this takes the bus alone: all drivers of all boards are a megabyte
// of program.
func openSPI(file string) (spi.PortCloser, error) {
	first, second, _ := strings.Cut(strings.TrimPrefix(file, "/dev/spidev"), ".")
	bus, _ := strconv.Atoi(first)
	chip, _ := strconv.Atoi(second)
	if bus < 0 || file != fmt.Sprintf("/dev/spidev%d.%d", bus, chip) {
		return nil, errors.New("an SPI port is named like /dev/spidev0.0")
	}
	return sysfs.NewSPI(bus, chip)
}

func open(port string, o Options) (*Device, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	p, err := openSPI(port)
	if err != nil {
		return nil, err
	}
	return own(p, o)
}

// own starts the chip on a port that it then owns.
func own(p spi.PortCloser, o Options) (*Device, error) {
	c, err := p.Connect(o.Speed, spi.Mode0, 8) // §8.1.2: clock low at rest, data valid at its rising edge
	if err != nil {
		p.Close()
		return nil, err
	}
	d, err := New(c, o)
	if err != nil {
		p.Close()
		return nil, err
	}
	d.port = p
	return d, nil
}

// New starts the chip on a connection of mode 0 and eight bits, which stays the caller's to close.
func New(c spi.Conn, o Options) (*Device, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	d := &Device{turn: make(chan struct{}, 1), bus: bus{conn: c, irq: o.IRQ, end: time.Now().Add(startTime)}}
	if err := d.start(o); err != nil {
		return nil, err
	}
	return d, nil
}

// Note is what a person should know of this chip, or nothing.
func (d *Device) Note() string { return d.note }

// Version is what the chip calls itself (§9.3.4.8): 0x91 and 0x92 are NXP's 1.0 and 2.0, 0x88 and 0xB2 are imitations.
func (d *Device) Version() byte { return d.version }

// Poll implements rfid.Poller. It takes some 5 ms with no card and 15 ms with one, and 250 ms at most, if the
// bus itself does not hang.
func (d *Device) Poll(ctx context.Context) (rfid.UID, bool, error) {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if ctx.Err() != nil {
		return rfid.UID{}, false, nil
	}
	d.bus.end = time.Now().Add(pollTime)
	u, err := d.look()
	d.random = errors.Is(err, errRandom)
	switch {
	case err == nil:
		d.strikes = 0
		return u, true, nil
	case errors.Is(err, errNothing):
		d.strikes = 0
		return rfid.UID{}, false, nil
	case errors.Is(err, errStuck), errors.Is(err, errLate):
		if d.strikes++; d.strikes <= forgiven {
			return rfid.UID{}, false, nil
		}
	}
	return rfid.UID{}, false, fmt.Errorf("mfrc522: %w", err)
}

// SawRandom implements rfid.Randomised.
func (d *Device) SawRandom() bool {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	return d.random
}

func (d *Device) look() (rfid.UID, error) {
	if err := d.well(); err != nil {
		return rfid.UID{}, err
	}
	u, err := d.bus.find()
	if err == nil && !time.Now().Before(d.bus.end) { // this program was held up: whoever held the card may have gone
		return rfid.UID{}, errLate
	}
	return u, err
}

// Close switches the antenna off and closes the port that Open opened. It ends a Poll under way.
func (d *Device) Close() error {
	if d.bus.closed.Swap(true) {
		return nil
	}
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	// The bus is shut to everybody else by now. A chip that does not listen cannot be helped.
	err := d.bus.conn.Tx([]byte{byte(regTxControl) << 1, 0x80}, make([]byte, 2))
	if d.port == nil {
		return err
	}
	return d.port.Close()
}

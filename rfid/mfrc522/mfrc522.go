// Package mfrc522 reads the numbers of 13.56 MHz cards (ISO/IEC 14443 type A) through an NXP MFRC522 on SPI.
//
// The package accepts numbers of 4, 7 and 10 bytes. Each number is checked three times: by its check byte (BCC), by
// SELECT, which only a card with that number answers, and by the CRC of that answer. The package reports no card for an
// answer with a collision, a parity error or a framing error, for two cards at once (unless the chip receives only one
// of them), and for random numbers: four bytes that begin with 08, as telephones and most bank cards send. The
// package does not support ISO 14443-4, so the only proof of a card is its number, which anyone can copy.
//
// Poll returns an error if the chip does not answer, is another chip than at the start, or lost its settings because
// its supply failed. After an error the caller must close the device and open it again. Before each reading Poll
// verifies the chip's version and settings. Poll tolerates twice in a row that a command does not end or that the bus
// is too slow.
//
// A reset pin and an IRQ pin are optional. The IRQ pin, if connected, only shortens waits.
//
// Section numbers without a document refer to NXP's data sheet MFRC522, Rev. 3.9 (27 April 2016).
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
	// startTime is the longest time that New may take. New takes about 120 ms; with a reset pin, New takes about 220 ms.
	startTime = time.Second
	// pollTime is the longest time that Poll may take: half of rfid.MaxPoll. A card with ten bytes takes about 15 ms.
	pollTime = rfid.MaxPoll / 2
	// maxTransient is how many consecutive calls of Poll may fail for a reason that a spark can cause before Poll
	// returns the error.
	maxTransient = 2
)

// Options configures a Device. The zero Options are valid.
type Options struct {
	Gain         int              // receiver gain in dB: 18, 23, 33, 38, 43 or 48 (§9.3.3.6); 0: 33, as after a reset
	Speed        physic.Frequency // speed of SPI, 1 to 10 MHz (§8.1.2); 0: 1 MHz, at which 10 cm of loose wire still works
	IRQ          gpio.PinIn       // nil: not connected
	Reset        gpio.PinOut      // the pin connected to the chip's NRSTPD; nil: not connected
	SkipSelfTest bool             // skip the self-test, for imitations with an NXP version number that fail it
}

// gains maps dB to the values of RxGain (§9.3.3.6, table 98).
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

// CheckGain returns an error unless Open accepts the gain, in dB; 0 means the chip's default.
func CheckGain(gain int) error {
	if _, ok := gains[gain]; !ok && gain != 0 {
		return fmt.Errorf("gain is %d dB, want 18, 23, 33, 38, 43 or 48", gain)
	}
	return nil
}

func (o Options) gainBits() byte { return gains[o.Gain] }

// Device is a started chip. Poll and Close may be called concurrently. Close ends a running Poll.
type Device struct {
	turn    chan struct{} // lock of the bus: a goroutine that uses the bus fills the channel
	bus     bus
	port    io.Closer // closes the port; nil: the caller of New closes the port
	version byte
	note    string
	kept    []verifiedSetting
	random  bool // the last call of Poll met a card with a random number
	strikes int
}

var _ rfid.Poller = (*Device)(nil)

// Open starts the chip on an SPI port, such as /dev/spidev0.0. Open blocks for one second at most, unless the bus
// itself hangs.
func Open(port string, o Options) (*Device, error) {
	d, err := open(port, o)
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", port, err)
	}
	return d, nil
}

// openSPI opens a port by its device file. openSPI uses only periph's bus package, because periph's package host, with
// the drivers of all boards, would add a megabyte to the program.
func openSPI(file string) (spi.PortCloser, error) {
	first, second, _ := strings.Cut(strings.TrimPrefix(file, "/dev/spidev"), ".")
	bus, _ := strconv.Atoi(first)
	chip, _ := strconv.Atoi(second)
	if bus < 0 || file != fmt.Sprintf("/dev/spidev%d.%d", bus, chip) {
		return nil, errors.New("not an SPI port, want a name such as /dev/spidev0.0")
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
	return openOn(p, o)
}

// openOn starts the chip on a port. The Device then owns the port, and Device.Close closes the port.
func openOn(p spi.PortCloser, o Options) (*Device, error) {
	// mode 0 (§8.1.2): the clock is low at rest, and data are valid at its rising edge
	c, err := p.Connect(o.Speed, spi.Mode0, 8)
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

// New starts the chip on an SPI connection of mode 0 with eight bits per word. The caller closes the connection.
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

// Note returns a remark about this chip for the administrator, or an empty string if there is no remark.
func (d *Device) Note() string { return d.note }

// Version returns the chip's version (§9.3.4.8): 0x91 and 0x92 are NXP's 1.0 and 2.0, 0x88 and 0xB2 are imitations.
func (d *Device) Version() byte { return d.version }

// Poll implements rfid.Poller. Poll takes about 5 ms without a card, 15 ms with a card, and 250 ms at most, unless the
// bus itself hangs.
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
		if d.strikes++; d.strikes <= maxTransient {
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
	if err := d.checkChip(); err != nil {
		return rfid.UID{}, err
	}
	u, err := d.bus.find()
	// the program was delayed, so the person may have left before the reading
	if err == nil && !time.Now().Before(d.bus.end) {
		return rfid.UID{}, errLate
	}
	return u, err
}

// Close switches the antenna off and closes the port that Open opened. Close also ends a running Poll.
func (d *Device) Close() error {
	if d.bus.closed.Swap(true) {
		return nil
	}
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	// No other goroutine can use the bus at this point. Ignore an error of the transfer that switches the antenna off,
	// because the port is closed anyway.
	err := d.bus.conn.Tx([]byte{byte(regTxControl) << 1, 0x80}, make([]byte, 2))
	if d.port == nil {
		return err
	}
	return d.port.Close()
}

package pn532

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"go.bug.st/serial"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3/sysfs"
)

// A link exchanges bytes with the chip over one kind of bus.
type link interface {
	wake() error
	send(frame []byte) error
	// receive waits for bytes from the chip. If ctx ends first, receive returns no bytes. n is the number of bytes to
	// read; only a bus that needs a count uses n.
	receive(ctx context.Context, n int) ([]byte, error)
	// whole reports whether each receive returns exactly one packet.
	whole() bool
	// drop discards the bytes that the chip has sent and that receive has not returned yet.
	drop() error
	Close() error
}

// readyInterval is the interval at which a bus driver asks whether the chip is ready, and the longest read of a serial
// line.
const readyInterval = 2 * time.Millisecond

// port contains those methods of a serial port that serialLink uses.
type port interface {
	Read([]byte) (int, error) // (0, nil): timeout
	Write([]byte) (int, error)
	SetReadTimeout(time.Duration) error
	ResetInputBuffer() error
	Close() error
}

// serialLink is a link over a serial line (§6.2.5: 115200 baud, 8N1).
type serialLink struct{ port }

// wake sends 55 to wake a sleeping chip, then sends zeros until the chip is awake (§7.2.11: 2 ms at most). The chip
// ignores the zeros, because they are not a frame.
func (h serialLink) wake() error {
	return h.send([]byte{0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0})
}

func (h serialLink) send(frame []byte) error {
	n, err := h.Write(frame)
	if err == nil && n < len(frame) {
		err = errors.New("serial line accepted only a part of the frame")
	}
	return err
}

func (h serialLink) receive(ctx context.Context, _ int) ([]byte, error) {
	b := make([]byte, maxFrame)
	for ctx.Err() == nil {
		n, err := h.Read(b)
		if err != nil || n > 0 {
			return b[:n], err
		}
	}
	return nil, nil
}

func (h serialLink) drop() error { return h.ResetInputBuffer() }
func (h serialLink) whole() bool { return false }

// i2cLink is a link over I²C (§6.2.4), where the chip has the address 0x24. Each read begins with a status byte,
// whose lowest bit is 1 when the chip is ready.
type i2cLink struct {
	bus i2c.Bus
	end func() error
}

const address = 0x24

func (w i2cLink) whole() bool { return true }

// wake ignores an error of the bus, because a sleeping chip may not acknowledge its address.
func (w i2cLink) wake() error             { w.bus.Tx(address, []byte{0}, nil); return nil }
func (w i2cLink) send(frame []byte) error { return w.bus.Tx(address, frame, nil) }

// drop has nothing to discard: the chip stores one answer, and the next command replaces this answer
func (w i2cLink) drop() error  { return nil }
func (w i2cLink) Close() error { return w.end() }

func (w i2cLink) receive(ctx context.Context, n int) ([]byte, error) {
	b := make([]byte, n+1)
	for ctx.Err() == nil {
		if err := w.bus.Tx(address, nil, b[:1]); err == nil && b[0]&1 == 1 {
			err := w.bus.Tx(address, nil, b) // each read begins with the status byte
			return b[1:], err
		}
		wait(ctx, readyInterval) // a busy chip may not even acknowledge its address
	}
	return nil, nil
}

// spiLink is a link over SPI (§6.2.3): mode 0, lowest bit first. Because a Pi's controller sends the highest bit
// first, spiLink reverses the bits of each byte.
type spiLink struct {
	conn spi.Conn
	end  func() error
}

const (
	spiStatus = 0x02
	spiWrite  = 0x01
	spiRead   = 0x03
)

func (w spiLink) whole() bool             { return true }
func (w spiLink) wake() error             { _, err := w.tx(spiStatus, 1); return err }
func (w spiLink) send(frame []byte) error { _, err := w.tx(spiWrite, 0, frame...); return err }
func (w spiLink) drop() error             { return nil }
func (w spiLink) Close() error            { return w.end() }

func (w spiLink) tx(op byte, n int, frame ...byte) ([]byte, error) {
	out := append([]byte{op}, frame...)
	out = append(out, make([]byte, n)...)
	turn(out)
	in := make([]byte, len(out))
	if err := w.conn.Tx(out, in); err != nil {
		return nil, err
	}
	turn(in)
	return in[1:], nil
}

func turn(b []byte) {
	for i := range b {
		b[i] = bits.Reverse8(b[i])
	}
}

func (w spiLink) receive(ctx context.Context, n int) ([]byte, error) {
	for ctx.Err() == nil {
		b, err := w.tx(spiStatus, 1)
		if err != nil {
			return nil, err
		}
		if b[0] == 1 { // 1: the chip is ready; a line that is stuck high or low gives another value
			return w.tx(spiRead, n)
		}
		wait(ctx, readyInterval)
	}
	return nil, nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// OpenSerial starts the chip on a serial port, such as /dev/ttyAMA0.
func OpenSerial(name string) (*Device, error) {
	p, err := serial.Open(name, &serial.Mode{BaudRate: 115200, DataBits: 8, Parity: serial.NoParity,
		StopBits: serial.OneStopBit})
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", name, err)
	}
	return startOn(name, serialLink{p}, p.SetReadTimeout(5*time.Millisecond))
}

// OpenI2C starts the chip on an I²C bus, such as /dev/i2c-1.
func OpenI2C(name string) (*Device, error) {
	bus, _ := strconv.Atoi(strings.TrimPrefix(name, "/dev/i2c-"))
	if name != fmt.Sprintf("/dev/i2c-%d", bus) {
		return nil, fmt.Errorf("reader %s: not an I²C bus, want a name such as /dev/i2c-1", name)
	}
	b, err := sysfs.NewI2C(bus)
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", name, err)
	}
	return startOn(name, i2cLink{b, b.Close}, nil)
}

// OpenSPI starts the chip on an SPI port, such as /dev/spidev0.0.
func OpenSPI(name string) (*Device, error) {
	first, second, _ := strings.Cut(strings.TrimPrefix(name, "/dev/spidev"), ".")
	bus, _ := strconv.Atoi(first)
	chip, _ := strconv.Atoi(second)
	if name != fmt.Sprintf("/dev/spidev%d.%d", bus, chip) {
		return nil, fmt.Errorf("reader %s: not an SPI port, want a name such as /dev/spidev0.0", name)
	}
	p, err := sysfs.NewSPI(bus, chip)
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", name, err)
	}
	// the chip allows 5 MHz, but 1 MHz also works with the loose wires of a breadboard
	c, err := p.Connect(physic.MegaHertz, spi.Mode0, 8)
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("reader %s: %w", name, err)
	}
	return startOn(name, spiLink{c, p.Close}, nil)
}

// startOn starts the chip behind the link, and closes the link on failure.
func startOn(name string, l link, err error) (*Device, error) {
	d := &Device{link: l}
	if err == nil {
		err = d.start()
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("reader %s: %w", name, err)
	}
	return d, nil
}

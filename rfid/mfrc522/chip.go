package mfrc522

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/spi"
)

// register is a register's address (data sheet §9.2, table 20).
type register byte

const (
	regCommand    register = 0x01
	regComIEn     register = 0x02
	regDivIEn     register = 0x03
	regComIrq     register = 0x04
	regError      register = 0x06
	regFIFOData   register = 0x09
	regFIFOLevel  register = 0x0A
	regControl    register = 0x0C
	regBitFraming register = 0x0D
	regMode       register = 0x11
	regTxMode     register = 0x12
	regRxMode     register = 0x13
	regTxControl  register = 0x14
	regTxASK      register = 0x15
	regRFCfg      register = 0x26
	regTMode      register = 0x2A
	regTPrescaler register = 0x2B
	regTReloadHi  register = 0x2C
	regTReloadLo  register = 0x2D
	regAutoTest   register = 0x36
	regVersion    register = 0x37
)

// These are commands of the MFRC522 (§10.3, table 149).
const (
	cmdIdle       = 0x00
	cmdMem        = 0x01
	cmdCalcCRC    = 0x03
	cmdTransceive = 0x0C
	cmdSoftReset  = 0x0F
)

const (
	powerDown = 0x10 // bit of CommandReg that is 1 until the chip has woken up (§9.3.1.2)
	startSend = 0x80 // BitFramingReg (§9.3.1.14)
	flushFIFO = 0x80 // FIFOLevelReg (§9.3.1.11)
	// bits of ControlReg: the number of valid bits in the last received byte; 0: all eight are valid (§9.3.1.13)
	lastBits = 0x07

	// These are bits of ComIrqReg (§9.3.1.5).
	irqRx    = 0x20
	irqErr   = 0x02
	irqTimer = 0x01
	irqClear = 0x7F

	// These masks select bits of ErrorReg (§9.3.1.7): errors of the radio (FIFO overflow, collision, CRC, parity,
	// protocol), and errors of the chip (FIFO written at the wrong time; chip too hot, so that the antenna is off).
	errAir  = 0x1F
	errChip = 0xC0
)

const (
	// fifoSize is the FIFO's size in bytes (§8.3).
	fifoSize = 64
	// commandTime is more than ten times the chip's own timeout for a card. A command that runs longer than commandTime
	// is treated as stuck.
	commandTime = 25 * time.Millisecond
	// lookPause is the pause between two reads of a register: about the time of ten three-byte transfers at 1 MHz.
	lookPause = 250 * time.Microsecond
	// earlyWakes is how often at most the IRQ pin may shorten one wait, so that a faulty pin causes only a few extra
	// reads.
	earlyWakes = 4
)

// These are the errors of a transfer or an exchange. A transfer can also return errors of the bus.
var (
	errNothing = errors.New("no card answered, or its answer is invalid")
	errRandom  = fmt.Errorf("%w: card sent a random number (ISO 14443-3, §6.5.4)", errNothing)
	errStuck   = errors.New("chip did not finish a command in time")
	errLate    = errors.New("SPI bus or this program was too slow")
	errClosed  = errors.New("reader is closed")
)

// bus reads and writes the chip's registers. end is the deadline of the call of Poll or New that is running.
type bus struct {
	conn   spi.Conn
	irq    gpio.PinIn // nil: not connected
	end    time.Time
	closed atomic.Bool
}

func (b *bus) tx(w []byte) ([]byte, error) {
	if b.closed.Load() {
		return nil, errClosed
	}
	if !time.Now().Before(b.end) {
		return nil, errLate
	}
	r := make([]byte, len(w))
	if err := b.conn.Tx(w, r); err != nil {
		return nil, fmt.Errorf("SPI: %w", err)
	}
	return r, nil
}

// read reads registers in one transfer. The driver sends addresses with the highest bit set, and the chip answers each
// address one byte later (§8.1.2.1, §8.1.2.3).
func (b *bus) read(regs ...register) ([]byte, error) {
	w := make([]byte, len(regs)+1)
	for i, r := range regs {
		w[i] = 0x80 | byte(r)<<1
	}
	got, err := b.tx(w)
	if err != nil {
		return nil, err
	}
	return got[1:], nil
}

// write writes one or several bytes to one register (§8.1.2.2).
func (b *bus) write(r register, data ...byte) error {
	_, err := b.tx(append([]byte{byte(r) << 1}, data...))
	return err
}

type setting struct {
	reg   register
	value byte
}

func (b *bus) writeAll(s ...setting) error {
	for _, x := range s {
		if err := b.write(x.reg, x.value); err != nil {
			return err
		}
	}
	return nil
}

// waitRegister reads a register repeatedly until wanted accepts the value. If no value is accepted before limit, the
// error is errStuck.
func (b *bus) waitRegister(r register, limit time.Duration, wanted func(byte) bool) (byte, error) {
	end, wakes := time.Now().Add(limit), 0
	for {
		got, err := b.read(r)
		if err != nil {
			return 0, err
		}
		if wanted(got[0]) {
			return got[0], nil
		}
		if !time.Now().Before(end) {
			return got[0], errStuck
		}
		if b.pause(wakes < earlyWakes) {
			wakes++
		}
	}
}

// pause waits for the given time, and reports whether the IRQ pin ended the wait early. pause calls WaitForEdge only
// with a positive limit, because periph's drivers differ for other limits: one of them would wait forever.
func (b *bus) pause(believe bool) bool {
	if b.irq == nil || !believe {
		time.Sleep(lookPause)
		return false
	}
	return b.irq.WaitForEdge(lookPause)
}

// exchange sends a frame (§10.3.1.8) and returns an answer, which must have exactly want bytes. bits is the number of
// valid bits in the last byte of the frame (0: eight). errNothing means that the field is empty, that noise disturbed
// the answer, or that several cards answered.
func (b *bus) exchange(frame []byte, bits byte, want int) ([]byte, error) {
	if err := b.writeAll(setting{regCommand, cmdIdle}, setting{regComIrq, irqClear},
		setting{regFIFOLevel, flushFIFO}); err != nil {
		return nil, err
	}
	if err := b.write(regFIFOData, frame...); err != nil {
		return nil, err
	}
	if err := b.writeAll(setting{regBitFraming, bits}, setting{regCommand, cmdTransceive},
		setting{regBitFraming, startSend | bits}); err != nil {
		return nil, err
	}
	irq, err := b.waitRegister(regComIrq, commandTime, func(irq byte) bool { return irq&(irqRx|irqErr|irqTimer) != 0 })
	if err != nil {
		return nil, err
	}
	return b.readAnswer(irq, want)
}

// readAnswer reads from the FIFO the answer that the command Transceive received.
func (b *bus) readAnswer(irq byte, want int) ([]byte, error) {
	r, err := b.read(regError, regFIFOLevel, regControl)
	if err != nil {
		return nil, err
	}
	faults, level, last := r[0], int(r[1]), r[2]&lastBits
	switch {
	case faults&errChip != 0:
		return nil, fmt.Errorf("%w: register ErrorReg is %#02x", errStuck, faults)
	case faults&errAir != 0, irq&irqErr != 0, irq&irqRx == 0, level != want, last != 0:
		return nil, errNothing
	}
	return b.readFIFO(want)
}

func (b *bus) readFIFO(n int) ([]byte, error) {
	regs := make([]register, n)
	for i := range regs {
		regs[i] = regFIFOData
	}
	return b.read(regs...)
}

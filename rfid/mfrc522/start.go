package mfrc522

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
)

const (
	// resetTime is the longest time that a soft reset may take. The data sheet only says that this takes the crystal's
	// start-up time plus 37.74 µs (§8.8.2).
	resetTime = 150 * time.Millisecond
	// wakeTime is how long New waits, after waking the chip, until the chip's crystal oscillates.
	wakeTime = 50 * time.Millisecond
	// testTime is the longest time that the self-test may take.
	testTime = 100 * time.Millisecond
	// fieldTime is the longest time from switching the field on to a card's first answer (ISO/IEC 14443-3 §5).
	fieldTime = 5 * time.Millisecond
)

// start brings the chip from any state into the state that Poll needs.
func (d *Device) start(o Options) error {
	if err := d.pins(o); err != nil {
		return err
	}
	if err := d.reset(); err != nil {
		return err
	}
	if !o.SkipSelfTest {
		if err := d.selfTest(); err != nil {
			return err
		}
		if err := d.reset(); err != nil {
			return err
		}
	}
	if err := d.configure(o); err != nil {
		return err
	}
	time.Sleep(fieldTime)
	return nil
}

func (d *Device) pins(o Options) error {
	if o.IRQ != nil { // this pin is low while an enabled interrupt is pending (§8.4)
		if err := o.IRQ.In(gpio.PullUp, gpio.FallingEdge); err != nil {
			return fmt.Errorf("IRQ pin %s: %w", o.IRQ, err)
		}
	}
	if o.Reset == nil {
		return nil
	}
	for _, l := range []gpio.Level{gpio.Low, gpio.High} { // the reset pin must be low for at least 100 ns (§8.8.1)
		if err := o.Reset.Out(l); err != nil {
			return fmt.Errorf("reset pin %s: %w", o.Reset, err)
		}
		time.Sleep(wakeTime)
	}
	return nil
}

// reset resets the chip's registers, waits until the chip is awake, and reads its version.
func (d *Device) reset() error {
	if err := d.bus.write(regCommand, cmdSoftReset); err != nil {
		return err
	}
	time.Sleep(wakeTime)
	_, stuck := d.bus.waitRegister(regCommand, resetTime, func(c byte) bool { return c&powerDown == 0 })
	if stuck != nil && !errors.Is(stuck, errStuck) {
		return stuck
	}
	v, err := d.bus.read(regVersion)
	if err != nil {
		return err
	}
	if v[0] == 0x00 || v[0] == 0xFF {
		return fmt.Errorf("chip does not answer (its version reads %#02x): check the wiring, the 3.3 V supply and the "+
			"name of the SPI "+"port", v[0])
	}
	if stuck != nil {
		return fmt.Errorf("chip is still in reset after 150 ms: %w", stuck)
	}
	d.version = v[0]
	return nil
}

// configure writes the settings that Poll needs, and verifies them by reading them back.
func (d *Device) configure(o Options) error {
	d.kept = settings(o)
	for _, k := range d.kept {
		if err := d.bus.write(k.reg, k.value); err != nil {
			return err
		}
	}
	return d.checkChip()
}

// verifiedSetting is a register's expected value and a mask of the bits to compare, which leaves out reserved bits.
type verifiedSetting struct {
	setting
	mask byte
}

func settings(o Options) []verifiedSetting {
	wake := byte(0x80) // bit IRqInv (§9.3.1.3), set as after a reset: the IRQ pin is low while an interrupt is pending
	if o.IRQ != nil {
		wake |= irqRx | irqErr | irqTimer
	}
	return []verifiedSetting{
		{setting{regComIEn, wake}, 0xFF},
		{setting{regDivIEn, 0x80}, 0x94}, // the IRQ pin is a push-pull output (§9.3.1.4)
		{setting{regMode, 0x3D}, 0xA3},   // §9.3.2.2: the chip sends only with the field on, and CRCs start at 6363
		{setting{regTxMode, 0x00}, 0xF8}, // §9.3.2.3: 106 kBd; this program computes the CRCs of frames
		{setting{regRxMode, 0x00}, 0xFC}, // §9.3.2.4: the same
		{setting{regTxASK, 0x40}, 0x40},  // §9.3.2.6: 100 % modulation, as cards of type A need
		// The timer starts after a sent frame and stops when an answer begins (TAuto, §9.3.3.10). A tick of the chip's
		// timer is 25 µs (13.56 MHz / (2·169+1), §8.5), so the timeout of 80 ticks is 2 ms. A card answers WUPA,
		// anticollision and SELECT after 91 µs (ISO/IEC 14443-3 §6.2.1.1). A card acknowledges HLTA by 1 ms of silence.
		{setting{regTMode, 0x80}, 0xFF},
		{setting{regTPrescaler, 169}, 0xFF},
		{setting{regTReloadHi, 0}, 0xFF},
		{setting{regTReloadLo, 80}, 0xFF},
		{setting{regRFCfg, o.gainBits()<<4 | 0x08}, 0x70}, // §9.3.3.6
		{setting{regTxControl, 0x83}, 0x83},               // §9.3.2.5: both antenna drivers on
	}
}

// checkChip verifies that the chip is the same chip as at the start, and that its settings are unchanged. A spark can
// falsify a reading of these registers, so checkChip returns an error only after three wrong readings.
func (d *Device) checkChip() (err error) {
	regs := []register{regVersion}
	for _, k := range d.kept {
		regs = append(regs, k.reg)
	}
	for range 3 {
		got, e := d.bus.read(regs...)
		if e != nil {
			return e
		}
		if err = d.judge(got); err == nil {
			return nil
		}
	}
	return err
}

func (d *Device) judge(got []byte) error {
	if v := got[0]; v != d.version {
		return fmt.Errorf("chip was replaced or unplugged: version was %#02x, now reads %#02x", d.version, v)
	}
	for i, k := range d.kept {
		if g := got[i+1]; (g^k.value)&k.mask != 0 {
			return fmt.Errorf("chip lost its settings (register %#02x is %#02x, was set to %#02x): its supply broke "+
				"down, or the wiring "+"is bad", byte(k.reg), g, k.value)
		}
	}
	return nil
}

// selfTest runs the digital self-test (§16.1.1).
func (d *Device) selfTest() error {
	want := selfTests[d.version]
	if want == nil {
		d.note = fmt.Sprintf("version %#02x is not one of NXP's: self-test skipped", d.version)
		return nil
	}
	got, err := d.runSelfTest()
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("self-test: answer of version %#02x differs from its data sheet: the chip or its wiring is "+
			"damaged, or it is an "+"imitation", d.version)
	}
	return nil
}

func (d *Device) runSelfTest() ([]byte, error) {
	b := &d.bus
	if err := b.write(regFIFOLevel, flushFIFO); err != nil {
		return nil, err
	}
	if err := b.write(regFIFOData, make([]byte, 25)...); err != nil {
		return nil, err
	}
	if err := b.write(regCommand, cmdMem); err != nil {
		return nil, err
	}
	// Wait for the end of the command Mem. If the self-test does not end, the comparison of its bytes fails.
	if _, err := b.waitRegister(regCommand, commandTime, func(c byte) bool { return c&0x0F == cmdIdle }); err != nil &&
		!errors.Is(err, errStuck) {
		return nil, err
	}
	if err := b.writeAll(setting{regAutoTest, 0x09}, setting{regFIFOData, 0x00},
		setting{regCommand, cmdCalcCRC}); err != nil {
		return nil, err
	}
	if _, err := b.waitRegister(regFIFOLevel, testTime, func(n byte) bool { return n == fifoSize }); err != nil {
		return nil, err
	}
	return b.readFIFO(fifoSize)
}

// selfTests holds, by chip version, the 64 bytes that the self-test must give (§16.1.1).
var selfTests = map[byte][]byte{
	0x91: { // version 1.0
		0x00, 0xC6, 0x37, 0xD5, 0x32, 0xB7, 0x57, 0x5C, 0xC2, 0xD8, 0x7C, 0x4D, 0xD9, 0x70, 0xC7, 0x73,
		0x10, 0xE6, 0xD2, 0xAA, 0x5E, 0xA1, 0x3E, 0x5A, 0x14, 0xAF, 0x30, 0x61, 0xC9, 0x70, 0xDB, 0x2E,
		0x64, 0x22, 0x72, 0xB5, 0xBD, 0x65, 0xF4, 0xEC, 0x22, 0xBC, 0xD3, 0x72, 0x35, 0xCD, 0xAA, 0x41,
		0x1F, 0xA7, 0xF3, 0x53, 0x14, 0xDE, 0x7E, 0x02, 0xD9, 0x0F, 0xB5, 0x5E, 0x25, 0x1D, 0x29, 0x79,
	},
	0x92: { // version 2.0
		0x00, 0xEB, 0x66, 0xBA, 0x57, 0xBF, 0x23, 0x95, 0xD0, 0xE3, 0x0D, 0x3D, 0x27, 0x89, 0x5C, 0xDE,
		0x9D, 0x3B, 0xA7, 0x00, 0x21, 0x5B, 0x89, 0x82, 0x51, 0x3A, 0xEB, 0x02, 0x0C, 0xA5, 0x00, 0x49,
		0x7C, 0x84, 0x4D, 0xB3, 0xCC, 0xD2, 0x1B, 0x81, 0x5D, 0x48, 0x76, 0xD5, 0x71, 0x61, 0x21, 0xA9,
		0x86, 0x96, 0x83, 0x38, 0xCF, 0x9D, 0x5B, 0x6D, 0xDC, 0x15, 0xBA, 0x3E, 0x7D, 0x95, 0x3B, 0x2F,
	},
}

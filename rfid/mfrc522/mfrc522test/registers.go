package mfrc522test

import "time"

// These are the chip's registers (§9.2, table 20).
const (
	command    = 0x01
	comIEn     = 0x02
	divIEn     = 0x03
	comIrq     = 0x04
	divIrq     = 0x05
	errorReg   = 0x06
	status1    = 0x07
	fifoData   = 0x09
	fifoLevel  = 0x0A
	waterLevel = 0x0B
	control    = 0x0C
	bitFraming = 0x0D
	collReg    = 0x0E
	mode       = 0x11
	txMode     = 0x12
	rxMode     = 0x13
	txControl  = 0x14
	txASK      = 0x15
	crcHigh    = 0x21
	crcLow     = 0x22
	rfCfg      = 0x26
	tMode      = 0x2A
	tPrescaler = 0x2B
	tReloadHi  = 0x2C
	tReloadLo  = 0x2D
	autoTest   = 0x36
	version    = 0x37
)

// crystal is the frequency of the chip's clock, in Hz.
const crystal = 13_560_000

// cycles returns the duration of n cycles of the crystal.
func cycles(n int) time.Duration { return time.Duration(n) * time.Second / crystal }

// powerOn sets the registers to their reset values (§9.3).
func (c *Chip) powerOn() {
	c.reg = [64]byte{
		command: 0x20, comIEn: 0x80, comIrq: 0x14, status1: 0x21, waterLevel: 0x08, control: 0x10, collReg: 0xA0,
		mode: 0x3F, txControl: 0x80, 0x16: 0x10, 0x17: 0x84, 0x18: 0x84, 0x19: 0x4D, 0x1C: 0x62, 0x1F: 0xEB,
		crcHigh: 0xFF, crcLow: 0xFF, 0x24: 0x26, rfCfg: 0x48, 0x27: 0x88, 0x28: 0x20, 0x29: 0x20, autoTest: 0x40,
	}
	c.fifo, c.air, c.done, c.alarm = nil, nil, time.Time{}, time.Time{}
	c.updateField()
}

// updateField resets the cards if the driver has switched the field off.
func (c *Chip) updateField() {
	if !c.AntennaOn() {
		for _, k := range c.Cards {
			k.unpower()
		}
	}
}

func (c *Chip) get(r byte) byte {
	switch r {
	case version:
		return c.Version
	case fifoLevel:
		return byte(len(c.fifo))
	case fifoData:
		if len(c.fifo) == 0 {
			return 0
		}
		b := c.fifo[0]
		c.fifo = c.fifo[1:]
		return b
	case errorReg:
		if c.Faults.Hot {
			return c.reg[r] | 0x40
		}
	case command:
		if c.asleep(time.Now()) {
			return c.reg[r] | 0x10
		}
	case control:
		return c.reg[r] & 0x07 // the bits TStopNow and TStartNow always read as 0
	}
	return c.reg[r]
}

func (c *Chip) asleep(now time.Time) bool {
	return c.Faults.ResetHangs && !c.awake.IsZero() || now.Before(c.awake)
}

func (c *Chip) set(r, v byte) {
	if c.asleep(time.Now()) {
		return
	}
	switch r {
	case version, errorReg, status1, crcHigh, crcLow: // read only
	case fifoData:
		if len(c.fifo) == 64 {
			c.reg[errorReg] |= 0x10
			return
		}
		c.fifo = append(c.fifo, v)
	case fifoLevel:
		if v&0x80 != 0 {
			c.fifo = nil
			c.reg[errorReg] &^= 0x10
		}
	case comIrq, divIrq:
		if v&0x80 != 0 {
			c.reg[r] |= v & 0x7F
		} else {
			c.reg[r] &^= v
		}
	case command:
		c.start(v)
	case bitFraming:
		c.reg[r] = v
		if v&0x80 != 0 && c.reg[command]&0x0F == 0x0C {
			c.transceive()
		}
	default:
		c.reg[r] = v
		c.updateField()
	}
}

// start begins the command that the driver has written to CommandReg (§10.3).
func (c *Chip) start(v byte) {
	c.reg[command] = v & 0x3F
	c.done, c.alarm, c.air = time.Time{}, time.Time{}, nil
	if v&0x0F != 0 {
		c.reg[errorReg] = 0
	}
	switch v & 0x0F {
	case 0x01: // the command Mem
		copy(c.internal[:], c.fifo)
		c.fifo = c.fifo[min(25, len(c.fifo)):]
		c.finish()
	case 0x03:
		c.calcCRC()
	case 0x0F:
		if !c.Faults.NoReset {
			c.powerOn()
			c.awake = time.Now().Add(time.Millisecond)
		}
		c.reg[command] = 0x20
	}
}

// finish marks a command as finished.
func (c *Chip) finish() {
	c.reg[command] &= 0xF0
	c.reg[comIrq] |= 0x10
}

// calcCRC runs the CRC unit, or the self-test if AutoTestReg selects it (§16.1.1).
func (c *Chip) calcCRC() {
	if c.reg[autoTest]&0x0F == 0x09 {
		if !c.Faults.SelfTestHangs && c.internal == [25]byte{} && len(c.fifo) == 1 && c.fifo[0] == 0 {
			c.fifo = append([]byte(nil), c.SelfTest...)
		}
		return
	}
	got := crc([4]uint16{0x0000, 0x6363, 0xA671, 0xFFFF}[c.reg[mode]&3], c.fifo)
	c.fifo = nil
	c.reg[crcHigh], c.reg[crcLow] = byte(got>>8), byte(got)
	c.reg[divIrq] |= 0x04
	c.reg[status1] |= 0x20
}

func version2() []byte {
	return []byte("\x00\xEB\x66\xBA\x57\xBF\x23\x95\xD0\xE3\x0D\x3D\x27\x89\x5C\xDE" +
		"\x9D\x3B\xA7\x00\x21\x5B\x89\x82\x51\x3A\xEB\x02\x0C\xA5\x00\x49" +
		"\x7C\x84\x4D\xB3\xCC\xD2\x1B\x81\x5D\x48\x76\xD5\x71\x61\x21\xA9" +
		"\x86\x96\x83\x38\xCF\x9D\x5B\x6D\xDC\x15\xBA\x3E\x7D\x95\x3B\x2F")
}

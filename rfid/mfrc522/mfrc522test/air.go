package mfrc522test

import "time"

// transceive sends the FIFO's content to the cards and schedules their answer (§10.3.1.8).
func (c *Chip) transceive() {
	frame := bits(c.fifo)
	if last := int(c.reg[bitFraming] & 7); last != 0 && len(frame) > 0 {
		frame = frame[:len(frame)-8+last]
	}
	if c.reg[txMode]&0x80 != 0 {
		v := crc([4]uint16{0x0000, 0x6363, 0xA671, 0xFFFF}[c.reg[mode]&3], c.fifo)
		frame = append(frame, bits([]byte{byte(v), byte(v >> 8)})...)
	}
	c.fifo, c.air, c.coll = nil, nil, -1
	c.done, c.alarm = time.Time{}, time.Time{}
	if c.Faults.CommandsHang || len(frame) == 0 {
		return
	}
	sent := time.Now().Add(cycles(128 * len(frame))) // at 106 kBd one bit takes 128 cycles of the chip's clock
	c.reg[comIrq] |= 0x40
	if c.reg[tMode]&0x80 != 0 {
		c.alarm = sent.Add(c.timer())
	}
	if !c.canExchange() {
		return
	}
	c.air, c.coll = c.combineAnswers(frame)
	begins := sent.Add(cycles(1236)) // ISO/IEC 14443-3 §6.2.1.1
	if len(c.air) == 0 || !c.alarm.IsZero() && begins.After(c.alarm) {
		c.air = nil
		return
	}
	c.alarm = time.Time{} // the timer stops at the fifth bit
	c.done = begins.Add(cycles(128 * len(c.air)))
}

// timer returns the time for which the chip's timer runs (§8.5).
func (c *Chip) timer() time.Duration {
	prescaler := int(c.reg[tMode]&0x0F)<<8 | int(c.reg[tPrescaler])
	reload := int(c.reg[tReloadHi])<<8 | int(c.reg[tReloadLo])
	return cycles((2*prescaler + 1) * (reload + 1))
}

// canExchange reports whether the registers allow an exchange with cards: field on, 100 % modulation, 106 kBd,
// receiver on.
func (c *Chip) canExchange() bool {
	return c.AntennaOn() && c.reg[txASK]&0x40 != 0 && c.reg[txMode]&0x70 == 0 && c.reg[rxMode]&0x70 == 0 &&
		c.reg[command]&0x20 == 0
}

// combineAnswers combines the answers of all cards. If two answers differ in a bit, this bit is a collision, and the
// bits after it are a mix of the answers.
func (c *Chip) combineAnswers(frame []bool) (sum []bool, coll int) {
	coll = -1
	for _, k := range c.Cards {
		a := k.handle(frame)
		for i, bit := range a {
			if i >= len(sum) {
				sum = append(sum, bit)
				continue
			}
			if sum[i] != bit && (coll < 0 || i < coll) {
				coll = i
			}
			sum[i] = sum[i] || bit
		}
	}
	if c.Faults.Air != nil && len(sum) > 0 {
		sum = c.Faults.Air(sum)
	}
	return sum, coll
}

// advance processes the events up to now: the end of the timer, and a received answer.
func (c *Chip) advance(now time.Time) {
	if !c.alarm.IsZero() && !now.Before(c.alarm) {
		c.alarm = time.Time{}
		c.reg[comIrq] |= 0x01
	}
	if c.done.IsZero() || now.Before(c.done) {
		return
	}
	c.done = time.Time{}
	if c.coll >= 0 {
		c.collide()
	}
	align := int(c.reg[bitFraming] >> 4 & 7)
	got := append(make([]bool, align), c.air...)
	c.fifo = nil
	for len(got) > 0 {
		n := min(8, len(got))
		c.fifo = append(c.fifo, value(got[:n]))
		got = got[n:]
	}
	c.reg[control] = c.reg[control]&^7 | byte((align+len(c.air))%8)
	c.reg[errorReg] |= c.Faults.Flags
	c.reg[comIrq] |= 0x20
}

// collide records in the registers that a collision occurred (§9.3.1.15). With the driver's setting of
// ValuesAfterColl, the driver can read these mixed bits.
func (c *Chip) collide() {
	c.reg[errorReg] |= 0x08
	c.reg[comIrq] |= 0x02
	c.reg[collReg] = c.reg[collReg]&0x80 | byte((c.coll+1)%32)
	if c.coll >= 32 {
		c.reg[collReg] |= 0x20
	}
	if c.reg[collReg]&0x80 == 0 {
		clear(c.air[c.coll+1:])
	}
}

// isInterruptPending reports whether the IRQ pin is active, which means that an enabled interrupt is pending (§8.4).
func (c *Chip) isInterruptPending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(time.Now())
	return c.reg[comIrq]&c.reg[comIEn]&0x7F != 0 || c.reg[divIrq]&c.reg[divIEn]&0x14 != 0
}

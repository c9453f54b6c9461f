package mfrc522test

import (
	"time"

	"periph.io/x/conn/v3/gpio"
)

// IRQ is the chip's IRQ pin as a Raspberry Pi sees it. WaitForEdge blocks forever if the limit is not positive, as
// one of periph's drivers does.
type IRQ struct {
	gpio.PinIO
	Chip    *Chip
	Dead    bool // the pin is not connected: WaitForEdge never reports an edge
	Strobes bool // WaitForEdge reports an edge at every call
	Edges   int  // number of reported edges

	low bool
}

// NewIRQ returns the IRQ pin of a chip.
func NewIRQ(c *Chip) *IRQ { return &IRQ{PinIO: gpio.INVALID, Chip: c} }

// In accepts any configuration of the pin.
func (p *IRQ) In(pull gpio.Pull, edge gpio.Edge) error { return nil }

// WaitForEdge implements gpio.PinIn.
func (p *IRQ) WaitForEdge(limit time.Duration) bool {
	if limit <= 0 {
		select {}
	}
	const step = 10 * time.Microsecond
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(step) {
		was := p.low
		p.low = p.Chip.isInterruptPending()
		if !p.Dead && (p.Strobes || p.low && !was) {
			p.Edges++
			return true
		}
	}
	return false
}

// NRSTPD is the chip's reset pin as a Raspberry Pi sees it.
type NRSTPD struct {
	gpio.PinIO
	Chip   *Chip
	Levels []gpio.Level // levels to which the driver has set the pin
}

// NewNRSTPD returns the reset pin of a chip.
func NewNRSTPD(c *Chip) *NRSTPD { return &NRSTPD{PinIO: gpio.INVALID, Chip: c} }

// Out records the level and sets the pin to it. Low resets the chip, as a low level on NRSTPD does.
func (p *NRSTPD) Out(l gpio.Level) error {
	p.Levels = append(p.Levels, l)
	if l == gpio.Low {
		p.Chip.BrownOut()
	}
	return nil
}

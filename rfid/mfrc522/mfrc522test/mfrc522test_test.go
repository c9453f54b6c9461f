package mfrc522test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

func short(v byte) []bool { return bits([]byte{v})[:7] }

func TestCRCUnitMatchesTheStandard(t *testing.T) {
	// the frames and their CRCs are the examples of ISO/IEC 14443-3 annex B
	if got := withCRC(0x12, 0x34); !bytes.Equal(got, []byte{0x12, 0x34, 0x26, 0xCF}) {
		t.Errorf("% X", got)
	}
	c := New()
	c.set(mode, 0x3D)
	c.set(fifoData, 0x00)
	c.set(fifoData, 0x00)
	c.set(command, 0x03)
	if c.get(crcLow) != 0xA0 || c.get(crcHigh) != 0x1E || c.get(divIrq)&0x04 == 0 {
		t.Errorf("%#02x %#02x", c.get(crcLow), c.get(crcHigh))
	}
}

func TestCardFollowsTheStatesOfTheStandard(t *testing.T) {
	k := &Card{UID: []byte{4, 1, 2, 3, 4, 5, 6}}
	ask := func(level byte) []bool { return k.handle(bits([]byte{0x93 + 2*level, 0x20})) }
	if k.handle(short(0x26)) == nil || ask(1) != nil {
		t.Fatal("it answers at level 2 though level 1 was not selected")
	}
	if k.state != idle || ask(0) != nil {
		t.Fatal("it is not back in IDLE")
	}
	if k.handle(short(0x52)) == nil || k.handle(short(0x52)) != nil || k.state != idle {
		t.Fatal("a second WUPA in READY must be silence and send it back")
	}
	k.handle(short(0x52))
	for level, part := range k.parts() {
		if got := ask(byte(level)); !equal(got, bits(part)) {
			t.Fatalf("level %d: %v", level, got)
		}
		sel := withCRC(append([]byte{0x93 + 2*byte(level), 0x70}, part...)...)
		sak := k.handle(bits(sel))
		if want := []byte{0x04, 0x08}[level]; value(sak[:8]) != want || len(sak) != 24 {
			t.Fatalf("level %d: SAK %v", level, sak)
		}
	}
	if k.handle(bits(withCRC(0x50, 0))) != nil || k.state != halted || k.handle(short(0x26)) != nil ||
		k.handle(short(0x52)) == nil {
		t.Fatal("after HLTA, REQA must be silence and WUPA must wake")
	}
	if k.handle(short(0x26)) != nil || k.state != halted {
		t.Fatal("READY* goes back to HALT")
	}
}

func TestCardIgnoresASelectOfAnotherNumber(t *testing.T) {
	k := &Card{UID: []byte{1, 2, 3, 4}}
	k.handle(short(0x52))
	if k.handle(bits(withCRC(0x93, 0x70, 1, 2, 3, 5, 5))) != nil || k.state != idle {
		t.Error("it answered")
	}
}

func TestAnticollisionBitByBitFindsBothCards(t *testing.T) {
	uids := [][]byte{{0xDE, 0xAD, 0xBE, 0xEF}, {0xDE, 0xAD, 0x3E, 0x01}}
	for _, way := range []bool{false, true} {
		c := New(&Card{UID: uids[0]}, &Card{UID: uids[1]})
		c.combineAnswers(short(0x52))
		known := []bool{}
		for len(known) < 40 {
			nvb := byte(0x20 + len(known)/8<<4 | len(known)%8)
			got, coll := c.combineAnswers(append(bits([]byte{0x93, nvb}), known...))
			if coll < 0 {
				known = append(known, got...)
				break
			}
			known = append(append(known, got[:coll]...), way)
		}
		want := uids[0]
		if !way {
			want = uids[1]
		}
		if !equal(known[:32], bits(want)) {
			t.Errorf("%v: %v", way, known)
		}
	}
}

// registerPort reads and writes registers through the port.
type registerPort struct {
	t *testing.T
	spi.Conn
}

func (w registerPort) set(pairs ...byte) {
	for i := 0; i < len(pairs); i += 2 {
		if err := w.Tx([]byte{pairs[i] << 1, pairs[i+1]}, make([]byte, 2)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w registerPort) get(r byte) byte {
	got := make([]byte, 2)
	if err := w.Tx([]byte{0x80 | r<<1, 0}, got); err != nil {
		w.t.Fatal(err)
	}
	return got[1]
}

func connect(t *testing.T, c *Chip) registerPort {
	conn, err := c.Port().Connect(physic.MegaHertz, spi.Mode0, 8)
	if err != nil {
		t.Fatal(err)
	}
	return registerPort{t, conn}
}

// To wake a card, a driver must write each of these settings. TAuto is the exception: this setting only affects when
// the chip stops waiting for an answer.
func TestCardAnswersOnlyWithAllSettings(t *testing.T) {
	settings := []struct {
		reg, value byte
		needed     bool
	}{{txASK, 0x40, true}, {txControl, 0x83, true}, {tMode, 0x80, false}, {tPrescaler, 169, true}, {tReloadLo, 80, true},
		{bitFraming, 7, true}}
	for skip := -1; skip < len(settings); skip++ {
		synctest.Test(t, func(t *testing.T) {
			w := connect(t, New(&Card{UID: []byte{1, 2, 3, 4}}))
			for i, s := range settings {
				if i != skip {
					w.set(s.reg, s.value)
				}
			}
			framing := w.get(bitFraming)
			w.set(command, 0, fifoData, 0x52, comIrq, 0x7F, command, 0x0C, bitFraming, 0x80|framing)
			<-time.After(3 * time.Millisecond)
			heard := w.get(comIrq)&0x20 != 0 && w.get(fifoLevel) == 2
			if want := skip < 0 || !settings[skip].needed; heard != want {
				t.Errorf("without setting %d: heard %v", skip, heard)
			}
		})
	}
}

func TestTimerEndsTheWaitForAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := connect(t, New())
		w.set(txASK, 0x40, txControl, 0x83, tMode, 0x80, tPrescaler, 169, tReloadLo, 80, comIrq, 0x7F)
		w.set(fifoData, 0x52, command, 0x0C, bitFraming, 0x87)
		<-time.After(2 * time.Millisecond)
		if w.get(comIrq)&0x21 != 0 {
			t.Error("too early")
		}
		<-time.After(time.Millisecond)
		if got := w.get(comIrq) & 0x21; got != 0x01 {
			t.Errorf("ComIrqReg %#02x", got)
		}
	})
}

func TestFIFOOverflowSetsTheErrorFlag(t *testing.T) {
	w := connect(t, New())
	for range 65 {
		w.set(fifoData, 1)
	}
	if w.get(errorReg)&0x10 == 0 || w.get(fifoLevel) != 64 {
		t.Error("it took 65 bytes")
	}
	w.set(fifoLevel, 0x80)
	if w.get(errorReg) != 0 || w.get(fifoLevel) != 0 {
		t.Error("it was not flushed")
	}
}

func TestPortAcceptsOnlyTheDataSheetsMode(t *testing.T) {
	p := New().Port()
	for _, c := range []struct {
		f    physic.Frequency
		mode spi.Mode
		bits int
	}{{11 * physic.MegaHertz, spi.Mode0, 8}, {physic.MegaHertz, spi.Mode3, 8}, {physic.MegaHertz, spi.Mode0, 16}} {
		if _, err := p.Connect(c.f, c.mode, c.bits); err == nil {
			t.Errorf("it follows %v", c)
		}
	}
}

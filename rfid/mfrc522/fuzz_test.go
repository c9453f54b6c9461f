package mfrc522

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"portillon/rfid/mfrc522/mfrc522test"
)

// scriptedChip is a chip that, while a card is read, returns values of a script for its interrupts, errors and FIFO.
// If the two lowest bits of a script's byte are zero, the chip returns the true value of the register. If the two
// lowest bits of a script's byte are not zero, the chip returns the script's next byte. After the end of the script,
// the chip returns only true values.
type scriptedChip struct {
	script []byte
	frames [][]byte // the bytes that the driver read from the FIFO, one entry for each transfer
}

func (p *scriptedChip) next(truth byte) byte {
	if len(p.script) == 0 {
		return truth
	}
	lie := p.script[0]&3 != 0 && len(p.script) > 1
	p.script = p.script[1:]
	if lie {
		truth = p.script[0]
		p.script = p.script[1:]
	}
	return truth
}

func (p *scriptedChip) wire(mosi, miso []byte) {
	var frame []byte
	for i, w := range mosi[:len(mosi)-1] {
		if w&0x80 == 0 {
			return
		}
		switch r := register(w >> 1 & 0x3F); r {
		case regComIrq, regError, regFIFOLevel, regControl:
			miso[i+1] = p.next(miso[i+1])
		case regFIFOData:
			miso[i+1] = p.next(miso[i+1])
			frame = append(frame, miso[i+1])
		}
	}
	if frame != nil {
		p.frames = append(p.frames, frame)
	}
}

// isBacked reports whether the driver received this number in its last frames, with valid check bytes and CRCs at
// each cascade level.
func (p *scriptedChip) isBacked(number []byte) bool {
	levels := map[int]int{4: 1, 7: 2, 10: 3}[len(number)]
	var f [][]byte
	for _, x := range p.frames { // skips the answer ATQA, which has two bytes
		if len(x) != 2 {
			f = append(f, x)
		}
	}
	if levels == 0 || len(f) < 2*levels {
		return false
	}
	f = f[len(f)-2*levels:]
	var read []byte
	for i := range levels {
		part, sak := f[2*i], f[2*i+1]
		if len(part) != 5 || part[0]^part[1]^part[2]^part[3] != part[4] {
			return false
		}
		if crc := crcA(sak[:1]); len(sak) != 3 || !bytes.Equal(sak[1:], crc[:]) || (sak[0]&4 != 0) != (i < levels-1) {
			return false
		}
		if i < levels-1 {
			part = part[1:]
		}
		read = append(read, part[:len(part)-1]...)
	}
	return bytes.Equal(read, number)
}

// pollScripted calls Poll on a chip whose answers come from the script. Poll must neither panic nor hang, nor return
// a number without valid checks.
func pollScripted(t *testing.T, uid, script []byte) (found bool) {
	synctest.Test(t, func(t *testing.T) {
		c := mfrc522test.New(card(uid))
		d := start(t, c, Options{})
		p := &scriptedChip{script: script}
		c.Faults.Wire = p.wire
		for range 4 {
			p.frames = nil
			since := c.Transfers()
			u, ok, _ := d.Poll(t.Context())
			if ok {
				found = true
			}
			if ok && !p.isBacked(u.Bytes()) {
				t.Fatalf("%s from % X", u.Hex(), p.frames)
			}
			if n := c.Transfers() - since; n > 1500 {
				t.Fatalf("%d transfers", n)
			}
		}
	})
	return found
}

func FuzzAnswers(f *testing.F) {
	f.Add(byte(0), []byte{})
	f.Add(byte(1), []byte{1, 0x20, 0, 0, 0})
	f.Add(byte(2), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x88, 1, 0x88, 1, 0, 1, 0, 1, 0})
	f.Add(byte(1), bytes.Repeat([]byte{1, 0xFF}, 100))
	f.Add(byte(1), bytes.Repeat([]byte{1, 0x00}, 100))
	f.Fuzz(func(t *testing.T, kind byte, script []byte) {
		pollScripted(t, [][]byte{four, seven, ten}[kind%3], script)
	})
}

// The chip gives wrong answers at random, from fixed seeds.
func TestRandomAnswersNeverGiveAnUncheckedNumber(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads a million random bytes")
	}
	found := 0
	for seed := range uint64(1500) {
		rnd := rand.New(rand.NewPCG(seed, 522))
		script := make([]byte, rnd.IntN(400))
		for i := range script {
			// in most scripts, the chip returns most values unchanged
			if script[i] = byte(rnd.Uint32()); rnd.IntN(20) < 19 && seed%3 > 0 {
				script[i] &^= 3
			}
		}
		if pollScripted(t, [][]byte{four, seven, ten}[seed%3], script) {
			found++
		}
	}
	t.Logf("a card was found with %d of 1500 seeds", found)
	if found == 0 {
		t.Error("never: the seeds prove nothing")
	}
}

func TestChipWithRandomAnswersFailsToStartInTime(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1443))
			c := mfrc522test.New(card(seven))
			noise := func(_, miso []byte) {
				for i := range miso {
					miso[i] = byte(rnd.Uint32())
				}
			}
			d := start(t, c, Options{})
			c.Faults.Wire = noise
			if got, err := poll(t, d); got != "" || err == nil {
				t.Fatalf("%q %v", got, err)
			}
			if _, err := New(connect(t, c), Options{}); err == nil {
				t.Fatal("it started")
			}
		})
	}
}

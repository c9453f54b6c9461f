package pn532

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/spi"

	"portillon/rfid"
	"portillon/rfid/pn532/pn532test"
	"portillon/rfid/rfidtest"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The test decodes frames from the manual, from nfcpy's tests and from libnfc's tests.
func TestFramesOfOtherProgramsAreDecoded(t *testing.T) {
	for in, want := range map[string]packet{
		"00 00 FF 03 FD D5 41 00 EA 00":          {data, []byte{0x41, 0}},
		"00 00 FF 00 FF 00":                      {kind: ack},
		"00 00 FF FF 00 00":                      {kind: nack},
		"00 00 FF 01 FF 7F 81 00":                {kind: fault},
		"00 00 FF 06 FA D5 03 32 01 06 07 E8 00": {data, []byte{3, 0x32, 1, 6, 7}},
		"00 00 FF FF FF 00 03 FD D5 41 00 EA 00": {data, []byte{0x41, 0}},
	} {
		p, rest, err := nextPacket(unhex(t, in))
		if err != nil || p.kind != want.kind || !bytes.Equal(p.body, want.body) ||
			bytes.Trim(rest, "\x00") != nil && len(bytes.Trim(rest, "\x00")) > 0 {
			t.Errorf("%s: %+v, % X, %v", in, p, rest, err)
		}
	}
	for want, b := range map[string][]byte{"00 00 FF 02 FE D4 02 2A 00": nil,
		"00 00 FF 05 FB D4 14 01 00 00 17 00": {1, 0, 0}} {
		got, err := encode(unhex(t, want)[6], b)
		if err != nil || !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
	if _, err := encode(0x40, make([]byte, 254)); err == nil {
		t.Error("a frame that is too long is made")
	}
}

func TestDamagedFramesAreRefused(t *testing.T) {
	good := unhex(t, "00 00 FF 06 FA D5 03 32 01 06 07 E8 00")
	for i := range good[:len(good)-1] {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			p, _, err := nextPacket(bad)
			if p.kind == data && (err != nil || !bytes.Equal(bad[3:12], good[3:12])) {
				t.Errorf("byte %d, bit %d: %+v", i, bit, p)
			}
		}
	}
	for n := range len(good) - 1 {
		if p, rest, err := nextPacket(good[:n]); p.kind != none || err != nil || len(rest) > n {
			t.Errorf("%d bytes are %+v, %v", n, p, err)
		}
	}
}

func FuzzNext(f *testing.F) {
	for _, s := range []string{"00 00 FF 03 FD D5 41 00 EA 00", "00 00 FF 00 FF 00",
		"00 00 FF FF FF 00 03 FD D5 41 00 EA 00", "00 FF 00 FF", "00 00 FF FF FF FF FF 02 00", "00 FF 02 FE D5"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			p, rest, err := nextPacket(b)
			if p.kind == none && err == nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatalf("% X does not get shorter", b)
			}
			b = rest
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add(unhex(f, "01 01 03 44 20 07 04 11 22 33 44 55 66 06 75 77 81 02 80"))
	f.Add(unhex(f, "01 01 00 04 08 04 DE AD BE EF"))
	f.Add(unhex(f, "02 01 00 04 08 04 DE AD BE EF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := parseTarget(b)
		if n := len(c.uid.Bytes()); c.found && n != 4 && n != 7 && n != 10 || c.speaks && !c.found {
			t.Errorf("% X is %+v", b, c)
		}
	})
}

// links returns a link to the simulated chip for each kind of connection: serial line, I²C and SPI.
func links() map[string]func(*pn532test.Chip) link {
	return map[string]func(*pn532test.Chip) link{
		"serial": func(c *pn532test.Chip) link {
			s := &pn532test.Serial{Chip: c}
			s.SetReadTimeout(5 * time.Millisecond)
			return serialLink{s}
		},
		"i2c": func(c *pn532test.Chip) link { b := pn532test.I2C{Chip: c}; return i2cLink{b, b.Close} },
		"spi": func(c *pn532test.Chip) link { s := pn532test.SPI{Chip: c}; return spiLink{spiConn{s}, s.Close} },
	}
}

type spiConn struct{ pn532test.SPI }

func (spiConn) TxPackets([]spi.Packet) error { return errors.New("not used") }

// onEachLink runs the function story on each kind of connection, in the fake time of synctest.
func onEachLink(t *testing.T, story func(t *testing.T, c *pn532test.Chip, l link)) {
	for name, l := range links() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &pn532test.Chip{}
				story(t, c, l(c))
			})
		})
	}
}

// startChip starts the driver on the simulated chip behind the link.
func startChip(t *testing.T, l link) *Device {
	t.Helper()
	d, err := startOn("model", l, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func plain(uid string) *pn532test.Card {
	b, _ := hex.DecodeString(uid)
	return &pn532test.Card{UID: b, SAK: 0x08}
}

// desfireCard returns an ISO 14443-4 card with the ATS of a DESFire, whose answers come from say.
func desfireCard(say func([]byte) ([]byte, error)) *pn532test.Card {
	return &pn532test.Card{UID: []byte{4, 1, 2, 3, 4, 5, 6}, SAK: 0x20, ATS: []byte{6, 0x75, 0x77, 0x81, 2, 0x80},
		Say: func(_ context.Context, b []byte) ([]byte, error) {
			if say == nil {
				return []byte{0x91, 0}, nil
			}
			return say(b)
		}}
}

func TestNumbersOfAllLengthsAreRead(t *testing.T) {
	onEachLink(t, func(t *testing.T, c *pn532test.Chip, l link) {
		d := startChip(t, l)
		for uid, want := range map[string]bool{"DEADBEEF": true, "04112233445566": true, "04112233445566778899": true,
			"08112233": false, "88112233": false, "0411": false} {
			c.Set(func(c *pn532test.Chip) { c.Cards = []*pn532test.Card{plain(uid)} })
			for range 3 { // a card that stays in the field is found at each poll
				u, found, err := d.Poll(t.Context())
				if err != nil || found != want || found && u.Hex() != uid {
					t.Errorf("%s: %s, %v, %v", uid, u.Hex(), found, err)
				}
				if d.SawRandom() != (uid == "08112233") {
					t.Errorf("%s: random is %v", uid, d.SawRandom())
				}
			}
		}
		c.Set(func(c *pn532test.Chip) { c.Cards = []*pn532test.Card{plain("DEADBEEF"), plain("DEADBEEA")} })
		if _, found, err := d.Poll(t.Context()); found || err != nil {
			t.Error("two cards are one", err)
		}
		c.Set(func(c *pn532test.Chip) { c.Cards = nil })
		if _, found, err := d.Poll(t.Context()); found || err != nil {
			t.Error("no card is one", err)
		}
	})
}

func TestStartRefusesAnythingButAPN532(t *testing.T) {
	for name, f := range map[string]pn532test.Faults{
		"silent": {Silent: true}, "deaf": {Deaf: true}, "another chip": {Firmware: []byte{0x33, 1, 6, 7}},
		"too short":   {Firmware: []byte{0x32}},
		"no commands": {Syntax: true}, "nacks": {Nacks: true},
		"a dead wire": {Wire: func() error { return io.ErrClosedPipe }},
		"damaged":     {Damage: func(_ int, b []byte) []byte { b[len(b)-2]++; return b }},
	} {
		t.Run(name, func(t *testing.T) {
			onEachLink(t, func(t *testing.T, c *pn532test.Chip, l link) {
				c.Faults = f
				began := time.Now()
				if _, err := startOn("model", l, nil); err == nil {
					t.Error("it started")
				}
				if d := time.Since(began); d > startTime+2*ackTime {
					t.Errorf("it took %v to say so", d)
				}
			})
		})
	}
}

// Whatever the chip does after its start, Poll must end within its time limit and must return no number other than
// the card's. If the chip does not recover, the third Poll returns an error.
func TestFaultyReaderNeverReportsACard(t *testing.T) {
	for name, x := range map[string]struct {
		f    pn532test.Faults
		dead bool
	}{
		"silent":       {pn532test.Faults{Silent: true}, true},
		"deaf":         {pn532test.Faults{Deaf: true}, true},
		"nacks":        {pn532test.Faults{Nacks: true}, true},
		"no commands":  {pn532test.Faults{Syntax: true}, true},
		"cut wire":     {pn532test.Faults{Wire: func() error { return io.ErrClosedPipe }}, true},
		"wrong sums":   {pn532test.Faults{Damage: func(_ int, b []byte) []byte { b[len(b)-2]++; return b }}, true},
		"half frames":  {pn532test.Faults{Damage: func(_ int, b []byte) []byte { return b[:len(b)/2] }}, true},
		"late answers": {pn532test.Faults{Late: true}, true},
		"noise before": {pn532test.Faults{Noise: []byte{0, 0x55, 0xFF, 0xAA}}, false},
		"false starts": {pn532test.Faults{Noise: []byte{0, 0, 0xFF, 3, 0xFE}}, false},
		"a slow chip":  {pn532test.Faults{NotReady: 20}, false},
		"byte by byte": {pn532test.Faults{Pieces: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			onEachLink(t, func(t *testing.T, c *pn532test.Chip, l link) {
				d := startChip(t, l)
				c.Set(func(c *pn532test.Chip) { c.Faults, c.Cards = x.f, []*pn532test.Card{plain("DEADBEEF")} })
				var err error
				for range forgiven + 1 {
					began := time.Now()
					var u rfid.UID
					var found bool
					if u, found, err = d.Poll(t.Context()); time.Since(began) > rfid.MaxPoll {
						t.Errorf("a Poll took %v", time.Since(began))
					}
					if found == x.dead || found && u.Hex() != "DEADBEEF" {
						t.Errorf("found %v %s", found, u.Hex())
					}
				}
				if x.dead != (err != nil) {
					t.Errorf("in the end: %v", err)
				}
				c.Set(func(c *pn532test.Chip) { c.Faults = pn532test.Faults{} })
				if _, found, err := d.Poll(t.Context()); !found || err != nil {
					t.Errorf("once it is well: %v, %v", found, err)
				}
			})
		})
	}
}

func TestTimedOutCommandIsAborted(t *testing.T) {
	onEachLink(t, func(t *testing.T, c *pn532test.Chip, l link) {
		d := startChip(t, l)
		c.Set(func(c *pn532test.Chip) { c.Faults.Late = true })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, found, err := d.Poll(ctx); found || err != nil || c.Aborts == 0 {
			t.Errorf("%v, %v, %d aborts", found, err, c.Aborts)
		}
	})
}

func TestExchangeReturnsAllPartsOfAChainedAnswer(t *testing.T) {
	onEachLink(t, func(t *testing.T, c *pn532test.Chip, l link) {
		d := startChip(t, l)
		long := bytes.Repeat([]byte("0123456789"), 90)
		c.Set(func(c *pn532test.Chip) {
			c.Cards = []*pn532test.Card{desfireCard(func(b []byte) ([]byte, error) {
				if b[0] == 0x90 {
					return append(slices.Clone(long), 0x91, 0), nil
				}
				return []byte{0x6D, 0}, nil
			})}
		})
		if _, err := d.Exchange(t.Context(), []byte{0x90}); err == nil {
			t.Error("a card that was not found speaks")
		}
		if _, found, err := d.Poll(t.Context()); !found || err != nil {
			t.Fatal(found, err)
		}
		b, err := d.Exchange(t.Context(), []byte{0x90, 0x60, 0, 0, 0})
		if err != nil || !bytes.Equal(b[:len(b)-2], long) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		if b, err := d.Exchange(t.Context(), []byte{0xFF}); err != nil || !bytes.Equal(b, []byte{0x6D, 0}) {
			t.Errorf("% X, %v", b, err)
		}
		for _, n := range []int{0, 253} {
			if _, err := d.Exchange(t.Context(), make([]byte, n)); err == nil {
				t.Errorf("a command of %d bytes is sent", n)
			}
		}
		c.Set(func(c *pn532test.Chip) { c.Cards = []*pn532test.Card{plain("DEADBEEF")} })
		d.Poll(t.Context())
		if _, err := d.Exchange(t.Context(), []byte{0x90}); err == nil || !strings.Contains(err.Error(), "ISO 14443-4") {
			t.Error(err)
		}
	})
}

func TestExchangeIsLimitedInTimeAndSize(t *testing.T) {
	for name, x := range map[string]struct {
		f    pn532test.Faults
		say  func([]byte) ([]byte, error)
		want string
	}{
		"the card leaves":  {say: func([]byte) ([]byte, error) { return nil, io.EOF }, want: "does not answer"},
		"the chip is deaf": {f: pn532test.Faults{Deaf: true}, want: "does not answer"},
		"no end":           {f: pn532test.Faults{Endless: true}, want: "too long"},
		"damage": {f: pn532test.Faults{Damage: func(_ int, b []byte) []byte { b[len(b)-2]++; return b }},
			want: "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			onEachLink(t, func(t *testing.T, c *pn532test.Chip, l link) {
				d := startChip(t, l)
				c.Set(func(c *pn532test.Chip) { c.Cards = []*pn532test.Card{desfireCard(x.say)} })
				d.Poll(t.Context())
				c.Set(func(c *pn532test.Chip) { c.Faults = x.f })
				began := time.Now()
				_, err := d.Exchange(t.Context(), []byte{0x90, 0x71, 0, 0, 0})
				if err == nil || !strings.Contains(err.Error(), x.want) {
					t.Errorf("%v, want %s", err, x.want)
				}
				if took := time.Since(began); took > rfid.MaxPoll+10*time.Millisecond {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestClosedReaderRefusesAllCalls(t *testing.T) {
	onEachLink(t, func(t *testing.T, c *pn532test.Chip, l link) {
		d := startChip(t, l)
		d.Close()
		if _, _, err := d.Poll(t.Context()); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if _, err := d.Exchange(t.Context(), []byte{1}); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if d.Close() != nil {
			t.Error("twice")
		}
	})
}

// The test reads a tap through a pseudo-terminal, with the same serial library as the program.
func TestTapOnASerialLine(t *testing.T) {
	chip, path, err := rfidtest.OpenPTY()
	if err != nil {
		t.Skip(err)
	}
	defer chip.Close()
	c := &pn532test.Chip{Cards: []*pn532test.Card{plain("04112233445566")}}
	go serve(chip, &pn532test.Serial{Chip: c})
	d, err := OpenSerial(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rfid.Polling{Chip: d}.Reader()
	defer r.Close()
	tap, err := r.Read(t.Context())
	if err != nil || tap.UID.Hex() != "04112233445566" {
		t.Error(tap, err)
	}
}

// serve connects the simulated chip to the other end of a serial line.
func serve(line io.ReadWriter, s *pn532test.Serial) {
	b := make([]byte, 300)
	for {
		n, err := line.Read(b)
		if err != nil {
			return
		}
		s.Write(b[:n])
		for {
			n, _ := s.Read(b)
			if n == 0 {
				break
			}
			line.Write(b[:n])
		}
	}
}

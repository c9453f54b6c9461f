package mfrc522

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"portillon/rfid"
	"portillon/rfid/mfrc522/mfrc522test"
)

var (
	four  = []byte{0xDE, 0xAD, 0xBE, 0xEF}
	seven = []byte{0x04, 0x0C, 0xAC, 0x12, 0xED, 0x4C, 0x81}
	// The byte 88 is the seventh of ten bytes here, where it belongs to the number and is not a cascade tag.
	ten = []byte{0x04, 0x11, 0x22, 0x33, 0x44, 0x55, 0x88, 0x77, 0x99, 0xAA}
)

func card(uid []byte) *mfrc522test.Card { return &mfrc522test.Card{UID: uid} }

func connect(t testing.TB, c *mfrc522test.Chip) spi.Conn {
	t.Helper()
	conn, err := c.Port().Connect(physic.MegaHertz, spi.Mode0, 8)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func start(t testing.TB, c *mfrc522test.Chip, o Options) *Device {
	t.Helper()
	d, err := New(connect(t, c), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// poll calls Poll once and checks that Poll ends within its time limit.
func poll(t testing.TB, d *Device) (string, error) {
	t.Helper()
	since := time.Now()
	u, found, err := d.Poll(context.Background())
	if took := time.Since(since); took > rfid.MaxPoll {
		t.Fatalf("a Poll took %v", took)
	}
	if (u == rfid.UID{}) == found || found && err != nil {
		t.Fatalf("Poll says %v %v %v", u, found, err)
	}
	return u.Hex(), err
}

func hex(b []byte) string {
	u, _ := rfid.UIDOf(b)
	return u.Hex()
}

func TestCRCMatchesTheStandard(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want [2]byte
	}{ // the examples are those of ISO/IEC 14443-3 annex B, and the frame HLTA
		{[]byte{0x00, 0x00}, [2]byte{0xA0, 0x1E}},
		{[]byte{0x12, 0x34}, [2]byte{0x26, 0xCF}},
		{[]byte{0x50, 0x00}, [2]byte{0x57, 0xCD}},
	} {
		if got := crcA(c.in); got != c.want {
			t.Errorf("% X: % X, want % X", c.in, got, c.want)
		}
	}
}

func TestNumbersOfEachLengthAreReadRepeatedly(t *testing.T) {
	for _, uid := range [][]byte{four, seven, ten} {
		synctest.Test(t, func(t *testing.T) {
			k := card(uid)
			d := start(t, mfrc522test.New(k), Options{})
			for i := range 5 {
				if got, err := poll(t, d); got != hex(uid) || err != nil || !k.Halted() {
					t.Fatalf("look %d: %q %v, want %s; halted: %v", i, got, err, hex(uid), k.Halted())
				}
			}
		})
	}
}

func TestEmptyFieldIsNeitherACardNorAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mfrc522test.New()
		d := start(t, c, Options{})
		since := time.Now()
		if got, err := poll(t, d); got != "" || err != nil {
			t.Fatalf("%q %v", got, err)
		}
		if took := time.Since(since); took > 6*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		c.Cards = append(c.Cards, card(seven))
		if got, err := poll(t, d); got != hex(seven) || err != nil {
			t.Fatalf("%q %v", got, err)
		}
	})
}

func TestCardWithContradictoryAnswersIsRefused(t *testing.T) {
	for name, liar := range map[string]*mfrc522test.Card{
		"wrong BCC":                     {UID: four, BadBCC: true},
		"wrong BCC, seven bytes":        {UID: seven, BadBCC: true},
		"wrong CRC":                     {UID: four, BadCRC: true},
		"complete, with a cascade tag":  {UID: seven, DoneAt: 1},
		"more, without a cascade tag":   {UID: four, MoreAt: 1},
		"seven bytes, more":             {UID: seven, MoreAt: 2},
		"ten bytes, complete at seven":  {UID: ten, DoneAt: 2},
		"ten bytes, and still more":     {UID: ten, MoreAt: 3},
		"random number":                 {UID: []byte{0x08, 1, 2, 3}},
		"a cascade tag's first in four": {UID: []byte{0x88, 1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := mfrc522test.New(liar)
				d := start(t, c, Options{})
				for range 8 {
					if got, err := poll(t, d); got != "" || err != nil {
						t.Fatalf("%q %v", got, err)
					}
					if d.SawRandom() != (name == "random number") {
						t.Fatalf("random is %v", d.SawRandom())
					}
				}
				c.Cards = []*mfrc522test.Card{card(four)}
				if got, err := poll(t, d); got != hex(four) || err != nil || d.SawRandom() {
					t.Fatalf("then an honest card: %q %v", got, err)
				}
			})
		})
	}
}

func TestTwoCardsNeverGiveAMixedNumber(t *testing.T) {
	for name, pair := range map[string][2][]byte{
		"four and four":            {four, {0xDE, 0xAD, 0xBE, 0xEE}},
		"one bit, and so the BCC":  {{1, 2, 3, 4}, {1, 2, 3, 5}},
		"the BCC's mixture is one": {{0x11, 0, 0, 0}, {0x10, 0x01, 0, 0}},
		"four and seven":           {four, seven},
		"seven of one batch":       {seven, {0x04, 0x0C, 0xAC, 0x12, 0xED, 0x4C, 0x80}},
		"seven and ten":            {{4, 0x11, 0x22, 1, 2, 3, 4}, ten},
		"ten and ten":              {ten, {0x04, 0x11, 0x22, 0x33, 0x44, 0x55, 0x88, 0x77, 0x99, 0xAB}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := mfrc522test.New(card(pair[0]), card(pair[1]))
				d := start(t, c, Options{})
				for range 6 {
					if got, err := poll(t, d); got != "" || err != nil {
						t.Fatalf("%q %v", got, err)
					}
				}
				c.Cards = c.Cards[:1]
				if got, err := poll(t, d); got != hex(pair[0]) || err != nil {
					t.Fatalf("alone: %q %v", got, err)
				}
			})
		})
	}
}

// atEachTransfer runs a test once for each transfer of a Poll; each time, an event happens before that transfer.
func atEachTransfer(
	t *testing.T,
	uid []byte,
	happen func(c *mfrc522test.Chip),
	then func(t *testing.T, c *mfrc522test.Chip, d *Device, n int, got string, err error),
) {
	for n := 1; ; n++ {
		over := false
		synctest.Test(t, func(t *testing.T) {
			c := mfrc522test.New(card(uid))
			d := start(t, c, Options{})
			first := c.Transfers()
			c.Faults.Before = func(m int) {
				if m == first+n {
					happen(c)
				}
			}
			got, err := poll(t, d)
			over = c.Transfers() < first+n
			c.Faults.Before = nil
			if got != "" && got != hex(uid) {
				t.Fatalf("transfer %d: another number: %s", n, got)
			}
			then(t, c, d, n, got, err)
		})
		if over || t.Failed() {
			t.Logf("%d transfers", n-1)
			return
		}
	}
}

func TestCardMayLeaveBeforeAnyTransfer(t *testing.T) {
	for _, uid := range [][]byte{four, seven, ten} {
		atEachTransfer(
			t,
			uid,
			func(c *mfrc522test.Chip) { c.Cards = nil },
			func(t *testing.T, c *mfrc522test.Chip, d *Device, n int, got string, err error) {
				if err != nil {
					t.Fatalf("transfer %d: %v", n, err)
				}
				for _, next := range [][]byte{seven, four} {
					c.Cards = []*mfrc522test.Card{card(next)}
					if got, err := poll(t, d); got != hex(next) || err != nil {
						t.Fatalf("left at transfer %d; the next card: %q %v", n, got, err)
					}
				}
			},
		)
	}
}

func TestCardMayBeExchangedBeforeAnyTransfer(t *testing.T) {
	other := []byte{0x04, 0x0C, 0xAC, 0x99, 0x88, 0x77, 0x66}
	for n := 1; n < 200; n++ {
		synctest.Test(t, func(t *testing.T) {
			c := mfrc522test.New(card(seven))
			d := start(t, c, Options{})
			first := c.Transfers()
			c.Faults.Before = func(m int) {
				if m == first+n {
					c.Cards = []*mfrc522test.Card{card(other)}
				}
			}
			if got, err := poll(t, d); err != nil || got != "" && got != hex(seven) && got != hex(other) {
				t.Fatalf("transfer %d: %q %v", n, got, err)
			}
		})
	}
}

func TestBrownOutBeforeAnyTransferIsAnError(t *testing.T) {
	atEachTransfer(
		t,
		seven,
		(*mfrc522test.Chip).BrownOut,
		func(t *testing.T, c *mfrc522test.Chip, d *Device, n int, got string, err error) {
			if c.AntennaOn() {
				return // the Poll ended before the transfer with this number
			}
			if err == nil {
				_, err = poll(t, d)
			}
			if err == nil || !strings.Contains(err.Error(), "lost its settings") {
				t.Fatalf("transfer %d: %v", n, err)
			}
		},
	)
}

func TestChipThatStopsAnsweringIsAnError(t *testing.T) {
	for _, rest := range []byte{0x00, 0xFF} {
		silence := func(c *mfrc522test.Chip) { c.Faults.Silent, c.Faults.Rest = true, rest }
		atEachTransfer(t, seven, silence, func(t *testing.T, c *mfrc522test.Chip, d *Device, n int, got string, err error) {
			if !c.Faults.Silent {
				return
			}
			if err == nil {
				_, err = poll(t, d)
			}
			if err == nil || !strings.Contains(err.Error(), "chip was replaced or unplugged") {
				t.Fatalf("transfer %d: %v", n, err)
			}
		})
	}
}

func TestBusErrorIsReturnedAtOnce(t *testing.T) {
	cut := errors.New("cut")
	atEachTransfer(
		t,
		four,
		func(c *mfrc522test.Chip) { c.Faults.Broken = cut },
		func(t *testing.T, c *mfrc522test.Chip, d *Device, n int, got string, err error) {
			if c.Faults.Broken == nil {
				return
			}
			if got == "" && !errors.Is(err, cut) {
				t.Fatalf("transfer %d: %q %v", n, got, err)
			}
			if _, err := poll(t, d); !errors.Is(err, cut) {
				t.Fatal(err)
			}
		},
	)
}

func TestCommandThatNeverEndsIsToleratedTwice(t *testing.T) {
	for name, fault := range map[string]mfrc522test.Faults{
		"hangs": {CommandsHang: true},
		"hot":   {Hot: true},
		"slow":  {Slow: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := mfrc522test.New(card(four))
				d := start(t, c, Options{})
				for round := range 2 {
					c.Faults = fault
					for range maxTransient {
						if got, err := poll(t, d); got != "" || err != nil {
							t.Fatalf("%q %v", got, err)
						}
					}
					if c.Faults = (mfrc522test.Faults{}); round == 0 {
						if got, err := poll(t, d); got != hex(four) || err != nil {
							t.Fatalf("well again: %q %v", got, err)
						}
					}
				}
				c.Faults = fault
				if _, err := poll(t, d); err == nil {
					t.Fatal("the third in a row is no error")
				}
			})
		})
	}
}

func TestStartErrorNamesTheFault(t *testing.T) {
	imitation := func(c *mfrc522test.Chip) { c.SelfTest = bytes.Repeat([]byte{7}, 64) }
	for name, c := range map[string]struct {
		spoil func(*mfrc522test.Chip)
		o     Options
		want  string
	}{
		"all zero": {func(c *mfrc522test.Chip) { c.Faults.Silent = true }, Options{}, "wiring"},
		"all one":  {func(c *mfrc522test.Chip) { c.Faults.Silent, c.Faults.Rest = true, 0xFF }, Options{}, "wiring"},
		"reset hangs": {func(c *mfrc522test.Chip) { c.Faults.ResetHangs = true }, Options{},
			"still in reset after 150 ms"},
		"self-test hangs":  {func(c *mfrc522test.Chip) { c.Faults.SelfTestHangs = true }, Options{}, "self-test"},
		"imitation":        {imitation, Options{}, "imitation"},
		"imitation, known": {imitation, Options{SkipSelfTest: true}, ""},
		"slow bus":         {func(c *mfrc522test.Chip) { c.Faults.Slow = 300 * time.Millisecond }, Options{}, "too slow"},
		"cut":              {func(c *mfrc522test.Chip) { c.Faults.Broken = errors.New("cut") }, Options{}, "cut"},
		"deaf to writing": {func(c *mfrc522test.Chip) { c.Faults.Wire = func(_, b []byte) { clear(b[2:]) } },
			Options{SkipSelfTest: true}, "settings"},
		"gain":     {nil, Options{Gain: 20}, "gain is 20 dB"},
		"too fast": {nil, Options{Speed: 11 * physic.MegaHertz}, "1 to 10 MHz"},
		"too slow": {nil, Options{Speed: 999 * physic.KiloHertz}, "1 to 10 MHz"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				chip := mfrc522test.New()
				if c.spoil != nil {
					c.spoil(chip)
				}
				since := time.Now()
				_, err := New(connect(t, chip), c.o)
				if took := time.Since(since); took > 1500*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
			})
		})
	}
}

func TestSelfTestIsComparedPerVersion(t *testing.T) {
	for version, c := range map[byte]struct {
		test []byte
		note bool
	}{
		0x91: {selfTests[0x91], false},
		0x92: {selfTests[0x92], false},
		0x88: {make([]byte, 64), true},
		0xB2: {make([]byte, 64), true},
		0x12: {make([]byte, 64), true},
	} {
		synctest.Test(t, func(t *testing.T) {
			chip := mfrc522test.New(card(four))
			chip.Version, chip.SelfTest = version, c.test
			d := start(t, chip, Options{})
			if d.Version() != version || (d.Note() != "") != c.note {
				t.Errorf("version %#02x: %#02x, note %q", version, d.Version(), d.Note())
			}
			if got, err := poll(t, d); got != hex(four) || err != nil {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestEachGainOfTheDataSheetIsAccepted(t *testing.T) {
	for db, want := range map[int]byte{0: 0x48, 18: 0x28, 23: 0x38, 33: 0x48, 38: 0x58, 43: 0x68, 48: 0x78} {
		synctest.Test(t, func(t *testing.T) {
			d := start(t, mfrc522test.New(), Options{Gain: db})
			d.bus.end = time.Now().Add(time.Second)
			if got, err := d.bus.read(regRFCfg); err != nil || got[0] != want {
				t.Errorf("%d dB: %#02x %v, want %#02x", db, got, err, want)
			}
		})
	}
}

func TestFaultyPinsDoNotPreventReading(t *testing.T) {
	for name, spoil := range map[string]func(*mfrc522test.IRQ){
		"well":    func(*mfrc522test.IRQ) {},
		"dead":    func(p *mfrc522test.IRQ) { p.Dead = true },
		"strobes": func(p *mfrc522test.IRQ) { p.Strobes = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := mfrc522test.New(card(seven))
				irq, reset := mfrc522test.NewIRQ(c), mfrc522test.NewNRSTPD(c)
				spoil(irq)
				d := start(t, c, Options{IRQ: irq, Reset: reset})
				for range 3 {
					before := c.Transfers()
					if got, err := poll(t, d); got != hex(seven) || err != nil {
						t.Fatalf("%q %v", got, err)
					}
					if n := c.Transfers() - before; n > 150 {
						t.Errorf("%d transfers", n)
					}
				}
				c.Cards = nil
				if got, err := poll(t, d); got != "" || err != nil {
					t.Fatalf("%q %v", got, err)
				}
				if irq.Dead == (irq.Edges > 0) {
					t.Errorf("%d edges", irq.Edges)
				}
				if len(reset.Levels) != 2 || reset.Levels[1] != gpio.High {
					t.Errorf("reset pin: %v", reset.Levels)
				}
			})
		})
	}
}

// If an answer has too few or too many bits, the only effect is that one Poll finds no card.
func TestAnswerOfAnotherLengthIsNotACard(t *testing.T) {
	for more := -9; more <= 17; more++ {
		for spoilt := 1; spoilt <= 5 && more != 0; spoilt++ { // WUPA has one answer, and each cascade level has two answers
			synctest.Test(t, func(t *testing.T) {
				c := mfrc522test.New(card(seven))
				d := start(t, c, Options{})
				n := 0
				c.Faults.Air = func(bits []bool) []bool {
					if n++; n != spoilt {
						return bits
					}
					return append(bits, make([]bool, 17)...)[:max(1, len(bits)+more)]
				}
				if got, err := poll(t, d); got != "" || err != nil {
					t.Fatalf("%+d bits in answer %d: %q %v", more, spoilt, got, err)
				}
				if got, err := poll(t, d); got != hex(seven) || err != nil {
					t.Fatalf("after %+d bits in answer %d: %q %v", more, spoilt, got, err)
				}
			})
		}
	}
}

func TestEachErrorFlagRejectsTheAnswer(t *testing.T) {
	for _, flag := range []byte{0x01, 0x02, 0x04, 0x08, 0x10, 0x40, 0x80} {
		synctest.Test(t, func(t *testing.T) {
			c := mfrc522test.New(card(four))
			d := start(t, c, Options{})
			c.Faults.Flags = flag
			for range 2 {
				if got, err := poll(t, d); got != "" || err != nil {
					t.Fatalf("%#02x: %q %v", flag, got, err)
				}
			}
			if got, err := poll(t, d); got != "" || (err != nil) != (flag >= 0x40) {
				t.Errorf("%#02x, third time: %q %v", flag, got, err)
			}
		})
	}
}

func TestRadioNoiseNeverGivesAWrongNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		c := mfrc522test.New(card(seven))
		d := start(t, c, Options{})
		read := 0
		for range 2000 {
			c.Faults.Air = func(bits []bool) []bool {
				for range max(0, rnd.IntN(12)-8) {
					i := rnd.IntN(len(bits))
					bits[i] = !bits[i]
				}
				return bits
			}
			got, err := poll(t, d)
			if err != nil || got != "" && got != hex(seven) {
				t.Fatalf("%q %v", got, err)
			}
			if got != "" {
				read++
			}
		}
		t.Logf("%d of 2000 read", read)
		if read == 0 {
			t.Error("never read: the noise proves nothing")
		}
	})
}

func TestSPINoiseNeverGivesAWrongNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(3, 4))
		read, ill := 0, 0
		for range 500 {
			c := mfrc522test.New(card(seven))
			d := start(t, c, Options{})
			c.Faults.Wire = func(_, miso []byte) {
				if rnd.IntN(100) == 0 {
					miso[rnd.IntN(len(miso))] ^= 1 << rnd.IntN(8)
				}
			}
			for range 4 {
				switch got, err := poll(t, d); {
				case err != nil:
					ill++
				case got == hex(seven):
					read++
				case got != "":
					t.Fatal(got)
				}
			}
		}
		t.Logf("%d of 2000 read, %d errors", read, ill)
		if read == 0 {
			t.Error("never read: the noise proves nothing")
		}
	})
}

func TestCloseSwitchesTheFieldOffAndEndsAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mfrc522test.New(card(four))
		d := start(t, c, Options{})
		c.Faults.CommandsHang = true
		ended := make(chan error)
		go func() {
			_, _, err := d.Poll(context.Background())
			ended <- err
		}()
		<-time.After(time.Millisecond)
		since := time.Now()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil && !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if took := time.Since(since); took > 2*time.Millisecond || c.AntennaOn() {
			t.Errorf("closed after %v, antenna on: %v", took, c.AntennaOn())
		}
		if _, err := poll(t, d); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPollWithACancelledContextIsNotAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mfrc522test.New(card(four))
		d := start(t, c, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := c.Transfers()
		if _, found, err := d.Poll(ctx); found || err != nil || c.Transfers() != before {
			t.Errorf("%v %v", found, err)
		}
	})
}

func TestOpenUsesThePortWithThatName(t *testing.T) {
	c := mfrc522test.New(card(four))
	o, _ := Options{Speed: 10 * physic.MegaHertz}.check()
	d, err := openOn(c.Port(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := poll(t, d); got != hex(four) || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if err := d.Close(); err != nil || !c.Closed() || c.AntennaOn() {
		t.Errorf("%v, closed %v, antenna on %v", err, c.Closed(), c.AntennaOn())
	}
	c.Faults.Silent = true
	if _, err := openOn(c.Port(), o); err == nil {
		t.Error("a silent chip opened")
	}
	if _, err := Open("none of that name", Options{}); err == nil || !strings.Contains(err.Error(), "none of that name") {
		t.Error(err)
	}
	for _, name := range []string{"", "SPI0.0", "/dev/spidev0.0 ", "/dev/spidev0", "/dev/spidev-1.0"} {
		if _, err := Open(name, Options{}); err == nil || !strings.Contains(err.Error(), "/dev/spidev0.0") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestPollingReaderDeliversTapsOfTheChip(t *testing.T) {
	for _, slot := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := mfrc522test.New()
			d := start(t, c, Options{})
			r := rfid.Polling{Chip: d, Slot: slot}.Reader()
			plan := time.Now()
			c.Faults.Before = func(int) { // one card stays from 1 s to 5 s, and another card from 8 s
				switch at := time.Since(plan); {
				case at > 8*time.Second && len(c.Cards) == 0:
					c.Cards = []*mfrc522test.Card{card(ten)}
				case at > 5*time.Second && at < 8*time.Second:
					c.Cards = nil
				case at > time.Second && at < 5*time.Second && len(c.Cards) == 0:
					c.Cards = []*mfrc522test.Card{card(seven)}
				}
			}
			want := []string{hex(seven), hex(ten)}
			if slot {
				want = []string{hex(seven), "away " + hex(seven), hex(ten)}
			}
			for _, w := range want {
				tap, err := r.Read(t.Context())
				got := tap.UID.Hex()
				if tap.Away {
					got = "away " + got
				}
				if err != nil || got != w || tap.Proof != rfid.NumberOnly {
					t.Fatalf("slot %v: %q %v, want %q", slot, got, err, w)
				}
			}
			c.BrownOut()
			if _, err := r.Read(t.Context()); err == nil {
				t.Error("a chip without its settings goes on")
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

package relay

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// brittle is a relay's pin that can fail.
type brittle struct {
	gpio.PinOut
	fail error
	high bool
	outs int
}

func (b *brittle) Out(l gpio.Level) error {
	b.outs++
	if b.fail != nil && l == gpio.High {
		return b.fail
	}
	b.high = bool(l)
	return nil
}

func TestLeaseIsCountedFromTheLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &brittle{}
		in, say := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- Guard(context.Background(), in, io.Discard, Pins{Relay: pin}) }()
		io.WriteString(say, "on 0\n")
		for range 10 { // kept for longer than any lease
			time.Sleep(Lease - time.Millisecond)
			synctest.Wait()
			if !pin.high {
				t.Fatal("dropped although the daemon spoke")
			}
			io.WriteString(say, "keep\n")
		}
		time.Sleep(Lease)
		synctest.Wait()
		if pin.high {
			t.Fatal("the lease ended, the relay did not")
		}
		io.WriteString(say, "keep\n")
		synctest.Wait()
		if pin.high {
			t.Fatal("a word closed the relay")
		}
		say.Close()
		if err := <-done; !errors.Is(err, ErrLost) {
			t.Fatal(err)
		}
	})
}

func TestPinThatFailsEndsTheGuardWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &brittle{fail: errors.New("the board burnt")}
		in, say := io.Pipe()
		var said strings.Builder
		done := make(chan error, 1)
		go func() { done <- Guard(context.Background(), in, &said, Pins{Relay: pin}) }()
		io.WriteString(say, "on 0\n")
		if err := <-done; err == nil || !strings.Contains(err.Error(), "burnt") || pin.high || !strings.Contains(said.String(), "fault") {
			t.Fatal(err, pin.high, said.String())
		}
		say.Close()
	})
}

func FuzzGuard(f *testing.F) {
	for _, s := range []string{"on 0\nkeep\noff\n", "on 1000\nkeep", "\n\non 99999999999999999999\n", "keep\nkeep\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pin := &brittle{}
		if err := Guard(context.Background(), strings.NewReader(s), io.Discard, Pins{Relay: pin}); err == nil || pin.high {
			t.Fatalf("ended with %v, high %v", err, pin.high)
		}
	})
}

package pcsc

import (
	"context"
	"errors"
	"testing"
	"time"

	"portillon/rfid"
	"portillon/rfid/pcsc/pcsctest"
)

// After a power cut, a card that already lies on the reader must not be a tap. An unplugged reader must be opened
// again.
func TestWatchReopensAnUnpluggedReader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF"))
		out := make(chan rfid.Event)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go rfid.Watch(ctx, func() (rfid.Reader, error) {
			d, err := openThroughPipe(t, s)
			if err != nil {
				return nil, err
			}
			return rfid.Polling{Chip: d}.Reader(), nil
		}, out)
		if e := <-out; !e.Alive || e.Err != nil {
			t.Fatalf("%+v", e)
		}
		var kept []*pcsctest.Reader
		s.Set(func(r *[]*pcsctest.Reader, _ *pcsctest.Faults) { kept, *r = *r, nil })
		if e := <-out; e.Alive || !errors.Is(e.Err, ErrNoReader) {
			t.Fatalf("%+v", e)
		}
		s.Set(func(r *[]*pcsctest.Reader, _ *pcsctest.Faults) { *r = kept })
		if e := <-out; !e.Alive {
			t.Fatalf("%+v", e)
		}
		s.Insert(acr, nil)
		<-time.After(2 * time.Second)
		s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF"))
		if e := <-out; e.Tap.UID.Hex() != "DEADBEEF" {
			t.Fatalf("%+v", e)
		}
	})
}

// After a reader is plugged in, pcscd may need 900 ms to detect a card that is already on the reader. Such a card
// must not be a tap.
func TestPresentCardThatPcscdDetectsLateGivesNoTap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		time.AfterFunc(900*time.Millisecond, func() { s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF")) })
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan rfid.Event)
		go rfid.Watch(ctx, func() (rfid.Reader, error) {
			d, err := openThroughPipe(t, s)
			return rfid.Polling{Chip: d}.Reader(), err
		}, out)
		<-out
		select {
		case e := <-out:
			t.Errorf("%+v", e)
		case <-time.After(5 * time.Second):
		}
		cancel()
	})
}

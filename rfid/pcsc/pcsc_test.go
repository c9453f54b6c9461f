package pcsc

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// desk is a reader with what lies on it.
type desk struct {
	card   *plastic
	err    error
	closed bool
}

func (d *desk) Connect() (Card, bool, error) {
	if d.card == nil || d.err != nil {
		return nil, false, d.err
	}
	return d.card, true, nil
}
func (d *desk) Close() error { d.closed = true; return nil }

type plastic struct {
	uid  []byte
	say  func([]byte) ([]byte, error)
	left bool
	gone int
}

func (p *plastic) Transmit(b []byte) ([]byte, error) {
	if p.left {
		return nil, errors.New("scard: Card was removed.")
	}
	if bytes.Equal(b, askUID) {
		return p.uid, nil
	}
	return p.say(b)
}
func (p *plastic) Disconnect() error { p.gone++; return nil }

func TestNumbersAsReadersGiveThem(t *testing.T) {
	for in, want := range map[string]string{
		"\x04\x11\x22\x33\x44\x55\x66\x90\x00": "04112233445566", "\xDE\xAD\xBE\xEF\x90\x00": "DEADBEEF", "\x04\x11\x22\x33\x44\x55\x66\x77\x88\x99\x90\x00": "04112233445566778899",
		"\x08\x11\x22\x33\x90\x00": "", "\x6A\x81": "", "": "", "\x90": "", "\xDE\xAD\xBE\xEF\x63\x00": "", "\xDE\xAD\xBE\x90\x00": "",
	} {
		d := New(&desk{card: &plastic{uid: []byte(in)}})
		u, found, err := d.Poll(t.Context())
		if err != nil || found != (want != "") || u.Hex() != want {
			t.Errorf("% X: %s, %v, %v", in, u.Hex(), found, err)
		}
	}
}

func TestCardsComeAndGoAndReadersDie(t *testing.T) {
	p := &plastic{uid: []byte("\xDE\xAD\xBE\xEF\x90\x00"), say: func(b []byte) ([]byte, error) { return append(b, 0x91, 0), nil }}
	r := &desk{}
	d := New(r)
	if _, err := d.Exchange(t.Context(), []byte{0x90}); !errors.Is(err, errNone) {
		t.Error(err)
	}
	r.card = p
	for range 2 {
		if _, found, err := d.Poll(t.Context()); !found || err != nil {
			t.Fatal(found, err)
		}
	}
	if b, err := d.Exchange(t.Context(), []byte{0x90, 0x60}); err != nil || !bytes.Equal(b, []byte{0x90, 0x60, 0x91, 0}) {
		t.Errorf("% X, %v", b, err)
	}
	for _, bad := range [][]byte{nil, {0xFF, 0, 0}} {
		if _, err := d.Exchange(t.Context(), bad); err == nil {
			t.Errorf("% X is sent", bad)
		}
	}
	for _, n := range []int{0, 1, 259} {
		p.say = func([]byte) ([]byte, error) { return make([]byte, n), nil }
		if _, err := d.Exchange(t.Context(), []byte{0x90}); !errors.Is(err, errOdd) {
			t.Errorf("an answer of %d bytes: %v", n, err)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Exchange(over, []byte{0x90}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	p.left = true
	if _, err := d.Exchange(t.Context(), []byte{0x90}); err == nil || p.gone != 1 {
		t.Error(err, p.gone)
	}
	if _, found, err := d.Poll(t.Context()); found || err != nil {
		t.Error(found, err)
	}
	r.err = errors.New("scard: Service not available.")
	if _, _, err := d.Poll(t.Context()); err == nil {
		t.Error("a service that is gone is no error")
	}
	if d.Close() != nil || !r.closed {
		t.Error("the reader stays open")
	}
}

package wiegand

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"portillon/rfid"
)

// The test uses key frames from the manuals of two manufacturers, and other frames with as many bits.
func TestKeyFramesAreRecognised(t *testing.T) {
	for frame, want := range map[string]bool{
		"0000": true, "0001": true, "1001": true, "1010": true, "1011": true,
		"11110000": true, "11100001": true, "11000011": true, "01101001": true, "01011010": true, "01001011": true,
		"11100000": false, "00000000": false, "11111111": false, "10110101": false,
		"101": false, "10110": false, "1110000": false, "111000010": false, "": false,
		"00101101000000001010001000": false,
	} {
		for _, bits := range []int{0, 26} {
			d := Decoder{Bits: bits}
			for _, e := range edgesOf(frame, time.Second) {
				d.Push(e)
			}
			if _, ok := d.Idle(); ok && frame != "00101101000000001010001000" {
				t.Errorf("%s is a card", frame)
			}
			if got := d.Key(); got != want {
				t.Errorf("%s: a key %v, want %v", frame, got, want)
			}
			if d.Key() {
				t.Errorf("%s: one key is reported twice", frame)
			}
		}
	}
}

func TestDamagedFrameIsNotAKey(t *testing.T) {
	for name, spoil := range map[string]func([]rfid.Edge){
		"a lost edge": func(e []rfid.Edge) { e[2].Lost = 1 },
		"a glitch":    func(e []rfid.Edge) { e[2].At = e[1].At + nearest/2 },
	} {
		es := edgesOf("0001", time.Second)
		spoil(es)
		var d Decoder
		for _, e := range es {
			d.Push(e)
		}
		d.Idle()
		if d.Key() {
			t.Errorf("%s is a key", name)
		}
	}
}

func TestKeysAreReportedOncePerBurstAndAtMostOnceAMinute(t *testing.T) {
	began := time.Now()
	for _, x := range []struct {
		name string
		at   []time.Duration
		want string
	}{
		{"one key", []time.Duration{0}, "[0s]"},
		{"a PIN", []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, "[0s]"},
		{"a second PIN at once", []time.Duration{0, keyPause, keyPause + time.Second}, "[0s]"},
		{"a second PIN after a minute", []time.Duration{0, time.Minute, time.Minute + time.Second}, "[0s 1m0s]"},
		{"a second PIN just before", []time.Duration{0, time.Minute - 1}, "[0s]"},
		{"a key each second for two minutes", seconds(120), "[0s]"},
		{"a pause just long enough", []time.Duration{0, time.Minute - 1, time.Minute - 1 + keyPause}, "[0s 1m4.999999999s]"},
		{"a pause just too short", []time.Duration{0, time.Minute - 1, time.Minute + keyPause - 2}, "[0s]"},
	} {
		var p keyBursts
		told := []time.Duration{}
		for _, at := range x.at {
			if p.press(began.Add(at)) {
				told = append(told, at)
			}
		}
		if got := fmt.Sprint(told); got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
	}
}

func seconds(n int) (out []time.Duration) {
	for i := range n {
		out = append(out, time.Duration(i)*time.Second)
	}
	return out
}

// Keys pressed before and after a card must not change the card's number, and Read must report them while it
// continues to wait.
func TestReaderReportsKeysAndReadsTheCardBetweenThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &scriptedLine{began: time.Now()}
		for _, f := range []struct {
			frame string
			after time.Duration
		}{{"0001", 1}, {"11010010", 2}, {encodeFrame(26, 0x6303E7), 3}, {"0011", 70}} {
			l.edges = append(l.edges, edgesOf(f.frame, f.after*time.Second)...)
		}
		r, err := New(l, 26)
		if err != nil {
			t.Fatal(err)
		}
		began, reports := time.Now(), []time.Duration{}
		r.Keys = func() { reports = append(reports, time.Since(began).Truncate(time.Second)) }
		if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "6303E7" {
			t.Fatal(tap, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
		defer cancel()
		if tap, err := r.Read(ctx); err == nil {
			t.Errorf("a key is a card: %v", tap)
		}
		if got := fmt.Sprint(reports); got != "[1s 1m10s]" {
			t.Errorf("keys are reported at %s", got)
		}
	})
}

func TestReaderWithoutAKeysFunctionIgnoresKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := New(&scriptedLine{began: time.Now(), edges: edgesOf("0001", time.Second)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if tap, err := r.Read(ctx); err == nil {
			t.Errorf("a key is a card: %v", tap)
		}
	})
}

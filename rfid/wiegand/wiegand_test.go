package wiegand

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"portillon/rfid"
)

// edgesOf returns the edges of a frame, with the timing of a typical reader.
func edgesOf(frame string, at time.Duration) (out []rfid.Edge) {
	for i, b := range frame {
		out = append(out, rfid.Edge{At: at + time.Duration(i)*time.Millisecond, Line: int(b - '0')})
	}
	return out
}

func decode(bits int, es []rfid.Edge) (got []string) {
	d := Decoder{Bits: bits}
	for _, e := range es {
		if u, ok := d.Push(e); ok {
			got = append(got, u.Hex())
		}
	}
	if u, ok := d.Idle(); ok {
		got = append(got, u.Hex())
	}
	return got
}

// encodeFrame encodes a number as proxmark3 defines it (wiegand_formats.c): even parity over bits 1 to half, odd parity
// over the last half before the end.
func encodeFrame(n int, number uint64) string {
	half := (n - 1) / 2
	mid := fmt.Sprintf("%0*b", n-2, number)
	count := func(s string) int { return strings.Count(s, "1") }
	return fmt.Sprint(count(mid[:half])%2) + mid + fmt.Sprint((count(mid[len(mid)-half:])+1)%2)
}

// These frames were published by jessety/wiegand-encoder, angorb and Z9.
func TestPublishedFramesAreDecoded(t *testing.T) {
	for f, want := range map[string]uint64{
		"00101101000000001010001000": 90<<16 | 324,
		"00110001100000011111001111": 99<<16 | 999,
		"00100010010100010010011111": 68<<16 | 41551,
	} {
		if got := decode(0, edgesOf(f, time.Second)); len(got) != 1 || got[0] != fmt.Sprintf("%06X", want) {
			t.Errorf("%s: %q, want %06X", f, got, want)
		}
		if encodeFrame(26, want) != f {
			t.Errorf("the test's own encoder makes %s of %d", encodeFrame(26, want), want)
		}
	}
}

func TestOnlyTheConfiguredLengthIsAccepted(t *testing.T) {
	for n, number := range map[int]uint64{26: 0x6303E7, 34: 0x12345678, 37: 0x5ABCDEF01} {
		f := encodeFrame(n, number)
		want := fmt.Sprintf("%0*X", (n-2+7)/8*2, number)
		if got := decode(0, edgesOf(f, 0)); len(got) != 1 || got[0] != want {
			t.Errorf("%d bits: %q, want %s", n, got, want)
		}
		for other := range map[int]bool{26: true, 34: true, 37: true} {
			if got := decode(other, edgesOf(f, 0)); (len(got) == 1) != (other == n) {
				t.Errorf("%d bits where %d are wanted: %q", n, other, got)
			}
		}
		for cut := range n { // for each frame, the test also decodes its truncated forms, and its forms with one wrong bit
			if got := decode(0, edgesOf(f[:cut], 0)); len(got) > 0 {
				t.Errorf("the first %d of %d bits are %q", cut, n, got)
			}
		}
		for i := range n {
			bad := []byte(f)
			bad[i] ^= 1
			if got := decode(0, edgesOf(string(bad), 0)); len(got) > 0 {
				t.Errorf("%d bits with bit %d wrong are %q", n, i, got)
			}
		}
	}
	for _, keys := range []string{"0001", "11100001"} {
		if got := decode(0, edgesOf(keys, 0)); len(got) > 0 {
			t.Errorf("a key is %q", got)
		}
	}
}

func TestDamagedFramesAreDiscarded(t *testing.T) {
	good := encodeFrame(26, 0x6303E7)
	whole := edgesOf(good, time.Second)
	for name, spoil := range map[string]func([]rfid.Edge) []rfid.Edge{
		"an edge that the kernel lost": func(e []rfid.Edge) []rfid.Edge { e[9].Lost = 1; return e },
		"a glitch":                     func(e []rfid.Edge) []rfid.Edge { e[9].At = e[8].At + 20*time.Microsecond; return e },
		"a pause": func(e []rfid.Edge) []rfid.Edge {
			for i := 13; i < 26; i++ {
				e[i].At += gap
			}
			return e
		},
		"two frames in one": func(e []rfid.Edge) []rfid.Edge {
			return append(e,
				edgesOf(good, e[25].At+2*time.Millisecond)...)
		},
		"one bit more": func(e []rfid.Edge) []rfid.Edge { return append(e, rfid.Edge{At: e[25].At + time.Millisecond}) },
	} {
		if got := decode(0, spoil(append([]rfid.Edge(nil), whole...))); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	after := append(append([]rfid.Edge(nil), whole[:9]...), edgesOf(good, 3*time.Second)...)
	if got := decode(0, after); len(got) != 1 || got[0] != "6303E7" {
		t.Errorf("a whole frame after half of one: %q", got)
	}
	late := append(append([]rfid.Edge(nil), whole...), edgesOf(good, 2*time.Second)...)
	if got := decode(0, late); len(got) != 2 {
		t.Errorf("two frames: %q", got)
	}
}

// For any edges, each number that the decoder returns must have a valid length.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte(encodeFrame(26, 0x6303E7)))
	f.Add([]byte("0000\x00\xff1111" + encodeFrame(37, 7)))
	f.Add([]byte(strings.Repeat("1", 200)))
	f.Fuzz(func(t *testing.T, in []byte) {
		var d Decoder
		at := time.Duration(0)
		check := func(u rfid.UID, ok bool) {
			if n := len(u.Bytes()); ok && n != 3 && n != 4 && n != 5 {
				t.Errorf("a number of %d bytes", n)
			}
		}
		for _, b := range in {
			at += time.Duration(b) * 200 * time.Microsecond
			check(d.Push(rfid.Edge{At: at, Line: int(b & 1), Lost: int(b>>7) * int(b&2)}))
		}
		check(d.Idle())
	})
}

func TestOnesReturnsTheNumberOfSetBits(t *testing.T) {
	for range 100 {
		if x := rand.Uint64(); ones(x) != bits.OnesCount64(x) {
			t.Fatal(x)
		}
	}
}

// scriptedLine delivers the edges of a script at their times.
type scriptedLine struct {
	mu     sync.Mutex
	began  time.Time
	edges  []rfid.Edge
	err    error
	closed bool
}

func (l *scriptedLine) Next(timeout time.Duration) (rfid.Edge, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.edges) == 0 {
		<-time.After(timeout)
		return rfid.Edge{}, false, l.err
	}
	e := l.edges[0]
	if until := e.At - time.Since(l.began); until > timeout {
		<-time.After(timeout)
		return rfid.Edge{}, false, nil
	} else if until > 0 {
		<-time.After(until)
	}
	l.edges = l.edges[1:]
	return e, true, nil
}

func (l *scriptedLine) Close() error { l.closed = true; return nil }

func TestReaderDeliversTapsFromEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		léa, nour := encodeFrame(26, 0x6303E7), encodeFrame(26, 0x123456)
		l := &scriptedLine{
			began: time.Now(),
			edges: append(
				append(append(edgesOf(léa, time.Second), edgesOf(léa, 1500*time.Millisecond)...), edgesOf(nour, 2*time.Second)...),
				edgesOf(léa, 9*time.Second)...),
		}
		r, err := New(l, 26)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"6303E7", "123456", "6303E7"} {
			if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != want {
				t.Fatalf("%s, %v, want %s", tap.UID.Hex(), err, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := r.Read(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second+patience {
			t.Error(err, time.Since(began))
		}
		l.err = errors.New("the chip is gone")
		if _, err := r.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "gone") {
			t.Error(err)
		}
		if r.Close() != nil || !l.closed {
			t.Error("the lines stay open")
		}
	})
}

func TestExchangedWiresAndStaleEdgesAreErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		swapped := strings.NewReplacer("0", "1", "1", "0").Replace(encodeFrame(26, 0x6303E7))
		l := &scriptedLine{began: time.Now()}
		for i := range wrongInRow {
			l.edges = append(l.edges, edgesOf(swapped, time.Duration(1+i)*time.Second)...)
		}
		r, _ := New(l, 0)
		if _, err := r.Read(t.Context()); !errors.Is(err, errWires) {
			t.Error(err)
		}
		l = &scriptedLine{began: time.Now()}
		r, _ = New(l, 0)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r.Read(ctx)
		<-time.After(maxPause + time.Second)
		if _, err := r.Read(t.Context()); !errors.Is(err, errDeaf) {
			t.Error(err)
		}
	})
	if _, err := New(nil, 30); err == nil {
		t.Error("30 bits")
	}
}

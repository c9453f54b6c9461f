package gpio

import (
	"testing"
	"time"
)

func TestFallingEdgesComeInOrderWithTheCountOfLostEdges(t *testing.T) {
	b := &board{
		raw: events(
			lineEvent{timestamp: 5e9, id: 2, offset: 6, seqno: 1, lineSeqno: 1},
			lineEvent{timestamp: 5001e6, id: 2, offset: 5, seqno: 2, lineSeqno: 1},
			lineEvent{timestamp: 5002e6, id: 2, offset: 6, seqno: 5, lineSeqno: 4},
		),
	}
	f, err := b.kernel().openFalls("pinctrl-", []int{5, 6})
	if err != nil {
		t.Fatal(err)
	}
	if r := b.requests[0]; r.lines != 2 || r.offsets[0] != 5 || r.offsets[1] != 6 ||
		r.config.flags != flagInput|flagFalling|flagPullUp ||
		r.buffer != burst ||
		r.config.attrs != 0 {
		t.Errorf("asked for %+v", r)
	}
	for _, want := range []Fall{
		{5 * time.Second, 1, 0},
		{5001 * time.Millisecond, 0, 0},
		{5002 * time.Millisecond, 1, 2},
	} {
		if got, ok, err := f.Next(-1); got != want || !ok || err != nil {
			t.Errorf("%+v, %v, %v; want %+v", got, ok, err, want)
		}
	}
	b.idle = true
	if _, ok, err := f.Next(time.Second); ok || err != nil {
		t.Error("a fall that was none", err)
	}
	b.idle, b.raw = false, events(lineEvent{offset: 9, seqno: 6})
	if _, ok, err := f.Next(0); ok || err == nil {
		t.Error("a fall of another line")
	}
	for _, n := range []int{0, 1, 47, 49} {
		b.raw = make([]byte, n)
		if _, ok, err := f.Next(0); ok || err == nil {
			t.Errorf("%d bytes are a fall", n)
		}
	}
	if _, err := b.kernel().openFalls("pinctrl-", nil); err == nil {
		t.Error("no lines")
	}
	if f.Close() != nil || !b.closed[f.fd] {
		t.Error("the lines stay taken")
	}
}

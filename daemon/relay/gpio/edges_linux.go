package gpio

import (
	"fmt"
	"time"
	"unsafe"
)

// Fall is a falling edge of a line, as the kernel recorded it.
type Fall struct {
	At   time.Duration // time since boot (CLOCK_MONOTONIC)
	Line int           // index in the list of opened lines, from 0
	Lost int           // number of events, of any line, that were lost before this edge because they were not read in time
}

// Falls delivers, in order, the falling edges of several lines that have a pull-up.
type Falls struct {
	k     kernel
	name  string
	fd    int
	lines []int
	queue []Fall
	seq   uint32
}

// burst is the size of the kernel's event buffer in events: four Wiegand frames of 37 bits make 148 events.
const burst = 256

// OpenFalls opens lines as inputs with pull-up and detects their falling edges.
func OpenFalls(label string, lines ...int) (*Falls, error) {
	return systemKernel().openFalls(label, lines)
}

func (k kernel) openFalls(label string, lines []int) (*Falls, error) {
	if len(lines) == 0 || len(lines) > maxLines {
		return nil, fmt.Errorf("%d lines requested, want 1 to %d", len(lines), maxLines)
	}
	last := 0
	for _, l := range lines {
		last = max(last, l)
	}
	r := request(last, "portillon-reader")
	r.lines = uint32(len(lines))
	for i, l := range lines {
		r.offsets[i] = uint32(l)
	}
	r.config.flags = flagInput | flagFalling | flagPullUp
	r.buffer = burst
	name, err := k.request(label, last, r)
	if err != nil {
		return nil, err
	}
	return &Falls{k: k, name: name, fd: int(r.fd), lines: lines}, nil
}

// Next waits for the next falling edge. The second result is false if no edge came before the timeout. A negative
// timeout means that Next waits without a limit.
func (f *Falls) Next(timeout time.Duration) (Fall, bool, error) {
	if len(f.queue) == 0 {
		ready, err := f.k.poll(f.fd, timeout)
		if err != nil || !ready {
			return Fall{}, false, err
		}
		if err := f.fill(); err != nil {
			return Fall{}, false, err
		}
	}
	e := f.queue[0]
	f.queue = f.queue[1:]
	return e, true, nil
}

// fill reads the pending events from the kernel into the queue.
func (f *Falls) fill() error {
	var raw [edgeBuffer]lineEvent
	n, err := f.k.read(f.fd, unsafe.Slice((*byte)(unsafe.Pointer(&raw)), unsafe.Sizeof(raw)))
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	size := int(unsafe.Sizeof(lineEvent{}))
	if n < size || n%size != 0 {
		return fmt.Errorf("%s: kernel returned %d bytes, want a multiple of %d", f.name, n, size)
	}
	f.queue = f.queue[:0]
	for _, e := range raw[:n/size] {
		place := -1
		for i, l := range f.lines {
			if e.offset == uint32(l) {
				place = i
			}
		}
		if place < 0 {
			return fmt.Errorf("%s: kernel returned an edge of line %d, which is not open", f.name, e.offset)
		}
		f.queue = append(f.queue, Fall{time.Duration(e.timestamp), place, int(e.seqno - f.seq - 1)})
		f.seq = e.seqno
	}
	return nil
}

// Close releases the lines.
func (f *Falls) Close() error { return f.k.close(f.fd) }

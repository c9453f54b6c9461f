package gpio

import (
	"fmt"
	"time"
	"unsafe"

	"periph.io/x/conn/v3/gpio"
)

// In is an input of this process. One goroutine may wait for edges while others read.
type In struct {
	base
	k    kernel
	fd   int
	pull gpio.Pull

	queue []Edge // edges read from the kernel, not yet returned
	seq   uint32 // sequence number of the last edge
}

var _ gpio.PinIn = (*In)(nil)

// Edge is a change of level, as the kernel recorded it.
type Edge struct {
	At     time.Duration // time since boot (CLOCK_MONOTONIC)
	Rising bool
	Lost   int // number of edges that were lost before this edge because they were not read in time
}

// edgeBuffer is the size of the kernel's event buffer, in events. The kernel's default is 16.
const edgeBuffer = 64

func (k kernel) openIn(label string, line int, pull gpio.Pull) (*In, error) {
	r := request(line, "portillon-input")
	r.config.flags = flagInput | flagRising | flagFalling
	switch pull {
	case gpio.PullUp:
		r.config.flags |= flagPullUp
	case gpio.PullDown:
		r.config.flags |= flagPullDown
	default:
		return nil, fmt.Errorf("line %d: pull is %v, want up or down, so that a broken wire has a known level",
			line, pull)
	}
	r.buffer = edgeBuffer
	name, err := k.request(label, line, r)
	if err != nil {
		return nil, err
	}
	return &In{base: base{name, line}, k: k, fd: int(r.fd), pull: pull}, nil
}

// Read implements gpio.PinIn. An input that cannot be read has the level that a broken wire would give it.
func (i *In) Read() gpio.Level {
	v := lineValues{mask: 1}
	if err := i.k.ioctl(i.fd, getValues, unsafe.Pointer(&v)); err != nil {
		return gpio.Level(i.pull == gpio.PullUp)
	}
	return gpio.Level(v.bits&1 == 1)
}

// WaitForEdge implements gpio.PinIn. A negative timeout means no limit. All pending edges count as one edge.
// WaitForEdge returns false at once if the line can no longer be watched.
func (i *In) WaitForEdge(timeout time.Duration) bool {
	_, ok, err := i.Next(timeout)
	i.queue = i.queue[:0]
	return ok && err == nil
}

// Next waits for the next edge. The second result is false if no edge came before the timeout. A negative timeout means
// that Next waits without a limit.
func (i *In) Next(timeout time.Duration) (Edge, bool, error) {
	if len(i.queue) == 0 {
		ready, err := i.k.poll(i.fd, timeout)
		if err != nil || !ready {
			return Edge{}, false, err
		}
		if err := i.fill(); err != nil {
			return Edge{}, false, err
		}
	}
	e := i.queue[0]
	i.queue = i.queue[1:]
	return e, true, nil
}

// fill reads the pending edges from the kernel into the queue.
func (i *In) fill() error {
	var raw [edgeBuffer]lineEvent
	n, err := i.k.read(i.fd, unsafe.Slice((*byte)(unsafe.Pointer(&raw)), unsafe.Sizeof(raw)))
	if err != nil {
		return fmt.Errorf("%s: %w", i.name, err)
	}
	size := int(unsafe.Sizeof(lineEvent{}))
	if n < size || n%size != 0 {
		return fmt.Errorf("%s: kernel returned %d bytes, want a multiple of %d", i.name, n, size)
	}
	i.queue = i.queue[:0]
	for _, e := range raw[:n/size] {
		i.queue = append(i.queue, Edge{
			At:     time.Duration(e.timestamp),
			Rising: e.id == eventRising,
			Lost:   int(e.lineSeqno - i.seq - 1),
		})
		i.seq = e.lineSeqno
	}
	return nil
}

// In implements gpio.PinIn. In returns an error if the pull differs from the line's pull, because pull and edges are
// set when the line is opened.
func (i *In) In(pull gpio.Pull, _ gpio.Edge) error {
	if pull != i.pull && pull != gpio.PullNoChange {
		return fmt.Errorf("%s has the pull %v, which cannot be changed", i.name, i.pull)
	}
	return nil
}

// Pull implements gpio.PinIn.
func (i *In) Pull() gpio.Pull { return i.pull }

// DefaultPull implements gpio.PinIn.
func (i *In) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// Function returns the pin's use.
func (i *In) Function() string { return "In" }

// Halt releases the line.
func (i *In) Halt() error { return i.k.close(i.fd) }

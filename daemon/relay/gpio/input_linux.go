package gpio

import (
	"fmt"
	"time"
	"unsafe"

	"periph.io/x/conn/v3/gpio"
)

// In is an input that this process holds. One goroutine may wait for edges while others read.
type In struct {
	base
	k    kernel
	fd   int
	pull gpio.Pull

	queue []Edge // read from the kernel, not yet taken
	seq   uint32 // of the last edge
}

var _ gpio.PinIn = (*In)(nil)

// Edge is a change of level as the kernel saw it.
type Edge struct {
	At     time.Duration // since boot (CLOCK_MONOTONIC), in nanoseconds
	Rising bool
	Lost   int // edges before this one that nobody took in time
}

// edges is how many edges the kernel keeps for us; its default is 16.
const edges = 64

func (k kernel) openIn(label string, line int, pull gpio.Pull) (*In, error) {
	r := request(line, "portillon-input")
	r.config.flags = flagInput | flagRising | flagFalling
	switch pull {
	case gpio.PullUp:
		r.config.flags |= flagPullUp
	case gpio.PullDown:
		r.config.flags |= flagPullDown
	default:
		return nil, fmt.Errorf("line %d: an input is pulled up or down, not %v: else a broken wire has any level", line, pull)
	}
	r.buffer = edges
	name, err := k.request(label, line, r)
	if err != nil {
		return nil, err
	}
	return &In{base: base{name, line}, k: k, fd: int(r.fd), pull: pull}, nil
}

// Read implements gpio.PinIn. An input that cannot be read is what its pull makes of a broken wire.
func (i *In) Read() gpio.Level {
	v := lineValues{mask: 1}
	if err := i.k.ioctl(i.fd, getValues, unsafe.Pointer(&v)); err != nil {
		return gpio.Level(i.pull == gpio.PullUp)
	}
	return gpio.Level(v.bits&1 == 1)
}

// WaitForEdge implements gpio.PinIn; a negative timeout is none. All edges until now are one. It is false at once
// when the line can no longer be waited for.
func (i *In) WaitForEdge(timeout time.Duration) bool {
	_, ok, err := i.Next(timeout)
	i.queue = i.queue[:0]
	return ok && err == nil
}

// Next waits for the next edge; false: there was none in time. A negative timeout is none.
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

// fill takes what the kernel has.
func (i *In) fill() error {
	var raw [edges]lineEvent
	n, err := i.k.read(i.fd, unsafe.Slice((*byte)(unsafe.Pointer(&raw)), unsafe.Sizeof(raw)))
	if err != nil {
		return fmt.Errorf("%s: %w", i.name, err)
	}
	size := int(unsafe.Sizeof(lineEvent{}))
	if n < size || n%size != 0 {
		return fmt.Errorf("%s: the kernel gave %d bytes, not edges of %d", i.name, n, size)
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

// In implements gpio.PinIn: the line was asked for with its pull and both edges, and stays so.
func (i *In) In(pull gpio.Pull, _ gpio.Edge) error {
	if pull != i.pull && pull != gpio.PullNoChange {
		return fmt.Errorf("%s is %v, and stays so", i.name, i.pull)
	}
	return nil
}

// Pull implements gpio.PinIn.
func (i *In) Pull() gpio.Pull { return i.pull }

// DefaultPull implements gpio.PinIn.
func (i *In) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// Function names the pin's use.
func (i *In) Function() string { return "In" }

// Halt lets the line go.
func (i *In) Halt() error { return i.k.close(i.fd) }

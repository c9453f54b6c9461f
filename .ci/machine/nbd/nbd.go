// Package nbd is a disk for QEMU that loses, at a power cut, what was never flushed.
//
// It speaks the NBD protocol (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md): the fixed newstyle
// handshake with one export, and READ, WRITE, FLUSH and DISC. It refuses TRIM and everything else. The disk lives in
// memory.
//
// A real disk keeps writes in a cache of its own and promises nothing before FLUSH is answered, or a write with FUA.
// Here Cut throws away a random part of what was written since: each write, sector by sector of 512 bytes, is there or
// is not. What survives that survives by fsync alone, and not by the kindness of the host's page cache.
package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
)

// Sector is what a disk writes whole or not at all, in bytes.
const Sector = 512

// maxRequest is the longest read or write that is served, in bytes; QEMU sends 32 MiB at most.
const maxRequest = 32 << 20

// Disk is a disk with a volatile write cache. Its methods may be called by several goroutines at once.
type Disk struct {
	mu      sync.Mutex
	stable  []byte  // what a power cut leaves
	seen    []byte  // what a reader sees
	pending []write // written and not flushed, oldest first
	left    int     // writes until the power goes
	trip    func()  // what is told then; nil: it stays
	dead    bool
	deaf    bool
}

type write struct {
	at   int
	data []byte
}

// New makes a disk of an image, which it keeps.
func New(image []byte) *Disk {
	return &Disk{stable: image, seen: slices.Clone(image)}
}

// Pending is how many writes would be at stake in a power cut.
func (d *Disk) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending)
}

// Trip has the power go with the nth write from now on: that one is the last, nothing is answered any more, and f is
// called. A cut at a time of the clock's hits next to nothing, for a disk is at rest most of the time.
func (d *Disk) Trip(n int, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.trip = n, f
}

// Deafen has the disk answer flushes and do nothing, as a bad disk does: to see a test fail that must.
func (d *Disk) Deafen() { d.deaf = true }

// Cut is a power cut: of each sector that was written since the last flush, the chance decides whether it is there. How
// many survive is drawn first, so that nearly all and nearly none come up as well as half. It returns how many sectors
// were at stake and how many of those are lost.
func (d *Disk) Cut(chance *rand.Rand) (atStake, lost int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	survive := chance.Float64()
	for _, w := range d.pending {
		for from := 0; from < len(w.data); from += Sector {
			atStake++
			if chance.Float64() >= survive {
				lost++
				continue
			}
			copy(d.stable[w.at+from:], w.data[from:min(from+Sector, len(w.data))])
		}
	}
	d.pending, d.trip, d.dead = nil, nil, false
	copy(d.seen, d.stable)
	return atStake, lost
}

func (d *Disk) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deaf || d.dead {
		return
	}
	for _, w := range d.pending {
		copy(d.stable[w.at:], w.data)
	}
	d.pending = nil
}

func (d *Disk) read(at, n int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.seen[at : at+n])
}

// write takes data over. With fua it is on the disk before write returns, as after a flush: that other writes are
// flushed with it would hide a fault, so they are not, but for older ones of the same place, which it replaces sector
// by sector.
func (d *Disk) write(at int, data []byte, fua bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return
	}
	if d.left--; d.left == 0 && d.trip != nil {
		d.dead = true
		d.trip()
	}
	copy(d.seen[at:], data)
	if !fua {
		d.pending = append(d.pending, write{at, data})
		return
	}
	copy(d.stable[at:], data)
	for _, w := range d.pending {
		if from, to := max(at, w.at), min(at+len(data), w.at+len(w.data)); from < to {
			copy(w.data[from-w.at:to-w.at], data[from-at:to-at])
		}
	}
}

// Numbers of the protocol.
const (
	magic       = 0x4e42444d41474943 // NBDMAGIC
	optMagic    = 0x49484156454f5054 // IHAVEOPT
	repMagic    = 0x3e889045565a9
	askMagic    = 0x25609513
	answerMagic = 0x67446698

	fixedNewstyle, noZeroes = 1, 2

	optExportName, optAbort, optGo  = 1, 2, 7
	repAck, repInfo, repUnsupported = 1, 3, 1<<31 | 1

	hasFlags, sendFlush, sendFUA = 1, 4, 8

	cmdRead, cmdWrite, cmdDisc, cmdFlush = 0, 1, 2, 3
	flagFUA                              = 1

	errInvalid = 22 // EINVAL
)

// Serve serves d to one client after the other until l is closed.
func (d *Disk) Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		d.ServeConn(c)
		c.Close()
	}
}

// ServeConn serves one client until it leaves.
func (d *Disk) ServeConn(c io.ReadWriter) error {
	w := wire{c}
	if d.gone() {
		return errDead
	}
	if err := d.greet(w); err != nil {
		return err
	}
	for {
		if err := d.answer(w); err != nil {
			return err
		}
	}
}

var (
	errLeft = errors.New("the client has left")
	errDead = errors.New("the power is gone")
)

// greet agrees on the one export, whatever name it is asked for by.
func (d *Disk) greet(w wire) error {
	const flags = uint16(hasFlags | sendFlush | sendFUA)
	if err := w.send(uint64(magic), uint64(optMagic), uint16(fixedNewstyle|noZeroes)); err != nil {
		return err
	}
	var client uint32
	if err := w.receive(&client); err != nil {
		return err
	}
	for {
		var m uint64
		var option, length uint32
		if err := w.receive(&m, &option, &length); err != nil {
			return err
		}
		if m != optMagic || length > 4096 {
			return fmt.Errorf("nbd: option %d of %d bytes with magic %x", option, length, m)
		}
		if err := w.receive(make([]byte, length)); err != nil {
			return err
		}
		switch option {
		case optExportName:
			if err := w.send(uint64(len(d.seen)), flags); err != nil || client&noZeroes != 0 {
				return err
			}
			return w.send(make([]byte, 124))
		case optGo:
			info := []any{uint64(repMagic), option, uint32(repInfo), uint32(12), uint16(0), uint64(len(d.seen)), flags}
			return w.send(append(info, uint64(repMagic), option, uint32(repAck), uint32(0))...)
		case optAbort:
			return errors.Join(errLeft, w.send(uint64(repMagic), option, uint32(repAck), uint32(0)))
		default:
			if err := w.send(uint64(repMagic), option, uint32(repUnsupported), uint32(0)); err != nil {
				return err
			}
		}
	}
}

// answer carries out one request.
func (d *Disk) answer(w wire) error {
	var m, length uint32
	var flags, kind uint16
	var handle, at uint64
	if err := w.receive(&m, &flags, &kind, &handle, &at, &length); err != nil {
		return err
	}
	if m != askMagic {
		return fmt.Errorf("nbd: a request with magic %x", m)
	}
	inside := d.holds(at, length)
	var out []byte
	bad := uint32(0)
	switch {
	case kind == cmdDisc:
		return errLeft
	case kind == cmdFlush:
		d.flush()
	case kind == cmdWrite && length <= maxRequest:
		data := make([]byte, length)
		if err := w.receive(data); err != nil {
			return err
		}
		if !inside || at%Sector != 0 || length%Sector != 0 {
			bad = errInvalid
			break
		}
		d.write(int(at), data, flags&flagFUA != 0)
	case kind == cmdWrite: // what follows cannot be told from the next request
		return fmt.Errorf("nbd: a write of %d bytes", length)
	case kind == cmdRead && inside:
		out = d.read(int(at), int(length))
	default:
		bad = errInvalid
	}
	if d.gone() {
		return errDead
	}
	return w.send(uint32(answerMagic), bad, handle, out)
}

// holds reports whether a request of this length lies within the disk, and within maxRequest.
func (d *Disk) holds(at uint64, length uint32) bool {
	size := uint64(len(d.seen))
	return length <= maxRequest && at <= size && uint64(length) <= size-at
}

func (d *Disk) gone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// wire sends and receives numbers, big endian, and bytes.
type wire struct{ rw io.ReadWriter }

func (w wire) send(values ...any) error {
	var b []byte
	for _, v := range values {
		b, _ = binary.Append(b, binary.BigEndian, v)
	}
	_, err := w.rw.Write(b)
	return err
}

func (w wire) receive(values ...any) error {
	for _, v := range values {
		if err := binary.Read(w.rw, binary.BigEndian, v); err != nil {
			return err
		}
	}
	return nil
}

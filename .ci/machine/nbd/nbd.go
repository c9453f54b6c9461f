// Package nbd provides a disk for QEMU that loses unflushed writes in a power cut.
//
// The package implements the NBD protocol (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md): the
// fixed newstyle handshake with one export, and READ, WRITE, FLUSH and DISC. The disk refuses all other requests,
// including TRIM. The content of the disk is in memory.
//
// A real disk caches writes. A write is only safe when the disk has answered a FLUSH after it, or when the write has
// the flag FUA. Method Cut discards a random part of the unflushed writes: after the cut, each sector of 512 bytes of
// each write is either present or absent. So data survives a power cut only because a program has called fsync, and
// not because it is in the host's page cache.
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

// Sector is the size of an atomic write, in bytes.
const Sector = 512

// maxRequest is the largest accepted length of a read or write, in bytes; QEMU sends at most 32 MiB.
const maxRequest = 32 << 20

// Disk is a disk with a volatile write cache. The methods of Disk are safe for concurrent use.
type Disk struct {
	mu      sync.Mutex // guards all fields
	stable  []byte     // the flushed content, which is certain to survive a power cut
	seen    []byte     // the content that a reader sees, with all unflushed writes
	pending []write    // the unflushed writes, the oldest first
	left    int        // number of writes until the planned power cut
	trip    func()     // function to call at the planned power cut; nil: no power cut is planned
	dead    bool       // true: the power is off, so the disk answers no request
	deaf    bool       // true: the disk answers flushes but does not perform them
}

// write is a write that has not been flushed.
type write struct {
	at   int    // offset in bytes
	data []byte // whole sectors
}

// New returns a disk whose content is the given image. The caller must not use the image after the call.
func New(image []byte) *Disk {
	return &Disk{stable: image, seen: slices.Clone(image)}
}

// Pending returns how many writes are not flushed.
func (d *Disk) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending)
}

// Trip plans a power cut at the nth write from now: the disk performs this write, answers no further request, and
// calls f. A cut at a random time would interrupt almost no write, because a disk is idle most of the time.
func (d *Disk) Trip(n int, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.trip = n, f
}

// Deafen makes the disk answer flushes without performing them, as a faulty disk does. With a deaf disk, a test
// proves that it detects a missing flush.
func (d *Disk) Deafen() { d.deaf = true }

// Cut cuts the power: for each sector that was written since the last flush, chance decides whether the sector
// survives. First draw the share of sectors that survive, so that nearly all, half and nearly none occur equally
// often. Cut returns how many sectors were unflushed and how many of them were lost.
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

// flush makes all earlier writes permanent.
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

// read returns n bytes at an offset; the bytes include unflushed writes.
func (d *Disk) read(at, n int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.seen[at : at+n])
}

// write accepts data. If fua is true, the data is permanent before write returns. Other unflushed writes remain
// unflushed, because flushing them would hide a missing flush. Only those parts of them that data overlaps are
// replaced.
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

// These are constants of the NBD protocol.
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

// Serve serves the disk d to one client after another until l is closed, and then returns the error of l.
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

// ServeConn serves the disk to one client until this client disconnects.
func (d *Disk) ServeConn(c io.ReadWriter) error {
	w := wire{c}
	if d.isOff() {
		return errDead
	}
	if err := d.greet(w); err != nil {
		return err
	}
	for {
		if err := d.serveRequest(w); err != nil {
			return err
		}
	}
}

// errLeft and errDead are the errors that end a connection without being a failure.
var (
	errLeft = errors.New("nbd client has disconnected")
	errDead = errors.New("simulated disk has no power")
)

// greet negotiates the only export of the disk, under whatever name the client requests.
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
			return fmt.Errorf("nbd: client sent option %d of %d bytes with magic %x, which the disk does not support",
				option, length, m)
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

// serveRequest performs one request and sends the response.
func (d *Disk) serveRequest(w wire) error {
	var m, length uint32
	var flags, kind uint16
	var handle, at uint64
	if err := w.receive(&m, &flags, &kind, &handle, &at, &length); err != nil {
		return err
	}
	if m != askMagic {
		return fmt.Errorf("nbd: request begins with the unknown magic %x", m)
	}
	inside := d.isInside(at, length)
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
	// The connection must end, because the disk cannot tell the data of a refused write from the next request.
	case kind == cmdWrite:
		return fmt.Errorf("nbd: write has %d bytes, want at most 32 MiB", length)
	case kind == cmdRead && inside:
		out = d.read(int(at), int(length))
	default:
		bad = errInvalid
	}
	if d.isOff() {
		return errDead
	}
	return w.send(uint32(answerMagic), bad, handle, out)
}

// isInside reports whether a request lies within the disk and is at most maxRequest long.
func (d *Disk) isInside(at uint64, length uint32) bool {
	size := uint64(len(d.seen))
	return length <= maxRequest && at <= size && uint64(length) <= size-at
}

// isOff reports whether the power of the disk is off.
func (d *Disk) isOff() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// wire is a connection on which both sides send big-endian numbers and bytes.
type wire struct{ rw io.ReadWriter }

// send encodes all values and writes them in one call.
func (w wire) send(values ...any) error {
	var b []byte
	for _, v := range values {
		b, _ = binary.Append(b, binary.BigEndian, v)
	}
	_, err := w.rw.Write(b)
	return err
}

// receive reads values of fixed size in the given order.
func (w wire) receive(values ...any) error {
	for _, v := range values {
		if err := binary.Read(w.rw, binary.BigEndian, v); err != nil {
			return err
		}
	}
	return nil
}

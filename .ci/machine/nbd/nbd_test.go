package nbd

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// client is an NBD client that sends the same requests as QEMU.
type client struct {
	t *testing.T
	w wire
}

func dial(t *testing.T, d *Disk) client {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- d.ServeConn(there); there.Close() }()
	t.Cleanup(func() { here.Close(); <-done })
	c := client{t, wire{here}}
	var a, b uint64
	var flags uint16
	c.receive(&a, &b, &flags)
	if a != magic || b != optMagic || flags != fixedNewstyle|noZeroes {
		t.Fatalf("greeted with %x %x %x", a, b, flags)
	}
	c.send(uint32(fixedNewstyle | noZeroes))
	c.send(uint64(optMagic), uint32(8), uint32(0)) // the option STRUCTURED_REPLY, which the disk does not support
	c.option(8, repUnsupported, nil)
	c.send(uint64(optMagic), uint32(optGo), uint32(6), uint32(0), uint16(0))
	c.option(
		optGo,
		repInfo,
		binary.BigEndian.AppendUint16(
			binary.BigEndian.AppendUint64([]byte{0, 0}, uint64(len(d.seen))),
			hasFlags|sendFlush|sendFUA,
		),
	)
	c.option(optGo, repAck, nil)
	return c
}

func (c client) send(v ...any) {
	c.t.Helper()
	if err := c.w.send(v...); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) receive(v ...any) {
	c.t.Helper()
	if err := c.w.receive(v...); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) option(option, kind uint32, want []byte) {
	c.t.Helper()
	var m uint64
	var o, k, n uint32
	c.receive(&m, &o, &k, &n)
	got := make([]byte, n)
	c.receive(got)
	if m != repMagic || o != option || k != kind || !bytes.Equal(got, want) {
		c.t.Fatalf("option %d answered %x %d %x %x", option, m, o, k, got)
	}
}

// ask sends a request, and returns the error number and n bytes of data from the response.
func (c client) ask(kind, flags uint16, at uint64, length uint32, data []byte, n int) (uint32, []byte) {
	c.t.Helper()
	c.send(uint32(askMagic), flags, kind, uint64(77), at, length, data)
	var m, bad uint32
	var handle uint64
	c.receive(&m, &bad, &handle)
	if m != answerMagic || handle != 77 {
		c.t.Fatalf("answered %x for %d", m, handle)
	}
	out := make([]byte, n)
	if bad == 0 {
		c.receive(out)
	}
	return bad, out
}

func (c client) write(at int, fill byte, sectors int, flags uint16) {
	c.t.Helper()
	b := bytes.Repeat([]byte{fill}, sectors*Sector)
	if bad, _ := c.ask(cmdWrite, flags, uint64(at*Sector), uint32(len(b)), b, 0); bad != 0 {
		c.t.Fatalf("write failed with %d", bad)
	}
}

func (c client) flush() {
	c.t.Helper()
	if bad, _ := c.ask(cmdFlush, 0, 0, 0, nil, 0); bad != 0 {
		c.t.Fatalf("flush failed with %d", bad)
	}
}

// sectors returns the first byte of each of n sectors, as a client reads them. sectors fails the test if a sector is
// only partly written.
func (c client) sectors(n int) string {
	c.t.Helper()
	bad, b := c.ask(cmdRead, 0, 0, uint32(n*Sector), nil, n*Sector)
	if bad != 0 {
		c.t.Fatalf("read failed with %d", bad)
	}
	var out []byte
	for s := range n {
		one := b[s*Sector : (s+1)*Sector]
		if !bytes.Equal(one, bytes.Repeat(one[:1], Sector)) {
			c.t.Fatalf("sector %d is torn", s)
		}
		out = append(out, one[0])
	}
	return string(out)
}

func blank(sectors int) *Disk { return New(bytes.Repeat([]byte{'.'}, sectors*Sector)) }

func TestFlushedWritesSurviveEveryCut(t *testing.T) {
	for seed := range uint64(50) {
		d := blank(8)
		c := dial(t, d)
		c.write(0, 'a', 4, 0)
		c.flush()
		c.write(4, 'b', 4, 0)
		d.Cut(rand.New(rand.NewPCG(seed, 0)))
		if got := c.sectors(8); got[:4] != "aaaa" {
			t.Fatalf("seed %d: %s", seed, got)
		}
	}
}

func TestUnflushedWritesAreReadableButMayBeLostInACut(t *testing.T) {
	all, none, part := 0, 0, 0
	for seed := range uint64(200) {
		d := blank(8)
		c := dial(t, d)
		c.write(0, 'a', 8, 0)
		if got := c.sectors(8); got != "aaaaaaaa" {
			t.Fatal("reader does not see the unflushed write:", got)
		}
		atStake, lost := d.Cut(rand.New(rand.NewPCG(seed, 0)))
		got := c.sectors(8)
		if n := bytes.Count([]byte(got), []byte(".")); atStake != 8 || lost != n || d.Pending() != 0 {
			t.Fatalf("%d of %d lost, read %s", lost, atStake, got)
		}
		switch lost {
		case 0:
			all++
		case 8:
			none++
		default:
			part++
		}
	}
	if all == 0 || none == 0 || part < 100 {
		t.Errorf("of 200 cuts %d lost nothing, %d everything, %d a part", all, none, part)
	}
}

func TestFUAWriteIsPermanentAndFlushesNoOtherWrite(t *testing.T) {
	lost := false
	for seed := range uint64(50) {
		d := blank(4)
		c := dial(t, d)
		c.write(0, 'a', 4, 0)
		c.write(1, 'b', 1, flagFUA)
		d.Cut(rand.New(rand.NewPCG(seed, 0)))
		got := c.sectors(4)
		if got[1] != 'b' {
			t.Fatalf("seed %d: %s", seed, got)
		}
		lost = lost || got[0] == '.' || got[2] == '.'
	}
	if !lost {
		t.Error("write with FUA flushed the others")
	}
}

func TestCutMayKeepTheFirstTheLastOrNoWriteOfASector(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		d := blank(1)
		c := dial(t, d)
		c.write(0, 'a', 1, 0)
		c.write(0, 'b', 1, 0)
		d.Cut(rand.New(rand.NewPCG(seed, 0)))
		seen[c.sectors(1)] = true
	}
	if !seen["."] || !seen["a"] || !seen["b"] {
		t.Error("not every outcome occurred:", seen)
	}
}

func TestDiskWithoutPowerAnswersNothingAndKeepsFlushedWrites(t *testing.T) {
	d := blank(4)
	c := dial(t, d)
	tripped := false
	d.Trip(2, func() { tripped = true })
	c.write(0, 'a', 1, 0)
	c.flush()
	c.send(uint32(askMagic), uint16(0), uint16(cmdWrite), uint64(1), uint64(Sector), uint32(Sector), make([]byte, Sector))
	if err := c.w.receive(make([]byte, 1)); err == nil || !tripped || d.Pending() != 1 {
		t.Errorf("after the last write: %v, told %v, %d at stake", err, tripped, d.Pending())
	}
	d.Cut(rand.New(rand.NewPCG(1, 1)))
	if got := dial(t, d).sectors(1); got != "a" {
		t.Error(got)
	}
}

func TestDiskThatIgnoresFlushLosesFlushedWrites(t *testing.T) {
	lost := false
	for seed := range uint64(20) {
		d := blank(4)
		d.Deafen()
		c := dial(t, d)
		c.write(0, 'a', 1, 0)
		c.flush()
		_, n := d.Cut(rand.New(rand.NewPCG(seed, 0)))
		lost = lost || n > 0
	}
	if !lost {
		t.Error("deaf disk lost nothing")
	}
}

func TestRequestsOutsideTheDiskAreRefused(t *testing.T) {
	c := dial(t, blank(4))
	for _, r := range []struct {
		name   string
		kind   uint16
		at     uint64
		length uint32
		data   []byte
	}{
		{"trim", 4, 0, Sector, nil},
		{"write zeroes", 6, 0, Sector, nil},
		{"a read past the end", cmdRead, 3 * Sector, 2 * Sector, nil},
		{"a read far past the end", cmdRead, 1<<64 - 1, Sector, nil},
		{"a write past the end", cmdWrite, 4 * Sector, Sector, make([]byte, Sector)},
		{"half a sector", cmdWrite, 0, 100, make([]byte, 100)},
	} {
		if bad, _ := c.ask(r.kind, 0, r.at, r.length, r.data, 0); bad != errInvalid {
			t.Errorf("%s is answered with %d", r.name, bad)
		}
	}
	if got := c.sectors(4); got != "...." {
		t.Error(got)
	}
}

func TestConnectionEndsWhenTheClientDisconnects(t *testing.T) {
	d := blank(1)
	l, err := net.Listen("unix", t.TempDir()+"/disk")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.Serve(l) }()
	for range 2 {
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		w := wire{c}
		w.receive(make([]byte, 18))
		w.send(uint32(fixedNewstyle|noZeroes), uint64(optMagic), uint32(optExportName), uint32(0))
		var size uint64
		var flags uint16
		w.receive(&size, &flags)
		w.send(uint32(askMagic), uint16(0), uint16(cmdDisc), uint64(0), uint64(0), uint32(0))
		if _, err := c.Read(make([]byte, 1)); size != Sector || err != io.EOF {
			t.Error(size, err)
		}
		c.Close()
	}
	l.Close()
	<-done
}

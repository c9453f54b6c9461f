package mqtt

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// readConn is a connection from which tests only read.
type readConn struct {
	net.Conn
	r io.Reader
}

func (w readConn) Read(p []byte) (int, error) { return w.r.Read(p) }

var hello = "\x20\x02\x00\x00" // CONNACK, accepted

func through(r io.Reader) (string, error) {
	b, err := io.ReadAll(Guard(readConn{r: r}, Limits{Filters: 4, Packet: 100}))
	return string(b), err
}

func TestGuardForwardsValidPacketsInAnySplit(t *testing.T) {
	all := hello + "\x90\x06\x00\x01\x01\x01\x01\x80" + // a SUBACK for four filters
		"\x30\x05\x00\x03a/bx" + // PUBLISH, QoS 0
		"\x3b\x07\x00\x03a/b\x00\x07" + // a PUBLISH with QoS 1, DUP and RETAIN, and without a payload
		"\x40\x02\x00\x01" + "\xd0\x00" // PUBACK, PINGRESP
	all = strings.Replace(all, "\x30\x05", "\x30\x06", 1)
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(all), "byte by byte": iotest.OneByteReader(strings.NewReader(all)),
		"with its end": iotest.DataErrReader(strings.NewReader(all)),
	} {
		if got, err := through(r); got != all || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestGuardEndsTheConnectionOnInvalidPackets(t *testing.T) {
	for name, bad := range map[string]string{
		"a SUBACK for more than was asked": "\x90\x07\x00\x01\x01\x01\x01\x01\x01",
		"a SUBACK for less":                "\x90\x03\x00\x01\x01",
		"a second CONNACK":                 hello,
		"a PUBLISH without a topic":        "\x30\x02\x00\x00",
		"a topic that is longer than all":  "\x30\x05\x00\x09a/bx",
		"a topic's length cut":             "\x30\x01\x00",
		"no room for the id":               "\x32\x06\x00\x03a/b\x00",
		"QoS 2":                            "\x34\x07\x00\x03a/b\x00\x01",
		"QoS 3":                            "\x36\x07\x00\x03a/b\x00\x01",
		"a PUBACK without its id":          "\x40\x00",
		"a PUBREC":                         "\x50\x02\x00\x01",
		"a PINGRESP with a body":           "\xd0\x01x",
		"a client's packet":                "\x82\x08\x00\x01\x00\x03a/b\x01",
		"type 0":                           "\x00\x00",
		"type 15":                          "\xf0\x00",
		"a SUBACK that is too large":       "\x90\x65" + strings.Repeat("x", 101),
		"a huge PUBLISH without a topic":   "\x30\xff\xff\xff\x7f\x00\x00",
		"a huge PUBLISH of QoS 2":          "\x34\xff\xff\xff\x7f\x00\x01a\x00\x01",
		"a large PUBLISH, all of it topic": "\x30\x65\x00\x64" + strings.Repeat("x", 99),
		"a length without end":             "\x30\xff\xff\xff\xff\x01",
	} {
		got, err := through(strings.NewReader(hello + bad + "\xd0\x00"))
		if got != hello || err == nil || !strings.Contains(err.Error(), "broker") {
			t.Errorf("%s: %q passed, %v", name, got, err)
		}
	}
	for name, bad := range map[string]string{"nothing before CONNACK": "\xd0\x00",
		"a large PUBLISH before CONNACK": "\x30\x65\x00\x01a" + strings.Repeat("x",
			98), "a CONNACK with code 6": "\x20\x02\x00\x06", "HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n"} {
		if got, err := through(strings.NewReader(bad)); got != "" || err == nil {
			t.Errorf("%s: %q passed, %v", name, got, err)
		}
	}
}

// recordingConn is a connection that records the written bytes.
type recordingConn struct {
	readConn
	out bytes.Buffer
}

func (d *recordingConn) Write(p []byte) (int, error) { return d.out.Write(p) }

func TestGuardDropsATooLargePublishAndContinues(t *testing.T) {
	const pong = "\xd0\x00"
	small := "\x31\x06\x00\x03a/bx" // a PUBLISH with RETAIN
	for _, c := range []struct {
		name, in, topic, acks string
		bytes                 int
		retained              bool
	}{
		{"QoS 0", "\x30\x65\x00\x03a/b" + strings.Repeat("x", 96), "a/b", "", 101, false},
		{"QoS 1, retained", "\x33\x65\x00\x03a/b\x01\x02" + strings.Repeat("x", 94), "a/b", "\x40\x02\x01\x02", 101, true},
		{"QoS 1, sent again", "\x3a\x65\x00\x03a/b\x01\x02" + strings.Repeat("x", 94), "a/b", "\x40\x02\x01\x02", 101, false},
		{"no payload", "\x32\x66\x00\x62" + strings.Repeat("t", 98) + "\x00\x07", strings.Repeat("t", 98),
			"\x40\x02\x00\x07", 102, false},
		{"a long topic", "\x30\xff\x03\x01\x80" + strings.Repeat("t", 384) + strings.Repeat("x", 125), strings.Repeat("t",
			maxTopic), "", 511, false},
	} {
		for _, oneByOne := range []bool{false, true} {
			var r io.Reader = strings.NewReader(hello + c.in + small)
			if oneByOne {
				r = iotest.OneByteReader(r)
			}
			d := &recordingConn{readConn: readConn{r: r}}
			var dropped []Dropped
			got, err := io.ReadAll(Guard(d, Limits{Filters: 4, Packet: 100, Dropped: func(x Dropped) {
				dropped = append(dropped,
					x)
			}}))
			if err != nil || string(got) != hello+pong+small {
				t.Errorf("%s: %q passed, %v", c.name, got, err)
			}
			want := Dropped{Topic: c.topic, Bytes: c.bytes, Retained: c.retained}
			if len(dropped) != 1 || dropped[0] != want || d.out.String() != c.acks {
				t.Errorf("%s: dropped %+v, acknowledged %q", c.name, dropped, d.out.String())
			}
		}
	}
}

// zeroReader is a reader of n arbitrary bytes.
type zeroReader struct{ n int64 }

func (c *zeroReader) Read(p []byte) (int, error) {
	if c.n == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.n))
	c.n -= int64(n)
	return n, nil
}

// The guard must not use as much memory as the largest packet of MQTT has bytes, and the client must receive PINGRESPs
// while the packet arrives.
func TestGuardDropsTheLargestPacketInBoundedMemory(t *testing.T) {
	const length = 1<<28 - 1
	head := hello + "\x32\xff\xff\xff\x7f\x00\x03a/b\x00\x07"
	d := &recordingConn{readConn: readConn{r: io.MultiReader(strings.NewReader(head), &zeroReader{length - 7},
		strings.NewReader("\xd0\x00"))}}
	c := Guard(d, Limits{Packet: 100})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := io.Copy(io.Discard, c)
	runtime.ReadMemStats(&after)
	if pulses := int64((length-7+pulse-1)/pulse) * 2; err != nil || n != int64(len(hello))+pulses+2 {
		t.Errorf("%d bytes passed, %v", n, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
	if d.out.String() != "\x40\x02\x00\x07" {
		t.Errorf("acknowledged %q", d.out.String())
	}
}

func FuzzGuardPassesOnlyWholePackets(f *testing.F) {
	f.Add([]byte(hello + "\x90\x06\x00\x01\x01\x01\x01\x80\x32\x07\x00\x03a/b\x00\x07\xd0\x00"))
	f.Add([]byte(hello + "\x90\x07\x00\x01\x01\x01\x01\x01\x01"))
	f.Add([]byte("\x30\xff\xff\xff\x7f"))
	f.Add([]byte(hello + "\x33\x65\x00\x03a/b\x01\x02" + strings.Repeat("x", 94) + "\xd0\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &recordingConn{readConn: readConn{r: bytes.NewReader(data)}}
		b, _ := io.ReadAll(Guard(d, Limits{Filters: 4, Packet: 100}))
		got := string(b)
		again, err := through(strings.NewReader(got))
		if again != got || err != nil {
			t.Fatalf("what passed does not pass: %q, %v", again, err)
		}
	})
}

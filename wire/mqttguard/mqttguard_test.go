package mqttguard

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// wire is a connection that only reads.
type wire struct {
	net.Conn
	r io.Reader
}

func (w wire) Read(p []byte) (int, error) { return w.r.Read(p) }

var hello = "\x20\x02\x00\x00" // CONNACK, accepted

func through(r io.Reader) (string, error) {
	b, err := io.ReadAll(Conn(wire{r: r}, Limits{Filters: 4, Packet: 100}))
	return string(b), err
}

func TestGuardPassesWhatABrokerMaySendHoweverItIsCut(t *testing.T) {
	all := hello + "\x90\x06\x00\x01\x01\x01\x01\x80" + // SUBACK for four filters
		"\x30\x05\x00\x03a/bx" + // PUBLISH, QoS 0
		"\x3b\x07\x00\x03a/b\x00\x07" + // PUBLISH, QoS 1, DUP, RETAIN, no payload
		"\x40\x02\x00\x01" + "\xd0\x00" // PUBACK, PINGRESP
	all = strings.Replace(all, "\x30\x05", "\x30\x06", 1)
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(all), "byte by byte": iotest.OneByteReader(strings.NewReader(all)), "with its end": iotest.DataErrReader(strings.NewReader(all)),
	} {
		if got, err := through(r); got != all || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestGuardEndsTheConnectionOnWhatNoBrokerMaySend(t *testing.T) {
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
		"more than it may":                 "\x30\x65" + strings.Repeat("x", 101),
		"256 MB":                           "\x30\xff\xff\xff\x7f",
		"a length without end":             "\x30\xff\xff\xff\xff\x01",
	} {
		got, err := through(strings.NewReader(hello + bad + "\xd0\x00"))
		if got != hello || err == nil || !strings.Contains(err.Error(), "broker") {
			t.Errorf("%s: %q passed, %v", name, got, err)
		}
	}
	for name, bad := range map[string]string{"nothing before CONNACK": "\xd0\x00", "a CONNACK with code 6": "\x20\x02\x00\x06", "HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n"} {
		if got, err := through(strings.NewReader(bad)); got != "" || err == nil {
			t.Errorf("%s: %q passed, %v", name, got, err)
		}
	}
}

func FuzzGuardPassesOnlyWholePackets(f *testing.F) {
	f.Add([]byte(hello + "\x90\x06\x00\x01\x01\x01\x01\x80\x32\x07\x00\x03a/b\x00\x07\xd0\x00"))
	f.Add([]byte(hello + "\x90\x07\x00\x01\x01\x01\x01\x01\x01"))
	f.Add([]byte("\x30\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _ := through(bytes.NewReader(data))
		if !strings.HasPrefix(string(data), got) {
			t.Fatalf("%q became %q", data, got)
		}
		again, err := through(strings.NewReader(got))
		if again != got || err != nil {
			t.Fatalf("what passed does not pass: %q, %v", again, err)
		}
	})
}

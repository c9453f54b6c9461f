package pcsc

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// stream is a connection that delivers a fixed input.
type stream struct {
	io.Reader
	net.Conn
}

func (s stream) Read(b []byte) (int, error) { return s.Reader.Read(b) }
func (stream) Write(b []byte) (int, error)  { return len(b), nil }
func (stream) SetDeadline(time.Time) error  { return nil }
func (stream) Close() error                 { return nil }
func hexed(s string) []byte                 { b, _ := hex.DecodeString(s); return b }
func zeros(n int) []byte                    { return make([]byte, n) }
func all(parts ...[]byte) []byte            { return slices.Concat(parts...) }
func row(name string, rest ...byte) (out []byte) {
	return append(append([]byte(name), zeros(184-len(name)-len(rest))...), rest...)
}

func FuzzAnswersOfPcscd(f *testing.F) {
	hello := all(encodeWords(4, 5, 0), encodeWords(2, 77, 0))
	f.Add(hello)
	f.Add(all(encodeWords(4, 4, 0x8010001E), encodeWords(4, 4, 0), encodeWords(2, 77, 0)))
	f.Add(all(hello, row(acr), zeros(15*184), zeros(140), encodeWords(1, 2, 0),
		encodeWords(1, 0, 0, 0, 0, 0, 6, 0), hexed("DEADBEEF9000"), encodeWords(1, 1, 0)))
	f.Add(all(hello, row(acr), zeros(15*184), zeros(140), encodeWords(1, 2, 0), encodeWords(1, 0, 0, 0, 0, 0, 1<<31, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := greet(stream{Reader: bytes.NewReader(b)}, time.Time{})
		if err != nil {
			return
		}
		list, _ := c.readers()
		for _, s := range list {
			if s.name == "" || len(s.name) >= maxName || !isPrintable([]byte(s.name)) {
				t.Errorf("reader %q", s.name)
			}
		}
		k, rv, err := c.connect(acr)
		if err == nil && rv == codeOK && k.protocol != 1 && k.protocol != 2 {
			t.Errorf("protocol %d", k.protocol)
		}
		if a, _, err := c.transmit(k, askUID); err == nil && len(a) > maxAnswer {
			t.Errorf("an answer of %d bytes", len(a))
		} else if u, ok := parseNumber(a); ok && len(u.Bytes()) != 4 && len(u.Bytes()) != 7 && len(u.Bytes()) != 10 {
			t.Errorf("%d bytes are a number", len(u.Bytes()))
		}
		c.disconnect(k)
	})
}

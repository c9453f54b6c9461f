package keyboard

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"
)

// A pipe delivers events in pieces that the kernel would not; the reader takes them all the same, and a closed pipe is an unplugged reader.
func TestReaderOnAPipe(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(in, Hex)
	defer r.Close()
	go func() {
		for _, e := range typed("62E3086CED\n") {
			raw := make([]byte, r.size)
			binary.NativeEndian.PutUint16(raw[r.size-8:], e.Type)
			binary.NativeEndian.PutUint16(raw[r.size-6:], e.Code)
			binary.NativeEndian.PutUint32(raw[r.size-4:], uint32(e.Value))
			out.Write(raw[:7])
			out.Write(raw[7:])
		}
		out.Close()
	}()
	tap, err := r.Read(t.Context())
	if err != nil || tap.UID.Hex() != "62E3086CED" {
		t.Fatal(tap.UID.Hex(), err)
	}
	if _, err := r.Read(t.Context()); err == nil || strings.Contains(err.Error(), "62E3") {
		t.Fatal(err)
	}
}

func TestWhatIsNoInputDeviceIsRefused(t *testing.T) {
	f := t.TempDir() + "/file"
	os.WriteFile(f, nil, 0o600)
	for _, path := range []string{f, f + "x"} {
		if _, err := Open(path, Hex); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

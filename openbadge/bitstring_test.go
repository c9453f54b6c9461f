package openbadge

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"runtime"
	"strings"
	"testing"

	"portillon/openbadge/internal/ld"
)

// packed returns bytes as an encodedList (gzip, then base64url).
func packed(b []byte) string {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return "u" + base64.RawURLEncoding.EncodeToString(out.Bytes())
}

func TestFirstEntryIsTheHighestBit(t *testing.T) {
	b := make(bits, minEntries/8)
	b.set(0, true)
	b.set(9, true)
	b.set(9, false)
	b.set(23, true)
	b.set(minEntries-1, true)
	if b[0] != 0x80 || b[1] != 0 || b[2] != 0x01 || b[len(b)-1] != 0x01 || b.len() != minEntries {
		t.Errorf("% x … %x", b[:3], b[len(b)-1])
	}
	again, err := decodeBits(encodeBits(b))
	if err != nil || !bytes.Equal(again, b) || !again.at(23) || again.at(22) || again.at(24) {
		t.Errorf("%v, % x", err, again[:3])
	}
}

// 1EdTech's tests contain a list of 131,072 entries, of which only the 23rd entry is set.
func TestStatusListOf1EdTechIsRead(t *testing.T) {
	d, err := ld.Parse(file(t, shared(t, inspector, "bit-string-list/testlist")))
	if err != nil {
		t.Fatal(err)
	}
	b, err := decodeBits(ld.Str(ld.Obj(d, "credentialSubject"), "encodedList"))
	if err != nil || b.len() != minEntries {
		t.Fatal(err, b.len())
	}
	for i := range b.len() {
		if b.at(i) != (i == 23) {
			t.Errorf("entry %d: %v", i, b.at(i))
		}
	}
}

func TestEncodedListsAreReadStrictly(t *testing.T) {
	good := packed(make([]byte, 16384))
	raw, _ := base64.RawURLEncoding.DecodeString(good[1:])
	for name, s := range map[string]string{
		"nothing":          "",
		"only the sign":    "u",
		"without the sign": good[1:],
		"of another base":  "z" + good[1:],
		"padded":           good + "=",
		"a line end":       good[:20] + "\n" + good[20:],
		"standard base64":  "u++//" + good[1:],
		"no gzip":          "u" + base64.RawURLEncoding.EncodeToString([]byte("0123456789012345678")),
		"cut short":        "u" + base64.RawURLEncoding.EncodeToString(raw[:len(raw)-9]),
		"a wrong sum": "u" + base64.RawURLEncoding.EncodeToString(append(
			bytes.Clone(raw[:len(raw)-8]),
			make([]byte, 8)...,
		)),
		"something that follows":  "u" + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(raw), 0)),
		"a second gzip after it":  "u" + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(raw), raw...)),
		"a byte more than we say": packed(make([]byte, maxBits+1)),
	} {
		if b, err := decodeBits(s); err == nil {
			t.Errorf("%s: %d bytes", name, len(b))
		}
	}
	if b, err := decodeBits(packed(make([]byte, maxBits))); err != nil || len(b) != maxBits {
		t.Error(err)
	}
}

// One megabyte of gzip data can decompress to one gigabyte. Only maxBits bytes may be decompressed.
func TestGzipBombsAreNotDecompressed(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies hundreds of badges or large lists")
	}
	bomb := packed(make([]byte, 64<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeBits(bomb)
	runtime.ReadMemStats(&after)
	if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; err == nil || !strings.Contains(err.Error(), "more than") ||
		mb > 24 {
		t.Errorf("%v, %d MB", err, mb)
	}
}

func FuzzStatusList(f *testing.F) {
	f.Add(packed(make([]byte, 16384)))
	f.Add("uH4sIAAAAAAAA_-3BMQEAAAzDoMy_6cnoA9QFAAAAAAAAAAAAAAAAAAAAbD3uPa2cAEAAAA")
	f.Add("u")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := decodeBits(s)
		if len(b) > maxBits || err != nil && b != nil {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		again, err2 := decodeBits(encodeBits(b))
		if err == nil && (err2 != nil || !bytes.Equal(again, b)) {
			t.Fatalf("%v: not the same again", err2)
		}
	})
}

package openbadge

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// minEntries is the fewest entries of a list, so that an index reveals little about the holder (Bitstring Status List
	// 1.0, section 2.2).
	minEntries = 131_072
	// maxBits bounds an unpacked list, in bytes: 16 Mi entries. Two KB of gzip can unpack to that much.
	maxBits = 2 << 20
)

// bits are the entries of a status list, one bit each. Entry 0 is the highest bit of the first byte.
type bits []byte

func (b bits) len() int64 { return 8 * int64(len(b)) }

// at returns bit i, which must exist.
func (b bits) at(i int64) bool { return b[i/8]>>(7-i%8)&1 == 1 }

// set changes bit i, which must exist.
func (b bits) set(i int64, on bool) {
	mask := byte(1) << (7 - i%8)
	if b[i/8] &^= mask; on {
		b[i/8] |= mask
	}
}

// encodeBits writes an encodedList (Bitstring Status List 1.0, section 3.3): the multibase prefix u, then the gzip in
// base64url without padding.
func encodeBits(b bits) string {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is a good one
	z.Write(b)                                              // writing to a Buffer cannot fail
	z.Close()
	return "u" + base64.RawURLEncoding.EncodeToString(out.Bytes())
}

// decodeBits reads an encodedList (section 3.4). It never unpacks more than maxBits.
func decodeBits(s string) (bits, error) {
	rest, ok := strings.CutPrefix(s, "u")
	if !ok {
		return nil, errors.New("encodedList does not begin with u, the multibase prefix of base64url")
	}
	packed, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || strings.ContainsAny(rest, "\r\n") { // Go's base64 ignores line ends
		return nil, errors.New("encodedList is not base64url without padding")
	}
	in := bytes.NewReader(packed)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("encodedList is not gzip: %w", err)
	}
	z.Multistream(false)
	out, err := io.ReadAll(io.LimitReader(z, maxBits+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("encodedList is not gzip: %w", err)
	case len(out) > maxBits:
		return nil, fmt.Errorf("encodedList unpacks to more than %d bytes", maxBits)
	case in.Len() > 0:
		return nil, errors.New("trailing data after the gzip in encodedList")
	}
	return out, nil
}

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
	// minEntries is the smallest accepted number of entries of a list. In a long list, the index of an entry reveals
	// little about the holder of the badge (Bitstring Status List 1.0, section 2.2).
	minEntries = 131_072
	// maxBits is the largest accepted size of an uncompressed list, in bytes; it corresponds to 16 Mi entries. Even 2 KB
	// of gzip data can decompress to a list of this size.
	maxBits = 2 << 20
)

// bits contains the entries of a status list, one bit for each entry. The first entry is the highest bit of the first
// byte.
type bits []byte

// len returns the number of entries in the list.
func (b bits) len() int64 { return 8 * int64(len(b)) }

// at returns the entry with index i. i must be less than len.
func (b bits) at(i int64) bool { return b[i/8]>>(7-i%8)&1 == 1 }

// set changes the entry with index i. i must be less than len.
func (b bits) set(i int64, on bool) {
	mask := byte(1) << (7 - i%8)
	if b[i/8] &^= mask; on {
		b[i/8] |= mask
	}
}

// encodeBits returns the encodedList (Bitstring Status List 1.0, section 3.3): the multibase prefix u, then the gzip
// data in base64url without padding.
func encodeBits(b bits) string {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // NewWriterLevel fails only for an invalid level
	z.Write(b)                                              // writing to a Buffer never fails
	z.Close()
	return "u" + base64.RawURLEncoding.EncodeToString(out.Bytes())
}

// decodeBits decodes an encodedList (section 3.4). decodeBits never decompresses more than maxBits bytes.
func decodeBits(s string) (bits, error) {
	rest, ok := strings.CutPrefix(s, "u")
	if !ok {
		return nil, errors.New("encodedList does not begin with u, the multibase prefix of base64url")
	}
	packed, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || strings.ContainsAny(rest, "\r\n") { // Go's base64 decoder ignores line ends, so reject them first
		return nil, errors.New("encodedList is not base64url without padding")
	}
	in := bytes.NewReader(packed)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("encodedList is not valid gzip: %w", err)
	}
	z.Multistream(false)
	out, err := io.ReadAll(io.LimitReader(z, maxBits+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("encodedList is not valid gzip: %w", err)
	case len(out) > maxBits:
		return nil, fmt.Errorf("encodedList has more than %d bytes uncompressed", maxBits)
	case in.Len() > 0:
		return nil, errors.New("trailing data after the gzip data in encodedList")
	}
	return out, nil
}

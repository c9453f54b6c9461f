package openbadge

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"strings"
)

// maxBits bounds a list: 16 million entries, 2 MiB.
const maxBits = 1 << 24

// encodeBits writes a bitstring as a list holds it: gzip, base64url, and multibase's u (Bitstring Status List 1.0, section 3.3).
func encodeBits(bits []byte) (string, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(bits); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return "u" + base64.RawURLEncoding.EncodeToString(b.Bytes()), nil
}

// decodeBits reads what encodeBits wrote. A list that swells beyond all bounds is refused before it does.
func decodeBits(s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, "u")
	if !ok {
		return nil, errors.New("the encodedList is no multibase of base64url: it does not begin with u")
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("the encodedList is no base64url")
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("the encodedList is not compressed with gzip")
	}
	bits, err := io.ReadAll(io.LimitReader(z, maxBits/8+1))
	switch {
	case err != nil:
		return nil, errors.New("the encodedList is not whole")
	case len(bits) > maxBits/8:
		return nil, errors.New("the encodedList has too many entries")
	}
	return bits, nil
}

package bake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"unicode/utf8"
)

const signature = "\x89PNG\r\n\x1a\n" // PNG (ISO/IEC 15948:2004), section 5.2

// chunk is a chunk of a PNG (ISO/IEC 15948:2004, section 5.3): length, kind, data, CRC.
type chunk struct {
	start, end int // positions of the chunk's start and end in the file, in bytes
	kind       string
	data       []byte
}

// eachChunk calls visit for each chunk of a PNG, in order.
func eachChunk(image []byte, visit func(chunk) error) error {
	if err := checkSize(image, MaxBytes); err != nil {
		return err
	}
	if !bytes.HasPrefix(image, []byte(signature)) {
		return errors.New("PNG signature is missing")
	}
	for at := len(signature); ; {
		c, err := chunkAt(image, at)
		if err != nil {
			return err
		}
		if isHeader := c.kind == "IHDR" && len(c.data) == 13; isHeader != (at == len(signature)) {
			return errors.New("PNG must begin with an IHDR chunk and have only one IHDR chunk")
		}
		if err := visit(c); err != nil {
			return err
		}
		if at = c.end; c.kind == "IEND" {
			break
		}
	}
	return nil
}

// chunkAt returns the chunk at the byte position at, and checks the chunk's length and CRC.
func chunkAt(image []byte, at int) (chunk, error) {
	const around = 12 // total length of a chunk's other fields, in bytes: length, kind and CRC
	rest := image[at:]
	if len(rest) < around {
		return chunk{}, errors.New("PNG is truncated")
	}
	n := int64(binary.BigEndian.Uint32(rest))
	if n > int64(len(rest)-around) {
		return chunk{}, fmt.Errorf("PNG is truncated: chunk at byte %d needs %d bytes", at, n)
	}
	body := rest[4 : 8+n]
	c := chunk{at, at + around + int(n), string(body[:4]), body[4:]}
	switch {
	case !isKind(c.kind):
		return chunk{}, fmt.Errorf("PNG has an invalid chunk type %q at byte %d", c.kind, at)
	case crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(rest[8+n:]):
		return chunk{}, fmt.Errorf("PNG is corrupt: wrong CRC of the %s chunk at byte %d", c.kind, at)
	case c.kind == "IEND" && (n != 0 || c.end != len(image)):
		return chunk{}, errors.New("trailing data after the PNG")
	}
	return c, nil
}

// isKind reports whether s consists only of letters, as every chunk type must.
func isKind(s string) bool {
	for _, c := range []byte(s) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// keyword returns the keyword of a text chunk (section 11.3.4). ok means that this keyword is used for badges.
func (c chunk) keyword() (word string, rest []byte, ok bool) {
	if c.kind != "iTXt" && c.kind != "tEXt" && c.kind != "zTXt" {
		return "", nil, false
	}
	name, rest, ok := bytes.Cut(c.data, []byte{0})
	word = string(name)
	return word, rest, ok && (word == keywordOf(OB2) || word == keywordOf(OB3))
}

// keywordOf returns the keyword of the chunk that stores a badge of this version.
func keywordOf(v Version) string {
	if v == OB3 {
		return "openbadgecredential" // Open Badges 3.0, "Baked Badge"
	}
	return "openbadges" // Open Badges 2.0, "Baking Specification"
}

// extractPNG returns the only badge in a PNG.
func extractPNG(image []byte) ([]byte, error) {
	var found []chunk
	err := eachChunk(image, func(c chunk) error {
		if _, _, ok := c.keyword(); ok && len(found) < 2 {
			found = append(found, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := requireOne(len(found)); err != nil {
		return nil, err
	}
	return found[0].badge()
}

// badge returns the badge in a text chunk.
func (c chunk) badge() ([]byte, error) {
	word, text, _ := c.keyword()
	switch {
	case c.kind == "iTXt":
		var err error
		if text, err = internationalText(text); err != nil {
			return nil, err
		}
	case c.kind != "tEXt" || word != keywordOf(OB2):
		return nil, fmt.Errorf("PNG has the badge in a %s chunk with the keyword %s, want an iTXt chunk", c.kind, word)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || !utf8.Valid(text) {
		return nil, errors.New("badge in the PNG is empty or not UTF-8")
	}
	return text, nil
}

// internationalText returns the text of an iTXt chunk (section 11.3.4.5). The chunk contains a compression flag, a
// compression method, a language, a translated keyword, and the text.
func internationalText(b []byte) ([]byte, error) {
	if len(b) < 2 {
		return nil, errors.New("badge in the PNG is truncated: compression fields of the iTXt chunk are missing")
	}
	if b[0] != 0 {
		return nil, errors.New("badge in the PNG is compressed, want uncompressed text")
	}
	parts := bytes.SplitN(b[2:], []byte{0}, 3)
	if len(parts) != 3 {
		return nil, errors.New("badge in the PNG is truncated: language or keyword of the iTXt chunk has no end")
	}
	return parts[2], nil
}

// bakePNG writes the badge's chunk after the header, and copies all other chunks except those of existing badges.
func bakePNG(image, payload []byte, v Version) ([]byte, error) {
	out := make([]byte, 0, min(len(image), MaxBytes)+len(payload)+64)
	out = append(out, signature...)
	err := eachChunk(image, func(c chunk) error {
		if _, _, ok := c.keyword(); !ok {
			out = append(out, image[c.start:c.end]...)
		}
		if c.kind == "IHDR" {
			out = appendChunk(out, "iTXt", slices.Concat([]byte(keywordOf(v)), make([]byte, 5), payload))
		}
		return nil
	})
	if err == nil {
		err = checkSize(out, MaxBytes)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// appendChunk appends a chunk with its length and CRC.
func appendChunk(out []byte, kind string, data []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	start := len(out)
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
}

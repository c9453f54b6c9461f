package pn532

import (
	"bytes"
	"errors"
	"fmt"
)

// A frame is 00 00 FF LEN LCS TFI data DCS 00 (§6.2.1.1): LEN counts TFI and data. LEN+LCS is 0, and so is the sum of
// TFI, data and DCS. An extended frame (§6.2.1.2) has FF FF in place of LEN LCS, then two bytes of length and their
// checksum.
const (
	toChip   = 0xD4 // TFI, from the host
	fromChip = 0xD5 // TFI, from the chip
	maxData  = 264  // size of an extended frame's data: TFI, command and 262 bytes (§6.2.1.2)
	maxFrame = 8 + maxData + 2
	maxSent  = 252 // bytes of data after TFI and command in a normal frame, with InDataExchange's target number
)

// kind is the kind of a packet. The zero kind means that there is no packet.
type kind uint8

const (
	none  kind = iota
	data       // an answer
	ack        // 00 00 FF 00 FF 00 (§6.2.1.3)
	nack       // 00 00 FF FF 00 00 (§6.2.1.4)
	fault      // 00 00 FF 01 FF 7F 81 00: the chip does not know the command (§6.2.1.5)
)

var (
	ackFrame = []byte{0, 0, 0xFF, 0, 0xFF, 0}
	start    = []byte{0, 0xFF}
)

// encode returns a command as a normal frame.
func encode(command byte, args []byte) ([]byte, error) {
	if len(args) > maxSent+1 {
		return nil, fmt.Errorf("command has %d bytes, want at most %d", len(args), maxSent+1)
	}
	n := byte(len(args) + 2)
	sum := byte(toChip) + command
	for _, b := range args {
		sum += b
	}
	out := append([]byte{0, 0, 0xFF, n, -n, toChip, command}, args...)
	return append(out, -sum, 0), nil
}

// packet is one packet found in a stream of bytes.
type packet struct {
	kind kind
	body []byte // data: the answer's code and its arguments, without TFI
}

var errBad = errors.New("corrupt frame")

// nextPacket finds the first packet in the read bytes and returns the remaining bytes. Bytes before the packet are
// discarded. The kind none means that more bytes are needed. rest is then the possible beginning of a packet. A damaged
// frame is an error and is not part of rest.
func nextPacket(in []byte) (p packet, rest []byte, err error) {
	at := bytes.Index(in, start)
	if at < 0 {
		return packet{}, in[max(0, len(in)-1):], nil
	}
	head := in[at+2:]
	if len(head) < 2 {
		return packet{}, in[at:], nil
	}
	switch {
	case head[0] == 0 && head[1] == 0xFF:
		return packet{kind: ack}, head[2:], nil
	case head[0] == 0xFF && head[1] == 0:
		return packet{kind: nack}, head[2:], nil
	case head[0] == 0xFF && head[1] == 0xFF:
		return parseExtended(in[at:], head[2:])
	case head[0]+head[1] != 0:
		return packet{}, head, fmt.Errorf("%w: length does not match", errBad)
	}
	return readBody(in[at:], head[2:], int(head[0]))
}

// parseExtended parses an extended frame. head begins after FF FF.
func parseExtended(whole, head []byte) (packet, []byte, error) {
	if len(head) < 3 {
		return packet{}, whole, nil
	}
	n := int(head[0])<<8 | int(head[1])
	if head[0]+head[1]+head[2] != 0 || n > maxData {
		return packet{}, head, fmt.Errorf("%w: length does not match", errBad)
	}
	return readBody(whole, head[3:], n)
}

// readBody reads n bytes and their checksum.
func readBody(whole, b []byte, n int) (packet, []byte, error) {
	if len(b) < n+1 {
		return packet{}, whole, nil
	}
	sum := byte(0)
	for _, x := range b[:n+1] {
		sum += x
	}
	content, rest := b[:n], b[n+1:]
	switch {
	case sum != 0:
		return packet{}, b, fmt.Errorf("%w: checksum does not match", errBad)
	case n == 1 && content[0] == 0x7F:
		return packet{kind: fault}, rest, nil
	case n < 2 || content[0] != fromChip:
		return packet{}, rest, fmt.Errorf("%w: not a frame from the chip", errBad)
	}
	return packet{data, bytes.Clone(content[1:])}, rest, nil
}

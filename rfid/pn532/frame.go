package pn532

import (
	"bytes"
	"errors"
	"fmt"
)

// A frame is 00 00 FF LEN LCS TFI data DCS 00 (§6.2.1.1): LEN counts TFI and data. LEN+LCS is 0 modulo 256, and the
// sum of TFI, data and DCS is 0 modulo 256. An extended frame (§6.2.1.2) has FF FF in place of LEN LCS, then two
// bytes of length and their checksum.
const (
	toChip   = 0xD4 // the byte TFI of frames from the host
	fromChip = 0xD5 // the byte TFI of frames from the chip
	maxData  = 264  // largest size of an extended frame's data, in bytes: TFI, command and 262 bytes (§6.2.1.2)
	maxFrame = 8 + maxData + 2
	// largest size of a normal frame's data after TFI and command, in bytes; InDataExchange's target number is the first
	// of these bytes
	maxSent = 252
)

// kind is the kind of a packet. The zero kind means that there is no packet.
type kind uint8

const (
	none  kind = iota
	data       // an answer
	ack        // ACK: 00 00 FF 00 FF 00 (§6.2.1.3)
	nack       // NACK: 00 00 FF FF 00 00 (§6.2.1.4)
	fault      // error frame 00 00 FF 01 FF 7F 81 00: the chip does not know the command (§6.2.1.5)
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
	body []byte // in a data packet: the answer's code and its arguments, without TFI
}

var errBad = errors.New("corrupt frame")

// nextPacket finds the first packet in the read bytes and returns the remaining bytes. nextPacket discards the bytes
// before the packet. If more bytes are needed, nextPacket returns the kind none. In this case rest is the possible
// beginning of a packet. If a frame is damaged, nextPacket returns an error, and rest does not contain the frame's
// beginning.
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
		return packet{}, head, fmt.Errorf("%w: frame's length does not match its checksum LCS", errBad)
	}
	return readBody(in[at:], head[2:], int(head[0]))
}

// parseExtended parses an extended frame. The slice head begins after the bytes FF FF.
func parseExtended(whole, head []byte) (packet, []byte, error) {
	if len(head) < 3 {
		return packet{}, whole, nil
	}
	n := int(head[0])<<8 | int(head[1])
	if head[0]+head[1]+head[2] != 0 || n > maxData {
		return packet{}, head, fmt.Errorf("%w: extended frame's length does not match its checksum", errBad)
	}
	return readBody(whole, head[3:], n)
}

// readBody reads a frame's n bytes of data and their checksum.
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
		return packet{}, b, fmt.Errorf("%w: frame's data do not match their checksum DCS", errBad)
	case n == 1 && content[0] == 0x7F:
		return packet{kind: fault}, rest, nil
	case n < 2 || content[0] != fromChip:
		return packet{}, rest, fmt.Errorf("%w: not a frame from the chip", errBad)
	}
	return packet{data, bytes.Clone(content[1:])}, rest, nil
}

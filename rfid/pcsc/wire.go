package pcsc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// These are the messages of pcscd's socket (pcsc-lite, src/winscard_msg.h). A request is a header of two uint32 (size
// of the rest, command) and one C structure. An answer is the same structure without a header. All fields have 32 bits,
// in the computer's byte order.
const (
	cmdEstablish  = 0x01 // SCARD_ESTABLISH_CONTEXT
	cmdConnect    = 0x04 // SCARD_CONNECT
	cmdDisconnect = 0x06 // SCARD_DISCONNECT
	cmdTransmit   = 0x09 // SCARD_TRANSMIT
	cmdVersion    = 0x11 // CMD_VERSION
	cmdReaders    = 0x12 // CMD_GET_READERS_STATE
)

// These are the sizes of the structures above and of their fields, in bytes (src/PCSC/pcsclite.h.in,
// src/eventhandler.h).
const (
	sizeVersion    = 12
	sizeEstablish  = 12
	sizeConnect    = 4 + maxName + 5*4
	sizeDisconnect = 12
	sizeTransmit   = 32
	maxName        = 128                      // MAX_READERNAME
	maxATR         = 33                       // MAX_ATR_SIZE
	sizeReader     = maxName + 3*4 + 36 + 2*4 // READER_STATE: 33 bytes of ATR, padded to a multiple of 4
	maxReaders     = 16                       // PCSCLITE_MAX_READERS_CONTEXTS
)

// These are values of the fields of messages, and offsets of fields in bytes.
const (
	protocolMajor    = 4
	scopeSystem      = 2 // SCARD_SCOPE_SYSTEM
	shareExclusive   = 1 // SCARD_SHARE_EXCLUSIVE: no other program can use the card
	protocolAny      = 3 // SCARD_PROTOCOL_ANY: T=0 or T=1
	leaveCard        = 0 // SCARD_LEAVE_CARD
	statePresent     = 4 // SCARD_PRESENT
	notInitialised   = maxATR + 1
	ioRequestLength  = 8   // sizeof(SCARD_IO_REQUEST) as 32-bit fields
	maxCommand       = 261 // largest command in bytes: a short command (ISO/IEC 7816-4) with 255 bytes of data
	maxAnswer        = 258 // largest answer in bytes: 256 bytes of data and the status word (ISO/IEC 7816-4)
	offsetShare      = 4 + maxName
	offsetHandle     = offsetShare + 8
	offsetProtocol   = offsetHandle + 4
	offsetConnectRV  = offsetProtocol + 4
	offsetReceived   = 24 // of transmit_struct: pcbRecvLength
	offsetTransmitRV = 28
)

// minors are the supported minor versions of the protocol: 4.4 in Debian 12 (pcscd 1.9.9), 4.5 in Debian 13 (2.3.3),
// which adds a command that this package does not use. The structures above are equal in the sources of both
// versions.
var minors = [...]uint32{5, 4}

// code is pcscd's result of a request (SCARD_S_…, SCARD_E_…, SCARD_W_… in src/PCSC/pcsclite.h.in).
type code uint32

const (
	codeOK            code = 0
	codeUnknownReader code = 0x80100009
	codeSharing       code = 0x8010000B
	codeNoCard        code = 0x8010000C
	codeProtoMismatch code = 0x8010000F
	codeNotReady      code = 0x80100010
	codeCommError     code = 0x80100013
	codeInvalidATR    code = 0x80100015
	codeNotTransacted code = 0x80100016
	codeUnavailable   code = 0x80100017
	codeUnsupported   code = 0x80100065
	codeUnresponsive  code = 0x80100066
	codeUnpowered     code = 0x80100067
	codeReset         code = 0x80100068
	codeRemoved       code = 0x80100069
	codeSecurity      code = 0x8010006A
)

// isAboutCard reports whether the code is about the card and not the reader: there is no card, the card has left, or
// the card cannot be powered.
func (c code) isAboutCard() bool {
	switch c {
	case codeNoCard, codeProtoMismatch, codeNotReady, codeCommError, codeInvalidATR, codeNotTransacted,
		codeUnsupported, codeUnresponsive, codeUnpowered, codeReset, codeRemoved:
		return true
	}
	return false
}

// err returns the code as an error, or nil if the code is codeOK.
func (c code) err(doing string) error {
	switch c {
	case codeOK:
		return nil
	case codeSharing:
		return fmt.Errorf("%s: %w", doing, ErrBusy)
	case codeSecurity:
		return fmt.Errorf("%s: %w", doing, ErrRefused)
	case codeUnknownReader, codeUnavailable:
		return fmt.Errorf("%s: %w", doing, ErrNoReader)
	}
	return fmt.Errorf("%s: pcscd answers %#x", doing, uint32(c))
}

// errGarbage means that an answer does not match the request. The connection is then closed, because the following
// bytes cannot be interpreted.
var errGarbage = errors.New("pcscd's answer does not match the request")

// encodeWords encodes 32-bit fields in the computer's byte order.
func encodeWords(w ...uint32) []byte {
	b := make([]byte, 0, 4*len(w))
	for _, x := range w {
		b = binary.NativeEndian.AppendUint32(b, x)
	}
	return b
}

func word(b []byte, at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }

// encodeRequest encodes a message to pcscd: header, structure and data.
func encodeRequest(command uint32, structure, data []byte) []byte {
	b := encodeWords(uint32(len(structure)), command)
	return append(append(b, structure...), data...)
}

// state is a reader in pcscd's list.
type state struct {
	name   string
	events uint32 // number of insertions and removals of cards, modulo 2^16
	card   bool   // a card is present and powered
}

// parseReaders parses the answer to cmdReaders: a table of fixed size whose empty rows have no name.
func parseReaders(b []byte) ([]state, error) {
	if len(b) != maxReaders*sizeReader {
		return nil, fmt.Errorf("%w: table of readers has %d bytes, want %d", errGarbage, len(b), maxReaders*sizeReader)
	}
	var out []state
	for ; len(b) > 0; b = b[sizeReader:] {
		if b[0] == 0 {
			continue
		}
		name, _, ended := bytes.Cut(b[:maxName], []byte{0})
		atr := word(b, maxName+3*4+36)
		if !ended || !isPrintable(name) || atr > notInitialised {
			return nil, fmt.Errorf("%w: reader %q has an ATR of %d bytes", errGarbage, name, atr)
		}
		out = append(out, state{
			name:   string(name),
			events: word(b, maxName),
			card:   word(b, maxName+4)&statePresent != 0 && atr <= maxATR,
		})
	}
	return out, nil
}

// isPrintable reports whether a name is safe in a log. pcscd builds names from USB descriptors in ASCII.
func isPrintable(name []byte) bool {
	for _, c := range name {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// parseConnect parses the answer to cmdConnect.
func parseConnect(b []byte) (handle, protocol uint32, rv code, err error) {
	if len(b) != sizeConnect {
		return 0, 0, 0, fmt.Errorf("%w: connect has %d bytes, want %d", errGarbage, len(b), sizeConnect)
	}
	handle, protocol, rv = word(b, offsetHandle), word(b, offsetProtocol), code(word(b, offsetConnectRV))
	if rv == codeOK && protocol != 1 && protocol != 2 {
		return 0, 0, 0, fmt.Errorf("%w: protocol %d, want T=0 (1) or T=1 (2)", errGarbage, protocol)
	}
	return handle, protocol, rv, nil
}

// parseTransmit parses the structure that answers cmdTransmit, which is followed by n bytes of data.
func parseTransmit(b []byte, handle uint32) (n int, rv code, err error) {
	if len(b) != sizeTransmit || word(b, 0) != handle {
		return 0, 0, fmt.Errorf("%w: transmit has a wrong length or handle", errGarbage)
	}
	length, rv := word(b, offsetReceived), code(word(b, offsetTransmitRV))
	switch {
	case rv != codeOK:
		return 0, rv, nil
	case length > maxAnswer:
		return 0, 0, fmt.Errorf("%w: card's answer has %d bytes, want at most %d", errGarbage, length, maxAnswer)
	}
	return int(length), codeOK, nil
}

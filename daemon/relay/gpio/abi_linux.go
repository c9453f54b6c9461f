package gpio

import "unsafe"

// This file contains the Go form of the kernel's interface for GPIO v2 (include/uapi/linux/gpio.h, since Linux 5.10).
// The layout is the same for 32 and 64 bits.

const (
	maxName  = 32
	maxLines = 64
	maxAttrs = 10

	flagActiveLow = 1 << 1
	flagInput     = 1 << 2
	flagOutput    = 1 << 3
	flagRising    = 1 << 4
	flagFalling   = 1 << 5
	flagPullUp    = 1 << 8
	flagPullDown  = 1 << 9

	attrOutputValues = 2

	eventRising = 1
)

type chipInfo struct {
	name, label [maxName]byte
	lines       uint32
}

type attribute struct {
	id, _ uint32
	value uint64
}

type configAttribute struct {
	attr attribute
	mask uint64
}

type lineConfig struct {
	flags uint64
	attrs uint32
	_     [5]uint32
	attr  [maxAttrs]configAttribute
}

type lineRequest struct {
	offsets  [maxLines]uint32
	consumer [maxName]byte
	config   lineConfig
	lines    uint32
	buffer   uint32
	_        [5]uint32
	fd       int32
}

type lineValues struct{ bits, mask uint64 }

type lineInfo struct {
	name, consumer [maxName]byte
	offset, attrs  uint32
	flags          uint64
	attr           [maxAttrs]attribute
	_              [4]uint32
}

type lineEvent struct {
	timestamp                    uint64 // nanoseconds of CLOCK_MONOTONIC
	id, offset, seqno, lineSeqno uint32
	_                            [6]uint32
}

// These are the sizes of the structs in C, equal on 32 and 64 bits. If the size of a Go struct differs, these
// declarations do not compile.
var (
	_ [68]byte  = [unsafe.Sizeof(chipInfo{})]byte{}
	_ [592]byte = [unsafe.Sizeof(lineRequest{})]byte{}
	_ [272]byte = [unsafe.Sizeof(lineConfig{})]byte{}
	_ [16]byte  = [unsafe.Sizeof(lineValues{})]byte{}
	_ [256]byte = [unsafe.Sizeof(lineInfo{})]byte{}
	_ [48]byte  = [unsafe.Sizeof(lineEvent{})]byte{}
)

// These request numbers are composed like those of the macro _IOC in asm-generic/ioctl.h, which all supported computers
// use: direction, size, 0xB4, number.
const (
	fromKernel = 2<<30 | 0xB4<<8
	bothWays   = 3<<30 | 0xB4<<8

	getChipInfo = fromKernel | unsafe.Sizeof(chipInfo{})<<16 | 0x01
	getLineInfo = bothWays | unsafe.Sizeof(lineInfo{})<<16 | 0x05
	getLine     = bothWays | unsafe.Sizeof(lineRequest{})<<16 | 0x07
	getValues   = bothWays | unsafe.Sizeof(lineValues{})<<16 | 0x0E
	setValues   = bothWays | unsafe.Sizeof(lineValues{})<<16 | 0x0F
)

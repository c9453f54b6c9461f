package gpio

import "unsafe"

// The kernel's interface: include/uapi/linux/gpio.h, GPIO v2, since Linux 5.10. It has one layout for 32 and 64 bits.

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

	attrOutputValues = 2
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

// ioctl is _IOC of asm-generic/ioctl.h; all machines that Portillon runs on use it.
func ioctl(dir, nr, size uintptr) uintptr { return dir<<30 | size<<16 | 0xB4<<8 | nr }

const (
	read = 2
	both = 3
)

var (
	getChipInfo = ioctl(read, 0x01, unsafe.Sizeof(chipInfo{}))
	getLineInfo = ioctl(both, 0x05, unsafe.Sizeof(lineInfo{}))
	getLine     = ioctl(both, 0x07, unsafe.Sizeof(lineRequest{}))
	getValues   = ioctl(both, 0x0E, unsafe.Sizeof(lineValues{}))
	setValues   = ioctl(both, 0x0F, unsafe.Sizeof(lineValues{}))
)

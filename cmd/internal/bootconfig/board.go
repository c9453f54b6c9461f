// Package bootconfig reads and edits the files that a Raspberry Pi's firmware reads at power-on: config.txt and
// cmdline.txt.
//
// ReadBoard names the computer from its device tree. Settings evaluates a config.txt like the firmware of that board,
// including the conditional filters. Apply puts the lines of one machine into a marked block at the end of config.txt
// and frees the serial port in cmdline.txt. ReadBoard, Settings and Apply write no files: Settings and Apply only
// transform text. Edit reads, copies and writes the files.
//
// Sources: raspberrypi/documentation, documentation/asciidoc/computers/config_txt (conditional, what_is_config_txt,
// gpio) and raspberry-pi/revision-codes; raspberrypi/linux, arch/arm/boot/dts/broadcom, for the model and compatible
// strings.
package bootconfig

import (
	"encoding/binary"
	"io/fs"
	"slices"
	"strings"
)

// maxProperty is the size limit in bytes for a device tree property or a file in /sys. The longest property that
// Portillon reads has a few hundred bytes.
const maxProperty = 4096

// Family is the system on a chip that drives the header's pins. The zero Family is unknown.
type Family uint8

// These constants are the families of chips that Portillon supports.
const (
	UnknownFamily Family = iota
	BCM2835              // Raspberry Pi Zero, Zero W, 1
	BCM2837              // Raspberry Pi Zero 2 W, 2, 3
	BCM2711              // Raspberry Pi 4, 400, Compute Module 4
	RP1                  // Raspberry Pi 5, 500, Compute Module 5; the chip RP1, not the BCM2712, drives the header's pins
)

// Board is a model of the Raspberry Pi. The zero Board stands for an unknown model of the Pi or for a computer that is
// not a Pi.
type Board struct {
	Model   string   // model in the device tree, for example Raspberry Pi 4 Model B Rev 1.5
	Filters []string // the model filters of config.txt that match this board
	Types   []uint32 // possible types in the revision code; exactly one if the revision is known
	Serial  uint32   // last eight digits of the board's serial number; 0: unknown
	Family  Family
}

// Known reports whether the board is a Raspberry Pi model in the table of models.
func (b Board) Known() bool { return len(b.Filters) > 0 }

// Driver returns the kernel module that drives the header's pins, or "" for an unknown board.
func (b Board) Driver() string {
	switch b.Family {
	case BCM2835, BCM2837, BCM2711: // the three families share one driver (drivers/pinctrl/bcm/pinctrl-bcm2835.c)
		return "pinctrl_bcm2835"
	case RP1:
		return "pinctrl_rp1"
	}
	return ""
}

// model is a row of the table of boards.
type model struct {
	compatible string // the first entry of /compatible, without "raspberrypi,"
	name       string // beginning of the model property, after "Raspberry Pi "
	filters    string
	types      []uint32
	family     Family
}

// models contains the boards that Portillon supports. If one model's name is a prefix of another model's name, the row
// with the longer name comes first. The Pi's documentation (conditional.adoc) lists the filters of each model. A Zero 2
// W also matches [pi0w] and [pi0], a Compute Module 4 matches [pi4], and a Compute Module 5 and a 500 match [pi5].
var models = []model{
	{"model-zero-2-w", "Zero 2", "pi02 pi0w pi0", []uint32{0x12}, BCM2837},
	{"model-zero-w", "Zero W", "pi0w pi0", []uint32{0x0c}, BCM2835},
	{"model-zero", "Zero", "pi0", []uint32{0x09}, BCM2835},
	{"3-model-a-plus", "3 Model A Plus", "pi3+ pi3", []uint32{0x0e}, BCM2837},
	{"3-model-b-plus", "3 Model B Plus", "pi3+ pi3", []uint32{0x0d}, BCM2837},
	{"3-model-b", "3 Model B", "pi3", []uint32{0x08}, BCM2837},
	{"3-compute-module", "Compute Module 3", "cm3 pi3", []uint32{0x0a, 0x10}, BCM2837},
	{"400", "400", "pi400 pi4", []uint32{0x13}, BCM2711},
	{"4-compute-module-s", "Compute Module 4S", "cm4s pi4", []uint32{0x15}, BCM2711},
	{"4-compute-module", "Compute Module 4", "cm4 pi4", []uint32{0x14}, BCM2711},
	{"4-model-b", "4 Model B", "pi4", []uint32{0x11}, BCM2711},
	{"500", "500", "pi500 pi5", []uint32{0x19}, RP1},
	{"5-compute-module", "Compute Module 5", "cm5 pi5", []uint32{0x18, 0x1a}, RP1},
	{"5-model-b", "5 Model B", "pi5", []uint32{0x17}, RP1},
	{"2-model-b", "2 Model B", "pi2", []uint32{0x04}, BCM2837},
}

func (m model) board() Board {
	return Board{Model: "Raspberry Pi " + m.name, Filters: strings.Fields(m.filters), Types: slices.Clone(m.types),
		Family: m.family}
}

// Boards returns all boards that Portillon supports.
func Boards() (out []Board) {
	for _, m := range models {
		out = append(out, m.board())
	}
	return out
}

// BoardOf identifies a board by its device tree's compatible strings, or otherwise by its model string. The firmware
// appends a revision to the model ("Raspberry Pi 3 Model B Plus Rev 1.3"), so only the beginning of the model string
// is compared.
func BoardOf(name string, compatible []string) Board {
	for _, entry := range compatible {
		for _, m := range models {
			if entry == "raspberrypi,"+m.compatible {
				b := m.board()
				if name != "" {
					b.Model = name
				}
				return b
			}
		}
	}
	rest, ok := strings.CutPrefix(name, "Raspberry Pi ")
	for _, m := range models {
		if ok && (rest == m.name || strings.HasPrefix(rest, m.name+" ")) {
			b := m.board()
			b.Model = name
			return b
		}
	}
	return Board{Model: name}
}

// ReadBoard identifies the computer whose root directory is root. /proc/device-tree is a link to
// /sys/firmware/devicetree/base. The /sys path exists even if /proc shows only processes (systemd: ProcSubset=pid).
func ReadBoard(root fs.FS) Board {
	name := strings.TrimRight(readTree(root, "model"), "\x00\n")
	b := BoardOf(name, strings.FieldsFunc(readTree(root, "compatible"), func(r rune) bool { return r == 0 || r == '\n' }))
	if !b.Known() {
		return b
	}
	// Raspberry Pi revision codes, new style (bit 23): the type is in bits 4 to 11.
	if code := readTree(root, "system/linux,revision"); len(code) == 4 {
		if rev := binary.BigEndian.Uint32([]byte(code)); rev&(1<<23) != 0 {
			if t := rev >> 4 & 0xff; slices.Contains(b.Types, t) {
				b.Types = []uint32{t}
			}
		}
	}
	b.Serial = serialOf(strings.TrimRight(readTree(root, "serial-number"), "\x00\n"))
	return b
}

// serialOf returns the last eight digits of a serial number, which a filter [0x…] compares.
func serialOf(s string) uint32 {
	if len(s) > 8 {
		s = s[len(s)-8:]
	}
	n, ok := hexadecimal(s)
	if !ok {
		return 0
	}
	return n
}

// readTree returns a property of the device tree, or "" if the property cannot be read.
func readTree(root fs.FS, property string) string {
	for _, dir := range [...]string{"proc/device-tree/", "sys/firmware/devicetree/base/"} {
		if text, err := Read(root, dir+property, maxProperty); err == nil {
			return text
		}
	}
	return ""
}

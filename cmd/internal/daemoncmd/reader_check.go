package daemoncmd

import (
	"regexp"
	"strings"

	"portillon/rfid/mfrc522"
	"portillon/rfid/wiegand"
	"portillon/yamlfile"
)

// Files of buses as package sysfs opens them: numbers without leading zeros.
var (
	spiFile = regexp.MustCompile(`^/dev/spidev(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$`)
	i2cFile = regexp.MustCompile(`^/dev/i2c-(0|[1-9][0-9]{0,3})$`)
)

// refuse finds what opening this reader would refuse on any computer: what a check does not see leaves a machine
// without a reader.
func (c ReaderConfig) refuse(n yamlfile.Node) {
	if b := n.Get("bits"); b.Present() {
		if err := wiegand.CheckBits(c.Bits); err != nil {
			b.Fault("26, 34 or 37, as the reader is set; without bits: all three are read", "%v", err)
		}
	}
	if g := n.Get("gain"); g.Present() {
		if err := mfrc522.CheckGain(c.Gain); err != nil {
			g.Fault("", "%v", err)
		}
	}
	c.refusePort(n.Get("port"))
	if d1 := n.Get("d1"); c.Kind == "wiegand" && d1.Present() {
		label, _, err := gpioLine(c.D0)
		other, _, err1 := gpioLine(c.D1)
		if err == nil && err1 == nil && label != other {
			d1.Fault("a line of the chip that d0 is of", "d1 is a line of %q, d0 of %q", other, label)
		}
	}
}

func (c ReaderConfig) refusePort(n yamlfile.Node) {
	if !n.Present() {
		return
	}
	bus, file, named := strings.Cut(c.Port, ":")
	switch {
	case c.Kind == "mfrc522" && !spiFile.MatchString(c.Port):
		n.Fault("/dev/spidev0.0", "%q is no SPI port: an MFRC522 is on SPI", c.Port)
	case c.Kind == "pn532" && bus == "spi" && !spiFile.MatchString(file):
		n.Fault("spi:/dev/spidev0.0", "%q is no SPI port", c.Port)
	case c.Kind == "pn532" && bus == "i2c" && !i2cFile.MatchString(file):
		n.Fault("i2c:/dev/i2c-1", "%q is no I²C bus", c.Port)
	case c.Kind == "pn532" && bus == "serial" && file == "":
		n.Fault("serial:/dev/ttyAMA0", "%q names no serial port", c.Port)
	case (c.Kind == "rdm6300" || c.Kind == "keyboard") && named && has([]string{"serial", "i2c", "spi"}, bus):
		n.Fault("the device file alone", "%q begins with a bus, which a reader of kind %s does not take", c.Port, c.Kind)
	}
}

// shortNumbers reports whether the reader may give a part of a card's number: 26 bits of a Wiegand reader, the last ten
// digits of a USB reader. The others give whole numbers, so a whole number at their machine is never taken for the
// short form of another card.
func (c ReaderConfig) shortNumbers() bool { return c.Kind == "wiegand" || c.Kind == "keyboard" }

package pn532

import (
	"fmt"
	"regexp"
	"strings"

	"portillon/rfid"
)

// Spec returns the declaration of the reader kind "pn532" of machine.yaml. The port of such a reader is serial:FILE,
// i2c:FILE or spi:FILE.
func Spec() rfid.Spec {
	return rfid.Spec{
		Kind:        "pn532",
		Keys:        []rfid.Key{rfid.PortKey(), rfid.AESKey(), rfid.ModeKey()},
		Parse:       parse,
		Open:        openSpec,
		Example:     "pn532:serial:/dev/ttyAMA0",
		Argument:    parseArgument,
		NoticesLoss: true, // the chip is polled ten times a second
		// Spec does not offer I²C, because it works only on a Pi 5 (rfid.Wiring.ClockStretching).
		Offers: []rfid.Offer{
			{Name: "pn532-spi", Values: rfid.Values{rfid.KeyPort: "spi:/dev/spidev0.0"},
				FR: "PN532 sur SPI (13,56 MHz)", EN: "PN532 on SPI (13.56 MHz)"},
			{Name: "pn532-usb", Values: rfid.Values{rfid.KeyPort: "serial:/dev/ttyUSB0"},
				FR: "PN532 sur un adaptateur USB-série", EN: "PN532 on a USB serial adapter"},
		},
	}
}

// These expressions match the device files of buses that periph's package sysfs can open: the numbers in them have no
// leading zeros.
var (
	spiFile = regexp.MustCompile(`^/dev/spidev(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$`)
	i2cFile = regexp.MustCompile(`^/dev/i2c-(0|[1-9][0-9]{0,3})$`)
)

func parse(v rfid.Values) (rfid.Wiring, []rfid.Fault) {
	port, given := v[rfid.KeyPort]
	bus, file := rfid.CutBus(port)
	problem, hint := "", ""
	switch {
	case !given:
	case bus == rfid.NoBus:
		problem = "%q names no bus for the PN532"
		hint = "spi:/dev/spidev0.0, serial:/dev/ttyAMA0, or on a Pi 5 i2c:/dev/i2c-1"
	case bus == rfid.SPI && !spiFile.MatchString(file):
		problem, hint = "%q is not an SPI port", "spi:/dev/spidev0.0"
	case bus == rfid.I2C && !i2cFile.MatchString(file):
		problem, hint = "%q is not an I²C bus", "i2c:/dev/i2c-1"
	case bus == rfid.Serial && file == "":
		problem, hint = "%q names no serial port", "serial:/dev/ttyAMA0"
	}
	w := rfid.Wiring{Bus: bus, ClockStretching: bus == rfid.I2C}
	if problem == "" {
		return w, nil
	}
	return w, []rfid.Fault{{Key: rfid.KeyPort, Problem: fmt.Sprintf(problem, port), Hint: hint}}
}

// parseArgument parses the port that a command line gives for the reader. If the text is a device file without a bus,
// the reader is on a serial port.
func parseArgument(port string) (rfid.Values, error) {
	if strings.HasPrefix(port, "/") {
		port = "serial:" + port
	}
	return rfid.Values{rfid.KeyPort: port}, nil
}

func openSpec(v rfid.Values, h rfid.Host) (rfid.Reader, error) {
	d, err := Open(v[rfid.KeyPort])
	if err != nil {
		return nil, err
	}
	return rfid.Polling{Chip: d, Slot: v.Slot(), Prove: h.Prove, Unread: h.Unread}.Reader(), nil
}

// Open starts the chip at serial:FILE, i2c:FILE or spi:FILE. Open blocks for one second at most.
func Open(port string) (*Device, error) {
	switch bus, file := rfid.CutBus(port); bus {
	case rfid.Serial:
		return OpenSerial(file)
	case rfid.I2C:
		return OpenI2C(file)
	case rfid.SPI:
		return OpenSPI(file)
	}
	return nil, fmt.Errorf("reader %q has no bus, want serial:FILE, i2c:FILE or spi:FILE", port)
}

package mfrc522

import (
	"errors"
	"fmt"
	"regexp"

	"portillon/rfid"
)

// Spec returns the declaration of the reader kind "mfrc522" of machine.yaml.
func Spec() rfid.Spec {
	return rfid.Spec{
		Kind: "mfrc522",
		Keys: []rfid.Key{rfid.PortKey(), {Name: "irq", Type: rfid.InputPin}, {Name: "reset", Type: rfid.OutputPin},
			{Name: "gain", Type: rfid.Number, Min: 1, Max: 48}, rfid.ModeKey()},
		Parse:       parse,
		Open:        openSpec,
		Example:     "mfrc522:/dev/spidev0.0",
		NoticesLoss: true, // the chip is polled ten times a second
		Offers: []rfid.Offer{{Name: "mfrc522", Values: rfid.Values{rfid.KeyPort: "/dev/spidev0.0"},
			FR: "MFRC522 (13,56 MHz, SPI)", EN: "MFRC522 (13.56 MHz, SPI)"}},
	}
}

// spiFile matches the names of SPI ports that periph's package sysfs can open: the numbers in them have no leading
// zeros.
var spiFile = regexp.MustCompile(`^/dev/spidev(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$`)

func parse(v rfid.Values) (rfid.Wiring, []rfid.Fault) {
	var faults []rfid.Fault
	if err := CheckGain(v.Int("gain")); err != nil {
		faults = append(faults, rfid.Fault{Key: "gain", Problem: err.Error()})
	}
	if port, given := v[rfid.KeyPort]; given && !spiFile.MatchString(port) {
		faults = append(faults, rfid.Fault{Key: rfid.KeyPort, Hint: "/dev/spidev0.0",
			Problem: fmt.Sprintf("%q is not an SPI port: an MFRC522 is on SPI", port)})
	}
	return rfid.Wiring{Bus: rfid.SPI}, faults
}

func openSpec(v rfid.Values, h rfid.Host) (_ rfid.Reader, err error) {
	o, held := Options{Gain: v.Int("gain")}, heldPins{}
	defer func() {
		if err != nil {
			err = errors.Join(err, held.Halt())
		}
	}()
	if pin := v["irq"]; pin != "" {
		in, err := h.Input(pin)
		if err != nil {
			return nil, fmt.Errorf("reader: irq: %w", err)
		}
		o.IRQ, held = in, append(held, in)
	}
	if pin := v["reset"]; pin != "" {
		out, err := h.Output(pin)
		if err != nil {
			return nil, fmt.Errorf("reader: reset: %w", err)
		}
		o.Reset, held = out, append(held, out)
	}
	d, err := Open(v[rfid.KeyPort], o)
	if err != nil {
		return nil, err
	}
	return rfid.Polling{Chip: deviceWithPins{d, held}, Slot: v.Slot(), Unread: h.Unread}.Reader(), nil
}

// heldPins are the reader's opened GPIO pins. Only one program at a time can open a pin, so closing the reader also
// releases its pins; otherwise the reader could not be opened again.
type heldPins []interface{ Halt() error }

// Halt releases the pins.
func (p heldPins) Halt() error {
	var errs []error
	for _, x := range p {
		errs = append(errs, x.Halt())
	}
	return errors.Join(errs...)
}

// deviceWithPins is a started chip together with the GPIO pins that its reader opened.
type deviceWithPins struct {
	*Device
	held heldPins
}

// Close closes the chip, then releases its pins.
func (d deviceWithPins) Close() error { return errors.Join(d.Device.Close(), d.held.Halt()) }

package wiegand

import (
	"errors"
	"fmt"
	"strings"

	"portillon/rfid"
)

// Spec returns the declaration of the reader kind "wiegand" of machine.yaml. The keys led and beeper each name an
// output, which drives a line of the reader through an NPN transistor.
func Spec() rfid.Spec {
	return rfid.Spec{
		Kind: "wiegand",
		Keys: []rfid.Key{{Name: "d0", Type: rfid.InputPin, Required: true}, {Name: "d1", Type: rfid.InputPin, Required: true},
			{Name: rfid.KeyLED, Type: rfid.OutputPin}, {Name: rfid.KeyBeeper, Type: rfid.OutputPin},
			{Name: "bits", Type: rfid.Number, Min: 1, Max: 64}},
		Parse:        parse,
		Open:         openSpec,
		Example:      "wiegand:gpio:pinctrl-/23,gpio:pinctrl-/24",
		Argument:     parseArgument,
		ShortNumbers: true, // a frame of 26 bits may contain only three bytes of a longer number
		Offers: []rfid.Offer{{Name: "wiegand", Pins: []int{5, 6},
			Values: rfid.Values{"d0": "gpio:pinctrl-/5", "d1": "gpio:pinctrl-/6"},
			FR:     "lecteur mural Wiegand (GPIO 5 et 6)", EN: "wall reader, Wiegand (GPIO 5 and 6)"}},
	}
}

func parse(v rfid.Values) (rfid.Wiring, []rfid.Fault) {
	var faults []rfid.Fault
	if err := CheckBits(v.Int("bits")); err != nil {
		faults = append(faults, rfid.Fault{Key: "bits", Problem: err.Error(),
			Hint: "26, 34 or 37, as the reader is set; without bits: all three are read"})
	}
	// Both data lines must be on one GPIO chip, because the kernel numbers only the edges of one chip in one sequence.
	if chip0, chip1 := chip(v["d0"]), chip(v["d1"]); chip0 != "" && chip1 != "" && chip0 != chip1 {
		faults = append(faults, rfid.Fault{Key: "d1", Hint: "a line of the same chip as d0",
			Problem: fmt.Sprintf("d1 is a line of chip %q, d0 of chip %q", chip1, chip0)})
	}
	return rfid.Wiring{}, faults
}

// chip returns the part CHIP of a pin that is written gpio:CHIP/LINE, or "" if the pin is written differently.
func chip(pin string) string {
	rest, _ := strings.CutPrefix(pin, "gpio:")
	label, _, found := strings.Cut(rest, "/")
	if !found || rest == pin {
		return ""
	}
	return label
}

// parseArgument parses the pins D0,D1 that a command line gives for the reader.
func parseArgument(pins string) (rfid.Values, error) {
	d0, d1, both := strings.Cut(pins, ",")
	if !both {
		return nil, errors.New("wiegand: a reader needs two lines: wiegand:gpio:pinctrl-/23,gpio:pinctrl-/24")
	}
	return rfid.Values{"d0": d0, "d1": d1}, nil
}

func openSpec(v rfid.Values, h rfid.Host) (rfid.Reader, error) {
	lines, err := h.Edges(v["d0"], v["d1"])
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	r, err := New(lines, v.Int("bits"))
	if err != nil {
		return nil, errors.Join(err, lines.Close())
	}
	r.Keys, r.Unread, r.Heard = h.Keypad, h.Unread, h.Heard
	return r, nil
}

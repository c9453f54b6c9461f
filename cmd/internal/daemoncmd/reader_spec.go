package daemoncmd

import (
	"errors"
	"fmt"
	"strings"

	"portillon/rfid"
	"portillon/yamlfile"
)

// SpecHint says how a reader is named on a command line.
const SpecHint = "MACHINE.yaml, keyboard:/dev/input/by-id/…-event-kbd, rdm6300:/dev/ttyAMA0, pn532:serial:/dev/ttyAMA0, " +
	"mfrc522:/dev/spidev0.0, pcsc:NAME or wiegand:gpio:pinctrl-/23,gpio:pinctrl-/24"

// ReaderSpec is the reader that a command line names: by the machine.yaml that it stands in, or as KIND:PORT,
// wiegand:D0,D1. format (of a keyboard) and bits (of Wiegand) may be empty. What machine.yaml would refuse is refused
// here.
func ReaderSpec(spec, format, bits string) (ReaderConfig, error) {
	if strings.HasSuffix(spec, ".yaml") {
		c, err := ReadConfig(spec)
		if err == nil && c.Reader.reader() == nil {
			err = fmt.Errorf("%s: reader: kind: none: there is no reader to test", spec)
		}
		return c.Reader, err
	}
	kind, port, named := strings.Cut(spec, ":")
	if readers[kind].open == nil || !named {
		return ReaderConfig{}, fmt.Errorf("%q names no reader: %s", spec, SpecHint)
	}
	fields := []string{"kind: " + kind}
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, key+": "+quoted(value))
		}
	}
	switch d0, d1, pair := strings.Cut(port, ","); {
	case kind == "wiegand" && !pair:
		return ReaderConfig{}, errors.New("wiegand: names two lines: wiegand:gpio:pinctrl-/23,gpio:pinctrl-/24")
	case kind == "wiegand":
		add("d0", d0)
		add("d1", d1)
	case kind == "pn532" && strings.HasPrefix(port, "/"):
		add("port", "serial:"+port)
	default:
		add("port", port)
	}
	add("format", format)
	add("bits", bits)
	d := yamlfile.Parse("--reader", []byte("{ "+strings.Join(fields, ", ")+" }"))
	c := parseReader(d.Root(), yamlfile.Node.Str)
	return c.withDefaults(), d.Err()
}

// quoted is a value as YAML takes it, whatever it holds.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Line is this reader in a machine.yaml.
func (c ReaderConfig) Line() string {
	fields := []string{"kind: " + c.Kind}
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, key+": "+quoted(value))
		}
	}
	add("port", c.Port)
	if c.Kind == "keyboard" {
		add("format", c.Format)
	}
	for _, x := range [][2]string{{"d0", c.D0}, {"d1", c.D1}, {"led", c.LED}, {"beeper", c.Beeper}, {"irq", c.IRQ}, {"reset", c.Reset},
		{"aes-key", c.AESKey}} {
		add(x[0], x[1])
	}
	if c.Bits != 0 {
		fields = append(fields, fmt.Sprintf("bits: %d", c.Bits))
	}
	if c.Gain != 0 {
		fields = append(fields, fmt.Sprintf("gain: %d", c.Gain))
	}
	if c.Slot {
		fields = append(fields, "mode: slot")
	}
	return "reader: { " + strings.Join(fields, ", ") + " }"
}

// Short reports whether this reader may give a part of a card's number.
func (c ReaderConfig) Short() bool { return c.shortNumbers() }

// OpenFor opens the reader for whoever tests it: heard is told of all that comes, unread of what is no number.
func (c ReaderConfig) OpenFor(heard func(string), unread func(rfid.Unread)) (rfid.Reader, error) {
	c.heard, c.unread = heard, unread
	open := c.reader()
	if open == nil {
		return nil, errors.New("reader: kind: none: there is no reader to test")
	}
	return open()
}

package daemoncmd

import (
	"slices"
	"strconv"
	"strings"

	"portillon/rfid"
	"portillon/yamlfile"
)

// ReaderConfig is the reader section of a machine.yaml.
type ReaderConfig struct {
	Kind   string      // kind of one of readerSpecs, or noReader
	Values rfid.Values // keys of the section except kind

	host rfid.Host // callbacks for input from the reader; the functions that open pins are set when the reader is opened
}

// Port returns the device file, preceded by the bus if the kind has several buses. For a PC/SC reader, Port returns the
// beginning of the reader's name. For a reader on pins, Port returns "".
func (c ReaderConfig) Port() string { return c.Values[rfid.KeyPort] }

// AESKey returns the name of the file with the AES key whose possession the site's strong cards prove, or "" if the
// reader only reads the numbers of cards.
func (c ReaderConfig) AESKey() string { return c.Values[rfid.KeyAES] }

// spec returns the declaration of the reader's kind. For a machine without a reader, spec returns the zero Spec, which
// has no Open.
func (c ReaderConfig) spec() rfid.Spec {
	s, _ := specOf(c.Kind)
	return s
}

// wiring returns the buses and GPIO pins to which the reader is connected.
func (c ReaderConfig) wiring() rfid.Wiring {
	s := c.spec()
	if s.Parse == nil {
		return rfid.Wiring{}
	}
	w, _ := s.Parse(c.Values)
	return w
}

// ReaderTells reports whether the daemon detects that a reader of this kind is unplugged: the daemon polls the chip, or
// the kernel removes the device. An unplugged Wiegand reader or RDM6300 sends nothing, like a reader without a card.
func (c ReaderConfig) ReaderTells() bool { return c.spec().NoticesLoss }

// GivesShortNumbers reports whether the reader may send only a part of a card's number. Readers of the other kinds
// always send the full number. At machines with such a reader, a full number is never matched with the short form of
// another card.
func (c ReaderConfig) GivesShortNumbers() bool { return c.spec().ShortNumbers }

// StretchesClock reports whether the reader is on I²C and needs a controller that supports clock stretching.
func (c ReaderConfig) StretchesClock() bool { return c.wiring().ClockStretching }

// parseReader reads the reader section. parseReader rejects each value with which the reader could be opened on no
// computer, because otherwise the machine would start without a reader.
func parseReader(n yamlfile.Node, beside func(yamlfile.Node) string) ReaderConfig {
	// Collect the keys of all kinds, because the error about a key that belongs to another kind differs from the error
	// about an unknown key.
	kinds, keys := []string{noReader}, []string{"kind"}
	for _, s := range readerSpecs() {
		kinds = append(kinds, s.Kind)
		for _, k := range s.Keys {
			if !slices.Contains(keys, k.Name) {
				keys = append(keys, k.Name)
			}
		}
	}
	slices.Sort(kinds)
	n.Only(keys...)
	c := ReaderConfig{Kind: n.Get("kind").Required().OneOf(kinds...), Values: rfid.Values{}}
	if c.Kind == "" {
		return c
	}
	// Read each key according to its type, then let the reader's kind check the combination of values.
	spec := c.spec()
	for _, k := range spec.Keys {
		if v, ok := readKey(n.Get(k.Name), k, beside); ok {
			c.Values[k.Name] = v
		}
	}
	if spec.Parse != nil {
		_, faults := spec.Parse(c.Values)
		for _, f := range faults {
			n.Get(f.Key).Fault(f.Hint, "%s", f.Problem)
		}
	}
	// Reject keys of other kinds, except "mode: tap", which is valid for every reader.
	for _, key := range keys[1:] {
		x := n.Get(key)
		if x.Present() && !slices.ContainsFunc(spec.Keys, func(k rfid.Key) bool { return k.Name == key }) &&
			x.Str() != rfid.ModeTap {
			x.Fault("", "a reader of kind %s has none", c.Kind)
		}
	}
	return c
}

// readKey reads one value according to its type. The result is false if the value is missing or invalid.
func readKey(n yamlfile.Node, k rfid.Key, beside func(yamlfile.Node) string) (string, bool) {
	if k.Required {
		n.Required()
	}
	if !n.Present() {
		return k.Default, k.Default != ""
	}
	v := ""
	switch k.Type {
	case rfid.Device:
		v = devicePath(n, beside)
	case rfid.KeyFile:
		v = beside(n)
	case rfid.Word:
		v = n.OneOf(k.Words...)
		return v, v != ""
	case rfid.Number:
		number := n.Int(k.Min, k.Max)
		return strconv.Itoa(number), number != 0
	case rfid.InputPin, rfid.OutputPin:
		v = pinName(n, beside)
	default:
		v = n.Str()
	}
	return v, true
}

// devicePath returns the path of a device file, preceded by the bus if the kind has several buses. A relative path is
// relative to the folder of machine.yaml.
func devicePath(n yamlfile.Node, beside func(yamlfile.Node) string) string {
	if s := n.Str(); strings.Contains(s, ":") {
		return s
	}
	return beside(n)
}

// readerSection returns the section of a reader in flow style. The argument quote is the function that puts a value in
// quotes.
func readerSection(s rfid.Spec, v rfid.Values, quote func(string) string) string {
	fields := []string{"kind: " + s.Kind}
	for _, k := range s.Keys {
		value := v[k.Name]
		switch {
		case value == "" || k.Name == rfid.KeyMode && value == rfid.ModeTap: // the default
			continue
		case k.Type != rfid.Number && k.Type != rfid.Word:
			value = quote(value)
		}
		fields = append(fields, k.Name+": "+value)
	}
	return "{ " + strings.Join(fields, ", ") + " }"
}

// singleQuoted returns a value in YAML's single quotes.
func singleQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// doubleQuoted returns a value in double quotes, which the examples use.
func doubleQuoted(s string) string { return strconv.Quote(s) }

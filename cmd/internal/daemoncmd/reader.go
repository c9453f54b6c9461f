package daemoncmd

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"

	pins "portillon/daemon/relay/gpio"
	"portillon/rfid"
	"portillon/rfid/keyboard"
	"portillon/rfid/mfrc522"
	"portillon/rfid/pn532"
	"portillon/rfid/rdm6300"
	"portillon/rfid/wiegand"
	"portillon/yamlfile"
)

// ReaderConfig is the card reader.
type ReaderConfig struct {
	Kind string // one of readers
	// a device file; of a PN532 with its bus before it: serial:/dev/ttyAMA0; pcsc: the beginning of the reader's name
	Port   string
	Format string // keyboard: decimal or hex
	Slot   bool   // the card stands in a slot for as long as the session lasts
	Gain   int    // mfrc522: of its receiver, in dB
	IRQ    string // mfrc522: a pin
	Reset  string // mfrc522: a pin
	D0, D1 string // wiegand: its two pins
	Bits   int    // wiegand: the only length of frames that counts; 0: all that are known
	LED    string // wiegand: a pin, through an NPN transistor to the reader's LED line
	Beeper string // wiegand: a pin, through an NPN transistor to the reader's beeper line
	AESKey string // pn532, pcsc: a file with the key that the site's strong cards prove

	prove rfid.Prove // nil: a card's number is all that counts
	keys  func()     // wiegand: called when keys are pressed on the reader's keypad
	// unread is called with what the reader sends and that is no card's number; nil: nobody wants to know. It must not
	// block.
	unread func(rfid.Unread)
	// heard is called with all that a reader sends, for whoever tests one; nil: nobody does. Chips that are asked send
	// nothing by themselves.
	heard func(string)
}

// kind is what a reader may be told.
type kind struct {
	keys []string // besides kind and port
	slot bool     // it sees a card leave
	open func(ReaderConfig) (rfid.Reader, error)
}

// readers are the kinds of reader that a machine.yaml may name.
var readers = map[string]kind{
	"none":     {},
	"keyboard": {keys: []string{"format"}, open: openKeyboard},
	"pcsc":     {keys: []string{"mode", "aes-key"}, slot: true, open: openPCSC},
	"pn532":    {keys: []string{"mode", "aes-key"}, slot: true, open: openPN532},
	"rdm6300":  {open: openRDM6300},
	"wiegand":  {keys: []string{"d0", "d1", "bits", "led", "beeper"}, open: openWiegand},
	"mfrc522":  {keys: []string{"mode", "gain", "irq", "reset"}, slot: true, open: openMFRC522},
}

// readerKeys are the keys that only some kinds of reader take.
var readerKeys = [...]string{"format", "mode", "gain", "irq", "reset", "aes-key", "d0", "d1", "bits", "led", "beeper"}

func parseReader(n yamlfile.Node, beside func(yamlfile.Node) string) ReaderConfig {
	n.Only(append([]string{"kind", "port"}, readerKeys[:]...)...)
	c := ReaderConfig{Kind: n.Get("kind").Required().OneOf(names(readers)...), Port: port(n.Get("port"), beside), Format: n.Get("format").OneOf("decimal", "hex"),
		Slot: n.Get("mode").OneOf("tap", "slot") == "slot", AESKey: beside(n.Get("aes-key")),
		D0: pinName(n.Get("d0"), beside), D1: pinName(n.Get("d1"), beside),
		IRQ: pinName(n.Get("irq"), beside), Reset: pinName(n.Get("reset"), beside),
		LED: pinName(n.Get("led"), beside), Beeper: pinName(n.Get("beeper"), beside)}
	if g := n.Get("gain"); g.Present() {
		c.Gain = g.Int(1, 48)
	}
	if c.Kind == "" {
		return c
	}
	switch c.Kind {
	case "none":
	case "pcsc": // a name, not a file; without one the first reader counts
		c.Port = n.Get("port").Str()
	case "wiegand":
		n.Get("d0").Required()
		n.Get("d1").Required()
	default:
		n.Get("port").Required()
	}
	if b := n.Get("bits"); b.Present() {
		c.Bits = b.Int(1, 64)
	}
	c.refuse(n)
	if c.Kind == "pn532" && !has([]string{"serial", "i2c", "spi"}, c.bus()) {
		n.Get("port").Fault("spi:/dev/spidev0.0, serial:/dev/ttyAMA0, or on a Pi 5 i2c:/dev/i2c-1",
			"%q does not say which bus a PN532 is on", c.Port)
	}
	for _, key := range readerKeys {
		if x := n.Get(key); x.Present() && !has(readers[c.Kind].keys, key) && x.Str() != "tap" {
			x.Fault("", "a reader of kind %s has none", c.Kind)
		}
	}
	return c
}

// port is a device file, with its bus before it where the kind has several.
func port(n yamlfile.Node, beside func(yamlfile.Node) string) string {
	if s := n.Str(); strings.Contains(s, ":") {
		return s
	}
	return beside(n)
}

// pinName is a pin as relay.Wiring knows it; a simulated one stands beside the file.
func pinName(n yamlfile.Node, beside func(yamlfile.Node) string) string {
	s := n.Str()
	if path, ok := strings.CutPrefix(s, "sim:"); ok && !filepath.IsAbs(path) {
		return "sim:" + filepath.Join(filepath.Dir(beside(n)), path)
	}
	return s
}

func (c ReaderConfig) withDefaults() ReaderConfig {
	if c.Kind == "keyboard" && c.Format == "" {
		c.Format = "decimal"
	}
	return c
}

// reader opens the reader that the file names; nil: there is none.
func (c ReaderConfig) reader() func() (rfid.Reader, error) {
	k := readers[c.Kind]
	if k.open == nil {
		return nil
	}
	return func() (rfid.Reader, error) { return k.open(c) }
}

func openKeyboard(c ReaderConfig) (rfid.Reader, error) {
	f := keyboard.Decimal
	if c.Format == "hex" {
		f = keyboard.Hex
	}
	r, err := keyboard.Open(c.Port, f)
	if err != nil {
		return nil, err
	}
	r.Unread, r.Heard = c.unread, c.heard
	return r, nil
}

func openRDM6300(c ReaderConfig) (rfid.Reader, error) {
	r, err := rdm6300.Open(c.Port)
	if err != nil {
		return nil, err
	}
	r.Unread, r.Heard = c.unread, c.heard
	return r, nil
}

// falls are the two lines of a Wiegand reader.
type falls struct{ *pins.Falls }

// Next implements wiegand.Lines.
func (f falls) Next(timeout time.Duration) (wiegand.Edge, bool, error) {
	e, ok, err := f.Falls.Next(timeout)
	return wiegand.Edge{At: e.At, One: e.Line == 1, Lost: e.Lost}, ok, err
}

func openWiegand(c ReaderConfig) (rfid.Reader, error) {
	label, d0, err := gpioLine(c.D0)
	if err != nil {
		return nil, fmt.Errorf("reader: d0: %w", err)
	}
	other, d1, err := gpioLine(c.D1)
	if err != nil || other != label {
		return nil, fmt.Errorf("reader: d1: %q is no line of the chip that d0 is of: %w", c.D1, err)
	}
	f, err := pins.OpenFalls(label, d0, d1)
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	return c.onWires(falls{f})
}

// onWires is the reader on these lines. It closes them when it is closed, and at once where it cannot be.
func (c ReaderConfig) onWires(l wiegand.Lines) (rfid.Reader, error) {
	r, err := wiegand.New(l, c.Bits)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	r.Keys, r.Unread, r.Heard = c.keys, c.unread, c.heard
	return r, nil
}

func openMFRC522(c ReaderConfig) (r rfid.Reader, err error) {
	o, held := mfrc522.Options{Gain: c.Gain}, lines{}
	defer func() {
		if err != nil {
			held.Halt()
		}
	}()
	if c.IRQ != "" {
		in, err := inputPin(c.IRQ)
		if err != nil {
			return nil, fmt.Errorf("reader: irq: %w", err)
		}
		o.IRQ, held = in, append(held, in)
	}
	if c.Reset != "" {
		out, err := outputPin(c.Reset)
		if err != nil {
			return nil, fmt.Errorf("reader: reset: %w", err)
		}
		o.Reset, held = out, append(held, out)
	}
	d, err := mfrc522.Open(c.Port, o)
	if err != nil {
		return nil, err
	}
	return rfid.Polling{Chip: onLines{d, held}, Slot: c.Slot, Unread: c.unread}.Reader(), nil
}

// lines are pins that the kernel gives to one holder: they are let go when the reader is, or it could never be opened
// again.
type lines []interface{ Halt() error }

// Halt lets them go.
func (l lines) Halt() error {
	var errs []error
	for _, x := range l {
		errs = append(errs, x.Halt())
	}
	return errors.Join(errs...)
}

// onLines is a chip with lines of its own.
type onLines struct {
	*mfrc522.Device
	held lines
}

// Close closes the chip, then lets its lines go.
func (o onLines) Close() error { return errors.Join(o.Device.Close(), o.held.Halt()) }

func openPN532(c ReaderConfig) (rfid.Reader, error) {
	d, err := OpenPN532(c.Port)
	if err != nil {
		return nil, err
	}
	return rfid.Polling{Chip: d, Slot: c.Slot, Prove: c.prove, Unread: c.unread}.Reader(), nil
}

// OpenPN532 opens the chip at serial:FILE, i2c:FILE or spi:FILE.
func OpenPN532(port string) (*pn532.Device, error) {
	switch bus, file, _ := strings.Cut(port, ":"); bus {
	case "serial":
		return pn532.OpenSerial(file)
	case "i2c":
		return pn532.OpenI2C(file)
	case "spi":
		return pn532.OpenSPI(file)
	}
	return nil, fmt.Errorf("reader %s: serial:FILE, i2c:FILE or spi:FILE", port)
}

// outputPin takes a line that is low from its first moment: a lamp, a reset.
func outputPin(name string) (gpio.PinOut, error) {
	label, line, err := gpioLine(name)
	if err != nil {
		return nil, err
	}
	return pins.OpenOut(label, line, false)
}

func inputPin(name string) (gpio.PinIn, error) {
	label, line, err := gpioLine(name)
	if err != nil {
		return nil, err
	}
	return pins.OpenIn(label, line, gpio.PullUp)
}

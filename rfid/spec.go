package rfid

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Spec is how a reader package declares its kind of reader: the keys allowed in the reader section of machine.yaml,
// the checks of their values, and how to open the reader. The list of all declarations is in cmd/internal/daemoncmd,
// reader_list.go. No other code depends on the existing kinds of readers.
type Spec struct {
	Kind string // value of the key "kind" in machine.yaml
	Keys []Key  // all keys except kind, in the order in which a written file lists them
	// Parse checks the values, after each value was read according to its Key, and returns how the reader is wired.
	// Parse refuses every value that Open would refuse on any computer, and opens no device.
	Parse func(Values) (Wiring, []Fault)
	// Open opens the reader whose values Parse accepted. Open may block for some seconds, and returns an error if the
	// reader is not connected. If Open fails, or when the Reader is closed, all resources are released.
	Open func(Values, Host) (Reader, error)

	Example string // the reader as written on a command line, such as rdm6300:/dev/ttyAMA0
	// Argument parses the text after "KIND:" on a command line into values of the keys. nil: the text is the value of
	// the key port.
	Argument func(string) (Values, error)

	// ShortNumbers reports whether the reader may deliver only a part of a card's number (FormKind.Short).
	ShortNumbers bool
	// NoticesLoss reports whether Read returns an error when the reader is unplugged. If it is false, an unplugged
	// reader only stops delivering taps.
	NoticesLoss bool

	Offers []Offer // the wirings that "portillon setup" proposes for this kind of reader; may be empty
}

// These keys have the same meaning for every kind of reader.
const (
	KeyPort   = "port"    // a device file, BUS:FILE, or a name
	KeyMode   = "mode"    // ModeTap or ModeSlot
	KeyAES    = "aes-key" // a file with the AES key of the site's cards (rfid/strong)
	KeyLED    = "led"     // an output that is on while the machine's green lamp is on
	KeyBeeper = "beeper"  // an output that is on while the machine's buzzer is on

	ModeTap  = "tap"  // a person presents the card and takes it away; the default
	ModeSlot = "slot" // the card stays in a slot as long as the session lasts
)

// Key is one key of the reader section in machine.yaml.
type Key struct {
	Name     string
	Type     KeyType
	Required bool
	Words    []string // for the type Word: all valid values
	// for the type Word: the value if the file does not contain the key; written files contain this value
	Default  string
	Min, Max int // for the type Number: smallest and largest value
}

// KeyType is the type of a key's value.
type KeyType uint8

// These are the types of a key.
const (
	Name      KeyType = iota // any text
	Device                   // a device file, relative to the folder of machine.yaml, or BUS:FILE
	KeyFile                  // a file with a secret key, relative to the folder of machine.yaml, or credential:NAME
	Word                     // one of Key.Words
	Number                   // a whole number from Key.Min to Key.Max
	InputPin                 // a GPIO line that the reader drives and the Pi pulls up: gpio:CHIP/LINE
	OutputPin                // a GPIO line that the Pi drives, at low level while unused: gpio:CHIP/LINE
)

// PortKey returns the key for a required device file.
func PortKey() Key { return Key{Name: KeyPort, Type: Device, Required: true} }

// ModeKey returns the key mode, for readers that detect when a card leaves.
func ModeKey() Key { return Key{Name: KeyMode, Type: Word, Words: []string{ModeTap, ModeSlot}} }

// AESKey returns the key for the file with the site's AES key, for readers that exchange data with a card (Channel).
func AESKey() Key { return Key{Name: KeyAES, Type: KeyFile} }

// Values maps the reader's keys to their values in machine.yaml. Values does not contain the keys that are missing in
// the file.
type Values map[string]string

// Slot reports whether the reader's mode is a slot that holds the card.
func (v Values) Slot() bool { return v[KeyMode] == ModeSlot }

// Int returns the value of a key of type Number; 0 if the key is absent.
func (v Values) Int(key string) int {
	n, err := strconv.Atoi(v[key])
	if err != nil {
		return 0
	}
	return n
}

// Fault describes why a reader refuses the value of a key.
type Fault struct {
	Key     string
	Problem string // what is wrong; contains the quoted value
	Hint    string // an example of a valid value; empty if Problem already contains one
}

// Wiring is how a reader is connected to the Pi, without the pins that its keys name.
type Wiring struct {
	Bus Bus
	// ClockStretching reports whether the reader holds the I²C clock while it is busy. The I²C controllers of Raspberry
	// Pis before the Pi 5 do not wait correctly for such a reader (raspberrypi/linux, issues 254 and 4884).
	ClockStretching bool
}

// Bus is a bus on a Pi's header.
type Bus string

// These are the buses. A reader on a serial bus may also be connected by USB, as the name of its device file shows.
const (
	NoBus  Bus = ""
	SPI    Bus = "spi"
	I2C    Bus = "i2c"
	Serial Bus = "serial"
)

// CutBus splits BUS:FILE. If the port has no bus, the result is NoBus and the whole port.
func CutBus(port string) (Bus, string) {
	bus, file, found := strings.Cut(port, ":")
	if found && slices.Contains([]Bus{SPI, I2C, Serial}, Bus(bus)) {
		return Bus(bus), file
	}
	return NoBus, port
}

// PlainPort, for kinds of readers with only one possible bus, returns a fault if the port begins with the name of a
// bus.
func PlainPort(kind string, v Values) []Fault {
	if bus, _ := CutBus(v[KeyPort]); bus != NoBus {
		return []Fault{{Key: KeyPort, Hint: "the device file alone",
			Problem: fmt.Sprintf("%q begins with a bus, which a reader of kind %s does not take", v[KeyPort], kind)}}
	}
	return nil
}

// Host is what the opening program provides to a reader: access to the computer's pins, and callbacks for the
// reader's input. Read calls the callbacks, so they must not block. A callback that is nil is not called.
type Host struct {
	Input func(pin string) (gpio.PinIn, error) // opens a pin as an input with pull-up; Halt releases the pin
	// opens a pin as an output that starts at low level; Halt releases the pin
	Output func(pin string) (gpio.PinOut, error)
	Edges  func(pin0, pin1 string) (FallingEdges, error) // opens two lines of one GPIO chip as inputs

	Prove  Prove        // runs a card's proof; nil: card numbers are accepted without proof
	Keypad func()       // called when a person has pressed keys on the reader's keypad
	Unread func(Unread) // called when the reader has sent something other than a card's number
	Heard  func(string) // called with all input, which may contain card numbers: only for reader tests
}

// FallingEdges delivers the falling edges of several inputs, in order.
type FallingEdges interface {
	// Next waits for the next edge. ok is false if no edge occurs before the timeout.
	Next(timeout time.Duration) (Edge, bool, error)
	Close() error
}

// Edge is a falling edge on one of the inputs.
type Edge struct {
	At   time.Duration // time since boot, by the kernel's monotonic clock
	Line int           // index of the input in the list of inputs, from 0
	Lost int           // number of edges that the kernel lost before this edge
}

// Offer is a wiring that "portillon setup" proposes.
type Offer struct {
	Name   string // the answer with which a person chooses this wiring, such as pn532-usb
	FR, EN string // description for the person who chooses
	Values Values // the usual values of the keys, without device files whose names differ between computers
	Pins   []int  // GPIO lines that this wiring uses, so setup must not propose them as machine inputs
}

package rfid

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Spec is the declaration of a reader package about its kind of reader: the keys allowed in the reader section of
// machine.yaml, how their values are checked, and how the reader is opened. All declarations are listed in one place
// (cmd/internal/daemoncmd, reader_list.go). No other code depends on the kinds of readers.
type Spec struct {
	Kind string // value of the key "kind" in machine.yaml
	Keys []Key  // all other keys, in the order in which a file is written
	// Parse checks the values, after each was read according to its Key, and returns how the reader is connected. Parse
	// refuses every value that Open would refuse on any computer, and opens nothing.
	Parse func(Values) (Wiring, []Fault)
	// Open opens the reader that Parse accepted. Open may block for some seconds, and returns an error if the reader is
	// missing. All resources are released on failure, and when the Reader is closed.
	Open func(Values, Host) (Reader, error)

	Example string // the reader on a command line, such as rdm6300:/dev/ttyAMA0
	// Argument reads the text after "KIND:" on a command line. nil: the text is the port.
	Argument func(string) (Values, error)

	// ShortNumbers reports whether the reader may deliver a part of a card's number (FormKind.Short).
	ShortNumbers bool
	// NoticesLoss reports whether Read fails when the reader is unplugged. A reader of another kind is only silent
	// after it was unplugged.
	NoticesLoss bool

	Offers []Offer // wirings of this reader that "portillon setup" proposes; may be empty
}

// These keys have the same meaning for every kind of reader.
const (
	KeyPort   = "port"    // a device file, BUS:FILE, or a name
	KeyMode   = "mode"    // ModeTap or ModeSlot
	KeyAES    = "aes-key" // a file with the AES key of the site's cards (rfid/strong)
	KeyLED    = "led"     // an output that follows the machine's green lamp
	KeyBeeper = "beeper"  // an output that follows the machine's buzzer

	ModeTap  = "tap"  // a card is presented and taken away; the default
	ModeSlot = "slot" // a card stays in a slot as long as the session lasts
)

// Key is one key of a reader in machine.yaml.
type Key struct {
	Name     string
	Type     KeyType
	Required bool
	Words    []string // Word: all valid values
	Default  string   // Word: value used if the file has none; written files contain it
	Min, Max int      // Number: smallest and largest value
}

// KeyType is the type of a key's value.
type KeyType uint8

// These are the types of a key.
const (
	Name      KeyType = iota // any text
	Device                   // a device file, relative to machine.yaml, or BUS:FILE
	KeyFile                  // a file with a secret key, relative to machine.yaml, or credential:NAME
	Word                     // one of Key.Words
	Number                   // a whole number from Key.Min to Key.Max
	InputPin                 // a GPIO line that the reader drives, pulled up: gpio:CHIP/LINE
	OutputPin                // a GPIO line that the Pi drives, low at rest: gpio:CHIP/LINE
)

// PortKey returns the key for a required device file.
func PortKey() Key { return Key{Name: KeyPort, Type: Device, Required: true} }

// ModeKey returns the key for the mode of readers that detect when a card leaves.
func ModeKey() Key { return Key{Name: KeyMode, Type: Word, Words: []string{ModeTap, ModeSlot}} }

// AESKey returns the key for the AES key file of readers that exchange data with a card (Channel).
func AESKey() Key { return Key{Name: KeyAES, Type: KeyFile} }

// Values are the values of a reader's keys. A key that is not in the file is absent.
type Values map[string]string

// Slot reports whether the reader has a slot for the card.
func (v Values) Slot() bool { return v[KeyMode] == ModeSlot }

// Int returns the value of a Number; 0 if the key is absent.
func (v Values) Int(key string) int {
	n, err := strconv.Atoi(v[key])
	if err != nil {
		return 0
	}
	return n
}

// Fault is a value that a reader refuses.
type Fault struct {
	Key     string
	Problem string // what is wrong, with the quoted value
	Hint    string // a valid value; empty if Problem already contains a valid value
}

// Wiring is how a reader is connected to the Pi, apart from the pins that its keys name.
type Wiring struct {
	Bus Bus
	// ClockStretching reports whether the reader holds the I²C clock while it is busy. The I²C controllers of Raspberry
	// Pis before the Pi 5 do not handle this correctly (raspberrypi/linux, issues 254 and 4884).
	ClockStretching bool
}

// Bus is a bus on a Pi's header.
type Bus string

// These are the buses. A serial reader may also be connected by USB, as the name of its device file shows.
const (
	NoBus  Bus = ""
	SPI    Bus = "spi"
	I2C    Bus = "i2c"
	Serial Bus = "serial"
)

// CutBus splits BUS:FILE. For a port without a bus it returns NoBus and the port.
func CutBus(port string) (Bus, string) {
	bus, file, found := strings.Cut(port, ":")
	if found && slices.Contains([]Bus{SPI, I2C, Serial}, Bus(bus)) {
		return Bus(bus), file
	}
	return NoBus, port
}

// PlainPort returns a fault for a port that begins with a bus, for kinds of readers with only one possible bus.
func PlainPort(kind string, v Values) []Fault {
	if bus, _ := CutBus(v[KeyPort]); bus != NoBus {
		return []Fault{{Key: KeyPort, Hint: "the device file alone",
			Problem: fmt.Sprintf("%q begins with a bus, which a reader of kind %s does not take", v[KeyPort], kind)}}
	}
	return nil
}

// Host contains what the opening program provides to a reader: pins of the computer, and callbacks for the reader's
// input. Callbacks run during Read and must not block. A nil callback is not called.
type Host struct {
	Input  func(pin string) (gpio.PinIn, error)          // opens an input with pull-up; Halt releases it
	Output func(pin string) (gpio.PinOut, error)         // opens an output that starts low; Halt releases it
	Edges  func(pin0, pin1 string) (FallingEdges, error) // opens two inputs of one GPIO chip

	Prove  Prove        // runs a card's proof; nil: card numbers are accepted without proof
	Keypad func()       // called when keys were pressed on the reader's keypad
	Unread func(Unread) // called when the reader sent something other than a card's number
	Heard  func(string) // called with all input, which may contain card numbers: only for reader tests
}

// FallingEdges delivers the falling edges of several inputs, in order.
type FallingEdges interface {
	// Next waits for the next edge. ok is false if no edge occurred within timeout.
	Next(timeout time.Duration) (Edge, bool, error)
	Close() error
}

// Edge is a falling edge of one input.
type Edge struct {
	At   time.Duration // time since boot, by the kernel's monotonic clock
	Line int           // index of the input, from 0
	Lost int           // number of edges lost before this edge
}

// Offer is a wiring that "portillon setup" proposes.
type Offer struct {
	Name   string // the answer that chooses this wiring, such as pn532-usb
	FR, EN string // description for the person who chooses
	Values Values // usual values, without device files that differ between computers
	Pins   []int  // GPIO lines of this wiring, which setup must not use for machine inputs
}

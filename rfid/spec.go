package rfid

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Spec is what a reader package declares about its kind of reader: which keys the reader section of machine.yaml may
// hold, how their values are checked, and how the reader is opened. The program lists all specs in one place
// (cmd/internal/daemoncmd, reader_list.go). Nothing else knows which kinds there are.
type Spec struct {
	Kind string // the value of kind: in machine.yaml
	Keys []Key  // the keys besides kind, in the order in which a file is written
	// Parse checks the values, after each was read as its Key says, and returns where the reader is connected. It refuses
	// every value that Open would refuse on any computer. It opens nothing.
	Parse func(Values) (Wiring, []Fault)
	// Open opens the reader that Parse accepted. It may block for some seconds, and it fails where the reader is not
	// there. Whatever it took is released when it fails, and when the Reader is closed.
	Open func(Values, Host) (Reader, error)

	Example string // the reader as a command line names it: rdm6300:/dev/ttyAMA0
	// Argument reads what a command line gives after "KIND:". nil: it is the port.
	Argument func(string) (Values, error)

	// ShortNumbers says that the reader may give a part of a card's number (FormKind.Short).
	ShortNumbers bool
	// NoticesLoss says that a reader that was unplugged is an error of Read. Otherwise it only stays silent.
	NoticesLoss bool

	Offers []Offer // the wirings of this reader that "portillon setup" proposes; none: it proposes none
}

// Keys that mean the same for each kind of reader that takes them.
const (
	KeyPort   = "port"    // a device file, BUS:FILE, or a name
	KeyMode   = "mode"    // ModeTap or ModeSlot
	KeyAES    = "aes-key" // a file with the AES key that the site's cards prove (rfid/strong)
	KeyLED    = "led"     // an output that follows the machine's green lamp
	KeyBeeper = "beeper"  // an output that follows the machine's buzzer

	ModeTap  = "tap"  // a card is presented and taken away; the default
	ModeSlot = "slot" // a card stands in a slot for as long as the session lasts
)

// Key is one key of a reader in machine.yaml.
type Key struct {
	Name     string
	Type     KeyType
	Required bool
	Words    []string // of a Word: all valid values
	Default  string   // of a Word: the value where the file has none; it is written down explicitly
	Min, Max int      // of a Number: its bounds, both included
}

// KeyType says how a key's value is read.
type KeyType uint8

// The types of a key.
const (
	Name      KeyType = iota // any text
	Device                   // a device file, relative to machine.yaml, or BUS:FILE
	KeyFile                  // a file with a secret key, relative to machine.yaml, or credential:NAME
	Word                     // one of Key.Words
	Number                   // a whole number from Key.Min to Key.Max
	InputPin                 // a GPIO line that the reader drives, pulled up: gpio:CHIP/LINE
	OutputPin                // a GPIO line that the Pi drives, low at rest: gpio:CHIP/LINE
)

// PortKey is a required device file.
func PortKey() Key { return Key{Name: KeyPort, Type: Device, Required: true} }

// ModeKey is for readers that notice when a card leaves.
func ModeKey() Key { return Key{Name: KeyMode, Type: Word, Words: []string{ModeTap, ModeSlot}} }

// AESKey is for readers that speak to a card (Channel).
func AESKey() Key { return Key{Name: KeyAES, Type: KeyFile} }

// Values are the values of a reader's keys. A key that the file leaves out is absent.
type Values map[string]string

// Slot reports whether the card stands in a slot.
func (v Values) Slot() bool { return v[KeyMode] == ModeSlot }

// Int is a Number's value; 0: it is absent.
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
	Problem string // what is wrong, with the value in quotes
	Hint    string // a value that would be right; empty: Problem says it
}

// Wiring says how a reader is connected to the Pi, besides the pins that its keys name.
type Wiring struct {
	Bus Bus
	// ClockStretching says that the reader stops the clock of I²C while it is busy. The controller of Pis before the 5
	// gets that wrong (raspberrypi/linux, issues 254 and 4884).
	ClockStretching bool
}

// Bus is a bus on a Pi's header.
type Bus string

// The buses. A serial reader may be on USB too: its device file says so.
const (
	NoBus  Bus = ""
	SPI    Bus = "spi"
	I2C    Bus = "i2c"
	Serial Bus = "serial"
)

// CutBus splits BUS:FILE. A port without a bus is a file on no bus.
func CutBus(port string) (Bus, string) {
	bus, file, found := strings.Cut(port, ":")
	if found && slices.Contains([]Bus{SPI, I2C, Serial}, Bus(bus)) {
		return Bus(bus), file
	}
	return NoBus, port
}

// PlainPort refuses a port with a bus in front, for kinds that are on one bus only.
func PlainPort(kind string, v Values) []Fault {
	if bus, _ := CutBus(v[KeyPort]); bus != NoBus {
		return []Fault{{Key: KeyPort, Hint: "the device file alone",
			Problem: fmt.Sprintf("%q begins with a bus, which a reader of kind %s does not take", v[KeyPort], kind)}}
	}
	return nil
}

// Host is what a reader gets from the program that opens it: pins of the computer, and functions that are told what
// the reader sends. The functions are called from Read and must not block. A nil one is not called.
type Host struct {
	Input  func(pin string) (gpio.PinIn, error)          // takes an input that is pulled up; Halt releases it
	Output func(pin string) (gpio.PinOut, error)         // takes an output, low from the first moment; Halt releases it
	Edges  func(pin0, pin1 string) (FallingEdges, error) // takes two inputs of one chip

	Prove  Prove        // asks a card for its proof; nil: a card's number is all that counts
	Keypad func()       // keys were pressed on the reader's keypad
	Unread func(Unread) // the reader sent something that is no card's number
	Heard  func(string) // everything that the reader sent; it may hold a card's number: only for reader tests
}

// FallingEdges gives the falling edges of several inputs, in order.
type FallingEdges interface {
	// Next waits for the next edge. It returns false when none came in time.
	Next(timeout time.Duration) (Edge, bool, error)
	Close() error
}

// Edge is a falling edge of one input.
type Edge struct {
	At   time.Duration // since boot, by the kernel's monotonic clock
	Line int           // which of the inputs, counted from 0
	Lost int           // edges before this one that nobody read in time
}

// Offer is a wiring that "portillon setup" proposes.
type Offer struct {
	Name   string // the answer, as in pn532-usb
	FR, EN string // what a person chooses
	Values Values // the usual values; a Device that must be found on the computer is absent
	Pins   []int  // GPIO lines that this wiring takes and that setup would otherwise give to an input of the machine
}

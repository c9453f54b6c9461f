package daemoncmd

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"

	pins "portillon/daemon/relay/gpio"
	"portillon/rfid"
	"portillon/yamlfile"
)

// readerOpener returns a function that opens the reader, or nil for a machine without a reader.
func (c ReaderConfig) readerOpener() func() (rfid.Reader, error) {
	s := c.spec()
	if s.Open == nil {
		return nil
	}
	h := c.host
	h.Input, h.Output, h.Edges = inputPin, outputPin, fallingEdges
	return func() (rfid.Reader, error) { return s.Open(c.Values, h) }
}

// pinName returns the name of a pin in the form of relay.Wiring. The file of a simulated pin is relative to the folder
// of machine.yaml.
func pinName(n yamlfile.Node, beside func(yamlfile.Node) string) string {
	s := n.Str()
	if path, ok := strings.CutPrefix(s, "sim:"); ok && !filepath.IsAbs(path) {
		return "sim:" + filepath.Join(filepath.Dir(beside(n)), path)
	}
	return s
}

// outputPin opens an output that is low from the beginning, for a lamp or a reset.
func outputPin(name string) (gpio.PinOut, error) {
	label, line, err := gpioLine(name)
	if err != nil {
		return nil, err
	}
	return pins.OpenOut(label, line, false)
}

// inputPin opens an input with a pull-up.
func inputPin(name string) (gpio.PinIn, error) {
	label, line, err := gpioLine(name)
	if err != nil {
		return nil, err
	}
	return pins.OpenIn(label, line, gpio.PullUp)
}

// fallingEdges opens two lines of one chip. The kernel numbers the edges of each chip, so the reader can detect a lost
// edge.
func fallingEdges(pin0, pin1 string) (rfid.FallingEdges, error) {
	label, line0, err := gpioLine(pin0)
	if err != nil {
		return nil, err
	}
	other, line1, err := gpioLine(pin1)
	if err != nil {
		return nil, err
	}
	if other != label {
		return nil, fmt.Errorf("pin %q is a line of chip %q, want a line of chip %q like pin %q", pin1, other, label, pin0)
	}
	f, err := pins.OpenFalls(label, line0, line1)
	if err != nil {
		return nil, err
	}
	return edgeWatcher{f}, nil
}

// edgeWatcher reports the falling edges of lines of this computer.
type edgeWatcher struct{ *pins.Falls }

// Next implements rfid.FallingEdges.
func (e edgeWatcher) Next(timeout time.Duration) (rfid.Edge, bool, error) {
	f, ok, err := e.Falls.Next(timeout)
	return rfid.Edge{At: f.At, Line: f.Line, Lost: f.Lost}, ok, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.bug.st/serial"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/spi/spireg"
	"periph.io/x/host/v3"

	"portillon/rfid/pcsc"
)

// machinePorts runs «machine ports», which lists the pins and ports on this computer that a machine.yaml can name.
// machine ports uses package periph to find pins and to open SPI ports, but never to open the relay's pin (see
// daemon/relay/gpio).
func machinePorts(_ context.Context, w stdio, args []string) error {
	if _, err := parseFlags(w, "machine ports", args, 0, nil); err != nil {
		return err
	}
	state, err := host.Init()
	if err != nil {
		return fmt.Errorf("periph: %w", err)
	}
	for _, f := range state.Failed {
		fmt.Fprintf(w.err, "portillon: warning: periph's driver %s: %v\n", f.D, f.Err)
	}
	list := func(what string, names []string) {
		if len(names) == 0 {
			names = []string{"none"}
		}
		fmt.Fprintf(w.out, "%-12s %s\n", what, strings.Join(names, "\n             "))
	}
	var pins, spis []string
	for _, p := range gpioreg.All() {
		if p.Number() >= 0 {
			pins = append(pins, fmt.Sprintf("%s (line %d)", p.Name(), p.Number()))
		}
	}
	for _, r := range spireg.All() {
		line := r.Name
		if port, err := r.Open(); err != nil {
			line += ": " + err.Error()
		} else {
			line += ": opens"
			port.Close()
		}
		spis = append(spis, line)
	}
	serials, err := serial.GetPortsList()
	if err != nil {
		serials = []string{err.Error()}
	}
	smart, err := pcsc.Readers()
	if err != nil && !errors.Is(err, pcsc.ErrNoService) {
		smart = []string{err.Error()}
	}
	list("gpio", pins)
	list("spi", spis)
	list("serial", serials)
	list("usb readers", usbReaders())
	list("pc/sc", smart)
	return nil
}

// usbReaders returns the stable device names of the connected USB readers that act as keyboards.
func usbReaders() []string {
	found, err := filepath.Glob("/dev/input/by-id/*-event-kbd")
	if err != nil {
		return nil
	}
	return found
}

package daemoncmd

import (
	"log/slog"
	"slices"

	"periph.io/x/conn/v3/gpio"

	"portillon/daemon/panel"
	"portillon/rfid"
)

// lamps returns the sets of lamps that show the panel's state: the lamps at the machine, and the reader's LED and
// beeper. The LED shows the state of the green lamp, and the beeper sounds together with the buzzer.
func (c Config) lamps() []LightsConfig {
	return []LightsConfig{c.Lights, {Green: c.Reader.Values[rfid.KeyLED], Buzzer: c.Reader.Values[rfid.KeyBeeper]}}
}

// hasLamps reports whether any lamp or buzzer is wired.
func (c Config) hasLamps() bool {
	return slices.ContainsFunc(c.lamps(), func(l LightsConfig) bool { return l != LightsConfig{} })
}

// open opens the pins of a set of lamps. If a pin cannot be opened, open logs the error, and the machine works without
// that lamp.
func (c LightsConfig) open(pin func(string) (gpio.PinOut, error), log *slog.Logger) (l panel.Lights) {
	for _, x := range []struct {
		name, pin string
		to        *gpio.PinOut
	}{
		{"red", c.Red, &l.Red}, {"amber", c.Amber, &l.Amber},
		{"green", c.Green, &l.Green}, {"buzzer", c.Buzzer, &l.Buzzer},
	} {
		if x.pin == "" {
			continue
		}
		out, err := pin(x.pin)
		if err != nil {
			log.Error("light unavailable", "which", x.name, "pin", x.pin, "why", err)
			continue
		}
		*x.to = out
	}
	return l
}

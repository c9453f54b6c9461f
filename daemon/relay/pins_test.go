package relay

import (
	"path/filepath"
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio"
)

func TestWiringIsChecked(t *testing.T) {
	for _, c := range []struct {
		w    Wiring
		want string
	}{
		{Wiring{}, "relay: pin: \"\" names no pin"},
		{Wiring{Relay: "gpio:17"}, "names no pin"},
		{Wiring{Relay: "gpio:/17"}, "names no pin"},
		{Wiring{Relay: "gpio:pinctrl-/x"}, "names no pin"},
		{Wiring{Relay: "gpio:pinctrl-/017"}, "names no pin"},
		{Wiring{Relay: "gpio:pinctrl-/+17"}, "names no pin"},
		{Wiring{Relay: "gpio:pinctrl-/-1"}, "names no pin"},
		{Wiring{Relay: "gpio:pinctrl-/99999999999"}, "names no pin"},
		{Wiring{Relay: "sim:"}, "names no pin"},
		{Wiring{Relay: "gpio:pinctrl-/4"}, "pulled up"},
		{Wiring{Relay: "gpio:pinctrl-/14"}, "idles high"},
		{Wiring{Relay: "gpio:pinctrl-/17"}, ""},
		{Wiring{Relay: "gpio:pinctrl-/17", ActiveLow: true}, "falls low, and a low level closes"},
		{Wiring{Relay: "sim:/tmp/x", Exhaust: "gpio:pinctrl-/17", ActiveLow: true}, "falls low, and a low level closes"},
		{Wiring{Relay: "gpio:pinctrl-/17", Exhaust: "gpio:pinctrl-/27", ActiveLow: true, PullUp: true, Supply: Supply33}, ""},
		{Wiring{Relay: "gpio:pinctrl-/17", PullUp: true}, "a high level closes"},
		{Wiring{Relay: "gpio:pinctrl-/17", Supply: Supply5}, ""},
		{Wiring{Relay: "sim:/tmp/x", ActiveLow: true}, ""},
		{Wiring{Relay: "sim:/tmp/x"}, ""},
		{Wiring{Relay: "sim:/tmp/x", EStop: "gpio:x"}, "relay: e-stop: \"gpio:x\" names no pin"},
		{Wiring{Relay: "sim:/tmp/x", Busy: "x"}, "relay: busy: \"x\" names no pin"},
		{Wiring{Relay: "sim:/tmp/x", Busy: "sim:/tmp/x"}, "already used as the relay's pin"},
		{Wiring{Relay: "gpio:pinctrl-/17", EStop: "gpio:pinctrl-/5", Busy: "gpio:pinctrl-/5"},
			"already used as the relay's e-stop"},
		{Wiring{Relay: "gpio:pinctrl-/17", EStop: "gpio:pinctrl-/5", Busy: "gpio:pinctrl-/6"}, ""},
	} {
		err := c.w.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.w, err)
		}
	}
}

// Check returns all faults at once, so that a person who wires a machine sees them together.
func TestCheckReturnsAllFaultsOfAWiring(t *testing.T) {
	err := Wiring{Relay: "gpio:pinctrl-/4", Exhaust: "gpio:pinctrl-/14", EStop: "22", ActiveLow: true}.Check()
	for _, want := range []string{
		"relay: pin: GPIO 4", "relay: exhaust: GPIO 14", `relay: e-stop: "22"`, "relay: active: low",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestUnreadableInputsHaveTheLevelOfABrokenWire(t *testing.T) {
	dir := t.TempDir() // the path is a directory, which cannot be read as a file
	p, err := Wiring{Relay: "sim:" + filepath.Join(dir, "pin"), EStop: "sim:" + dir, Busy: "sim:" + dir + "/."}.Open()
	if err != nil {
		t.Fatal(err)
	}
	if p.EStop.Read() != gpio.High || p.Busy.Read() != gpio.Low {
		t.Errorf("e-stop %v, busy %v: either would keep the relay closed", p.EStop.Read(), p.Busy.Read())
	}
}

func TestOpenOpensNothingForAWrongWiring(t *testing.T) {
	pin := filepath.Join(t.TempDir(), "pin")
	if _, err := (Wiring{Relay: "sim:" + pin, EStop: "sim:" + pin}).Open(); err == nil {
		t.Error("opened")
	}
}

func FuzzWiring(f *testing.F) {
	for _, s := range []string{"", "sim:/x", "gpio:pinctrl-/17", "gpio:pinctrl-bcm2711/9", "gpio:a/b/1", "gpio:a/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parsePin(s); err == nil && p.sim == "" && (p.label == "" || p.line < 0 || p.line > 65535) {
			t.Errorf("%q became %+v", s, p)
		}
		_ = Wiring{Relay: s}.Check()
	})
}

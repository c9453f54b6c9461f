package daemoncmd

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"portillon/daemon/panel"
	"portillon/rfid"
	"portillon/rfid/wiegand"
)

// fakeOut is an output pin that records, under the pin's name, each level to which it is set.
type fakeOut struct {
	gpio.PinOut
	name string
}

const wallReader = `reader:
  kind: wiegand
  d0: "gpio:pinctrl-/5"
  d1: "gpio:pinctrl-/6"
  led: "gpio:pinctrl-/20"
  beeper: "gpio:pinctrl-/21"
relay: { pin: "gpio:pinctrl-/17" }
`

func TestReadersLEDAndBeeperAreListedAsOutputsOfTheWiring(t *testing.T) {
	c, err := config(t, wallReader)
	if err == nil {
		err = c.CheckWires()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Wire{{"reader.led", 20, "out"}, {"reader.beeper", 21, "out"}} {
		if !slices.Contains(c.Wires(), want) {
			t.Errorf("no %v in %v", want, c.Wires())
		}
	}
	for _, want := range []string{"# reader.led\ngpio=20=op,dl,pd\n", "# reader.beeper\ngpio=21=op,dl,pd\n"} {
		if !strings.Contains(c.Fragment("laser.yaml"), want) {
			t.Errorf("no %q in\n%s", want, c.Fragment("laser.yaml"))
		}
	}
}

func TestReadersLEDAndBeeperAreCheckedLikeOtherOutputs(t *testing.T) {
	for _, x := range []struct{ old, new, want string }{
		{"pinctrl-/20", "pinctrl-/17", "GPIO 17 is already used by"},
		{"pinctrl-/21", "pinctrl-/20", "GPIO 20 is already used by"},
		{"pinctrl-/20", "pinctrl-/4", "reader.led: GPIO 4 is pulled up from power-on"},
		{"pinctrl-/21", "pinctrl-/14", "reader.beeper: GPIO 14 is the serial port's output"},
		{`"gpio:pinctrl-/20"`, `"20"`, `reader.led: pin name "20" is invalid`},
		{`"gpio:pinctrl-/21"`, `"i2c:0x20"`, `reader.beeper: pin name "i2c:0x20" is invalid`},
		{"kind: wiegand", "kind: mfrc522", "reader.led: a reader of kind mfrc522 has none"},
	} {
		c, err := config(t, strings.Replace(wallReader, x.old, x.new, 1))
		if err == nil {
			err = c.CheckWires()
		}
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s for %s: %v, want %q", x.new, x.old, err, x.want)
		}
	}
}

// The reader's LED shows the state of the green lamp, and the reader's beeper sounds together with the buzzer. The
// lamps at the machine and the reader use separate pins.
func TestReadersLEDFollowsTheGreenLampAndItsBeeperFollowsTheBuzzer(t *testing.T) {
	c, err := config(t, wallReader+`lights: { green: "gpio:pinctrl-/19", buzzer: "gpio:pinctrl-/16" }`+"\n")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	var got []panel.Lights
	held := map[string]gpio.PinOut{}
	for _, set := range c.lamps() {
		got = append(got, set.open(func(name string) (gpio.PinOut, error) {
			if strings.HasSuffix(name, "/16") {
				return nil, errors.New("held by another program")
			}
			held[name] = &fakeOut{name: name}
			return held[name], nil
		}, slog.New(slog.NewTextHandler(&said, nil))))
	}
	want := []panel.Lights{
		{Green: held["gpio:pinctrl-/19"]},
		{Green: held["gpio:pinctrl-/20"], Buzzer: held["gpio:pinctrl-/21"]},
	}
	if len(held) != 3 || !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !strings.Contains(said.String(), "which=buzzer pin=gpio:pinctrl-/16") {
		t.Errorf("the lamp that cannot be had is logged as %q", said.String())
	}
}

func TestMachineWithoutLampsOpensNoPins(t *testing.T) {
	for _, set := range (Config{}).lamps() {
		l := set.open(func(string) (gpio.PinOut, error) { t.Error("a pin is opened"); return nil, nil }, slog.Default())
		if l != (panel.Lights{}) {
			t.Errorf("%v", l)
		}
	}
}

// keypad simulates the two lines of a reader on whose keypad one key is pressed once.
type keypad struct{ n int }

func (k *keypad) Next(timeout time.Duration) (rfid.Edge, bool, error) {
	<-time.After(min(timeout, time.Millisecond))
	k.n++
	if k.n > 50 {
		return rfid.Edge{}, false, errors.New("unplugged")
	}
	return rfid.Edge{At: time.Duration(k.n) * time.Millisecond}, k.n <= 4, nil
}

func (k *keypad) Close() error { return nil }

func TestDaemonReceivesKeyPressesOnTheKeypad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pressed := 0
		r, err := wiegand.Spec().Open(nil, rfid.Host{Keypad: func() { pressed++ },
			Edges: func(_, _ string) (rfid.FallingEdges, error) { return &keypad{}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(t.Context()); err == nil || pressed != 1 {
			t.Errorf("%v, %d reports", err, pressed)
		}
	})
}

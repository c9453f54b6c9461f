package daemoncmd

import (
	"strings"
	"testing"
	"testing/synctest"
)

// relayOf parses a machine.yaml with this text in its relay section, and checks the wiring.
func relayOf(t *testing.T, words string) (Config, error) {
	t.Helper()
	c, err := config(t, "reader: { kind: none }\nrelay: { "+words+" }\n")
	if err == nil {
		err = c.CheckWires()
	}
	return c, err
}

func TestRelayBoardThatClosesAtPowerOnIsRejectedWithItsLineNumber(t *testing.T) {
	const pin = `pin: "gpio:pinctrl-/17"`
	for _, x := range []struct{ words, want string }{
		{pin + ", active: low", ":9:43: relay.active: low: when every program has ended the line falls low"},
		{pin + ", active: low", "with 3.3 V off and 5 V on, as after halt with POWER_OFF_ON_HALT=1"},
		{pin + ", active: low", "(use an active-high board; or put an NPN transistor or a ULN2803A before this board"},
		{pin + ", active: low, pull: down", "relay.active: low: when every program has ended"},
		{`pin: "sim:p", active: low, exhaust: "gpio:pinctrl-/27"`, "relay.active: low: when every program has ended"},
		{pin + ", active: low, pull: up", "relay.pull: up: does not hold an active-low board of 5 V open"},
		{pin + ", active: low, pull: up, supply: 5V", "relay.pull: up: does not hold"},
		{pin + ", active: low, supply: 5V", ":9:56: relay.supply: 5V: is refused for an active-low board"},
		{pin + ", active: low, supply: 3.3V", "write pull: up, as drawn in firmware-config/relay-active-low.svg"},
		{pin + ", supply: 12V", `relay.supply: "12V" is not known here`},
		{pin + ", pull: up", ":9:41: relay.pull: up: when every program has ended the line rises high"},
		{pin + ", mode: heartbeat, supply: 3.3V", "relay.supply: 3.3V: a charge pump drives a coil"},
		{pin + ", mode: heartbeat, active: low, pull: up", "relay.active: low: a charge pump has no active level"},
		{`pin: "i2c:0x20/1"`, `relay: pin: "i2c:0x20/1" is an I²C expander`},
		{pin + `, exhaust: "modbus:/dev/ttyUSB0/1"`, `relay: exhaust: "modbus:/dev/ttyUSB0/1" is a Modbus relay board`},
	} {
		if _, err := relayOf(t, x.words); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s\n%v\nwant %s", x.words, err, x.want)
		}
	}
}

// A relay board whose optocouplers are supplied with 3.3 V closes its relay if the line is at a low level. The guard
// and the boot fragment must therefore keep the board's line high.
func TestLineOfAnActiveLowBoardIsKeptHighIfTheFileNamesSupplyAndResistor(t *testing.T) {
	c, err := relayOf(t, `pin: "gpio:pinctrl-/17", active: low, pull: up, supply: 3.3V, exhaust: "gpio:pinctrl-/27"`)
	if err != nil {
		t.Fatal(err)
	}
	want := "-active-low=true -exhaust=gpio:pinctrl-/27 -pin=gpio:pinctrl-/17 -pull-up=true -supply=3.3V"
	if got := strings.Join(guardFlags(c.wiring()), " "); got != want {
		t.Errorf("the guard is told %s, want %s", got, want)
	}
	for _, want := range []string{"gpio=17=op,dh,pu\n", "gpio=27=op,dh,pu\n"} {
		if !strings.Contains(c.Fragment("laser.yaml"), want) {
			t.Errorf("no %q in\n%s", want, c.Fragment("laser.yaml"))
		}
	}
}

// The daemon does not start if machine.yaml describes a relay board that could close at power-on. The command that
// systemd runs after the daemon has ended must still open the relay.
func TestOffOpensTheRelayOfABoardThatTheDaemonRejects(t *testing.T) {
	for _, r := range []RelayConfig{{ActiveLow: true}, {ActiveLow: true, PullUp: true, Supply: "5V"}, {PullUp: true},
		{Supply: "5V", Heartbeat: true}, {ActiveLow: true, PullUp: true, Heartbeat: true}} {
		r.Pin = "gpio:none/17"
		if _, bad := (Config{Relay: r}).wiring().LevelFault(); !bad {
			t.Errorf("%+v is not refused", r)
		}
		synctest.Test(t, func(t *testing.T) { // the command portillond off retries for one second
			err := (Config{Relay: r}).switchOff()
			if err == nil || !strings.HasPrefix(err.Error(), "relay: pin: ") { // the computer has no chip of this name
				t.Errorf("%+v: %v", r, err)
			}
		})
	}
}

package relay

import (
	"strings"
	"testing"
)

// A relay board with a 5 V supply closes its relay when 3.3 V is off and 5 V is on. The error must name the key, the
// reason and the right circuit.
func TestActiveLowBoardNeedsANamed33VoltSupplyAndPullUp(t *testing.T) {
	const real = "gpio:pinctrl-/17"
	for _, c := range []struct {
		name      string
		w         Wiring
		key, want string
	}{
		{"nothing said", Wiring{ActiveLow: true}, "active", "a low level closes this relay; with 3.3 V off and 5 V on"},
		{"a pull-up alone", Wiring{ActiveLow: true, PullUp: true}, "pull", "POWER_OFF_ON_HALT=1"},
		{"5 V and a pull-up", Wiring{ActiveLow: true, PullUp: true, Supply: Supply5}, "pull", "with no program running"},
		{"5 V", Wiring{ActiveLow: true, Supply: Supply5}, "supply", "5V: is refused for an active-low board"},
		{"another supply", Wiring{ActiveLow: true, Supply: "12V"}, "supply", "12V: is refused"},
		{"3.3 V alone", Wiring{ActiveLow: true, Supply: Supply33}, "active", "4.7 kΩ from IN to 3.3 V"},
		{"extraction", Wiring{Relay: "sim:/x", Exhaust: real, ActiveLow: true, PullUp: true}, "pull", "relay-active-low"},
		{"pull-up on an active-high board", Wiring{PullUp: true}, "pull", "a high level closes"},
		{"pump and active low", Wiring{Heartbeat: true, ActiveLow: true, PullUp: true}, "active", "no active level"},
		{"pump and pull-up", Wiring{Heartbeat: true, PullUp: true}, "pull", "no active level"},
		{"pump and supply", Wiring{Heartbeat: true, Supply: Supply33}, "supply", "drives a coil"},
		{"3.3 V and a pull-up", Wiring{ActiveLow: true, PullUp: true, Supply: Supply33}, "", ""},
		{"active high", Wiring{}, "", ""},
		{"active high on 5 V", Wiring{Supply: Supply5}, "", ""},
		{"pump", Wiring{Heartbeat: true}, "", ""},
		{"simulated", Wiring{Relay: "sim:/x", ActiveLow: true, PullUp: true}, "", ""},
	} {
		if c.w.Relay == "" {
			c.w.Relay = real
		}
		f, bad := c.w.LevelFault()
		if bad != (c.key != "") || bad && (f.Key != c.key || !strings.Contains(f.Error(), c.want) || f.Cure == "") {
			t.Errorf("%s: %v %v, want %s: %q", c.name, bad, f, c.key, c.want)
		}
		if err := c.w.Check(); (err != nil) != bad || bad && !strings.Contains(err.Error(), f.Error()) {
			t.Errorf("%s: Check says %v, LevelFault %v", c.name, err, f)
		}
	}
}

// A board that keeps its contacts when the Pi fails must not switch a machine.
func TestRelayBoardThatKeepsItsStateIsRefused(t *testing.T) {
	boards := map[string]string{
		"i2c:0x20/3":            "I²C expander (PCF8574, MCP23017)",
		"I2C:0x20/3":            "I²C expander",
		"pcf8574:0x20/1":        "PCF8574",
		"mcp23017:0x20/1":       "MCP23017",
		"spi:0.0/2":             "SPI expander",
		"modbus:/dev/ttyUSB0/1": "Modbus relay board",
		"rtu:1":                 "Modbus relay board",
		"rs485:1/2":             "RS-485 relay board",
		"usb:16c0:05df":         "USB relay board",
		"hid:/dev/hidraw0/1":    "USB-HID relay board",
		"serial:/dev/ttyUSB0":   "serial relay board",
		"tty:USB0":              "serial relay board",
		"http://relay.lan/on":   "network relay",
		"https://relay.lan":     "network relay",
		"tcp:192.168.1.9:502":   "network relay",
		"udp:x":                 "network relay",
		"mqtt:shelly/relay/0":   "network relay",
	}
	for name, want := range boards {
		for key, w := range map[string]Wiring{"pin": {Relay: name}, "exhaust": {Relay: "sim:/tmp/x", Exhaust: name}} {
			err := w.Check()
			if err == nil {
				t.Errorf("%s: %s is taken", key, name)
				continue
			}
			for _, part := range []string{"relay: " + key + ": ", want, "keeps its contacts as they are",
				"nothing opens the relay", "gpio:pinctrl-/17"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: no %q in %v", name, part, err)
				}
			}
			if _, err := w.Open(); err == nil {
				t.Errorf("%s: %s is opened", key, name)
			}
		}
	}
	if len(boards) < len(retainingBoards) {
		t.Errorf("%d names for %d prefixes", len(boards), len(retainingBoards))
	}
	err := Wiring{Relay: "sim:/tmp/x", EStop: "i2c:0x20/3"}.Check()
	if err == nil || strings.Contains(err.Error(), "opens the relay") {
		t.Errorf("an input is told that it holds a relay: %v", err)
	}
}

// A configuration file that was written before the key "supply:" existed contains only "pull: up". A board with a 3.3 V
// supply is safe, so the error must name the line that is missing in the file.
func TestErrorForAnUnknownSupplyNamesTheMissingKey(t *testing.T) {
	w := Wiring{Relay: "gpio:pinctrl-/17", ActiveLow: true, PullUp: true}
	if f, bad := w.LevelFault(); !bad ||
		!strings.HasPrefix(f.Cure, "if VCC is fed with 3.3 V already, write supply: 3.3V") {
		t.Errorf("%t %v", bad, f)
	}
	w.Supply = Supply5
	if f, bad := w.LevelFault(); !bad || strings.Contains(f.Cure, "already") {
		t.Errorf("of 5 V: %t %v", bad, f)
	}
}

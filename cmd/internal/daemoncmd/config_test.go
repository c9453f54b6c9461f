package daemoncmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"portillon/daemon/relay/gpio/sim"
)

// Each machine.yaml that ships in firmware-config/ is valid.
func TestShippedMachineFilesAreValid(t *testing.T) {
	paths, err := filepath.Glob("../../../firmware-config/*.yaml")
	if err != nil || len(paths) < 2 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		c, err := ReadConfig(p)
		if err != nil {
			t.Errorf("%s: %v", p, err)
		}
		if err := c.CheckWires(); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestAllFaultsOfAMachineFileAreReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "machine.yaml")
	os.WriteFile(path, []byte(`portillon: 1
site: Bik Lab
machine: laser
data: data
card-key: card.key
machine-key: machine.key
bundle: { key: k }
reader: { kind: rmd6300 }
relay: { pins: "sim:pin" }
mqtt: { broker: "tcp://x:1" }
clok: ntp
`), 0o600)
	_, err := ReadConfig(path)
	for _, want := range []string{`:2:7: site: "Bik Lab" is not an id`, "bundle: names no source",
		`reader.kind: "rmd6300" is not known here (did you mean "rdm6300"?)`,
		`relay: unknown key "pins" (did you mean "pin"?)`, "relay.pin: is missing", "mqtt.hub-key: is missing",
		`unknown key "clok" (did you mean "clock"?)`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestWiringThatCouldCloseTheRelayAtPowerOnIsRejected(t *testing.T) {
	c := Config{Relay: RelayConfig{Pin: "gpio:pinctrl-/4"}}
	if err := c.wiring().Check(); err == nil || !strings.Contains(err.Error(), "pulled up from power-on") {
		t.Error(err)
	}
}

func config(t *testing.T, more string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "machine.yaml")
	os.WriteFile(path, []byte("portillon: 1\nsite: biklab\nmachine: laser\ndata: data\ncard-key: "+
		"credential:card-key\nmachine-key: k\nbundle: { "+"key: k, file: f }\n"+more), 0o600)
	return ReadConfig(path)
}

func TestGuardReceivesTheCompleteWiring(t *testing.T) {
	c, err := config(t, `reader: { kind: mfrc522, port: /dev/spidev0.0, mode: slot, gain: 38, irq: "gpio:pinctrl-/25" }
relay: { pin: "gpio:pinctrl-/17", mode: heartbeat, e-stop: "gpio:pinctrl-/22", door: "gpio:pinctrl-/5",
  feedback: "gpio:pinctrl-/23", busy: "gpio:pinctrl-/24", ignore: 20s, exhaust: "gpio:pinctrl-/27" }
lights: { red: "gpio:pinctrl-/12", green: "gpio:pinctrl-/13", buzzer: "gpio:pinctrl-/16" }
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckWires(); err != nil {
		t.Error(err)
	}
	want := "-busy=gpio:pinctrl-/24 -contactor=gpio:pinctrl-/23 -door=gpio:pinctrl-/5 -e-stop=gpio:pinctrl-/22 " +
		"-exhaust=gpio:pinctrl-/27 -heartbeat=true -pin=gpio:pinctrl-/17"
	if got := strings.Join(guardFlags(c.wiring()), " "); got != want {
		t.Errorf("the guard is told\n%s\nwant\n%s", got, want)
	}
	if !c.Reader.Values.Slot() || c.Relay.Ignore != 20*time.Second || len(c.Wires()) != 14 {
		t.Errorf("%+v, %d wires", c, len(c.Wires()))
	}
	if c.CardKey != "credential:card-key" {
		t.Errorf("the card key is at %s", c.CardKey)
	}
}

func TestImpossibleWiringIsRejectedWithTheReason(t *testing.T) {
	for more, want := range map[string]string{
		`reader: { kind: mfrc522, port: /dev/spidev0.0 }` + "\n" +
			`relay: { pin: "gpio:pinctrl-/10" }`: "relay.pin: GPIO 10 is already used by " +
			"reader.port|reader.port: GPIO 10 is already used by relay.pin",
		`reader: { kind: none }` + "\n" + `relay: { pin: "gpio:pinctrl-/17" }` + "\n" +
			`lights: { red: "gpio:pinctrl-/17" }`: "lights.red: GPIO 17 is already used by relay.pin",
		`reader: { kind: none }` + "\n" +
			`relay: { pin: "gpio:pinctrl-/17", exhaust: "gpio:pinctrl-/4" }`: "exhaust: GPIO 4 is pulled up",
		`reader: { kind: none }` + "\n" + `relay: { pin: "gpio:pinctrl-/17" }` + "\n" +
			`lights: { red: "17" }`: `lights.red: pin name "17" is invalid`,
		`reader: { kind: rdm6300, port: /dev/ttyAMA0, mode: slot }` + "\n" +
			`relay: { pin: "gpio:pinctrl-/17" }`: "a reader of kind rdm6300 has none",
		`reader: { kind: rdm6300, port: /dev/ttyAMA0 }` + "\n" +
			`relay: { pin: "gpio:pinctrl-/15" }`: "GPIO 15 is already used",
		`reader: { kind: none }` + "\n" +
			`relay: { pin: "gpio:pinctrl-/17", ignore: 3s }`: "there is no busy input to " +
			"ignore",
		`reader: { kind: none }` + "\n" +
			`relay: { pin: "gpio:pinctrl-/17", feedback: "gpio:pinctrl-/17" }`: "is already",
	} {
		c, err := config(t, more)
		if err == nil {
			err = c.CheckWires()
		}
		one, other, _ := strings.Cut(want, "|")
		if err == nil || !strings.Contains(err.Error(), one) && (other == "" || !strings.Contains(err.Error(), other)) {
			t.Errorf("%s\n%v\nwant %s", more, err, want)
		}
	}
}

// As in the systemd unit, all machines of a computer share the site's secrets, and each machine has its own machine
// secrets.
func TestSecretsAreReadFromSystemdCredentials(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "card-key"), []byte("00112233\n"), 0o400)
	c := Config{instance: "laser"}
	if _, err := c.secrets().read("card-key", "credential:card-key"); err == nil ||
		!strings.Contains(err.Error(), "systemctl start portillond@laser") {
		t.Error(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if s, err := c.secrets().read("card-key", "credential:card-key"); s != "00112233" || err != nil {
		t.Error(s, err)
	}
	for bad, want := range map[string]string{"credential:../card-key": "is not a credential",
		"credential:":            "is not a credential",
		"credential:aes-key":     "/etc/credstore/portillon.aes-key",
		"credential:machine-key": "/etc/credstore/portillon.laser.machine-key"} {
		if _, err := c.secrets().read("x", bad); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want %q", bad, err, want)
		}
	}
}

// The command that systemd runs last opens a relay that a guard left closed, and waits for a guard that is still
// exiting.
func TestOffOpensTheRelayWhicheverProgramUsesTheLine(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the daemon")
	}
	dir := t.TempDir()
	c := Config{Relay: RelayConfig{Pin: "sim:" + filepath.Join(dir, "pin"), Exhaust: "sim:" + filepath.Join(dir, "fan")}}
	held, err := c.wiring().Open()
	if err != nil {
		t.Fatal(err)
	}
	held.Relay.Out(gpio.High)
	time.AfterFunc(100*time.Millisecond, func() { held.Relay.Halt(); held.Exhaust.Halt() }) // while off retries
	if err := c.switchOff(); err != nil {
		t.Fatal(err)
	}
	if on, _ := sim.Level(filepath.Join(dir, "pin")); on {
		t.Error("the relay is closed")
	}
	if err := (Config{Relay: RelayConfig{Pin: "gpio:none/17"}}).switchOff(); err == nil {
		t.Error("a pin that is not there is said to be off")
	}
}

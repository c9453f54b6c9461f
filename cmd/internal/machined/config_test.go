package machined

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every file that ships is read by a test.
func TestShippedMachineFilesAreSound(t *testing.T) {
	paths, err := filepath.Glob("../../../firmware-config/*.yaml")
	if err != nil || len(paths) < 2 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		c, err := ReadConfig(p)
		if err != nil {
			t.Errorf("%s: %v", p, err)
		}
		if err := c.wiring().Check(); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestShippedUnitsNameTheirProgram(t *testing.T) {
	paths, err := filepath.Glob("../../../systemd/*.service")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"[Unit]", "[Service]", "[Install]", "\nExecStart=/usr/bin/portillon", "\nKillMode=mixed\n"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: no %q", p, want)
			}
		}
	}
}

func TestFaultsOfAMachineFileAreAllSaid(t *testing.T) {
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
	for _, want := range []string{`:2:7: site: "Bik Lab" is not an id`, "bundle: names no source", `reader.kind: "rmd6300" is not known here (did you mean "rdm6300"?)`,
		`relay: unknown key "pins" (did you mean "pin"?)`, "relay.pin: is missing", "mqtt.hub-key: is missing", `unknown key "clok" (did you mean "clock"?)`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestWiringThatWouldCloseAtPowerOnIsRefused(t *testing.T) {
	c := Config{Relay: RelayConfig{Pin: "gpio:pinctrl-/4"}}
	if err := c.wiring().Check(); err == nil || !strings.Contains(err.Error(), "pulled up from power-on") {
		t.Error(err)
	}
}

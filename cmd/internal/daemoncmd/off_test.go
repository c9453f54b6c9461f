package daemoncmd

import (
	"os"
	"path/filepath"
	"testing"

	"portillon/cmd/internal/bootconfig"
)

// One line of config.txt may name several GPIO lines (raspberrypi/documentation, config_txt/gpio: gpio=0-27=…,
// gpio=17,18=…).
func TestSettingForARangeOfLinesAppliesToTheRelaysLine(t *testing.T) {
	c := Config{Machine: "laser", Reader: ReaderConfig{Kind: "none"}, Relay: RelayConfig{Pin: "gpio:pinctrl-/17"}}
	for _, later := range []string{"gpio=16-18=op,dh\n", "gpio=17,18=op,dh\n"} {
		if m := c.Missing(c.Fragment("laser.yaml")+later, bootconfig.BoardOf("Raspberry Pi 4 Model B", nil)); len(m) == 0 {
			t.Errorf("%q closes the relay at power-on, and the doctor finds nothing missing", later)
		}
	}
}

// The command that systemd runs after the daemon has ended must open the relay that machine.yaml names, even if another
// part of the file has a fault.
func TestOffOpensTheRelayEvenIfMachineYamlHasAnotherFault(t *testing.T) {
	dir := t.TempDir()
	pin := filepath.Join(dir, "pin")
	// Drive the line, as a kernel without strict_gpiod does after the guard was killed.
	os.WriteFile(pin, []byte("1\n"), 0o644)
	path := filepath.Join(dir, "machine.yaml")
	os.WriteFile(path, []byte("portillon: 1\nsite: biklab\nmachine: laser\ndata: data\ncard-key: k\nmachine-key: "+
		"k\nbundle: { key: k, file: f "+"}\nreader: { kind: none }\nrelay: { pin: \"sim:pin\" }\nclok: ntp\n"), 0o600)
	Main([]string{"-config", path, "-off"})
	if b, _ := os.ReadFile(pin); string(b) != "0\n" {
		t.Errorf("the pin was left at %q", b)
	}
}

package daemoncmd

import (
	"fmt"

	"portillon/cmd/internal/bootconfig"
	"portillon/rfid"
)

// BootLine is a line of a Pi's config.txt, and the reason for the line.
type BootLine = bootconfig.Line

// Boot returns the lines that config.txt needs for this wiring (raspberrypi/documentation, config_txt: gpio, dtparam,
// conditional filters).
func (c Config) Boot() []BootLine {
	var out []BootLine
	add := func(model, why, format string, a ...any) {
		out = append(out, BootLine{Model: model, Text: fmt.Sprintf(format, a...), Why: why})
	}
	for _, w := range c.Wires() {
		if way := map[string]string{"out": "op,dl,pd", "out-high": "op,dh,pu", "pull-up": "ip,pu",
			"pull-down": "ip,pd"}[w.Use]; way != "" {
			add("all", w.Key, "gpio=%d=%s", w.Line, way)
		}
	}
	add("all", "a program that ends lets its lines go, however it ends: the resistor opens the relay",
		"dtparam=strict_gpiod")
	add("all", "a kernel that hangs is reset, and the relay opens", "dtparam=watchdog=on")
	why := "the reader, " + c.Reader.Kind
	switch c.Reader.wiring().Bus {
	case rfid.SPI:
		add("all", why, "dtparam=spi=on")
	case rfid.I2C:
		add("all", why, "dtparam=i2c_arm=on")
	case rfid.Serial:
		if !c.Reader.isOnboardPort() {
			break
		}
		add("all", why, "enable_uart=1")
		// The filter [pi0] also matches the Zero 2 W, [pi3] the 3+, and [pi4] the 400 and the Compute Module 4. With
		// these filters, no board loads the overlay twice.
		for _, m := range [...]string{"pi0", "pi3", "pi4"} {
			add(m, "Bluetooth gives the good serial port up", "dtoverlay=disable-bt")
		}
		// The filter [pi5] matches the 5, the 500 and the Compute Module 5, whose Bluetooth uses a separate port.
		add("pi5", "the serial port of the header", "dtparam=uart0=on")
	}
	return out
}

// Fragment returns the lines of Boot as text for config.txt.
func (c Config) Fragment(file string) string {
	out := fmt.Sprintf("# The machine %s, from: portillon firmware render %s\n", c.Machine, file) +
		"# This belongs at the end of /boot/firmware/config.txt\n" + bootconfig.Fragment(c.Boot())
	if c.Serial() {
		out += "# The reader speaks on the serial port: take console=serial0,115200\n# out of /boot/firmware/cmdline.txt\n"
	}
	return out
}

// Missing returns the lines of Boot that a config.txt lacks for this board. For an unknown board, Missing requires the
// lines under all filters. If a config.txt contains two values for one setting, the firmware uses the last value.
func (c Config) Missing(config string, b bootconfig.Board) []BootLine {
	return bootconfig.Missing(config, c.Boot(), b)
}

// BootMachine returns the requirements of this machine for the boot files of its Pi.
func (c Config) BootMachine() bootconfig.Machine {
	return bootconfig.Machine{Name: c.Machine, Lines: c.Boot(), Serial: c.Serial()}
}

// ApplyBoot changes the texts of config.txt and cmdline.txt for this machine on this board. To write files, call
// bootconfig.Edit.
func (c Config) ApplyBoot(config, cmdline string, b bootconfig.Board) (bootconfig.Result, error) {
	return bootconfig.Apply(config, cmdline, c.BootMachine(), b)
}

// Serial reports whether the reader needs the Pi's own serial port.
func (c Config) Serial() bool {
	return c.Reader.wiring().Bus == rfid.Serial && c.Reader.isOnboardPort()
}

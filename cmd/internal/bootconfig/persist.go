package bootconfig

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Persistence tells what the kernel does with an output after the program that drove the output has died. The zero
// Persistence is unknown.
type Persistence uint8

// These constants are what a kernel may do with an output after the program that drove the output has died.
const (
	PersistenceUnknown Persistence = iota
	Released                       // the line becomes an input, and a pull resistor determines the level
	Kept                           // the line stays at its level
)

// Outputs returns the kernel's behaviour for outputs of the GPIO chip that has this line, and the name of the driver
// that determines this behaviour. The driver is "" for a chip that is not part of the Pi. The argument label is the
// beginning of the chip's label.
//
// By default, Raspberry Pi's kernels leave outputs driven (raspberrypi/linux, pull requests 6117 and 6150). The setting
// strict_gpiod passes persist_gpio_outputs=n to both drivers, pinctrl_bcm2835 and pinctrl_rp1. On a Pi 5 both drivers
// may be loaded, and only the parameter of pinctrl_rp1 concerns the header's pins.
func Outputs(root fs.FS, label string, line int, b Board) (p Persistence, driver string) {
	chip, found := chipOf(root, label, line)
	if driver = driverOf(chip); !found {
		driver = b.Driver()
	}
	if driver == "" {
		return PersistenceUnknown, ""
	}
	v, err := Read(root, "sys/module/"+driver+"/parameters/persist_gpio_outputs", maxProperty)
	if err != nil {
		return PersistenceUnknown, driver
	}
	switch strings.TrimSpace(v) {
	case "N", "0":
		return Released, driver
	case "Y", "1":
		return Kept, driver
	}
	return PersistenceUnknown, driver
}

// chipOf returns the label of the GPIO chip that has a line, from /sys/class/gpio (kernels with CONFIG_GPIO_SYSFS, such
// as Raspberry Pi's). The chips are searched in the order of their names, like the devices in /dev when the line is
// opened.
func chipOf(root fs.FS, label string, line int) (string, bool) {
	paths, err := fs.Glob(root, "sys/class/gpio/gpiochip*")
	if err != nil {
		return "", false
	}
	slices.Sort(paths)
	for _, p := range paths {
		name, err := Read(root, p+"/label", maxProperty)
		if err != nil || !strings.HasPrefix(strings.TrimSpace(name), label) {
			continue
		}
		count, err := Read(root, p+"/ngpio", maxProperty)
		if n, perr := strconv.Atoi(strings.TrimSpace(count)); err == nil && perr == nil && line < n {
			return strings.TrimSpace(name), true
		}
	}
	return "", false
}

// driverOf returns the kernel module that drives a chip with this label. The chips pinctrl-bcm2835 and pinctrl-bcm2711
// have the same driver.
func driverOf(label string) string {
	switch {
	case label == "pinctrl-rp1":
		return "pinctrl_rp1"
	case strings.HasPrefix(label, "pinctrl-bcm2"):
		return "pinctrl_bcm2835"
	}
	return ""
}

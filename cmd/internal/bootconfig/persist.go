package bootconfig

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Persistence says whether the kernel keeps an output driven after the program that used the output has died. The zero
// Persistence is unknown.
type Persistence uint8

// The possible behaviours of a kernel after the program of an output has died.
const (
	PersistenceUnknown Persistence = iota
	Released                       // the line becomes an input, and a pull resistor decides its level
	Kept                           // the line keeps its level
)

// Outputs returns what the kernel does with an output of the GPIO chip that has this line, and the driver that decides
// it. driver is "" if the chip is not one of the Pi's own chips. label is the beginning of the chip's label.
//
// Raspberry Pi's kernels keep outputs unless configured otherwise (raspberrypi/linux, pull requests 6117 and 6150):
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

// chipOf returns the label of the chip that has a line, as /sys/class/gpio shows it (kernels with CONFIG_GPIO_SYSFS,
// such as Raspberry Pi's). The chips are searched in the order of their names, like the devices in /dev when the line
// is opened.
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

// driverOf returns the module that drives a chip with this label. pinctrl-bcm2835 and pinctrl-bcm2711 belong to one
// driver.
func driverOf(label string) string {
	switch {
	case label == "pinctrl-rp1":
		return "pinctrl_rp1"
	case strings.HasPrefix(label, "pinctrl-bcm2"):
		return "pinctrl_bcm2835"
	}
	return ""
}

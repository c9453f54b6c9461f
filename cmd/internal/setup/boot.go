package setup

import (
	"os"
	"path/filepath"
	"strings"

	"portillon/cmd/internal/machined"
)

// applyBoot brings what a wiring needs into the text of a config.txt. The text stays as it is where nothing is missing.
type applyBoot func(c machined.Config, file, config, model string) string

// appendFragment adds the whole fragment at the end where a line of it is missing.
func appendFragment(c machined.Config, file, config, model string) string {
	if len(c.Missing(config, model)) == 0 {
		return config
	}
	if config != "" && !strings.HasSuffix(config, "\n") {
		config += "\n"
	}
	return config + c.Fragment(file)
}

// models are the filters of config.txt by the beginnings of the device tree's names (raspberrypi/documentation,
// config_txt: filters).
var models = []struct{ name, filter string }{{"Raspberry Pi 5", "pi5"}, {"Raspberry Pi 4", "pi4"},
	{"Raspberry Pi 3", "pi3"}, {"Raspberry Pi Zero 2", "pi02"}, {"Raspberry Pi Zero", "pi0"}}

func filterOf(model string) string {
	for _, m := range models {
		if strings.HasPrefix(model, m.name) {
			return m.filter
		}
	}
	return ""
}

// Computer is the model of the computer whose files are below root, as its device tree names it.
func Computer(root string) string {
	b, err := os.ReadFile(filepath.Join(root, "proc/device-tree/model"))
	if err != nil || len(b) > maxLine {
		return ""
	}
	return strings.TrimRight(string(b), "\x00\n")
}

// configTXT is the firmware's file below root: where Bookworm has it, or where older systems do. Empty: there is none.
func configTXT(root string) string {
	for _, p := range []string{"boot/firmware/config.txt", "boot/config.txt"} {
		if fi, err := os.Stat(filepath.Join(root, p)); err == nil && fi.Mode().IsRegular() {
			return filepath.Join(root, p)
		}
	}
	return ""
}

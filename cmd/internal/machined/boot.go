package machined

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// BootLine is a line of a Pi's config.txt, and why it is there.
type BootLine struct {
	Model string // the filter it stands under: all, or one of pi0 pi02 pi3 pi4 pi5
	Text  string
	Why   string
}

// Boot is what config.txt must hold for this wiring (raspberrypi/documentation, config_txt: gpio, dtparam, conditional filters).
func (c Config) Boot() []BootLine {
	var out []BootLine
	add := func(model, why, format string, a ...any) {
		out = append(out, BootLine{model, fmt.Sprintf(format, a...), why})
	}
	for _, w := range c.Wires() {
		if way := map[string]string{"out": "op,dl,pd", "out-high": "op,dh,pu", "pull-up": "ip,pu", "pull-down": "ip,pd"}[w.Use]; way != "" {
			add("all", w.Key, "gpio=%d=%s", w.Line, way)
		}
	}
	add("all", "a program that ends lets its lines go, however it ends: the resistor opens the relay", "dtparam=strict_gpiod")
	add("all", "a kernel that hangs is reset, and the relay opens", "dtparam=watchdog=on")
	why := "the reader, " + c.Reader.Kind
	switch c.Reader.bus() {
	case "spi":
		add("all", why, "dtparam=spi=on")
	case "i2c":
		add("all", why, "dtparam=i2c_arm=on")
	case "serial":
		if !c.Reader.onboard() {
			break
		}
		add("all", why, "enable_uart=1")
		for _, m := range [...]string{"pi0", "pi02", "pi3", "pi4"} {
			add(m, "Bluetooth gives the good serial port up", "dtoverlay=disable-bt")
		}
		add("pi5", "the serial port of the header", "dtparam=uart0=on")
	}
	return out
}

// Fragment is Boot as it stands in config.txt.
func (c Config) Fragment(file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# The machine %s, from: portillon firmware render %s\n# This belongs at the end of /boot/firmware/config.txt\n", c.Machine, file)
	model, why := "", ""
	for _, l := range c.Boot() {
		if l.Model != model {
			fmt.Fprintf(&b, "[%s]\n", l.Model)
			model = l.Model
		}
		if l.Why != why { // comments have lines of their own: config.txt knows no others
			fmt.Fprintf(&b, "# %s\n", l.Why)
			why = l.Why
		}
		b.WriteString(l.Text + "\n")
	}
	if model != "all" {
		b.WriteString("[all]\n")
	}
	if c.Serial() {
		b.WriteString("# The reader speaks on the serial port: take console=serial0,115200\n# out of /boot/firmware/cmdline.txt\n")
	}
	return b.String()
}

// Missing are the lines of Boot that a config.txt does not hold for this model; "" is a model that is not known, for which only
// lines for all count. A line under a filter counts only there. Where a line is given twice with different values the last counts.
func (c Config) Missing(config, model string) []BootLine {
	have := effective(config, model)
	var out []BootLine
	for _, l := range c.Boot() {
		if (l.Model == "all" || l.Model == model) && !slices.Contains(have, l.Text) {
			out = append(out, l)
		}
	}
	return out
}

// effective are the settings of a config.txt that count for this model, without those that a later line takes back.
func effective(config, model string) []string {
	var out []string
	counts := true
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		if filter, ok := strings.CutPrefix(line, "["); ok {
			filter = strings.TrimSuffix(filter, "]")
			counts = filter == "all" || filter == model
			continue
		}
		if line == "" || line[0] == '#' || !counts {
			continue
		}
		for _, line := range each(line) {
			key := settingOf(line)
			was := slices.IndexFunc(out, func(old string) bool { return settingOf(old) == key })
			if n, how, ok := lineOf(line); ok {
				before := ""
				if was >= 0 {
					_, before, _ = lineOf(out[was])
				}
				line = fmt.Sprintf("gpio=%d=%s", n, ways(n, before+","+how))
			}
			if was >= 0 {
				out = slices.Delete(out, was, was+1)
			}
			out = append(out, line)
		}
	}
	return out
}

// lineOf takes gpio=17=op,dl apart.
func lineOf(setting string) (line int, how string, ok bool) {
	rest, gpio := strings.CutPrefix(setting, "gpio=")
	n, how, is := strings.Cut(rest, "=")
	line, err := strconv.Atoi(n)
	return line, how, gpio && is && err == nil
}

// ways is how a line stands after all these words, in the order in which we write them: what it is, what it drives, what it is pulled to. Of
// each the last word counts; before any, a line is an input with the chip's own pull (BCM2835 ARM Peripherals, table 6-31).
func ways(line int, words string) string {
	is, drives, pull := "ip", "", "pd"
	if line <= 8 {
		pull = "pu"
	}
	for word := range strings.SplitSeq(words, ",") {
		switch word = strings.TrimSpace(word); word {
		case "":
		case "dh", "dl":
			drives = word
		case "pu", "pd", "pn":
			pull = word
		default:
			is = word
		}
	}
	if is != "op" || drives == "" {
		return is + "," + pull
	}
	return is + "," + drives + "," + pull
}

// each is a line of several settings as one for each: gpio=16-18,20=op,dl and dtparam=strict_gpiod,watchdog=on.
func each(line string) (out []string) {
	if params, ok := strings.CutPrefix(line, "dtparam="); ok {
		for p := range strings.SplitSeq(params, ",") {
			out = append(out, canonical("dtparam="+strings.TrimSpace(p)))
		}
		return out
	}
	rest, gpio := strings.CutPrefix(line, "gpio=")
	lines, how, ok := strings.Cut(rest, "=")
	if !gpio || !ok {
		return []string{line}
	}
	for part := range strings.SplitSeq(lines, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || b > 57 {
			return []string{line}
		}
		for n := a; n <= b; n++ {
			out = append(out, fmt.Sprintf("gpio=%d=%s", n, how))
		}
	}
	return out
}

// canonical is a parameter in one spelling: on is also true or nothing.
func canonical(line string) string {
	line = strings.TrimSuffix(line, "=true")
	for _, known := range [...]string{"dtparam=watchdog", "dtparam=spi", "dtparam=i2c_arm", "dtparam=uart0"} {
		if line == known || line == known+"=1" {
			return known + "=on"
		}
	}
	if line == "dtparam=strict_gpiod=on" || line == "dtparam=strict_gpiod=1" {
		return "dtparam=strict_gpiod"
	}
	return line
}

// settingOf is what a line sets: of two lines that set the same, the last counts.
func settingOf(line string) string {
	parts := strings.Split(line, "=")
	switch {
	case parts[0] == "dtoverlay":
		return line // several overlays stand beside each other
	case len(parts) > 1 && (parts[0] == "gpio" || parts[0] == "dtparam"):
		return parts[0] + "=" + parts[1]
	}
	return parts[0]
}

// Serial reports whether the reader needs the Pi's own serial port.
func (c Config) Serial() bool { return c.Reader.bus() == "serial" && c.Reader.onboard() }

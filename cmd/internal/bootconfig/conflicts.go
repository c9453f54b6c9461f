package bootconfig

import (
	"fmt"
	"strconv"
	"strings"
)

// Conflicts returns the lines outside the machine's block that contradict the block: lines that set the same setting
// to another value, lines in other blocks or overlays that use a GPIO line of the machine, and overlays that move the
// serial port.
func (m Machine) Conflicts(config string, b Board) []string {
	return m.conflicts(config, b, true)
}

// Clashes returns the conflicts that remain even if the machine's lines come last in the file: two lines of the file
// that use the same GPIO line, or that both use the serial port.
func (m Machine) Clashes(config string, b Board) []string {
	return m.conflicts(config, b, false)
}

func (m Machine) conflicts(config string, b Board, settled bool) (out []string) {
	first, last := m.blockLines(config)
	owners := blockOwners(config)
	wants, pins := map[string]string{}, map[string]bool{}
	for _, l := range m.Lines {
		if b.Known() && !l.appliesTo(b) {
			continue
		}
		text := canonicalLine(l.Text)
		wants[settingOf(text)] = text
		if n, _, ok := lineOf(text); ok {
			pins[strconv.Itoa(n)] = true
		}
	}
	said := map[string]bool{}
	for _, l := range rawLines(config, b) {
		if l.line >= first && l.line <= last {
			continue
		}
		why := ""
		for _, text := range splitSettings(l.text) {
			if why = m.sharedPin(text, pins, owners[l.line]); why == "" && settled {
				why = m.contradictedSetting(text, wants)
			}
			if why != "" {
				break
			}
		}
		if why == "" {
			continue
		}
		where := fmt.Sprintf("config.txt:%d: %s", l.line, l.text)
		if l.when == maybe {
			where += " (under a filter that may match)"
		}
		if s := where + ": " + why; !said[s] {
			said[s] = true
			out = append(out, s)
		}
	}
	return out
}

// contradictedSetting returns the machine's setting to which a line assigns another value, or "" if the line
// contradicts none of the machine's settings.
func (m Machine) contradictedSetting(text string, wants map[string]string) string {
	want, same := wants[settingOf(text)]
	if same && put(nil, Setting{Text: text})[0].Text != want {
		return "the machine " + m.Name + " needs " + want
	}
	return ""
}

// sharedPin returns the GPIO line or port of the machine that a line of config.txt also uses, or "" if they share none.
// The argument owner is the machine whose block contains the line of config.txt.
func (m Machine) sharedPin(text string, pins map[string]bool, owner string) string {
	line, _, isLine := lineOf(text)
	overlay, params, _ := strings.Cut(strings.TrimPrefix(text, "dtoverlay="), ",")
	switch {
	case isLine && owner != "" && pins[strconv.Itoa(line)]:
		return fmt.Sprintf("GPIO %d is also in the block of the machine %s", line, owner)
	case strings.HasPrefix(text, "dtoverlay="):
		if pin := usedPin(overlay, params, pins); pin != "" {
			return "the overlay takes GPIO " + pin + ", which the machine " + m.Name + " uses"
		}
		if m.Serial && overlay == "miniuart-bt" {
			return "the overlay leaves the header's serial port with Bluetooth: the machine " + m.Name + " needs it"
		}
	case m.Serial && strings.HasPrefix(text, "dtparam=uart0_console") && !strings.HasSuffix(text, "=off"):
		return "the kernel's console goes to the header's serial port, which the machine " + m.Name + " needs"
	}
	return ""
}

// usedPin returns the machine's pin that an overlay's parameters name: gpio_pin=17, gpiopin=17, pin=17, int_pin=22 …
func usedPin(overlay, params string, pins map[string]bool) string {
	named := false
	for p := range strings.SplitSeq(params, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if key = strings.ToLower(key); strings.Contains(key, "pin") || strings.HasPrefix(key, "gpio") {
			named = true
			if pins[value] {
				return value
			}
		}
	}
	if overlay == "w1-gpio" && !named && pins["4"] { // pin that the overlay uses without a parameter (overlays/README)
		return "4"
	}
	return ""
}

// blockLines returns the first and the last line number of the machine's block, or 0, -1 without a block.
func (m Machine) blockLines(config string) (first, last int) {
	before, block, _, err := split(config, m.Name)
	if err != nil || block == "" {
		return 0, -1
	}
	first = strings.Count(before, "\n") + 1
	return first, first + strings.Count(block, "\n") - 1
}

// blockOwners returns the owner of each line of a config.txt: the machine whose block contains the line.
func blockOwners(config string) map[int]string {
	out, in, n := map[int]string{}, "", 0
	for line := range strings.Lines(config) {
		n++
		name, mark, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# portillon "), ": ")
		switch {
		case strings.TrimSpace(line) == begin(name) && mark == "begin":
			in = name
		case strings.TrimSpace(line) == end(name) && mark == "end":
			in = ""
		}
		if in != "" {
			out[n] = in
		}
	}
	return out
}

package bootconfig

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxLine is the number of characters of a line that the firmware reads (what_is_config_txt.adoc: 98, formerly 78).
const maxLine = 98

// Setting is one setting of a config.txt in canonical form, for one line or one parameter: gpio=17=op,dl,pd.
type Setting struct {
	Text string
	Line int // line number in config.txt, from 1; for a setting of an included file, the number of the include line
	// true: the setting's filter depends on an unknown property, such as a monitor, a pin's level or a serial number
	Maybe bool

	key string // key of the property that the setting changes; see settingOf
	nth int    // index of the setting in the file
}

// truth tells whether a filter matches: no, yes, or maybe. The value is maybe for a filter that depends on a monitor or
// a pin, because this program does not read them.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

func (t truth) and(o truth) truth { return min(t, o) }

// filters contains the conditional filters that apply to a line. Filters of one type replace each other, filters of
// different types combine, [all] resets all of them (conditional.adoc).
type filters struct {
	model, board, serial truth
	other                map[string]truth // results of other filters, by type: edid, gpio, hdmi …
	none                 truth            // no if the filter [none] applies
}

func noFilters() filters { return filters{model: yes, board: yes, serial: yes, none: yes} }

// match reports whether the filters allow a line to take effect on the board. The documentation is unclear in two
// points: whether a [board-type=…] replaces a model filter or combines with it, and whether a later filter ends [none].
// If the two interpretations give different results, match returns maybe.
func (f filters) match() truth {
	t := f.model.and(f.board).and(f.serial).and(f.none)
	for _, o := range f.other {
		t = t.and(o)
	}
	return t
}

// next returns the filters that apply after the file contains one more filter line, such as [pi4].
func (f filters) next(filter string, b Board) filters {
	lower := strings.ToLower(filter)
	key, value, assigned := strings.Cut(lower, "=")
	switch {
	case lower == "all":
		return noFilters()
	case lower == "none":
		f.none = no
		return f
	}
	if f.none == no { // the documentation does not say whether [none] ends at the next filter
		f.none = maybe
	}
	switch {
	case assigned && key == "board-type":
		f.board = matchType(value, b)
		if f.model == no && f.board == yes {
			f.model = maybe
		}
	case !assigned && strings.HasPrefix(lower, "0x"):
		f.serial = matchSerial(lower, b)
	case assigned && key == "serial":
		f.serial = matchSerial(value, b)
	case isModel(lower):
		f.model = matchModel(filter, b)
		if f.board == no && f.model != no {
			f.board = maybe
		}
	// This program cannot evaluate the filters EDID=…, gpio4=1, HDMI:0, tryboot and partition=…, or filters of a later
	// firmware.
	default:
		f.other = f.withOther(strings.TrimRight(strings.SplitN(key, ":", 2)[0], "0123456789"))
	}
	return f
}

// withOther returns a copy of f.other with one more type of filter that this program cannot evaluate.
func (f filters) withOther(kind string) map[string]truth {
	other := map[string]truth{kind: maybe}
	for k, v := range f.other {
		if k != kind {
			other[k] = v
		}
	}
	return other
}

// modelFilters are the model filters of conditional.adoc.
var modelFilters = strings.Fields("pi0 pi0w pi02 pi1 pi2 pi3 pi3+ pi4 pi400 pi5 pi500 cm0 cm1 cm3 cm3+ cm4 cm4s cm5")

func isModel(filter string) bool { return slices.Contains(modelFilters, filter) }

func matchModel(filter string, b Board) truth {
	switch {
	case !b.Known():
		return maybe
	case slices.Contains(b.Filters, filter):
		return yes
	case slices.Contains(b.Filters, strings.ToLower(filter)): // the documentation shows this filter only in lower case
		return maybe
	}
	return no
}

func matchType(value string, b Board) truth {
	n, ok := hexadecimal(value)
	switch {
	case !ok || !b.Known():
		return maybe
	case !slices.Contains(b.Types, n):
		return no
	case len(b.Types) > 1:
		return maybe
	}
	return yes
}

func matchSerial(value string, b Board) truth {
	n, ok := hexadecimal(value)
	switch {
	case !ok || b.Serial == 0:
		return maybe
	case n == b.Serial:
		return yes
	}
	return no
}

func hexadecimal(s string) (uint32, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(s), "0x"), 16, 32)
	return uint32(n), err == nil
}

// rawLine is a line of config.txt with a setting, and the result of the filters that apply to the line.
type rawLine struct {
	text string
	line int
	when truth
}

// rawLines returns the lines of a config.txt that contain a setting and apply, or may apply, to this board.
func rawLines(config string, b Board) (out []rawLine) {
	f, n := noFilters(), 0
	for text := range strings.Lines(config) {
		n++
		text = strings.TrimRight(text, "\r\n")
		text = strings.TrimSpace(text[:min(len(text), maxLine)])
		if filter, ok := strings.CutPrefix(text, "["); ok {
			filter, _, _ = strings.Cut(filter, "]")
			f = f.next(strings.TrimSpace(filter), b)
			continue
		}
		if text == "" || text[0] == '#' {
			continue
		}
		if when := f.match(); when != no {
			out = append(out, rawLine{text, n, when})
		}
	}
	return out
}

// Settings returns the settings of a config.txt that apply to this board. Of two values for the same setting, the last
// one applies. If it is unknown whether a setting's filter matches, Settings lists the setting but also keeps the
// earlier settings.
func Settings(config string, b Board) (out []Setting) {
	// Each key has its own list, because searching one list of all settings would take minutes for a file of 64 KiB.
	byKey, n := map[string][]Setting{}, 0
	for _, l := range rawLines(config, b) {
		for _, text := range splitSettings(l.text) {
			n++
			key := settingOf(text)
			byKey[key] = put(byKey[key], Setting{Text: text, Line: l.line, Maybe: l.when == maybe, key: key, nth: n})
		}
	}
	for _, of := range byKey {
		out = append(out, of...)
	}
	slices.SortFunc(out, func(a, b Setting) int { return a.nth - b.nth })
	return out
}

// put adds a setting to the earlier settings with the same key. If a setting certainly applies, it is the first in the
// list.
func put(out []Setting, s Setting) []Setting {
	was := ""
	if len(out) > 0 && !out[0].Maybe {
		was = out[0].Text
	}
	if n, how, ok := lineOf(s.Text); ok {
		_, before, _ := lineOf(was)
		s.Text = fmt.Sprintf("gpio=%d=%s", n, canonicalWords(n, before+","+how))
	}
	switch {
	case !s.Maybe: // this setting overrides all earlier settings
		return append(out[:0], s)
	// The setting has the same value as an earlier setting.
	case was == s.Text, len(out) > 0 && out[len(out)-1].Text == s.Text:
		return out
	}
	return append(out, s)
}

// certainlyHas reports whether a setting certainly applies and no later line may override it.
func certainlyHas(have []Setting, text string) bool {
	key, found := settingOf(text), false
	for _, s := range have {
		switch {
		case s.Text == text && !s.Maybe:
			found = true
		case s.key == key:
			found = false
		}
	}
	return found
}

// lineOf splits a setting such as gpio=17=op,dl into the GPIO line and its words.
func lineOf(setting string) (line int, how string, ok bool) {
	rest, gpio := strings.CutPrefix(setting, "gpio=")
	n, how, is := strings.Cut(rest, "=")
	line, err := strconv.Atoi(n)
	return line, how, gpio && is && err == nil
}

// canonicalWords reduces the words of a gpio setting to the resulting state: direction, level, pull. The last word of
// each kind applies. If a setting has no words, the GPIO line is an input with the chip's default pull (BCM2835 ARM
// Peripherals, table 6-31).
func canonicalWords(line int, words string) string {
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
		case "np": // gpio.adoc documents both pn and np as "no pull"
			pull = "pn"
		default:
			is = word
		}
	}
	if is != "op" || drives == "" {
		return is + "," + pull
	}
	return is + "," + drives + "," + pull
}

// maxGPIO is the highest GPIO line that config.txt can name (BCM2711: 57).
const maxGPIO = 57

// splitSettings splits a line with several settings, such as gpio=16-18,20=op,dl or dtparam=strict_gpiod,watchdog=on,
// into one line for each setting.
func splitSettings(line string) (out []string) {
	if params, ok := strings.CutPrefix(line, "dtparam="); ok {
		for p := range strings.SplitSeq(params, ",") {
			out = append(out, canonical("dtparam="+strings.TrimSpace(p)))
		}
		return out
	}
	rest, gpio := strings.CutPrefix(line, "gpio=")
	names, how, ok := strings.Cut(rest, "=")
	if !gpio || !ok {
		return []string{line}
	}
	for part := range strings.SplitSeq(names, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || a < 0 || b > maxGPIO {
			return []string{line}
		}
		for n := a; n <= b; n++ {
			out = append(out, fmt.Sprintf("gpio=%d=%s", n, how))
		}
	}
	return out
}

// switches contains the parameters whose value is on or off, with their aliases. On every supported board, i2c and i2c1
// are the header's bus, which is also named i2c_arm (overlays/README in raspberrypi/firmware).
var switches = map[string]string{"watchdog": "watchdog", "spi": "spi", "i2c_arm": "i2c_arm", "i2c": "i2c_arm",
	"i2c1": "i2c_arm", "uart0": "uart0"}

// canonical returns a parameter in its canonical spelling: the values true, 1, yes and the empty value become on.
func canonical(line string) string {
	name, value, _ := strings.Cut(strings.TrimPrefix(line, "dtparam="), "=")
	on := slices.Contains([]string{"", "on", "true", "1", "yes"}, value)
	if name == "strict_gpiod" && on {
		return "dtparam=strict_gpiod"
	}
	known, ok := switches[name]
	switch {
	case ok && on:
		return "dtparam=" + known + "=on"
	case ok:
		return "dtparam=" + known + "=" + value
	}
	return line
}

// settingOf returns the key of the property that a line sets. Of two lines with the same key, the last one applies.
func settingOf(line string) string {
	parts := strings.Split(line, "=")
	switch {
	case parts[0] == "dtoverlay":
		return line // each dtoverlay line has its own key, because several overlays can be loaded together
	case len(parts) > 1 && (parts[0] == "gpio" || parts[0] == "dtparam"):
		return parts[0] + "=" + parts[1]
	}
	return parts[0]
}

package bootconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Line is a line of config.txt that a machine needs, and the reason for the line.
type Line struct {
	Model string // filter under which the line must be: all, or a filter of conditional.adoc in the Pi's documentation
	Text  string
	Why   string
}

// Machine contains the requirements of one machine for the Pi on which the machine runs.
type Machine struct {
	Name   string // the machine's id, which marks its block in config.txt
	Lines  []Line
	Serial bool // true: the machine's reader needs the Pi's own serial port
}

// Result contains the texts of the two files after Apply.
type Result struct {
	Config, Cmdline string
	Changed         bool
	Conflicts       []string // lines outside the machine's block that contradict the block or may contradict it
}

// Limits of the two files, in bytes. For config.txt, the firmware documents no limit. The kernel's command line has at
// most 1024 characters on 32-bit ARM and 2048 on 64-bit (COMMAND_LINE_SIZE in arch/arm and arch/arm64, asm/setup.h).
const (
	maxConfig  = 64 << 10
	maxCmdline = 4 << 10
)

// Apply returns config.txt and cmdline.txt with all settings that the machine needs on this board. For an unknown
// board, Apply adds the settings that any board might need.
//
// If all settings are already present, nothing changes, even if a person wrote the settings. If settings are missing,
// the machine's lines are written to a separate block between two marks. A block of an earlier wiring is replaced in
// place. The block moves to the end of the file if a later line overrides one of its settings. Lines outside the block
// are not changed.
func Apply(config, cmdline string, m Machine, b Board) (Result, error) {
	return apply(config, cmdline, m, b, func(text string) string { return text })
}

// apply is Apply for a config.txt that may include other files. The function expand replaces each include line by the
// included file, so that the included lines are considered too.
func apply(config, cmdline string, m Machine, b Board, expand func(string) string) (Result, error) {
	if err := errors.Join(checkText("config.txt", config, maxConfig),
		checkText("cmdline.txt", cmdline, maxCmdline)); err != nil {
		return Result{}, err
	}
	if !validName(m.Name) {
		return Result{}, fmt.Errorf("machine %q has an invalid id, want only letters, digits, - and _", m.Name)
	}
	out := Result{Config: config, Cmdline: cmdline}
	var err error
	if out.Config, err = m.place(config, b, expand); err != nil {
		return Result{}, err
	}
	if m.Serial {
		if out.Cmdline, err = freeSerial(cmdline); err != nil {
			return Result{}, err
		}
	}
	whole := expand(out.Config)
	if still := m.missing(whole, b); len(still) > 0 {
		return Result{}, fmt.Errorf("line %q of config.txt has no effect on this computer (%s)", still[0].Text, b.Model)
	}
	out.Changed = out.Config != config || out.Cmdline != cmdline
	out.Conflicts = m.Conflicts(whole, b)
	return out, nil
}

// place writes the machine's block at a position where the block takes effect. If no setting is missing and config.txt
// has no block, place changes nothing.
func (m Machine) place(config string, b Board, expand func(string) string) (string, error) {
	before, old, after, err := split(config, m.Name)
	if err != nil {
		return "", err
	}
	if old == "" && len(m.missing(expand(config), b)) == 0 {
		return config, nil
	}
	outside := before + after
	if nl := newline(outside); after != "" && endsFiltered(expand(before)) {
		outside = before + "[all]" + nl + after // the lines after the block were under its last filter, [all]
	}
	block := m.block(expand(outside), newline(withNewline(outside)))
	there, last := before+block+after, withNewline(outside)+block
	// Put the block at the end of the file, because the block is new, or because a later line overrides a line of the
	// block.
	if old == "" || len(m.missing(expand(there), b)) > 0 {
		return last, nil
	}
	return there, nil
}

// endsFiltered reports whether a filter other than [all] applies at the end of this text.
func endsFiltered(text string) bool {
	last := "all"
	for line := range strings.Lines(text) {
		if filter, ok := strings.CutPrefix(strings.TrimSpace(line), "["); ok {
			filter, _, _ = strings.Cut(filter, "]")
			last = strings.ToLower(strings.TrimSpace(filter))
		}
	}
	return last != "all"
}

// checkText rejects a text that contains bytes the firmware does not accept in a text file, or that is longer than
// limit bytes.
func checkText(name, text string, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("file %s has %d bytes, want at most %d", name, len(text), limit)
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return fmt.Errorf("file %s contains the byte %#02x at offset %d, want a text file", name, c, i)
		}
	}
	return nil
}

func validName(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// Missing returns the required lines that a config.txt lacks for this board. For an unknown board, the lines of all
// filters are required, each under its own filter.
func Missing(config string, need []Line, b Board) (out []Line) {
	if b.Known() {
		have := Settings(config, b)
		for _, l := range need {
			if l.appliesTo(b) && !certainlyHas(have, canonicalLine(l.Text)) {
				out = append(out, l)
			}
		}
		return out
	}
	boards := Boards()
	have := make([][]Setting, len(boards))
	for i, b := range boards {
		have[i] = Settings(config, b)
	}
	for _, l := range need {
		for i, b := range boards {
			if l.appliesTo(b) && !certainlyHas(have[i], canonicalLine(l.Text)) {
				out = append(out, l)
				break
			}
		}
	}
	return out
}

func (l Line) appliesTo(b Board) bool { return l.Model == "all" || slices.Contains(b.Filters, l.Model) }

// canonicalLine returns one of the machine's lines in the form that Settings uses. Each line of a machine sets one
// property.
func canonicalLine(text string) string {
	if s := put(nil, Setting{Text: splitSettings(text)[0]}); len(s) == 1 {
		return s[0].Text
	}
	return text
}

func (m Machine) missing(config string, b Board) []Line { return Missing(config, m.Lines, b) }

// begin returns the first mark of a machine's block.
func begin(name string) string { return "# portillon " + name + ": begin" }
func end(name string) string   { return "# portillon " + name + ": end" }

// split separates the machine's block from the rest of config.txt. Without a block, old and after are empty.
func split(config, name string) (before, old, after string, err error) {
	from, to, at := -1, -1, 0
	for line := range strings.Lines(config) {
		switch mark := strings.TrimSpace(line); {
		case mark == begin(name) && from >= 0, mark == end(name) && (from < 0 || to >= 0):
			return "", "", "", fmt.Errorf("config.txt: the marks of the block %q do not pair: "+
				"take the lines %q and %q out, with what stands between them", name, begin(name), end(name))
		case mark == begin(name):
			from = at
		case mark == end(name):
			to = at + len(line)
		}
		at += len(line)
	}
	switch {
	case from < 0 && to < 0:
		return config, "", "", nil
	case to < 0:
		return "", "", "", fmt.Errorf("block %q of config.txt has no end mark, add the line %q after the block", name,
			end(name))
	}
	return config[:from], config[from:to], config[to:], nil
}

// block returns the text of the machine's block.
func (m Machine) block(outside, nl string) string {
	var b strings.Builder
	b.WriteString(begin(m.Name) + "\n")
	b.WriteString("# written by portillon firmware apply: an edit between the marks is overwritten\n")
	b.WriteString(Fragment(m.withoutRepeats(outside)))
	b.WriteString(end(m.Name) + "\n")
	return strings.ReplaceAll(b.String(), "\n", nl)
}

// withoutRepeats removes from the machine's lines the overlays that the rest of the file already loads. A setting that
// is written twice is harmless, but the firmware loads an overlay twice if the overlay is written twice.
func (m Machine) withoutRepeats(outside string) (out []Line) {
	for _, l := range m.Lines {
		if !strings.HasPrefix(l.Text, "dtoverlay=") || len(Missing(outside, []Line{l}, Board{})) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// Fragment returns these lines as text for config.txt. The text begins and ends with [all].
func Fragment(all []Line) string {
	var b strings.Builder
	model, why := "", ""
	for _, l := range all {
		if l.Model != model {
			fmt.Fprintf(&b, "[%s]\n", l.Model)
			model = l.Model
		}
		if l.Why != why { // comments are on separate lines: config.txt allows no comment after a setting
			fmt.Fprintf(&b, "# %s\n", l.Why)
			why = l.Why
		}
		b.WriteString(l.Text + "\n")
	}
	if model != "all" {
		b.WriteString("[all]\n")
	}
	return b.String()
}

// newline returns the line ending of the file's first line.
func newline(text string) string {
	if n := strings.IndexByte(text, '\n'); n > 0 && text[n-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func withNewline(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + newline(text)
}

// serialPorts contains the names that the kernel's command line may use for the header's serial port. The firmware
// replaces serial0 by the real name of the port. On a Pi 5, serial0 is ttyAMA10, the debug connector, unless the
// setting uart0_console moves serial0 to the header.
var serialPorts = []string{"serial0", "ttyAMA0", "ttyS0"}

// freeSerial removes the consoles on the serial port from cmdline.txt, which is one line.
func freeSerial(cmdline string) (string, error) {
	line, rest, _ := strings.Cut(cmdline, "\n")
	if strings.TrimSpace(rest) != "" {
		return "", fmt.Errorf("cmdline.txt has more than one line, want one: the firmware reads only the first line")
	}
	var out strings.Builder
	for word := range splitWords(line) {
		if SerialConsole(strings.TrimSpace(word)) {
			continue
		}
		out.WriteString(word)
	}
	if out.Len() == len(line) {
		return cmdline, nil
	}
	kept := strings.TrimRight(out.String(), " \t\r")
	if strings.HasSuffix(line, "\r") {
		kept += "\r"
	}
	if len(cmdline) > len(line) {
		kept += cmdline[len(line):]
	}
	return kept, nil
}

// splitWords returns an iterator over the words of a line, each with the spaces that follow the word.
func splitWords(line string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line != "" {
			n := strings.IndexAny(line, " \t\r")
			if n < 0 {
				n = len(line)
			}
			for n < len(line) && strings.IndexByte(" \t\r", line[n]) >= 0 {
				n++
			}
			if !yield(line[:n]) {
				return
			}
			line = line[n:]
		}
	}
}

// SerialConsole reports whether a word of the kernel's command line is a console on the header's serial port.
func SerialConsole(word string) bool {
	port, is := strings.CutPrefix(word, "console=")
	port, _, _ = strings.Cut(port, ",")
	return is && slices.Contains(serialPorts, port)
}

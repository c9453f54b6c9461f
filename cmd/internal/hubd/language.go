package hubd

import (
	_ "embed"
	"io"
	"strings"

	"portillon/hub/fault"
)

//go:embed messages.txt
var messages string

// isFrench reports whether a terminal is to be answered in French: LC_ALL, LC_MESSAGES or LANG says so, the first that
// is set. C, POSIX and every other language get English.
func isFrench(getenv func(string) string) bool {
	for _, name := range [...]string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			return v == "fr" || strings.HasPrefix(v, "fr_") || strings.HasPrefix(v, "fr.")
		}
	}
	return false
}

// french writes the lines of portillon-hub in French. A line that messages.txt and the hub's own messages do not know
// is written as it is: those of the log, and errors of the system.
type french struct {
	w    io.Writer
	said []*fault.Words
}

// inFrench is w for a terminal that is answered in French.
func inFrench(w io.Writer) (io.Writer, error) {
	own, err := fault.Parse(messages)
	if err != nil {
		return nil, err
	}
	files, err := fault.ReadWords()
	return french{w, []*fault.Words{own, files}}, err
}

// Write takes whole lines.
func (f french) Write(p []byte) (int, error) {
	lines := strings.SplitAfter(string(p), "\n")
	for i, line := range lines {
		lines[i] = f.line(line)
	}
	if _, err := io.WriteString(f.w, strings.Join(lines, "")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// line is a line in French, with the name of the program and the indent that it has.
func (f french) line(line string) string {
	text := strings.TrimRight(strings.TrimLeft(line, " "), "\n")
	before, after := line[:len(line)-len(strings.TrimLeft(line, " "))], line[len(strings.TrimRight(line, "\n")):]
	if rest, ok := strings.CutPrefix(text, "portillon-hub: "); ok {
		before, text = before+"portillon-hub: ", rest
		if rest, ok = strings.CutPrefix(text, "hint: "); ok {
			before, text = before+"conseil\u00a0: ", rest
		}
	}
	for _, w := range f.said {
		if fr, _, ok := w.French(text); ok {
			return before + fr + after
		}
	}
	return before + text + after
}

package hubd

import (
	_ "embed"
	"io"
	"strings"

	"portillon/hub/fault"
)

//go:embed messages.txt
var messages string

// isFrench reports whether the terminal's language is French. The first of LC_ALL, LC_MESSAGES and LANG that is set
// determines the language. In all other languages, the program prints English.
func isFrench(getenv func(string) string) bool {
	for _, name := range [...]string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			return v == "fr" || strings.HasPrefix(v, "fr_") || strings.HasPrefix(v, "fr.")
		}
	}
	return false
}

// french translates the lines of portillon-hub into French. french writes a line unchanged if neither messages.txt nor
// the hub's own messages contain a translation, for example log lines and errors of the system.
type french struct {
	w    io.Writer
	said []*fault.Words
}

// inFrench returns a writer that translates lines into French and writes them to w.
func inFrench(w io.Writer) (io.Writer, error) {
	own, err := fault.Parse(messages)
	if err != nil {
		return nil, err
	}
	files, err := fault.ReadWords()
	return french{w, []*fault.Words{own, files}}, err
}

// Write translates p, which must consist of whole lines.
func (f french) Write(p []byte) (int, error) {
	lines := strings.SplitAfter(string(p), "\n")
	for i, line := range lines {
		lines[i] = f.translateLine(line)
	}
	if _, err := io.WriteString(f.w, strings.Join(lines, "")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// translateLine translates one line, without changing the program's name and the indentation.
func (f french) translateLine(translateLine string) string {
	text := strings.TrimRight(strings.TrimLeft(translateLine, " "), "\n")
	before, after := translateLine[:len(translateLine)-len(strings.TrimLeft(translateLine, " "+
		""))], translateLine[len(strings.TrimRight(translateLine, "\n")):]
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

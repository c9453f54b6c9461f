package yamlfile

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	MaxBytes   = 4 << 20 // a members.yaml of 10,000 people is about 2 MB
	MaxEntries = 400_000 // and has about 150,000
	MaxDepth   = 32
	// maxFaults keeps an answer readable, and quick on a hostile file: once it is reached, nothing more is read.
	maxFaults = 50
	maxWords  = 1000     // of a problem or a hint, in bytes: whatever was given
	maxLine   = 64 << 10 // of a line that is shown, in bytes: a longer one nobody wrote
	maxName   = 64       // of a key in a path, in bytes: an id is no longer
	maxLetter = 2 << 20  // pairs of letters compared for all hints of a file
)

// Entries is how many entries a text may hold at most, looked at without reading it: each stands behind a comma, an
// opening bracket, the end of a line, or a dash, a colon or a question mark with a space. Those in words and comments
// count too.
func Entries(data []byte) int {
	n := 1
	for i, c := range data {
		switch c {
		case ',', '[', '{', '\n', '\r':
			n++
		case '-', ':', '?':
			if i+1 < len(data) && (data[i+1] == ' ' || data[i+1] == '\t') {
				n++
			}
		}
	}
	return n
}

// tooMuch refuses what would cost much to read, before the YAML library does anything: its own work grows with it.
func tooMuch(data []byte) (Fault, bool) {
	if len(data) > MaxBytes {
		return Fault{
			Problem: fmt.Sprintf("the file has %d bytes", len(data)),
			Hint:    fmt.Sprintf("at most %d", MaxBytes),
		}, true
	}
	if n := Entries(data); n > MaxEntries {
		return Fault{
			Problem: fmt.Sprintf("the file has about %d entries", n),
			Hint:    fmt.Sprintf("at most %d", MaxEntries),
		}, true
	}
	if tooDeep(data) {
		return Fault{Problem: "brackets are nested too deep", Hint: fmt.Sprintf("at most %d deep", MaxDepth)}, true
	}
	return Fault{}, false
}

// tooDeep looks for nesting.
func tooDeep(data []byte) bool {
	depth := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			if depth++; depth > 4*MaxDepth { // brackets also stand in quoted words
				return true
			}
		case ']', '}', '\n':
			depth = max(depth-1, 0)
		}
	}
	return false
}

// clip is the beginning of s.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// unreadable finds the first letter that a file must not hold: bytes of another encoding, what YAML forbids, and line
// ends that hardly an editor shows: behind one of these, a comment would go on as a key.
func unreadable(data []byte, lines []string) (Fault, bool) {
	if s := string(data[:min(len(data), 2)]); s == "\xff\xfe" || s == "\xfe\xff" {
		return Fault{Problem: "this is not YAML: the file is UTF-16", Hint: "save the file as UTF-8"}, true
	}
	for i, l := range lines {
		column := 0
		for at, r := range l {
			if column++; r >= ' ' && r < 0x7f {
				continue
			}
			if problem, hint := badLetter(r, l[at:]); problem != "" {
				return Fault{Line: i + 1, Column: column, Problem: problem, Hint: hint}, true
			}
		}
	}
	return Fault{}, false
}

// badLetter says what is wrong with a letter, which stands first in rest; "" where nothing is.
func badLetter(r rune, rest string) (problem, hint string) {
	switch {
	case r == utf8.RuneError && !strings.HasPrefix(rest, string(utf8.RuneError)):
		return fmt.Sprintf("this is not YAML: byte %#02x is no letter in UTF-8", rest[0]), "save the file as UTF-8"
	case r == '\u0085' || r == '\u2028' || r == '\u2029':
		return fmt.Sprintf("U+%04X ends a line for YAML, and not in an editor", r), "remove it"
	case r < ' ' && r != '\t', r >= 0x7f && r < 0xa0, r == '\ufffe', r == '\uffff':
		return fmt.Sprintf("this is not YAML: U+%04X is a control character", r), "remove it"
	}
	return "", ""
}

package yamlfile

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// These are the limits of a file. Parse rejects a file that exceeds one of these limits.
const (
	MaxBytes   = 4 << 20 // largest file in bytes; a members.yaml with 10,000 people has about 2 MB
	MaxEntries = 400_000 // maximum number of entries; a members.yaml with 10,000 people has about 150,000
	MaxDepth   = 32      // maximum depth of nested mappings and lists
	// maxFaults is the maximum number of reported faults. Reading stops at this limit, because more faults help nobody and
	// a hostile file must not take long.
	maxFaults = 50
	maxWords  = 1000     // maximum length of a problem or a hint, in bytes
	maxLine   = 64 << 10 // maximum length of a line that is shown, in bytes
	maxName   = 64       // maximum length of a key in a path, in bytes; the same as that of an id
	maxLetter = 2 << 20  // maximum number of letters that DidYouMean compares for all hints of a file
)

// Entries returns an upper limit of the number of entries in a text, without parsing the text. Entries counts the
// characters that may precede an entry: commas, opening brackets, line ends, and dashes, colons and question marks with
// a space. Entries also counts such characters in words and comments.
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

// sizeFault returns a fault for a file that would be expensive to parse. Parse calls sizeFault before it calls the
// YAML library.
func sizeFault(data []byte) (Fault, bool) {
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

// tooDeep reports whether brackets in a text are nested too deeply.
func tooDeep(data []byte) bool {
	depth := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			if depth++; depth > 4*MaxDepth { // use a higher limit, because this loop counts brackets inside quotes too
				return true
			}
		case ']', '}', '\n':
			depth = max(depth-1, 0)
		}
	}
	return false
}

// clip returns the first bytes of s, at most most bytes.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// characterFault returns a fault for the first character that a file must not contain: a byte of another encoding, a
// character that YAML forbids, or a line end that most editors do not show. After a line end that editors do not
// show, a text that looks like a part of a comment could be a key.
func characterFault(data []byte, lines []string) (Fault, bool) {
	// Report a byte order mark of UTF-16 instead of the bytes after it.
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

// badLetter returns why r, the first character of rest, is forbidden; empty: the character is allowed.
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

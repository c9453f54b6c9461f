package yamlfile

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Fault is one thing wrong with a file.
type Fault struct {
	File         string
	Line, Column int    // from 1; 0: the file as a whole
	Field        string // "machines.laser.grants[0].role"
	Problem      string // what is wrong, with what was given
	Hint         string // what would do; may be empty
	Excerpt      string // the line; empty where it is too long, or holds a secret
}

// String is the fault as an operator reads it, with the line and a caret below it.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": ")
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.Problem)
	if f.Hint != "" {
		fmt.Fprintf(&b, " (%s)", f.Hint)
	}
	if f.Excerpt != "" {
		line, column := window(f.Excerpt, f.Column-1)
		fmt.Fprintf(&b, "\n%6d | %s\n       | %s^", f.Line, line, indent(line, column))
	}
	return b.String()
}

// window is what a screen shows of a line around a column, and where the column is in it.
func window(line string, column int) (string, int) {
	const wide, before = 140, 60
	r := []rune(strings.ToValidUTF8(line, "\ufffd"))
	for i, c := range r {
		if unicode.IsControl(c) && c != '\t' { // a terminal would obey it
			r[i] = '\ufffd'
		}
	}
	from := max(0, min(column-before, len(r)-wide))
	to := min(from+wide, len(r))
	out := string(r[from:to])
	if to < len(r) {
		out += " …"
	}
	if from > 0 {
		out, column = "… "+out, column-from+2
	}
	return out, column
}

// indent keeps tabs, so that the caret stands under the word.
func indent(line string, n int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= n {
			break
		}
		if r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Faults is an error made of all that is wrong, in the file's order.
type Faults []Fault

// Error lists all faults, one on each line.
func (f Faults) Error() string {
	out := make([]string, len(f))
	for i, x := range f {
		out[i] = x.String()
	}
	return strings.Join(out, "\n")
}

// again reports whether g is the same fault: a place may be asked twice what it holds.
func (f Fault) again(g Fault) bool {
	return f.Line == g.Line && f.Column == g.Column && f.Field == g.Field && f.Problem == g.Problem
}

// excerpt is what may be shown of a line.
func excerpt(line string) string {
	if len(line) > maxLine || secret(line) {
		return ""
	}
	return strings.TrimRight(line, "\r")
}

// hexKey is a card key or an AES key: 32 hexadecimal digits or more, and nothing else around them.
var hexKey = regexp.MustCompile(`(?i)(^|[^0-9a-z+/_-])[0-9a-f]{32,}($|[^0-9a-z+/_-])`)

// secret reports whether a line is of a key file that was given by mistake: ours, PEM, a multikey, a JWK, digits of a
// card key.
func secret(line string) bool {
	for _, mark := range []string{"PRIVATE+KEY", "PRIVATE KEY", "secretKey", `"d":`, `"d" :`} {
		if strings.Contains(line, mark) {
			return true
		}
	}
	return hexKey.MatchString(line)
}

package yamlfile

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Fault is one error in a file.
type Fault struct {
	File         string
	Line, Column int    // line and column, counted from 1; 0: the fault concerns the whole file
	Field        string // path such as machines.laser.grants[0].role
	Problem      string // what is wrong, with the given value
	Hint         string // example of a valid value, or advice; empty: there is none
	Excerpt      string // text of the line; empty if the line contains a secret
}

// String returns the fault as text for a terminal, with the line and a caret below the wrong value.
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
		line, column := visiblePart(f.Excerpt, f.Column-1)
		fmt.Fprintf(&b, "\n%6d | %s\n       | %s^", f.Line, line, indent(line, column))
	}
	return b.String()
}

// visiblePart returns the part of a line around a column that is shown, and the column's position in that part.
func visiblePart(line string, column int) (string, int) {
	const wide, before = 140, 60
	r := []rune(strings.ToValidUTF8(line, "\ufffd"))
	for i, c := range r {
		if unicode.IsControl(c) && c != '\t' { // replace control characters, which a terminal would interpret
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

// indent returns the white space that aligns a caret with column n of a line. indent copies the tabs of the line.
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

// Faults is an error with all faults of a file, in the order of lines.
type Faults []Fault

// Error lists all faults, one on each line.
func (f Faults) Error() string {
	out := make([]string, len(f))
	for i, x := range f {
		out[i] = x.String()
	}
	return strings.Join(out, "\n")
}

// equals reports whether f and g are the same fault, which happens if a node is read twice.
func (f Fault) equals(g Fault) bool {
	return f.Line == g.Line && f.Column == g.Column && f.Field == g.Field && f.Problem == g.Problem
}

// excerpt returns the text of a line that may be shown. If the line contains a secret, the excerpt is empty.
func excerpt(line string) string {
	if len(line) > maxLine || containsSecret(line) {
		return ""
	}
	return strings.TrimRight(line, "\r")
}

// hexKey matches a card key or an AES key: 32 or more hexadecimal digits that are not part of a longer word.
var hexKey = regexp.MustCompile(`(?i)(^|[^0-9a-z+/_-])[0-9a-f]{32,}($|[^0-9a-z+/_-])`)

// containsSecret reports whether a line seems to contain a key, because a person passed a key file by mistake: a key of
// Portillon, PEM, a multikey, a JWK, or the digits of a card key.
func containsSecret(line string) bool {
	for _, mark := range []string{"PRIVATE+KEY", "PRIVATE KEY", "secretKey", `"d":`, `"d" :`} {
		if strings.Contains(line, mark) {
			return true
		}
	}
	return hexKey.MatchString(line)
}

package yamlfile

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// suspect is a position at which a text is not valid YAML, with the probable mistake.
type suspect struct {
	line, column  int // from 1
	problem, hint string
	sure          bool // true: the text is a mistake even if the YAML library accepts it
}

// diagnose searches for the mistake in a text that the YAML library has rejected. The error of the YAML library often
// names the line at which the block begins, not the line with the mistake. diagnose knows only common mistakes, and
// reports no mistake in valid YAML.
func diagnose(data []byte) (suspect, bool) {
	d := &diagnosis{}
	for i, l := range splitLines(data) {
		d.at = i + 1
		if d.readLine([]rune(l)); d.found != nil || d.lost {
			break
		}
	}
	if d.found == nil && !d.lost {
		d.reportOpen()
	}
	if d.found == nil || !isConfirmed(data, *d.found) {
		return suspect{}, false
	}
	return *d.found, true
}

// splitLines returns the lines of a text. splitLines splits the text in the same way as the YAML library and editors.
func splitLines(data []byte) []string {
	text := strings.TrimPrefix(string(data), "\ufeff")
	if strings.Contains(text, "\r") {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	}
	return strings.Split(text, "\n")
}

// maxTried and maxTriedEntries limit the size of texts for which trusted checks a diagnosis, because the check parses
// the text up to ten times.
const (
	maxTried        = 64 << 10
	maxTriedEntries = 6000
)

// isConfirmed checks a diagnosis with the YAML library. The text before the line must be valid. The text must be
// invalid up to the line, and up to each of the next seven lines.
func isConfirmed(data []byte, s suspect) bool {
	if len(data) > maxTried || Entries(data) > maxTriedEntries {
		return true
	}
	// Check that the text before the mistake is valid, and that the text stays invalid with a few more lines. If a
	// later line makes the text valid, the suspected text is not a mistake.
	lines := bytes.SplitAfter(data, []byte("\n"))
	good := func(n int) bool {
		return yaml.Unmarshal(bytes.Join(lines[:n], nil), new(yaml.Node)) == nil
	}
	if s.line > len(lines) || !good(s.line-1) {
		return false
	}
	for n := s.line; n < len(lines) && n < s.line+8 && !s.sure; n++ {
		if good(n) {
			return false
		}
	}
	return true
}

// diagnosis is the state of a reader that reads a text line by line by the rules of YAML, and stops at the first
// mistake.
type diagnosis struct {
	at       int // current line, from 1
	levels   []level
	plain    bool      // true: the last value is a plain scalar, which lines with more indentation may continue
	block    int       // column of a block scalar (| or >), from 1; 0: there is none
	brackets []bracket // open brackets
	quote    bracket   // quote that is still open; its rune is 0 if no quotation is open
	found    *suspect
	lost     bool // true: the text uses YAML features that diagnosis does not support
}

// level is an open block. The column of a level counts from 0.
type level struct {
	column int
	dash   bool // true: the block is a list
	open   bool // true: the last entry has no value yet
	first  int  // line in which the block begins
	many   bool // true: the block has more than one entry
}

// bracket is an opening bracket or quote.
type bracket struct {
	rune         rune
	line, column int  // from 1
	indent       int  // indentation of the line with the bracket
	colon        bool // true: the current entry already has a key and a colon
}

// suspect stores the first suspected mistake, and ignores later ones.
func (d *diagnosis) suspect(line, column int, hint, format string, a ...any) {
	if d.found == nil {
		d.found = &suspect{line: line, column: column, problem: fmt.Sprintf(format, a...), hint: hint}
	}
}

// reportAt reports a mistake at index i of the current line.
func (d *diagnosis) reportAt(i int, hint, format string, a ...any) {
	d.suspect(d.at, i+1, hint, format, a...)
}

// reportSpace reports the character at index i, which looks like a space but is another character.
func (d *diagnosis) reportSpace(i int, r rune, where string) {
	d.reportAt(i, "write ordinary spaces", "%s stands %s", nameOf(r), where)
	d.found.sure = r != '\t'
}

// isSpace reports whether a rune is invisible or looks like a space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' }

// entryLike matches the beginning of a line in a block: a dash or a key.
var entryLike = regexp.MustCompile(`^(- |-$|["']?[A-Za-z][\w-]*["']?:( |$))`)

// readLine reads one line.
func (d *diagnosis) readLine(l []rune) {
	in := 0
	for in < len(l) && isSpace(l[in]) {
		in++
	}
	rest := string(l[in:])
	switch {
	case in == len(l):
		return
	case d.block > 0 && in >= d.block: // the line continues a value that was written with | or >
		return
	case d.quote.rune != 0 || len(d.brackets) > 0:
		d.readContinuation(l, in, rest)
		return
	}
	d.block = 0
	// Skip comments, document markers and directives (%YAML), which contain no entry.
	if rest[0] == '#' || strings.HasPrefix(rest, "---") || strings.HasPrefix(rest, "...") || rest[0] == '%' {
		return
	}
	if !d.isIndentedBySpaces(l[:in], rest) {
		return
	}
	// Stop at complex keys, anchors, tags and aliases, which the diagnosis does not support.
	d.lost = strings.ContainsRune("?:&!*", l[in])
	if !d.lost {
		d.readEntry(l, in)
	}
}

// isIndentedBySpaces reports whether an indentation consists of ordinary spaces, and records a fault for the first
// other character. isIndentedBySpaces reports a tab only before an entry of a block.
func (d *diagnosis) isIndentedBySpaces(indentation []rune, rest string) bool {
	for i, r := range indentation {
		if r != ' ' && (r != '\t' || entryLike.MatchString(rest)) {
			d.reportSpace(i, r, "where the line begins")
			return false
		}
	}
	return true
}

// skipBlanks returns the index of the first character at or after i that is neither space nor tab.
func skipBlanks(l []rune, i int) int {
	for i < len(l) && isBlank(l[i]) {
		i++
	}
	return i
}

// isBlank reports whether a rune is a space or a tab, which separate words in YAML.
func isBlank(r rune) bool { return r == ' ' || r == '\t' }

// readContinuation reads a line inside brackets or quotes. If the line is clearly the next entry, readContinuation
// reports that the brackets or quotes are not closed.
func (d *diagnosis) readContinuation(l []rune, in int, rest string) {
	open := d.quote
	if open.rune == 0 {
		open = d.brackets[0]
	}
	if in <= open.indent && entryLike.MatchString(rest) {
		d.reportUnclosed()
		return
	}
	if d.quote.rune != 0 {
		d.quoted(l, 0)
	} else {
		d.flow(l, in)
	}
}

// reportUnclosed reports the innermost quote or bracket that is not closed.
func (d *diagnosis) reportUnclosed() {
	if q := d.quote; q.rune != 0 {
		d.suspect(q.line, q.column, fmt.Sprintf("add %c behind the words that it quotes", q.rune),
			"%c opens a quotation here, and nothing closes it", q.rune)
		return
	}
	b := d.brackets[len(d.brackets)-1]
	d.suspect(b.line, b.column, fmt.Sprintf("add %c at the end of what it holds", closer(b.rune)),
		"%c is opened here, and never closed", b.rune)
}

// reportOpen reports quotes and brackets that are still open at the end of the file.
func (d *diagnosis) reportOpen() {
	if d.quote.rune != 0 || len(d.brackets) > 0 {
		d.reportUnclosed()
	}
}

// readEntry reads the dashes, the key and the value in a line of a block, from index i.
func (d *diagnosis) readEntry(l []rune, i int) {
	first := i
	// Read the dashes. Each dash begins an entry of a list.
	for i < len(l) && l[i] == '-' {
		if !ends(l, i+1) {
			d.reportTightDash(l, i)
			break
		}
		if d.placeEntry(i, true); d.stopped() {
			return
		}
		i = skipBlanks(l, i+1)
	}
	if d.stopped() {
		return
	}
	// Read the key, if there is one, and the value after the colon.
	colon := keyEnd(l, i)
	if colon < 0 {
		d.bare(l, i, i > first)
		return
	}
	if d.placeEntry(i, false); d.stopped() {
		return
	}
	d.readValue(l, skipBlanks(l, colon+1))
}

// stopped reports whether the diagnosis has found a mistake or an unsupported feature.
func (d *diagnosis) stopped() bool { return d.found != nil || d.lost }

// reportTightDash reports a dash without a space after it, if the dash was probably meant to begin an entry of a list.
func (d *diagnosis) reportTightDash(l []rune, i int) {
	next := l[i+1]
	inList := len(d.levels) > 0 &&
		(d.levels[len(d.levels)-1].open || d.levels[len(d.levels)-1].dash && d.levels[len(d.levels)-1].column == i)
	switch {
	case strings.ContainsRune(`{["'`, next), inList && unicode.IsLetter(next):
		d.reportAt(i, "write a space behind it", "a dash that touches what follows begins no entry")
	case isSpace(next):
		d.reportSpace(i+1, next, "behind the dash")
	}
}

// keyEnd returns the index of the colon after a key; -1: there is no key.
func keyEnd(l []rune, i int) int {
	if i >= len(l) || strings.ContainsRune("#{[|>&*!%@`,]}", l[i]) {
		return -1
	}
	if l[i] == '"' || l[i] == '\'' {
		return quotedKeyEnd(l, i)
	}
	for ; i < len(l); i++ {
		switch {
		case l[i] == ':' && ends(l, i+1):
			return i
		case l[i] == '#' && isBlank(l[i-1]):
			return -1
		}
	}
	return -1
}

// quotedKeyEnd returns the index of the colon after a quoted key whose quote opens at index i, or -1.
func quotedKeyEnd(l []rune, i int) int {
	quote := l[i]
	for i++; i < len(l) && l[i] != quote; i++ {
	}
	for i++; i < len(l) && l[i] == ' '; i++ {
	}
	if i < len(l) && l[i] == ':' && ends(l, i+1) {
		return i
	}
	return -1
}

// ends reports whether a word ends before index i of the line.
func ends(l []rune, i int) bool { return i >= len(l) || isBlank(l[i]) }

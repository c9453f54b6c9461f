package yamlfile

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// suspect is a place where a text stops being YAML, in the words of somebody who has seen beginners write it.
type suspect struct {
	line, column  int // from 1
	problem, hint string
	sure          bool // it is a slip even where YAML takes it for a word
}

// diagnose looks through a text that the YAML library has refused, for its own errors name the line where it gave up,
// and that is often the line where the block began. It knows the usual slips and nothing else, and finds none in a text
// that is YAML.
func diagnose(data []byte) (suspect, bool) {
	d := &diagnosis{}
	for i, l := range splitLines(data) {
		d.at = i + 1
		if d.read([]rune(l)); d.found != nil || d.lost {
			break
		}
	}
	if d.found == nil && !d.lost {
		d.end()
	}
	if d.found == nil || !trusted(data, *d.found) {
		return suspect{}, false
	}
	return *d.found, true
}

// splitLines are the lines as the YAML library and editors count them.
func splitLines(data []byte) []string {
	text := strings.TrimPrefix(string(data), "\ufeff")
	if strings.Contains(text, "\r") {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	}
	return strings.Split(text, "\n")
}

// maxTried and maxTriedEntries bound what is read again, ten times at most, to make sure: a hostile file must not cost
// much.
const (
	maxTried        = 64 << 10
	maxTriedEntries = 6000
)

// trusted makes sure of a diagnosis: the text above the line is YAML, and with the line it is none, nor with some that
// follow.
func trusted(data []byte, s suspect) bool {
	if len(data) > maxTried || Entries(data) > maxTriedEntries {
		return true
	}
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

// diagnosis reads a text line by line, as YAML would, and stops at the first slip.
type diagnosis struct {
	at       int // the line, from 1
	levels   []level
	plain    bool      // the last value is plain words: lines that are further in may go on with it
	block    int       // the column of the block whose value is written with | or >, from 1; 0: none is
	brackets []bracket // open
	quote    bracket   // open; its rune is 0 where none is
	found    *suspect
	lost     bool // by what our files do not use
}

// level is a block: the column where its entries begin, from 0.
type level struct {
	column int
	dash   bool // a list
	open   bool // the last entry has no value yet
	first  int  // the line where it begins
	many   bool // it has more entries than that
}

// bracket is an opening bracket or quote, and what has been seen since.
type bracket struct {
	rune         rune
	line, column int  // from 1
	indent       int  // of its line
	colon        bool // the entry has a key and a colon already
}

func (d *diagnosis) suspect(line, column int, hint, format string, a ...any) {
	if d.found == nil {
		d.found = &suspect{line: line, column: column, problem: fmt.Sprintf(format, a...), hint: hint}
	}
}

// here is a slip on the line that is read, at place i of it.
func (d *diagnosis) here(i int, hint, format string, a ...any) {
	d.suspect(d.at, i+1, hint, format, a...)
}

// space is a slip: what looks like a space at place i of the line, and is none.
func (d *diagnosis) space(i int, r rune, where string) {
	d.here(i, "write ordinary spaces", "%s stands %s", nameOf(r), where)
	d.found.sure = r != '\t'
}

// isSpace is what looks like a space, or like nothing.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' }

// entryLike is the beginning of a line in a block: a dash, or a key of our files.
var entryLike = regexp.MustCompile(`^(- |-$|["']?[A-Za-z][\w-]*["']?:( |$))`)

func (d *diagnosis) read(l []rune) {
	in := 0
	for in < len(l) && isSpace(l[in]) {
		in++
	}
	rest := string(l[in:])
	switch {
	case in == len(l):
		return
	case d.block > 0 && in >= d.block:
		return
	case d.quote.rune != 0 || len(d.brackets) > 0:
		d.goOn(l, in, rest)
		return
	}
	d.block = 0
	if rest[0] == '#' || strings.HasPrefix(rest, "---") || strings.HasPrefix(rest, "...") || rest[0] == '%' {
		return
	}
	for i, r := range l[:in] {
		if r != ' ' && (r != '\t' || entryLike.MatchString(rest)) {
			d.space(i, r, "where the line begins")
			return
		}
	}
	d.lost = strings.ContainsRune("?:&!*", l[in])
	if !d.lost {
		d.entry(l, in)
	}
}

// goOn reads a line inside brackets or quotes, unless it is plainly the next entry: then they were never closed.
func (d *diagnosis) goOn(l []rune, in int, rest string) {
	open := d.quote
	if open.rune == 0 {
		open = d.brackets[0]
	}
	if in <= open.indent && entryLike.MatchString(rest) {
		d.unclosed()
		return
	}
	if d.quote.rune != 0 {
		d.quoted(l, 0)
	} else {
		d.flow(l, in)
	}
}

// unclosed blames the innermost that is open.
func (d *diagnosis) unclosed() {
	if q := d.quote; q.rune != 0 {
		d.suspect(q.line, q.column, fmt.Sprintf("add %c behind the words that it quotes", q.rune),
			"%c opens a quotation here, and nothing closes it", q.rune)
		return
	}
	b := d.brackets[len(d.brackets)-1]
	d.suspect(b.line, b.column, fmt.Sprintf("add %c at the end of what it holds", closer(b.rune)),
		"%c is opened here, and never closed", b.rune)
}

func (d *diagnosis) end() {
	if d.quote.rune != 0 || len(d.brackets) > 0 {
		d.unclosed()
	}
}

// entry reads what stands at place i of a line in a block: dashes, a key, a value.
func (d *diagnosis) entry(l []rune, i int) {
	first := i
	for i < len(l) && l[i] == '-' {
		if i+1 < len(l) && l[i+1] != ' ' && l[i+1] != '\t' {
			d.tight(l, i)
			break
		}
		if d.place(i, true); d.found != nil || d.lost {
			return
		}
		for i++; i < len(l) && (l[i] == ' ' || l[i] == '\t'); i++ {
		}
	}
	if d.found != nil || d.lost {
		return
	}
	colon := keyEnd(l, i)
	if colon < 0 {
		d.bare(l, i, i > first)
		return
	}
	if d.place(i, false); d.found != nil || d.lost {
		return
	}
	for i = colon + 1; i < len(l) && (l[i] == ' ' || l[i] == '\t'); i++ {
	}
	d.value(l, i)
}

// tight is a dash without a space.
func (d *diagnosis) tight(l []rune, i int) {
	next := l[i+1]
	inList := len(d.levels) > 0 &&
		(d.levels[len(d.levels)-1].open || d.levels[len(d.levels)-1].dash && d.levels[len(d.levels)-1].column == i)
	switch {
	case strings.ContainsRune(`{["'`, next), inList && unicode.IsLetter(next):
		d.here(i, "write a space behind it", "a dash that touches what follows begins no entry")
	case isSpace(next):
		d.space(i+1, next, "behind the dash")
	}
}

// keyEnd is the place of the colon behind a key, or -1.
func keyEnd(l []rune, i int) int {
	if i >= len(l) || strings.ContainsRune("#{[|>&*!%@`,]}", l[i]) {
		return -1
	}
	if q := l[i]; q == '"' || q == '\'' {
		for i++; i < len(l) && l[i] != q; i++ {
		}
		for i++; i < len(l) && l[i] == ' '; i++ {
		}
		if i < len(l) && l[i] == ':' && ends(l, i+1) {
			return i
		}
		return -1
	}
	for ; i < len(l); i++ {
		switch {
		case l[i] == ':' && ends(l, i+1):
			return i
		case l[i] == '#' && (l[i-1] == ' ' || l[i-1] == '\t'):
			return -1
		}
	}
	return -1
}

// ends reports whether a word ends before place i.
func ends(l []rune, i int) bool { return i >= len(l) || l[i] == ' ' || l[i] == '\t' }

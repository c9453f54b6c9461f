package yamlfile

import (
	"fmt"
	"strings"
)

// placeEntry checks the column of an entry, and begins or ends blocks.
func (d *diagnosis) placeEntry(column int, dash bool) {
	left := d.closeBlocks(column, dash)
	n := len(d.levels)
	if n > 4*MaxDepth { // stop: no valid file has so many nested blocks
		d.lost = true
		return
	}
	fresh := level{column: column, dash: dash, open: true, first: d.at}
	if n == 0 {
		if left.first > 0 {
			d.reportAt(column, columnHint(left), "this line is less far in than all above it")
		}
		d.levels = append(d.levels, fresh)
		return
	}
	switch top := &d.levels[n-1]; {
	case top.column == column && top.dash == dash:
		top.open, top.many = true, true
	case top.open && (top.column < column || dash):
		top.open = false
		d.levels = append(d.levels, fresh)
	case top.column < column && d.plain && dash: // the line continues a plain scalar
	default:
		d.reportMisplaced(column, dash, *top, left)
	}
}

// closeBlocks ends all blocks with more indentation than an entry at column. closeBlocks returns the block that it
// ended last, or the zero level.
func (d *diagnosis) closeBlocks(column int, dash bool) (left level) {
	n := len(d.levels)
	for ; n > 0 && d.levels[n-1].column > column; n-- {
		left = d.levels[n-1]
	}
	// A list may begin in the same column as the key above it. The next key in that column ends the list.
	if n > 1 && d.levels[n-1].column == column && d.levels[n-1].dash && !dash && d.levels[n-2].column == column {
		n--
	}
	d.levels = d.levels[:n]
	return left
}

// reportMisplaced reports an entry whose column matches neither the current block nor the block that ended before the
// entry.
func (d *diagnosis) reportMisplaced(column int, dash bool, top, left level) {
	switch {
	case top.column < column && left.first > 0:
		hint := "begin it where its neighbours begin"
		if !left.many {
			hint += fmt.Sprintf("; or mend line %d, where its block begins", left.first)
		}
		d.reportAt(column, hint, "this line begins in column %d, those around it in column %d or %d",
			column+1, top.column+1, left.column+1)
	case top.column < column:
		d.reportAt(column, columnHint(top), "this line is further in than the one above it, which has its value already")
	case dash && left.first > 0:
		d.reportAt(column, columnHint(left), "an entry of a list stands where the keys around it begin")
	case dash:
		d.reportAt(column, "remove the dash, or give the list a key", "an entry of a list stands between keys")
	default:
		d.reportAt(column, "begin it with - and a space, or further in", "a key stands where the entries of a list begin")
	}
}

// columnHint returns a hint with the column at which an entry should begin. If the block has only one entry, the column
// of that entry may be the wrong one.
func columnHint(l level) string {
	if l.many {
		return fmt.Sprintf("begin it in column %d", l.column+1)
	}
	return fmt.Sprintf("begin it in column %d; or mend line %d, where its block begins", l.column+1, l.first)
}

// readValue reads the value after a key or a dash.
func (d *diagnosis) readValue(l []rune, i int) {
	d.plain = false
	if i >= len(l) || l[i] == '#' {
		return // the value is empty, but may follow in the next lines
	}
	if n := len(d.levels); n > 0 {
		d.levels[n-1].open = false
	}
	switch r := l[i]; r {
	case '|', '>':
		d.block = 1
		if n := len(d.levels); n > 0 {
			d.block = d.levels[n-1].column + 1
		}
	case '&', '!':
		d.lost = true
	case '{', '[':
		d.flow(l, i)
	case '"', '\'':
		d.open(l, i)
		d.quoted(l, i+1)
	case '@', '`', '%':
		d.reportAt(i, "put the value in quotes", "%c begins no value", r)
	default:
		d.plain = true
		d.words(l, i)
	}
}

// words reads a plain scalar (a text without quotes) up to the end of a line.
func (d *diagnosis) words(l []rune, i int) {
	from := i
	for ; i < len(l); i++ {
		switch {
		case l[i] == '#' && i > 0 && isBlank(l[i-1]):
			return
		case l[i] == ':' && ends(l, i+1):
			d.colon(l, from, i)
			return
		}
	}
}

// colon reports a colon inside a plain scalar that looks like another key.
func (d *diagnosis) colon(l []rune, from, i int) {
	if strings.ContainsRune(quotes, l[from]) {
		d.reportAt(from, `write " before the words and behind them`, "%c is a letter to YAML, no quotation mark", l[from])
		return
	}
	if len(d.brackets) > 0 {
		d.reportAt(i, `put the value in quotes, as "a: b"; or write a comma before a new key`,
			"a second colon, with a space behind it, in one entry")
		return
	}
	hint := `put the value in quotes, as "a: b"`
	if all := string(l); strings.Contains(all, "}") && !strings.Contains(all, "{") {
		hint = "write { before the first key, or put the value in quotes"
	}
	d.reportAt(i, hint, "a second colon, with a space behind it, in one line")
}

// bare reads a line without a key, or the text without a key after a dash.
func (d *diagnosis) bare(l []rune, i int, dash bool) {
	n := len(d.levels)
	switch {
	case dash, n > 0 && d.levels[n-1].open && i > d.levels[n-1].column:
		d.readValue(l, i)
	case n > 0 && d.plain && i > d.levels[n-1].column, n == 0:
		if n > 0 {
			d.words(l, i)
		} else {
			d.readValue(l, i)
		}
	case n > 0 && i > d.levels[n-1].column:
		d.reportAt(i, "remove it, or make it a comment with #", "words stand behind a value that is complete")
	default:
		if at := touching(l, i); at >= 0 && isSpace(l[at+1]) {
			d.reportSpace(at+1, l[at+1], "behind the colon")
		} else if at >= 0 {
			d.reportAt(at, "write a space behind it", "a colon that touches what follows makes no key")
		} else {
			d.reportAt(i, "write key: value, or - and a space before an entry of a list", "this line has no key")
		}
	}
}

// touching returns the index of a colon that has no space after it; -1: there is no such colon.
func touching(l []rune, i int) int {
	for ; i+1 < len(l) && l[i] != '"' && l[i] != '\''; i++ {
		if l[i] == ':' && l[i+1] != ' ' {
			return i
		}
	}
	return -1
}

// maxIndent is the largest measured indentation. A limit is necessary, because the diagnosis measures the indentation
// for each bracket of a line.
const maxIndent = 200

// indent returns the number of leading spaces of a line.
func (d *diagnosis) indent(l []rune) int {
	n := 0
	for n < len(l) && n < maxIndent && l[n] == ' ' {
		n++
	}
	return n
}

// open begins a quotation.
func (d *diagnosis) open(l []rune, i int) {
	d.quote = bracket{rune: l[i], line: d.at, column: i + 1, indent: d.indent(l)}
}

// quoted reads a quotation from index i, and the text after it.
func (d *diagnosis) quoted(l []rune, i int) {
	q := d.quote.rune
	for ; i < len(l); i++ {
		switch {
		// An escaped quote does not end the quotation.
		case q == '"' && l[i] == '\\', q == '\'' && l[i] == q && i+1 < len(l) && l[i+1] == q:
			i++
		case l[i] == q:
			d.quote.rune = 0
			d.behind(l, i+1, q)
			return
		}
	}
}

// behind reads the text after a quotation.
func (d *diagnosis) behind(l []rune, i int, quote rune) {
	i = skipBlanks(l, i)
	switch {
	case i >= len(l) || l[i] == '#' && l[i-1] == ' ':
	case len(d.brackets) > 0 && strings.ContainsRune(",:]}", l[i]):
		d.flow(l, i)
	default:
		hint := `'' is an apostrophe inside single quotes; or use double quotes`
		if quote == '"' {
			hint = `\" is a quotation mark inside double quotes`
		}
		if strings.ContainsRune(",]}", l[i]) {
			hint = "remove it, or open a bracket before"
		}
		d.reportAt(i, hint, "the quotation is closed before this")
	}
}

// flow reads text inside brackets from index i, where an opening bracket may be.
func (d *diagnosis) flow(l []rune, i int) {
	for i < len(l) && d.found == nil {
		if l[i] == '#' && (i == 0 || isBlank(l[i-1])) { // a comment
			return
		}
		switch r := l[i]; r {
		case ' ', '\t':
			i++
		case '{', '[':
			d.brackets = append(d.brackets, bracket{rune: r, line: d.at, column: i + 1, indent: d.indent(l)})
			i++
		case '}', ']':
			if i++; !d.close(l, i-1) {
				return
			}
		case '"', '\'':
			d.open(l, i)
			d.quoted(l, i+1) // quoted calls behind, which continues with flow
			return
		case '&', '!', '?':
			d.lost = true
			return
		case ',', ':':
			d.brackets[len(d.brackets)-1].colon = r == ':'
			i++
		default:
			i = d.flowWords(l, i)
		}
	}
}

// flowWords reads a plain scalar inside brackets.
func (d *diagnosis) flowWords(l []rune, i int) int {
	from, top := i, &d.brackets[len(d.brackets)-1]
	for ; i < len(l) && !strings.ContainsRune(",[]{}", l[i]); i++ {
		switch {
		case l[i] == '#' && isBlank(l[i-1]):
			return len(l)
		case l[i] == ':' && (ends(l, i+1) || strings.ContainsRune(",[]{}", l[i+1])):
			if top.colon {
				d.colon(l, from, i)
			}
			top.colon = true
			return i + 1
		}
	}
	return i
}

// close closes a bracket at index i, and reports whether other brackets are still open.
func (d *diagnosis) close(l []rune, i int) bool {
	n := len(d.brackets)
	if b := d.brackets[n-1]; closer(b.rune) != l[i] {
		hint := fmt.Sprintf("write %c before it", closer(b.rune))
		if b.line == d.at {
			d.reportAt(i, hint, "%c stands where %c, opened in column %d, is still open", l[i], b.rune, b.column)
		} else {
			d.reportAt(i, hint, "%c stands where %c, opened on line %d, is still open", l[i], b.rune, b.line)
		}
		return false
	}
	d.brackets = d.brackets[:n-1]
	if n > 1 {
		return true
	}
	i = skipBlanks(l, i+1)
	switch {
	case i >= len(l) || l[i] == '#' || l[i] == ':':
	case l[i] == '}' || l[i] == ']':
		d.reportAt(i, "remove it, or open one before", "one %c too many", l[i])
	default:
		d.reportAt(i, "remove it, or close the bracket behind it", "the brackets are closed before this")
	}
	return false
}

// closer returns the bracket that closes the bracket r.
func closer(r rune) rune {
	if r == '{' {
		return '}'
	}
	return ']'
}

// nameOf returns the name of a character that looks like a space.
func nameOf(r rune) string {
	name := map[rune]string{
		'\u00a0': "a non-breaking space",
		'\u202f': "a narrow non-breaking space",
		'\u200b': "a space without width",
	}[r]
	switch {
	case r == '\t':
		return "a tab (U+0009)"
	case name == "":
		name = "an unusual space"
	}
	return fmt.Sprintf("%s (U+%04X)", name, r)
}

// lookalike returns a hint about a letter that looks like another, or "".
func lookalike(key string) string {
	for _, r := range key {
		switch {
		case r > 0x7f && isSpace(r):
			return nameOf(r) + " is a letter of it: write ordinary spaces"
		case strings.ContainsRune(quotes, r):
			return fmt.Sprintf("%c is a letter of it: write straight quotation marks, as \"", r)
		}
	}
	return ""
}

// quotes are the quotation marks of word processors.
const quotes = "“”„«»‘’"

// Package sheet creates a sheet for the electrician who wires one machine. The sheet contains the device at each
// terminal of the Raspberry Pi, the drive of the relay, the requests to the electrician, and the protections that
// Portillon does not provide. The sheet has blank fields for measured values.
//
// A sheet is one HTML file without external resources and without scripts. When the sheet is printed on A4, each
// language takes one page. After a change of the text or the style, print the sheet once and check it: chromium
// --headless --print-to-pdf=sheet.pdf sheet.html; pdfinfo sheet.pdf.
package sheet

import (
	"bytes"
	_ "embed" // the HTML template is embedded
	"html/template"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
)

//go:embed sheet.html
var page string

// maxFile is the maximum number of characters of the file's name that the sheet shows.
const maxFile = 60

// Row is one row in the sheet's table of terminals.
type Row struct {
	Pin, GPIO           string
	What, Contact, Wire string
}

// Ask is a heading with a list of requests to the electrician.
type Ask struct {
	Title string
	Items []string
}

// Sheet is the content of a machine's sheet in one language.
type Sheet struct {
	Lang                string // language: fr or en
	Machine, Site, File string
	Rows                []Row
	Relay               []string // description of how the relay is driven
	Asks                []Ask
	Not                 []string // sentences that name the protections that Portillon does not provide
	W                   words
}

// For returns the sheet of a machine. The argument file is the name of the machine.yaml.
func For(c daemoncmd.Config, file string, l policy.Language) Sheet {
	s := Sheet{Lang: l.String(), Machine: c.Machine, Site: c.Site, File: shorten(filepath.Base(file)), W: wordsIn(l)}
	s.Rows = rows(c, l)
	s.Relay = sheetIn(l, relay(c))
	for _, a := range asks(c) {
		s.Asks = append(s.Asks, Ask{Title: a.title.In(l), Items: sheetIn(l, a.items)})
	}
	for _, p := range c.Summary() {
		if !p.Does && p.Wiring {
			s.Not = append(s.Not, p.Text.In(l))
		}
	}
	return s
}

// sheetIn returns the sheet's texts in the given language.
func sheetIn(l policy.Language, texts []policy.Text) (out []string) {
	for _, t := range texts {
		out = append(out, t.In(l))
	}
	return out
}

// withNoBreakSpaces replaces the space between a number and its unit, and the space before a French punctuation mark,
// by a no-break space.
func withNoBreakSpaces(s string) string {
	s = regexp.MustCompile(`(\d) (V|A|mA|Hz|kΩ|mm|phases)\b`).ReplaceAllString(s, "$1\u00a0$2")
	return strings.NewReplacer(" :", "\u00a0:", " ;", "\u00a0;", " kΩ", "\u00a0kΩ", "NF C ", "NF\u00a0C\u00a0", "☐ ",
		"☐\u00a0",
		"EN ISO ", "EN\u00a0ISO\u00a0", "18-510", "18\u2011510", "15-100", "15\u2011100").Replace(s)
}

// HTML returns the whole file, with one page for each language.
func HTML(c daemoncmd.Config, file string, langs ...policy.Language) ([]byte, error) {
	t, err := template.New("sheet").Funcs(template.FuncMap{"whole": withNoBreakSpaces}).Parse(page)
	if err != nil {
		return nil, err
	}
	var sheets []Sheet
	for _, l := range langs {
		sheets = append(sheets, For(c, file, l))
	}
	var out bytes.Buffer
	if err := t.Execute(&out, sheets); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// shorten shortens a file name that is too long for the sheet's layout.
func shorten(s string) string {
	if r := []rune(s); len(r) > maxFile {
		return string(r[:maxFile]) + "…"
	}
	return s
}

// rows returns the machine's terminals in the order of the machine.yaml. All lines of one bus are in one row.
func rows(c daemoncmd.Config, l policy.Language) (out []Row) {
	var pins, lines []string
	for _, w := range c.Wires() {
		pin := "–"
		if n, ok := daemoncmd.HeaderPin(w.Line); ok {
			pin = strconv.Itoa(n)
		}
		if w.Use == "bus" {
			pins, lines = append(pins, pin), append(lines, strconv.Itoa(w.Line))
			continue
		}
		t := terminal(w, c)
		out = append(out, Row{pin, strconv.Itoa(w.Line), t.what.In(l), t.contact.In(l), t.wire.In(l)})
	}
	if len(lines) > 0 {
		t := bus(c)
		out = append(out, Row{strings.Join(pins, ", "), strings.Join(lines, ", "), t.what.In(l), t.contact.In(l),
			t.wire.In(l)})
	}
	return out
}

// Languages returns the languages that the flag --lang names: fr, en or both.
func Languages(s string) ([]policy.Language, bool) {
	i := slices.Index([]string{"fr", "en", "both"}, s)
	if i < 0 {
		return nil, false
	}
	return [][]policy.Language{{policy.French}, {policy.English}, {policy.French, policy.English}}[i], true
}

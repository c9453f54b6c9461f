package directory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"portillon/hub/fault"
	"portillon/policy"
	"portillon/site"
	"portillon/yamlfile"
)

// Limits on lists.
const (
	maxList    = 16 << 20 // bytes
	maxRows    = 50_000
	maxColumns = 100
	maxCell    = 10_000 // bytes
	maxFaults  = 200    // maximum number of faults in an error
)

// list is a parsed list of members: the field of each header, the ignored headers, and the rows.
type list struct {
	format  string
	columns map[string]string
	ignored []string
	rows    []*listed
	reading Reading

	paidByOthers int // orders that another person paid
}

// table is a CSV or one sheet of a workbook, with cells as text. The first row is the header.
type table struct {
	format string
	rows   []tableRow
	dates  func(serial float64) (time.Time, bool) // converts a date of a workbook; nil: the table is a CSV
	origin origin
}

// tableRow is a row with at least one non-empty cell, and the row's number in the file, from 1.
type tableRow struct {
	number int
	cells  []string
}

// readList detects the format of a list from its content, and reads the list. Only members.yaml is detected by its
// name, because it is text like a CSV. zone is the site's time zone, for the days in members.yaml.
func readList(in Import, zone *time.Location) (*list, error) {
	ending := strings.ToLower(path.Ext(in.Name))
	switch {
	case len(in.Data) == 0:
		return nil, wrongFile("the file is empty", "a CSV or XLSX with a header, or members.yaml")
	case len(in.Data) > maxList:
		return nil, wrongFile(fmt.Sprintf("the file has %d bytes", len(in.Data)), fmt.Sprintf("at most %d", maxList))
	case ending == ".yaml" || ending == ".yml":
		return readYAML(in.Data, zone)
	case isZIP(in.Data):
		t, err := readXLSX(in.Data)
		if err != nil {
			return nil, err
		}
		return t.recognise(in)
	case bytes.HasPrefix(in.Data, []byte("\xd0\xcf\x11\xe0")): // [MS-CFB] section 2.2, the first half of the signature
		return nil, wrongFile("the file is an old Excel file (.xls), or has a password",
			"save it as .xlsx without a password, or as CSV")
	case isMarkup(in.Data):
		return nil, errMarkup()
	}
	t, err := readCSV(in.Data)
	if err != nil {
		return nil, err
	}
	return t.recognise(in)
}

// wrongFile returns the error for a file that cannot be read at all.
func wrongFile(wrong, right string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: "file", Wrong: wrong, Right: right}}}
}

// decode converts a text to UTF-8 from the encodings that Excel and other programs write: UTF-8 with or without a byte
// order mark, UTF-16 with a byte order mark, and Windows-1252. decode assumes Windows-1252 if the bytes are not in
// another encoding.
func decode(data []byte) (string, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		b, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(data)
		if err != nil {
			return "", wrongFile("the file begins as UTF-16 and is none", "a CSV in UTF-8 or Windows-1252")
		}
		data = b
	}
	if utf8.Valid(data) {
		if bytes.IndexByte(data, 0) >= 0 {
			return "", wrongFile("the file holds zero bytes: it is no text", "a CSV or XLSX with a header, or members.yaml")
		}
		return string(data), nil
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return "", wrongFile("the file is no text", "a CSV or XLSX with a header, or members.yaml")
	}
	b, err := charmap.Windows1252.NewDecoder().Bytes(data)
	if err != nil {
		return "", wrongFile("the file is neither UTF-8 nor Windows-1252", "save it as “CSV UTF-8”")
	}
	return string(b), nil
}

// separator returns the most frequent of the characters ; , and tab in the header outside of quotes. If the header
// contains none of them, it returns the semicolon.
func separator(text string) rune {
	counts, quoted := map[rune]int{}, false
	for _, r := range text {
		if r == '"' {
			quoted = !quoted
		}
		if !quoted && (r == '\n' || r == '\r') && len(counts) > 0 {
			break
		}
		if !quoted && (r == ';' || r == ',' || r == '\t') {
			counts[r]++
		}
	}
	best := ';'
	for _, r := range []rune{',', '\t'} {
		if counts[r] > counts[best] {
			best = r
		}
	}
	return best
}

// readCSV reads a CSV in the dialects that spreadsheets write: any line end, any of three separators, and Excel's
// first line "sep=;". A fault names the line of the file.
func readCSV(data []byte) (*table, error) {
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	if rest, ok := strings.CutPrefix(text, "sep="); ok && len(rest) > 1 { // Excel may write this first line
		if _, after, ok := strings.Cut(text, "\n"); ok {
			text = "\n" + after
		}
	}
	// Replace all line ends with line feeds.
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = separator(text), -1, false
	t := &table{format: "csv", origin: origin{separator: r.Comma, windows1252: isWindows1252(data)}}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		var p *csv.ParseError
		if errors.As(err, &p) {
			return nil, &fault.Invalid{Faults: []fault.Field{{Row: p.Line, Field: fmt.Sprintf("column %d", p.Column),
				Wrong: "the quotes of this line do not close, or stand within a cell: " + p.Err.Error(),
				Right: `a quote within a cell is written twice, and the cell stands in quotes: "Jean ""Jeannot"" Petit"`}}}
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if err := t.add(line, cells); err != nil {
			return nil, err
		}
	}
}

// add adds a row if it is not empty. add returns an error if the row exceeds the limits on rows, columns or cells.
func (t *table) add(number int, cells []string) error {
	for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	wrong := func(field, wrong, right string) error {
		return &fault.Invalid{Faults: []fault.Field{{Row: number, Field: field, Wrong: wrong, Right: right}}}
	}
	switch {
	case len(cells) == 0:
		return nil
	case len(t.rows) > maxRows:
		return wrong("", fmt.Sprintf("the list has more than %d rows", maxRows), "a shorter list")
	case len(cells) > maxColumns:
		return wrong("", fmt.Sprintf("the row has %d columns", len(cells)), fmt.Sprintf("at most %d", maxColumns))
	}
	for i, c := range cells {
		if len(c) > maxCell {
			return wrong(fmt.Sprintf("column %d", i+1), fmt.Sprintf("the cell has %d bytes", len(c)),
				fmt.Sprintf("at most %d; a quote that is not closed makes one cell of many", maxCell))
		}
	}
	t.rows = append(t.rows, tableRow{number, cells})
	return nil
}

// readYAML reads members.yaml. Unlike a list with a header, members.yaml contains all data of a member except those
// that only the hub stores, such as notes.
func readYAML(data []byte, zone *time.Location) (*list, error) {
	all, err := site.ParseMembers("members.yaml", data)
	if err != nil {
		return nil, yamlFaults(err)
	}
	out := &list{format: "members.yaml"}
	for i, m := range all {
		r := &listed{row: i + 1, whole: true, zone: zone, files: m.Badges, has: map[string]bool{"name": true,
			"language": true, "until": true, "blocked": true}}
		r.Member = Member{ID: m.ID, Name: m.Name, Language: m.Language, Emails: m.Emails, Subjects: m.Subjects,
			Until: m.Until, Blocked: m.Blocked}
		// Read active cards first, then cards with another state.
		for _, c := range m.Cards {
			r.Cards = append(r.Cards, Card{Number: c, Part: contains(m.Parts, c), State: Active})
		}
		for _, c := range m.Inactive {
			card := Card{Number: c.Number, Part: c.Part, State: CardState(c.State.String())}
			if c.Since != (policy.Date{}) {
				card.Since = c.Since.Noon(zone).UTC()
			}
			r.Cards = append(r.Cards, card)
		}
		// Report values that tidyMember would remove silently as faults, so that an import never changes an exported
		// members.yaml.
		emails, subjects := len(m.Emails), len(m.Subjects)
		if faults := tidyMember(&r.Member); len(faults) > 0 || emails != len(r.Emails) || subjects != len(r.Subjects) {
			if len(faults) == 0 {
				faults = []fault.Field{{Field: "emails", Wrong: "an address or subject is listed twice", Right: "each once"}}
			}
			for k := range faults {
				faults[k].Row = r.row
			}
			return nil, &fault.Invalid{Faults: faults}
		}
		out.rows = append(out.rows, r)
	}
	return out, nil
}

// contains reports whether s is an element of all.
func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// yamlFaults converts the faults of members.yaml, with their lines, to the faults that API and pages return.
func yamlFaults(err error) error {
	var all yamlfile.Faults
	if !errors.As(err, &all) {
		return wrongFile(err.Error(), "members.yaml")
	}
	out := &fault.Invalid{}
	for _, f := range all {
		out.Faults = append(out.Faults, fault.Field{Row: f.Line, Field: f.Field, Wrong: f.Problem, Right: f.Hint})
	}
	return out
}

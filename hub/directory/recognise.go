package directory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"portillon/hub/fault"
	"portillon/hub/memberlist"
	"portillon/policy"
)

// Reading is how a list was read: the program that exported it, the field of each column, and the rows left out.
type Reading struct {
	Columns map[string]string   `json:"columns,omitempty"` // header → field
	Ignored []string            `json:"ignored,omitempty"` // headers of ignored columns
	Program memberlist.Program  `json:"program,omitempty"` // empty: not recognised
	Why     []memberlist.Reason `json:"why,omitempty"`     // the observations that led to Program
	Headers []Header            `json:"headers,omitempty"` // all columns, in the order of the file
	Left    []memberlist.Left   `json:"left,omitempty"`    // rows that are not imported
	// Ends is the number of members whose membership is in force, and ends if the list is imported.
	Ends int `json:"ends,omitempty"`
}

// Header is a column of a list: its name, and the field that it is read as; "-": none.
type Header struct {
	Header string `json:"header"`
	Field  string `json:"field"`
	// Remembered reports that the field was assigned by an administrator at an earlier import.
	Remembered bool `json:"remembered,omitempty"`

	usual string // the field without any assignment by a person
}

// source returns the name of the list if the request has none: lists of different programs are different lists.
func (r Reading) source() string {
	if r.Program.HasOwnColumns() {
		return string(r.Program)
	}
	return "list"
}

// origin is what the file tells of a table besides its cells.
type origin struct {
	separator   rune
	windows1252 bool
	sheet       string
}

// isWindows1252 reports whether decode reads the data as Windows-1252.
func isWindows1252(data []byte) bool {
	return !utf8.Valid(data) && !strings.HasPrefix(string(data[:min(len(data), 2)]), "\xff\xfe") &&
		!strings.HasPrefix(string(data[:min(len(data), 2)]), "\xfe\xff")
}

// recognise determines the program that exported the table, and reads the members with the columns of that program. A
// column in the mapping of the request has that field; else the field that the site remembers; else the program's.
func (t *table) recognise(in Import) (*list, error) {
	if len(t.rows) == 0 {
		return t.members(in.Mapping)
	}
	given := t.listTable()
	given.Program = in.program
	known := memberlist.Recognise(given, func(header string) string { return fieldOf(header, nil) })
	remembered := in.remembered[known.Program]
	mapping := maps.Clone(known.Fields)
	maps.Copy(mapping, remembered)
	maps.Copy(mapping, in.Mapping)
	// Give the rows that the program prepared to the reader of all lists.
	head := tableRow{t.rows[0].number, known.Table.Header}
	rows, left := known.Prepare(mapping)
	prepared := &table{format: t.format, dates: t.dates, origin: t.origin, rows: []tableRow{head}}
	for _, r := range rows {
		prepared.rows = append(prepared.rows, tableRow{r.Number, r.Cells})
	}
	l, err := prepared.members(mapping)
	if err != nil {
		return nil, err
	}
	l.reading = Reading{Columns: l.columns, Ignored: l.ignored, Program: known.Program, Why: known.Why, Left: left}
	l.paidByOthers = known.PaidByOthers
	l.reading.Headers = headersOf(head.cells, l, known.Fields, remembered)
	return l, nil
}

// listTable returns the table in the form of package memberlist.
func (t *table) listTable() memberlist.Table {
	out := memberlist.Table{XLSX: t.format == "xlsx", Sheet: t.origin.sheet, Separator: t.origin.separator,
		Windows1252: t.origin.windows1252, Header: t.rows[0].cells}
	for _, r := range t.rows[1:] {
		out.Rows = append(out.Rows, memberlist.Row{Number: r.number, Cells: r.cells})
	}
	return out
}

// headersOf returns the columns of a list, each name once.
func headersOf(cells []string, l *list, own, remembered map[string]string) (out []Header) {
	for _, h := range cells {
		h = strings.TrimSpace(h)
		if h == "" || slices.ContainsFunc(out, func(x Header) bool { return x.Header == h }) {
			continue
		}
		x := Header{Header: h, Field: cmp.Or(l.columns[h], memberlist.Ignore)}
		x.usual = cmp.Or(fieldOf(h, own), memberlist.Ignore)
		x.Remembered = remembered[h] != "" && remembered[h] == mappedField(x.Field, remembered[h])
		out = append(out, x)
	}
	return out
}

// mappedField returns the field that an assignment of want results in: a column "name" is read as the family name if
// the list has first names.
func mappedField(field, want string) string {
	if field == "last" && want == "name" {
		return want
	}
	return field
}

// setUntil sets the last day of membership of all rows, for a list without a column for it.
func (l *list) setUntil(until policy.Date) error {
	if until == (policy.Date{}) {
		return nil
	}
	if !isDay(until) {
		return &fault.Invalid{Faults: []fault.Field{{Field: "until", Given: until.String(),
			Wrong: "this is no day of the calendar", Right: "2027-09-30"}}}
	}
	for _, r := range l.rows {
		if !r.has["until"] {
			r.Until, r.has["until"] = until, true
		}
	}
	return nil
}

// warnings returns what an administrator should know about a list as a whole.
func (l *list) warnings(until policy.Date) (out []string) {
	if l.paidByOthers > 0 && l.columns[memberlist.OtherPayer] == "" {
		out = append(out, fmt.Sprintf("%d orders were paid by another person, whose address is not imported", l.paidByOthers))
	}
	hasUntil := slices.ContainsFunc(l.rows, func(r *listed) bool { return r.has["until"] })
	if l.reading.Program.HasOwnColumns() && !hasUntil && len(l.rows) > 0 {
		out = append(out, "the list has no last day of membership: new members have a membership without end")
	}
	return out
}

// isMarkup reports whether a file is HTML or XML. Some programs give a table in HTML, or a workbook of Excel 2003 in
// XML, the name of an Excel file.
func isMarkup(data []byte) bool {
	text := strings.ToLower(strings.TrimLeft(string(data[:min(len(data), 512)]), "\xef\xbb\xbf \t\r\n"))
	for _, begin := range []string{"<?xml", "<!doctype", "<html", "<head", "<body", "<table", "<meta", "<workbook"} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}

// errMarkup returns the error of a file in HTML or XML.
func errMarkup() error {
	return wrongFile("the file is a table in HTML or XML with the name of an Excel file",
		"open it in a spreadsheet and save it as .xlsx, or export it for “Excel 2007 and later”")
}

// countEnds counts the members whose membership is in force, and ends by the import. If these are more than gonePercent
// of the members in force, Confirm is set: a list with a wrong column of dates would otherwise end many memberships.
func (pl *plan) countEnds(x *index, today policy.Date) {
	inForce := func(m *Member) bool {
		return !m.Blocked && !m.Gone && (m.Until == (policy.Date{}) || !m.Until.Before(today))
	}
	of := 0
	written := map[policy.MemberID]bool{}
	for _, w := range pl.writes {
		e := x.byID[w.ID]
		if e == nil || !inForce(&e.Member) {
			continue
		}
		written[w.ID] = true
		if of++; !w.Gone && !inForce(&w.Member) {
			pl.Ends++
		}
	}
	for _, e := range x.entries {
		if e.Source == pl.source && !written[e.ID] && inForce(&e.Member) {
			of++
		}
	}
	pl.Confirm = pl.Confirm || pl.Ends*100 > of*gonePercent
}

// unconfirmed returns the error of Apply for a preview that needs Confirm.
func unconfirmed(p *Preview) error {
	f := fault.Field{Field: "confirm", Given: fmt.Sprint(len(p.Gone)),
		Wrong: fmt.Sprintf("%d members are not in the list any more, more than %d %% of this source's", len(p.Gone),
			gonePercent),
		Right: "confirm that they are gone, or import the whole list"}
	if p.Ends > len(p.Gone) {
		f = fault.Field{Field: "confirm", Given: fmt.Sprint(p.Ends),
			Wrong: fmt.Sprintf("the list ends %d memberships that are in force, more than %d %%", p.Ends, gonePercent),
			Right: "confirm that they end, or correct the list"}
	}
	return &fault.Invalid{Faults: []fault.Field{f}}
}

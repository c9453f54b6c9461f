// Package memberlist recognises the program that exported a list of members, from the list alone: its column names, its
// separator, its encoding and the name of its sheet. It assigns the program's columns to the fields of the import, and
// prepares the rows: it leaves out cancelled orders, orders of the same person, and people without a membership.
//
// The package is pure. It reads no file: package directory reads CSV and XLSX, and passes a Table. It decides nothing
// about members: package directory compares the prepared rows with the members of the site.
//
// Known programs:
//
//   - Galette (galette.eu), the CSV of the list of members: includes/fields_defs/members_fields.php has the labels,
//     lib/Galette/IO/MembersCsv.php the values.
//   - HelloAsso (helloasso.com), the CSV of a membership campaign.
//   - Fab-manager (fab.mn), the XLSX of the members: app/views/exports/users_members.xlsx.axlsx has the columns,
//     config/locales/{fr,en}.yml the labels.
//   - AssoConnect (assoconnect.com), the XLSX of the contacts. Each association names its own columns; only the unique
//     id and the dates of the membership are common.
//   - MemberMatters (membermatters.org), its list of members by the API.
//   - Excel in French: a CSV with semicolons in Windows-1252. Its columns are those that a person chose, so the import
//     assigns them as in any other list.
package memberlist

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Program is the program that exported a list. The zero value is a list of an unknown program.
type Program string

// The programs that Recognise knows.
const (
	Galette     Program = "galette"
	HelloAsso   Program = "helloasso"
	FabManager  Program = "fab-manager"
	AssoConnect Program = "assoconnect"
	FrenchExcel Program = "excel-fr"
	// MemberMatters is known only from Table.Program: it exports no file.
	MemberMatters Program = "membermatters"
)

// HasOwnColumns reports whether the program, and not a person, chose the names of the columns.
func (p Program) HasOwnColumns() bool { return p != "" && p != FrenchExcel }

// Ignore is the field of a column that is not imported.
const Ignore = "-"

// Table is a list of members as read from a file, or fetched from a program.
type Table struct {
	// Program is the program from whose API the list was fetched; empty: Recognise determines the program.
	Program     Program
	XLSX        bool   // a sheet of a workbook; else a CSV
	Sheet       string // name of the sheet
	Separator   rune   // of a CSV
	Windows1252 bool   // encoding of a CSV; else UTF-8 or UTF-16
	Header      []string
	Rows        []Row
}

// Row is a row below the header, and its number in the file. A row may have fewer cells than the header.
type Row struct {
	Number int
	Cells  []string
}

// Reason is one observation that led to the program.
type Reason struct {
	What   string   `json:"what"`             // api, columns, sheet, separator, encoding, dates, decimals
	Values []string `json:"values,omitempty"` // column names, the name of the sheet, an example
}

// List is a recognised list: the program, the reasons, the table with the columns that the program needs in addition,
// and the field of each column. A column without a field is read as in any other list.
type List struct {
	Program Program
	Why     []Reason
	Table   Table
	Fields  map[string]string // header → field, or Ignore
	// PaidByOthers is the number of rows whose order was paid by another person.
	PaidByOthers int
}

// Left is a row that is left out, and the reason.
type Left struct {
	Row   int    `json:"row"`
	Why   string `json:"why"`             // one of the constants below
	Given string `json:"given,omitempty"` // the status of the order
}

// The reasons why a row is left out.
const (
	NotValid = "status"   // the order is not valid: cancelled, refunded, not paid
	Repeated = "repeated" // a later order is of the same person
	// NotActive is an account that the program does not call active.
	NotActive = "not-active"
	NoEnd     = "no-end" // the person has no membership: no last day, and no exemption from dues
)

// Recognise determines the program that exported a list. known returns the field that the import assigns to a header
// of an unknown program, or nothing; it decides about columns that an association added to a program's own.
func Recognise(t Table, known func(header string) string) List {
	l := List{Table: t, Fields: map[string]string{}}
	for _, p := range []struct {
		program Program
		matches func(*Table, map[string]string) []Reason
		fields  map[string]string
		added   []string // fields that a column of the association may have
	}{
		{HelloAsso, isHelloAsso, helloAssoFields, []string{"email", "card", "language"}},
		{FabManager, isFabManager, fabManagerFields, nil},
		{Galette, isGalette, galetteFields, []string{"card"}},
		{AssoConnect, isAssoConnect, assoConnectFields, []string{"email", "card", "language", "first", "last"}},
		{MemberMatters, nil, memberMattersFields, nil},
	} {
		if l.Why = t.recognisedAs(p.program, p.matches); l.Why == nil {
			continue
		}
		l.Program = p.program
		for _, h := range t.Header {
			h = strings.TrimSpace(h)
			f, ok := p.fields[Plain(h)]
			if !ok {
				f = known(h)
				if !slices.Contains(p.added, f) {
					f = Ignore
				}
			}
			l.Fields[h] = f
		}
		if p.program == HelloAsso {
			l.splitPayers()
		}
		return l
	}
	if l.Why = isFrenchExcel(&t); l.Why != nil {
		l.Program = FrenchExcel
	}
	return l
}

// recognisedAs returns the observations that the list is of a program. A list from an API is of the program of that API
// only.
func (t *Table) recognisedAs(p Program, matches func(*Table, map[string]string) []Reason) []Reason {
	switch {
	case t.Program == p:
		return []Reason{{What: "api"}}
	case t.Program != "" || matches == nil:
		return nil
	}
	return matches(t, plainHeaders(t.Header))
}

// Plain returns a header without case, accents, blanks and signs: "Date d’échéance :" becomes "datedecheance". Programs
// and their versions differ in exactly these.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, norm.NFKD.String(strings.ToLower(s)))
}

// plainHeaders returns the headers by their plain form.
func plainHeaders(header []string) map[string]string {
	out := map[string]string{}
	for _, h := range header {
		if p := Plain(h); p != "" && out[p] == "" {
			out[p] = strings.TrimSpace(h)
		}
	}
	return out
}

// present returns the headers that are in the list, of those named.
func present(headers map[string]string, names ...string) (out []string) {
	for _, n := range names {
		if h := headers[n]; h != "" {
			out = append(out, h)
		}
	}
	return out
}

// columns returns the reason of a program that is recognised by its columns.
func columns(headers ...string) Reason { return Reason{"columns", headers} }

// cell returns a cell of a row without blanks around it; a column of -1 and a missing cell are empty.
func (r Row) cell(at int) string {
	if at < 0 || at >= len(r.Cells) {
		return ""
	}
	return strings.TrimFunc(r.Cells[at], unicode.IsSpace)
}

// at returns the index of the first column with one of these plain names, or -1.
func (t *Table) at(names ...string) int {
	return slices.IndexFunc(t.Header, func(h string) bool { return slices.Contains(names, Plain(h)) })
}

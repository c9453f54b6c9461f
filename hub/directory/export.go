package directory

import (
	"bufio"
	"context"
	"encoding/csv"
	"io"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
	"portillon/site"
)

// The formats of Export.
const (
	CSV  = "csv"
	XLSX = "xlsx"
	YAML = "yaml" // a members.yaml
)

// Exports writes the whole directory as a file for people, and returns it in the form from which package site builds
// bundles.
type Exports struct {
	core *core
}

// exportHeader contains the column names of an exported CSV or XLSX. Imports.Preview can read each of these columns.
var exportHeader = []string{"id", "external id", "name", "email", "language", "until", "blocked", "subjects",
	"guardians", "cards"}

// Export writes all members to w as a CSV, an XLSX or members.yaml. The actor needs actor.ReadMembers. Without
// actor.WriteCards, a CSV or XLSX has no column of cards, and the export of members.yaml is refused, because a site
// without its cards would be a different site. Notes are never exported.
func (s *Exports) Export(ctx context.Context, a actor.Actor, format string, w io.Writer) error {
	if err := a.May(actor.ReadMembers, about("")); err != nil {
		return err
	}
	if !slices.Contains([]string{CSV, XLSX, YAML}, format) {
		return &fault.Invalid{Faults: []fault.Field{{Field: "format", Given: clip(format, 100),
			Wrong: "unknown format", Right: "csv, xlsx or yaml"}}}
	}
	// If the actor may not see card numbers, leave out the cards of a table, or refuse the export of members.yaml.
	cards := a.May(actor.WriteCards, about(""))
	if format == YAML && cards != nil {
		return cards
	}
	p, err := s.core.policy(ctx)
	if err != nil {
		return err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return err
	}
	if format == YAML {
		_, err := w.Write(site.FormatMembers(s.siteMembers(x, p)))
		return err
	}
	// The last column, which row removes for some actors, contains the cards.
	header := exportHeader
	if cards != nil {
		header = header[:len(header)-1]
	}
	rows := [][]string{header}
	for _, e := range x.entries {
		rows = append(rows, e.row()[:len(header)])
	}
	if format == XLSX {
		return writeXLSX(w, rows)
	}
	return writeCSV(w, rows)
}

// row returns a member's values for the columns of exportHeader. row lists only active cards, because an import would
// set all listed cards to active.
func (e *entry) row() []string {
	until, blocked := "", "no"
	if e.Until != (policy.Date{}) {
		until = e.Until.String()
	}
	if e.Blocked || e.Gone {
		blocked = "yes"
	}
	var cards []string
	for _, c := range e.Cards {
		if c.State == Active {
			cards = append(cards, site.CardEntry(c.Number, c.Part))
		}
	}
	out := []string{string(e.ID), e.External, e.Name, strings.Join(e.Emails, " "), e.Language, until, blocked,
		strings.Join(e.Subjects, " "),
		strings.Join(e.Guardians, " "), strings.Join(cards, ";")}
	for i := range out {
		out[i] = withoutFormula(out[i])
	}
	return out
}

// withoutFormula returns a cell that no spreadsheet evaluates as a formula: it puts an apostrophe before a cell that
// begins like a formula. Imports.Preview removes the apostrophe.
func withoutFormula(cell string) string {
	if isFormula(cell) {
		return "'" + cell
	}
	return cell
}

// writeCSV writes UTF-8 with a byte order mark, by which Excel recognises it, and with semicolons, which Excel expects
// in France.
func writeCSV(w io.Writer, rows [][]string) error {
	b := bufio.NewWriter(w)
	if _, err := b.WriteString("\ufeff"); err != nil {
		return err
	}
	c := csv.NewWriter(b)
	c.Comma, c.UseCRLF = ';', true
	if err := c.WriteAll(rows); err != nil {
		return err
	}
	return b.Flush()
}

// writeXLSX writes the rows as a workbook with one sheet. All cells are texts, so that numbers keep their leading
// zeros.
func writeXLSX(w io.Writer, rows [][]string) error {
	f := excelize.NewFile()
	defer f.Close()
	sheet, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return err
	}
	for i, row := range rows {
		cells := make([]any, len(row))
		for k, c := range row {
			cells[k] = c
		}
		at, err := excelize.CoordinatesToCellName(1, i+1)
		if err != nil {
			return err
		}
		if err := sheet.SetRow(at, cells); err != nil {
			return err
		}
	}
	if err := sheet.Flush(); err != nil {
		return err
	}
	_, err = f.WriteTo(w)
	return err
}

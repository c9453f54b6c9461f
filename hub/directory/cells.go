package directory

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"portillon/hub/fault"
)

// checkCells refuses a workbook with a formula that has no stored value, or with a cell whose value is an error such as
// #REF!. The library reads the first as an empty cell, and an empty last day is a membership without an end. The sizes
// of the parts were checked before (checkBook).
func checkCells(data []byte) error {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return wrongFile("the workbook cannot be read: "+err.Error(), "an .xlsx")
	}
	var faults []fault.Field
	for _, f := range z.File {
		name := strings.ToLower(strings.ReplaceAll(f.Name, `\`, "/"))
		if !strings.HasPrefix(name, "xl/worksheets/") || !strings.HasSuffix(name, ".xml") {
			continue
		}
		sheet, err := partOf(f)
		if err != nil {
			return wrongFile("the workbook cannot be unpacked: "+err.Error(), "an .xlsx without a password")
		}
		if bytes.Contains(sheet, []byte("<f")) || bytes.Contains(sheet, []byte(`t="e"`)) {
			faults = append(faults, cellFaults(sheet)...)
		}
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults[:min(len(faults), maxFaults)]}
	}
	return nil
}

// partOf unpacks one part of a workbook.
func partOf(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxBookXML))
	return b, errors.Join(err, r.Close())
}

// sheetCell is a cell in the XML of a sheet (ECMA-376, part 1, 18.3.1.4).
type sheetCell struct {
	At      string    `xml:"r,attr"`
	Type    string    `xml:"t,attr"`
	Formula *struct{} `xml:"f"`
	Value   *string   `xml:"v"`
	Inline  *struct{} `xml:"is"`
}

// cellFaults returns a fault for each cell of a sheet without a usable value. A sheet that is no XML has no fault here:
// the library refuses it.
func cellFaults(sheet []byte) (faults []fault.Field) {
	d := xml.NewDecoder(bytes.NewReader(sheet))
	for len(faults) < maxFaults {
		token, err := d.Token()
		if err != nil {
			return faults
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "c" {
			continue
		}
		var c sheetCell
		if err := d.DecodeElement(&c, &start); err != nil {
			return faults
		}
		row := 0
		fmt.Sscanf(strings.TrimLeft(c.At, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "%d", &row)
		// The result of a formula may be an empty text.
		empty := c.Inline == nil && (c.Value == nil || *c.Value == "" && c.Type != "str")
		switch {
		case c.Type == "e" && c.Value != nil:
			faults = append(faults, fault.Field{Row: row, Field: clip(c.At, 20), Given: clip(*c.Value, 20),
				Wrong: "the value of the cell is an error of the spreadsheet", Right: "a value"})
		case c.Formula != nil && empty:
			faults = append(faults, fault.Field{Row: row, Field: clip(c.At, 20),
				Wrong: "the cell holds a formula without a value",
				Right: "open the list in a spreadsheet and save it, or replace the formulas by their values"})
		}
	}
	return faults
}

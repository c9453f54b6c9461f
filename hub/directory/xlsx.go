package directory

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/xuri/excelize/v2"

	"portillon/hub/fault"
)

// Limits on a workbook, in addition to the limits on every list. Compression reduces the XML of a sheet to a tenth or
// less.
const (
	maxBook      = 8 << 20  // bytes
	maxBookXML   = 64 << 20 // bytes, unpacked
	maxBookFiles = 1000
	maxBookRows  = 20_000
)

// readXLSX reads the first sheet of a workbook that is not empty. readXLSX returns cells as the workbook stores them: a
// date is a number, and a card number keeps its digits.
func readXLSX(data []byte) (*table, error) {
	if err := checkBook(data); err != nil {
		return nil, err
	}
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true,
		UnzipSizeLimit: maxBookXML, UnzipXMLSizeLimit: maxBookXML})
	if err != nil {
		return nil, wrongFile("the workbook cannot be read: "+clip(err.Error(), 200), "an .xlsx without a password")
	}
	defer f.Close()
	if err := checkCells(data); err != nil {
		return nil, err
	}
	for _, sheet := range f.GetSheetList() {
		t, err := readSheet(f, sheet)
		if err != nil {
			return nil, err
		}
		if len(t.rows) > 0 {
			return t, nil
		}
	}
	return nil, wrongFile("no sheet of the workbook has a row", "a sheet with a first row of column names")
}

// readSheet reads one sheet, at most maxBookRows rows.
func readSheet(f *excelize.File, sheet string) (*table, error) {
	t := &table{format: "xlsx", origin: origin{sheet: sheet}}
	props, err := f.GetWorkbookProps()
	// Dates are days since 1900, or since 1904 in workbooks of old Macs (ECMA-376, part 1, 18.17.4.1).
	since1904 := err == nil && props.Date1904 != nil && *props.Date1904
	t.dates = func(serial float64) (time.Time, bool) {
		if math.IsNaN(serial) || serial < 1 || serial > 2_958_465 { // 31 December 9999
			return time.Time{}, false
		}
		d, err := excelize.ExcelDateToTime(serial, since1904)
		return d, err == nil
	}
	rows, err := f.Rows(sheet)
	if err != nil {
		return nil, wrongFile("the sheet cannot be read: "+clip(err.Error(), 200), "an .xlsx without a password")
	}
	defer rows.Close()
	for n := 1; rows.Next(); n++ {
		if n > maxBookRows {
			return nil, &fault.Invalid{Faults: []fault.Field{{Row: n, Field: "file",
				Wrong: fmt.Sprintf("the sheet has more than %d rows", maxBookRows), Right: "a CSV"}}}
		}
		cells, err := rows.Columns()
		if err != nil {
			return nil, &fault.Invalid{Faults: []fault.Field{{Row: n, Field: "file",
				Wrong: "the row cannot be read: " + clip(err.Error(), 200), Right: "an .xlsx as Excel or LibreOffice writes it"}}}
		}
		if err := t.add(n, cells); err != nil {
			return nil, err
		}
	}
	if err := rows.Error(); err != nil {
		return nil, wrongFile("the sheet cannot be read: "+clip(err.Error(), 200),
			"an .xlsx as Excel or LibreOffice writes it")
	}
	return t, nil
}

// checkBook checks the unpacked size of a workbook: it unpacks every part and discards the data. The sizes that a ZIP
// declares cannot be trusted, because a few kilobytes can unpack to gigabytes.
func checkBook(data []byte) error {
	if len(data) > maxBook {
		return wrongFile(fmt.Sprintf("the workbook has %d bytes", len(data)),
			fmt.Sprintf("at most %d; save the sheet as CSV", maxBook))
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return wrongFile("the workbook cannot be read: "+err.Error(), "an .xlsx")
	}
	if len(z.File) > maxBookFiles {
		return wrongFile(fmt.Sprintf("the workbook has %d parts", len(z.File)), fmt.Sprintf("at most %d", maxBookFiles))
	}
	left := min(int64(maxBookXML), max(minRatio, maxRatio*int64(len(data))))
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return wrongFile("the workbook cannot be unpacked: "+err.Error(), "an .xlsx without a password")
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, left+1))
		if err = errors.Join(err, r.Close()); err != nil && n <= left {
			return wrongFile("the workbook cannot be unpacked: "+err.Error(), "an .xlsx without a password")
		}
		if left -= n; left < 0 {
			return wrongFile(fmt.Sprintf("the workbook unpacks to more than %d bytes, or to more than %d times its size",
				maxBookXML, maxRatio), "a smaller list, or a CSV")
		}
	}
	return nil
}

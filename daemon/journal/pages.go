package journal

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// A damaged interior page hides all rows below it from SQLite. Salvage therefore also reads each leaf page directly, in
// the format that "Database File Format" (sqlite.org/fileformat2.html) defines in §1.6 and §2.1. Salvage keeps such a
// row only if the row matches its leaf hash.

const (
	pageSize  = 4096 // SQLite's default, which journals use
	walHeader = 32   // size of a log's header in bytes (§4.1)
	walFrame  = 24   // size in bytes of the header before each page in a write-ahead log
	leafTable = 0x0d // §1.6: a leaf page of a table with a rowid
	leafHead  = 8    // bytes of a leaf page's header
)

// scanPages adds to out every row in the leaf pages of the file, and skips invalid pages.
func scanPages(path string, out *remains) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	head, lead := 0, 0
	if strings.HasSuffix(path, "-wal") {
		head, lead = walHeader, walFrame
	}
	if _, err := f.Seek(int64(head), io.SeekStart); err != nil {
		return
	}
	frame := make([]byte, lead+pageSize)
	for {
		if _, err := io.ReadFull(f, frame); err != nil {
			return
		}
		scanLeaf(frame[lead:], out)
	}
}

// scanLeaf adds the rows of one page. Rows that continue in overflow pages are left out, because only SQLite reads such
// rows.
func scanLeaf(page []byte, out *remains) {
	if page[0] != leafTable {
		return
	}
	cells := int(binary.BigEndian.Uint16(page[3:]))
	for i := range cells {
		at := leafHead + 2*i
		if at+2 > len(page) {
			return
		}
		from := int(binary.BigEndian.Uint16(page[at:]))
		if from >= len(page) {
			continue
		}
		cell := page[from:]
		size, n := varint(cell)
		seq, k := varint(cell[n:])
		if n == 0 || k == 0 || size > pageSize-35 || uint64(len(cell)) < uint64(n+k)+size {
			// Skip a payload of more than U-35 bytes, because it continues in overflow pages (§1.6).
			continue
		}
		values := decodeRow(cell[n+k : n+k+int(size)])
		switch {
		case (len(values) == 1 || len(values) == 2) && strings.HasPrefix(string(values[0]), "portillon/"):
			if out.origin = string(values[0]); len(values) == 2 && len(values[1]) > 0 {
				out.origin += "/" + string(values[1])
			}
		case len(values) == 7:
			out.add(rowOf(seq, values))
		}
	}
}

// rowOf returns a row from its columns: seq (NULL: the rowid), kind, session, member, salt, record, hashes.
func rowOf(seq uint64, values [][]byte) row {
	r := row{seq: seq, kind: string(values[1]), salt: values[4], record: values[5]}
	flat := values[6]
	if len(flat) != (trailing64(seq)+1)*tlog.HashSize {
		return row{}
	}
	for ; len(flat) > 0; flat = flat[tlog.HashSize:] {
		r.hashes = append(r.hashes, tlog.Hash(flat[:tlog.HashSize]))
	}
	return r
}

func trailing64(seq uint64) int {
	if seq == 0 {
		return 0
	}
	return trailing(seq)
}

// decodeRow splits a record in SQLite's format (§2.1) into its texts and blobs. A NULL or a number becomes nil.
// decodeRow returns nil if the record is invalid.
func decodeRow(b []byte) [][]byte {
	head, n := varint(b)
	if n == 0 || head > uint64(len(b)) || head < uint64(n) {
		return nil
	}
	types, body := b[n:head], b[head:]
	var out [][]byte
	for len(types) > 0 {
		t, n := varint(types)
		if n == 0 || len(out) > 7 {
			return nil
		}
		types = types[n:]
		size := sizeOf(t)
		if size > uint64(len(body)) {
			return nil
		}
		var v []byte
		if t >= 12 {
			v = append([]byte{}, body[:size]...)
		}
		out, body = append(out, v), body[size:]
	}
	return out
}

// sizeOf returns the size in bytes of a value of this serial type (§2.1).
func sizeOf(serial uint64) uint64 {
	switch {
	case serial >= 12:
		return (serial - 12) / 2
	case serial <= 7:
		return [...]uint64{0, 1, 2, 3, 4, 6, 8, 8}[serial]
	}
	return 0
}

// varint reads SQLite's variable-length integer (§1.6), of at most 9 bytes. n is 0 if the integer is incomplete.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 8 {
		c := b[n]
		n++
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, n
		}
	}
	if n == 8 && len(b) > 8 {
		return v<<8 | uint64(b[8]), 9
	}
	return 0, 0
}

// replaceFirstPage replaces a damaged first page with the first page of an empty journal. In all journals the tables
// begin at the same pages.
func replaceFirstPage(path, work string) error {
	empty := filepath.Join(work, "empty.db")
	if err := build(empty, "portillon/?", ""); err != nil {
		return err
	}
	page := make([]byte, pageSize)
	e, err := os.Open(empty)
	if err != nil {
		return err
	}
	defer e.Close()
	if _, err := io.ReadFull(e, page); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(page[28:], uint32(fi.Size()/pageSize)) // number of pages in the file (§1.3.7)
	binary.BigEndian.PutUint64(page[32:], 0)                          // number of free pages (§1.5): none
	_, err = f.WriteAt(page, 0)
	return err
}

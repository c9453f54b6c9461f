package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// eraseWait is how long an erasure waits for those who read meanwhile: they hold the log as it is. Where it waits in
// vain, the log is emptied after one of the next transactions, or by Close.
const eraseWait = 2 * time.Second

// Erased says that this transaction removes what nobody shall find any more, not even in the database's files. What is
// deleted is overwritten in its page (secure_delete). Two places remain: where SQLite moved rows from page to page, the
// unused middle of a page may hold what stood there, so it is cleared before the commit; and the log holds pages as
// they
// were before, so it is emptied after the commit.
func (t *Tx) Erased() { t.erased = true }

// clearPages overwrites the unused middle of all pages that may have held something of a person: those of all tables
// but records and reports, which hold pseudonyms alone and most of the file.
func (w *writer) clearPages(ctx context.Context) error {
	rows, err := w.QueryContext(ctx, `SELECT s.pageno, p.data FROM sqlite_schema AS t JOIN dbstat AS s ON s.name = t.name
		JOIN sqlite_dbpage AS p ON p.pgno = s.pageno WHERE t.rootpage > 0 AND t.tbl_name NOT GLOB 'ledger_*'
		AND t.tbl_name NOT GLOB 'report_*' AND s.pagetype IN ('internal', 'leaf')`)
	if err != nil {
		return fmt.Errorf("clear pages after an erasure: %w", err)
	}
	defer rows.Close()
	cleared := map[int64][]byte{}
	for rows.Next() {
		var number int64
		var page []byte
		if err := rows.Scan(&number, &page); err != nil {
			return err
		}
		if clearUnused(page, number == 1) {
			cleared[number] = page
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for number, page := range cleared {
		if _, err := w.ExecContext(ctx, "UPDATE sqlite_dbpage SET data = $2 WHERE pgno = $1", number, page); err != nil {
			return fmt.Errorf("clear page %d after an erasure: %w", number, err)
		}
	}
	return nil
}

// clearUnused overwrites the bytes between the cell pointers and the cells of a page of a b-tree
// (sqlite.org/fileformat2.html
// §1.6), and reports whether there was anything. first: it is the file's first page, which begins with the file's
// header.
func clearUnused(page []byte, first bool) bool {
	at := 0
	if first {
		at = 100
	}
	if len(page) < at+12 {
		return false
	}
	head := page[at:]
	pointers := at + 8
	switch head[0] {
	case 0x02, 0x05: // interior pages have one more pointer
		pointers = at + 12
	case 0x0a, 0x0d:
	default:
		return false
	}
	from := pointers + 2*int(binary.BigEndian.Uint16(head[3:]))
	to := int(binary.BigEndian.Uint16(head[5:]))
	if to == 0 {
		to = 65536
	}
	if from >= to || to > len(page) {
		return false
	}
	unused := page[from:to]
	if len(bytes.Trim(unused, "\x00")) == 0 {
		return false
	}
	clear(unused)
	return true
}

// emptyLog copies the log into the file and cuts it to nothing, where an erasure asks for it. Others who read or write
// may hold it: then it stays for another time.
func (w *writer) emptyLog(ctx context.Context, wait time.Duration) (err error) {
	if !w.erased || w.conn == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", wait.Milliseconds())); err != nil {
		return err
	}
	defer func() {
		_, rerr := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout.Milliseconds()))
		err = errors.Join(err, rerr)
	}()
	var busy, pages, copied int
	if err := w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &copied); err != nil {
		return fmt.Errorf("empty the log after an erasure: %w", err)
	}
	w.erased = busy != 0
	return nil
}

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// eraseWait is the maximum time for which an erasure waits for readers, because the store cannot empty the
// write-ahead log while a reader uses the log. After that time, one of the next transactions or Close empties the
// log.
const eraseWait = 2 * time.Second

// Erased declares that this transaction removes personal data, which must not stay in the database's files. SQLite
// overwrites a deleted row in its page (secure_delete), but copies of the row can remain in two places. The unused
// middle of a page may contain a copy if SQLite moved rows between pages: the store clears this part before the
// commit. The write-ahead log contains older versions of pages: the store empties the log after the commit.
func (t *Tx) Erased() { t.erased = true }

// clearPages overwrites the unused middle of all pages that may contain personal data. clearPages skips the pages of
// records and reports, which are most of the file, because they contain only pseudonyms.
func (w *writer) clearPages(ctx context.Context) error {
	rows, err := w.QueryContext(ctx, `SELECT s.pageno, p.data FROM sqlite_schema AS t JOIN dbstat AS s ON s.name = t.name
		JOIN sqlite_dbpage AS p ON p.pgno = s.pageno WHERE t.rootpage > 0 AND t.tbl_name NOT GLOB 'ledger_*'
		AND t.tbl_name NOT GLOB 'report_*' AND s.pagetype IN ('internal', 'leaf')`)
	if err != nil {
		return fmt.Errorf("listing the pages to clear after an erasure failed: %w", err)
	}
	defer rows.Close()
	// Collect the page numbers first, because the store must not change a table while it reads the table.
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
			return fmt.Errorf("clearing page %d after an erasure failed: %w", number, err)
		}
	}
	return nil
}

// clearUnused overwrites the bytes between the cell pointers and the cells of a b-tree page
// (sqlite.org/fileformat2.html, section 1.6). clearUnused returns true if any of these bytes was not zero. The
// parameter first is true for the first page of the file, which begins with the 100-byte header of the file.
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
	case 0x02, 0x05: // the header of an interior page contains a further pointer of 4 bytes
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

// If a transaction erased data, emptyLog copies the write-ahead log into the database file and truncates the log.
// While readers or other writers use the log, emptyLog cannot truncate the log, and tries again after the next
// transaction.
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
		return fmt.Errorf("emptying the log after an erasure failed: %w", err)
	}
	w.erased = busy != 0
	return nil
}

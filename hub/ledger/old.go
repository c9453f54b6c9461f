package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"portillon/hub/store"
	"portillon/policy"
)

// The file ledger.db is the database in which early releases stored the ledger of one site. A ledger.db has format 1 or
// format 2.
const (
	oldName          = "ledger.db"
	oldApplicationID = 0x506f4c65 // "PoLe", at byte 68 of the file (sqlite.org/fileformat.html, section 1.3)
	oldFormats       = 2
)

// OldPath returns the path of a ledger.db in the same folder as the database at path.
func OldPath(path string) string { return filepath.Join(filepath.Dir(path), oldName) }

// isOldLedger reports whether the file at path is a ledger.db. isOldLedger returns false if the file is missing.
func isOldLedger(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	var b [72]byte
	if _, err := io.ReadFull(f, b[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	id := []byte{
		oldApplicationID >> 24,
		oldApplicationID >> 16 & 0xff,
		oldApplicationID >> 8 & 0xff,
		oldApplicationID & 0xff,
	}
	return bytes.HasPrefix(b[:], []byte("SQLite format 3\x00")) && bytes.Equal(b[68:], id), nil
}

// openOld opens the site's ledger.db for reading only. If the file is not a ledger.db, openOld returns nil.
func openOld(path string, site policy.SiteID) (*store.DB, error) {
	if old, err := isOldLedger(path); err != nil || !old {
		return nil, err
	}
	form, err := oldFormat(path, site)
	if err != nil {
		return nil, err
	}
	return store.OpenAs(path, oldViews(site, form))
}

// oldFormat returns the format of a ledger.db, or an error if the file belongs to another site.
func oldFormat(path string, site policy.SiteID) (form int, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=ro&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var of string
	err = errors.Join(db.QueryRow("PRAGMA user_version").Scan(&form), db.QueryRow("SELECT id FROM site").Scan(&of))
	switch {
	case err != nil:
		return 0, fmt.Errorf("cannot read the file as a ledger: %w", err)
	case form < 1 || form > oldFormats:
		return 0, fmt.Errorf("ledger has format %d, want format 1 to %d", form, oldFormats)
	case of != string(site):
		return 0, fmt.Errorf("ledger belongs to site %q, want site %q", of, site)
	}
	return form, nil
}

// oldViews returns SQL statements that create views with the current columns of the ledger from the tables of a
// ledger.db. A ledger.db stores all hashes of the tree in the order of package tlog.
func oldViews(site policy.SiteID, form int) []string {
	generations, records := "main.generations", "main.records"
	if form == 1 { // in format 1, a machine has one journal, with the empty generation
		generations = "(SELECT machine, 0 AS epoch, '' AS generation, '' AS who, '' AS why, 0 AS at FROM main.checkpoints)"
		records = "(SELECT '' AS generation, * FROM main.records)"
	}
	// by returns the SQL condition that rows of two tables belong to the same journal. In format 1, rows have no
	// generation, so the machine is compared alone.
	by := func(table, with string) string {
		if form == 1 {
			return table + ".machine = " + with + ".machine"
		}
		return table + ".machine = " + with + ".machine AND " + table + ".generation = " + with + ".generation"
	}
	id := "'" + strings.ReplaceAll(string(site), "'", "''") + "'"
	hash := func(level int) string {
		return fmt.Sprintf(
			"(SELECT h.hash FROM main.hashes AS h WHERE %s AND h.idx = %s + %d)",
			by("h", "r"),
			oldLeafIndex(),
			level,
		)
	}
	records = "old_journals AS g CROSS JOIN " + records + " AS r ON r.machine = g.machine AND r.generation = g.generation"
	inner := func(level int) string {
		return fmt.Sprintf(
			"SELECT %s AS site, g.journal, %d AS level, r.seq / %d - 1 AS place, %s AS hash FROM %s WHERE r.seq %% %d = 0",
			id,
			level,
			1<<level,
			hash(level),
			records,
			1<<level,
		)
	}
	return []string{
		fmt.Sprintf(`CREATE TEMP VIEW old_journals AS SELECT g.*, (SELECT count(*) FROM %s AS f
			WHERE f.machine < g.machine OR f.machine = g.machine AND f.epoch <= g.epoch) AS journal FROM %s AS g`, generations,
			generations),
		fmt.Sprintf(
			`CREATE TEMP VIEW ledger_journals AS SELECT %s AS site, g.*, coalesce(c.size, 0) AS size, coalesce(c.root, x'')
				AS root,
			x'' AS edge, coalesce(c.note, x'') AS note FROM old_journals AS g LEFT JOIN main.checkpoints AS c ON %s`,
			id,
			by("c", "g"),
		),
		fmt.Sprintf(
			`CREATE TEMP VIEW ledger_records AS SELECT %s AS site, g.journal, r.seq, r.kind, r.member, r.session, r.wall, r.salt,
			%s AS leaf, r.record FROM %s`,
			id,
			hash(0),
			records,
		),
		"CREATE TEMP VIEW ledger_hashes AS " + strings.Join([]string{inner(8), inner(16), inner(24)}, " UNION ALL "),
	}
}

// oldLeafIndex returns tlog.StoredHashIndex(0, seq-1) as an SQL expression: n + n/2 + n/4 … for n = seq-1. The
// expression is correct for journals of up to 2^40 records. The hash of a subtree is stored after the leaf of the
// subtree's last record, as many places later as the subtree has levels.
func oldLeafIndex() string {
	terms := make([]string, 41)
	for i := range terms {
		terms[i] = fmt.Sprintf("((r.seq-1)>>%d)", i)
	}
	return "(" + strings.Join(terms, "+") + ")"
}

// oldJournal is a journal in a ledger.db.
type oldJournal struct {
	journal
	machine  policy.MachineID
	who, why string
	at       int64
	note     []byte
}

// oldJournals returns all journals of a ledger.db, sorted by machine and epoch.
func oldJournals(ctx context.Context, old *store.Site) (out []oldJournal, err error) {
	rows, err := old.Query(
		ctx,
		`SELECT journal, machine, epoch, generation, who, why, at, size, root, note FROM ledger_journals
		WHERE site = $1 ORDER BY machine, epoch`,
	)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var j oldJournal
		if err := rows.Scan(&j.id, &j.machine, &j.Epoch, &j.Generation.Generation, &j.who, &j.why, &j.at, &j.Records, &j.root,
			&j.note); err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, rows.Err()
}

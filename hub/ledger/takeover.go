package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/store"
	"portillon/wire"
)

// importedSuffix is appended to the name of a ledger.db after its records are in the database.
const importedSuffix = ".taken-over"

// TakeOver copies the records of the ledger.db at path into the database, in one transaction, and renames the file to
// ledger.db.taken-over. TakeOver returns the number of new records. TakeOver calculates the tree of each journal from
// the records, and compares the tree's root with the checkpoint that the machine signed. After a power cut, either
// nothing has changed, or the records are in the database and the next call only renames the file. If the file is
// missing, TakeOver does nothing. A file of another kind or site, or a damaged file, stays unchanged and causes an
// error.
func (l *Ledger) TakeOver(ctx context.Context, path string) (records uint64, err error) {
	old, err := openOld(path, l.site.ID())
	if err == nil && old == nil {
		if _, serr := os.Stat(path); serr == nil && path != l.site.Path() {
			err = errors.New("file is not a ledger, want a ledger.db of an early release")
		}
	}
	if err == nil && old != nil {
		records, err = l.takeOver(ctx, old.Site(l.site.ID()))
		err = errors.Join(err, old.Close())
	}
	if err != nil {
		return 0, fmt.Errorf(
			"take over %s: %w; move the file away to start without its records, which the machines send again as far "+
				"as they still have them: mv %[1]s %[1]s.damaged",
			path,
			err,
		)
	}
	if old == nil {
		return 0, nil
	}
	return records, renameImported(path)
}

// takeOver copies all journals in one transaction.
func (l *Ledger) takeOver(ctx context.Context, old *store.Site) (records uint64, err error) {
	journals, err := oldJournals(ctx, old)
	if err != nil {
		return 0, err
	}
	err = l.site.Write(ctx, func(tx *store.Tx) error {
		records = 0
		for _, j := range journals {
			n, err := l.importJournal(ctx, tx, old, j)
			if err != nil {
				return fmt.Errorf("cannot import journal %q of machine %.64s: %w", string(j.Generation.Generation), j.machine, err)
			}
			records += n
		}
		tx.Changed(store.Records)
		return nil
	})
	return records, err
}

// importJournal copies the records of a journal that are not in the database yet, and returns the number of copied
// records.
func (l *Ledger) importJournal(ctx context.Context, tx *store.Tx, old *store.Site, j oldJournal) (uint64, error) {
	if err := l.checkSignature(j); err != nil {
		return 0, err
	}
	held, err := journalOf(ctx, tx, j.machine, j.Generation.Generation)
	if err != nil {
		return 0, err
	}
	// Add the journal if it is not in the database yet.
	if held.id == 0 {
		g := Generation{Generation: j.Generation.Generation, Epoch: j.Epoch, By: j.who, Why: j.why}
		if j.at != 0 {
			g.At = time.UnixMilli(j.at)
		}
		if held.id, err = insertJournal(ctx, tx, j.machine, g); err != nil {
			return 0, err
		}
	}
	// After a power cut, all records may be in the database already. In this case, compare only the roots.
	if held.Records >= j.Records {
		if j.Records == 0 {
			return 0, nil
		}
		e, err := newTree(ctx, tx, j.machine, held.id).edgeAt(int64(j.Records))
		if err != nil {
			return 0, err
		}
		return 0, compareRoot(e, j)
	}
	// Add the new records to the tree of the stored records, and compare the roots at the end.
	e, err := held.currentEdge()
	if err != nil {
		return 0, err
	}
	g := growth{tree: e}
	if err := g.copyRecords(ctx, tx, old, held, j); err != nil {
		return 0, err
	}
	if err := compareRoot(g.tree, j); err != nil {
		return 0, err
	}
	return j.Records - held.Records, g.store(ctx, tx, held.id, tlog.Hash(j.root), string(j.note))
}

// checkSignature checks that the machine signed the journal's root. checkSignature accepts any journal of a machine
// that is no longer in hub.yaml, because no key is known for the machine.
func (l *Ledger) checkSignature(j oldJournal) error {
	key, ok := l.key(j.machine)
	if j.Records == 0 || !ok {
		return nil
	}
	c, err := wire.OpenCheckpoint(j.note, j.Generation.Generation.Origin(l.site.ID(), j.machine), note.VerifierList(key))
	if err != nil {
		return err
	}
	if c.Size != j.Records || !bytes.Equal(c.Root[:], j.root) {
		return fmt.Errorf("checkpoint covers %d records, want the ledger's %d records with the same root", c.Size, j.Records)
	}
	return nil
}

// compareRoot returns an error if a tree does not have the root that the machine signed.
func compareRoot(e edge, j oldJournal) error {
	root, err := e.root()
	if err != nil {
		return err
	}
	if !bytes.Equal(root[:], j.root) {
		return fmt.Errorf("the first %d records do not match the root that the machine signed", j.Records)
	}
	return nil
}

// copyRecords copies the records of j that follow the stored records, and adds the copied records to the tree.
func (g *growth) copyRecords(ctx context.Context, tx *store.Tx, old *store.Site, held journal, j oldJournal) error {
	rows, err := old.Query(
		ctx,
		"SELECT seq, salt, record FROM ledger_records WHERE site = $1 AND journal = $2 AND seq > $3 AND seq <= $4 "+
			"ORDER BY seq",
		j.id,
		int64(held.Records),
		int64(j.Records),
	)
	if err != nil {
		return err
	}
	defer rows.Close()
	var some []recordRow
	for rows.Next() {
		var seq int64
		var salt, record []byte
		if err := rows.Scan(&seq, &salt, &record); err != nil {
			return err
		}
		r, err := wire.ParseRecord(record)
		if err != nil {
			return err
		}
		// Check that the row contains the record that follows in this machine's journal.
		if seq != g.tree.size+1 || r.Seq != uint64(seq) || r.Machine != j.machine || len(salt) != len(wire.Salt{}) {
			return fmt.Errorf("old ledger contains record %d of machine %.64s, want record %d of machine %s",
				r.Seq, r.Machine, g.tree.size+1,
				j.machine)
		}
		leaf := wire.Leaf(wire.Salt(salt), record)
		g.tree.add(leaf, func(n node) { g.nodes = append(g.nodes, n) })
		if some = append(some, recordRow{&r, wire.Leafed{Salt: wire.Salt(salt), Record: record},
			leaf}); len(some) < insertMany {
			continue
		}
		if err := insertRecords(ctx, tx, held.id, some); err != nil {
			return err
		}
		some = some[:0]
	}
	// Store the remaining records, fewer than insertMany.
	if err := insertRecords(ctx, tx, held.id, some); err != nil {
		return err
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if g.tree.size != int64(j.Records) {
		return fmt.Errorf("old ledger has %d records, want %d records as in the checkpoint", g.tree.size, j.Records)
	}
	return nil
}

// renameImported renames a ledger.db whose records are in the database. Before renaming, renameImported writes the
// content of the write-ahead log into the file.
func renameImported(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=rw&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return err
	}
	// In the journal mode DELETE, a database is a single file without a write-ahead log (sqlite.org/wal.html, section
	// 3).
	_, err = db.Exec("PRAGMA journal_mode = DELETE")
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("cannot write the write-ahead log of %s into the file: %w", path, err)
	}
	if err := os.Rename(path, path+importedSuffix); err != nil {
		return err
	}
	// Sync the folder, so that the new name survives a power cut.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// CopyOld copies a ledger.db, including the content of its write-ahead log, to a new file at the path to.
func CopyOld(ctx context.Context, path, to string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=ro&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO $1", to)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("cannot copy the ledger %s: %w", path, err)
	}
	return os.Chmod(to, 0o600)
}

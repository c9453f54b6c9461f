package audit

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/wire"
)

// row is a stored entry.
type row struct {
	seq      uint64
	entry    string
	salt     []byte // nil: the personal part was erased
	personal sql.NullString
}

// scanRow reads the columns seq, entry, salt and personal of the current row.
func scanRow(rows *sql.Rows) (r row, err error) {
	return r, rows.Scan(&r.seq, &r.entry, &r.salt, &r.personal)
}

// read returns the row as an Entry that people read, without verifying it.
func (r row) read() (Entry, error) {
	var s sealed
	var p personal
	if err := json.Unmarshal([]byte(r.entry), &s); err != nil {
		return Entry{}, fmt.Errorf("audit log: cannot parse the signed part of entry %d: %w", r.seq, err)
	}
	if r.personal.Valid {
		if err := json.Unmarshal([]byte(r.personal.String), &p); err != nil {
			return Entry{}, fmt.Errorf("audit log: cannot parse the personal part of entry %d: %w", r.seq, err)
		}
	}
	return Entry{Seq: r.seq, At: s.At, Account: s.Account, Name: p.Name, Act: s.Act, On: p.On, Detail: p.Detail,
		Request: s.Request,
		Erased:  !r.personal.Valid}, nil
}

// line returns the row as a line of an export.
func (r row) line() ([]byte, error) {
	out := line{Entry: json.RawMessage(r.entry)}
	if r.personal.Valid && len(r.salt) == len(wire.Salt{}) {
		salt := wire.Salt(r.salt)
		out.Salt, out.Personal = &salt, json.RawMessage(r.personal.String)
	}
	return wire.Canonical(out)
}

// exportStep is the number of entries that Export reads at a time. While Export writes these entries to a slow client,
// Export uses no connection to the database.
const exportStep = 500

// Export writes the whole log: a line of JSON for each entry, and the newest checkpoint as the last line. Export reads
// the checkpoint first, so it leaves out entries that are added later. The actor needs actor.ReadAudit.
func (l *Log) Export(ctx context.Context, a actor.Actor, w io.Writer) error {
	if err := a.May(actor.ReadAudit, actor.Target{}); err != nil {
		return err
	}
	var size int64
	var signed string
	err := l.o.Site.QueryRow(ctx, `SELECT size, signed FROM audit_head WHERE site = $1`).Scan(&size, &signed)
	if errors.Is(err, sql.ErrNoRows) {
		signed, err = l.signEmpty(ctx)
	}
	if err != nil {
		return fmt.Errorf("audit log: cannot read the newest checkpoint for the export: %w", err)
	}
	out := bufio.NewWriter(w)
	for from := int64(1); from <= size; from += exportStep {
		if err := l.exportSome(ctx, out, from, min(from+exportStep-1, size)); err != nil {
			return fmt.Errorf("audit log: cannot export the entries: %w", err)
		}
	}
	end, err := wire.Canonical(line{Checkpoint: signed})
	if err != nil {
		return err
	}
	if _, err := out.Write(append(end, '\n')); err != nil {
		return err
	}
	return out.Flush()
}

// signEmpty signs the checkpoint of a log without entries. If the log has entries, signEmpty returns an error, because
// someone has removed the checkpoint.
func (l *Log) signEmpty(ctx context.Context) (string, error) {
	var n int64
	if err := l.o.Site.QueryRow(ctx, `SELECT count(*) FROM audit_entry WHERE site = $1`).Scan(&n); err != nil {
		return "", err
	}
	if n > 0 {
		return "", fmt.Errorf("audit log has %d entries but no checkpoint, want a checkpoint for all entries", n)
	}
	root, err := tlog.TreeHash(0, nil)
	if err != nil {
		return "", err
	}
	b, err := wire.SignCheckpoint(wire.Checkpoint{Origin: Origin(l.o.Site.ID()), Root: root}, l.o.Signer)
	return string(b), err
}

// exportSome reads the entries with the numbers from to to (inclusive), then writes the entries.
func (l *Log) exportSome(ctx context.Context, w io.Writer, from, to int64) error {
	rows, err := l.o.Site.Query(ctx, `SELECT seq, entry, salt, personal FROM audit_entry
		WHERE site = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq`, from, to)
	if err != nil {
		return err
	}
	defer rows.Close()
	var lines [][]byte
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return err
		}
		b, err := r.line()
		if err != nil {
			return err
		}
		lines = append(lines, append(b, '\n'))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, b := range lines {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// forgetStep is the maximum number of erased entries that one new entry lists, so that the line of the new entry stays
// shorter than maxLine.
const forgetStep = 200

// Forget removes the personal part of every entry about one of the given objects ("member m-lea") and of every entry
// that one of the accounts made, in the transaction tx. Forget adds entries that list the erased entries, because
// Verify accepts an entry without a personal part only if a later entry lists it. The caller must have checked
// actor.EraseMembers.
func (l *Log) Forget(ctx context.Context, tx *store.Tx, a actor.Actor, about, accounts []string) error {
	var seqs []uint64
	for _, on := range about {
		rows, err := tx.Query(ctx, `SELECT seq FROM audit_entry WHERE site = $1 AND about = $2 AND personal IS NOT NULL`,
			clip(on, maxAbout))
		if seqs, err = appendNumbers(seqs, rows, err); err != nil {
			return err
		}
	}
	for _, id := range accounts {
		rows, err := tx.Query(ctx, `SELECT seq FROM audit_entry WHERE site = $1 AND account = $2 AND personal IS NOT NULL`,
			clip(id, maxName))
		if seqs, err = appendNumbers(seqs, rows, err); err != nil {
			return err
		}
	}
	// Erase in steps. Each round of the loop lists up to forgetStep erased entries in one new entry.
	seqs = sortUnique(seqs)
	for len(seqs) > 0 {
		some := seqs[:min(len(seqs), forgetStep)]
		seqs = seqs[len(some):]
		for _, seq := range some {
			_, err := tx.Exec(ctx, `UPDATE audit_entry SET salt = NULL, personal = NULL, about = NULL WHERE site = $1 AND seq =
				$2`, int64(seq))
			if err != nil {
				return err
			}
		}
		if err := l.append(ctx, tx, a, actor.EraseMembers, some, personal{Name: a.Name}); err != nil {
			return fmt.Errorf("audit log: cannot write the entry that lists the erased entries: %w", err)
		}
	}
	return nil
}

// appendNumbers appends the numbers in rows to seqs, and closes rows.
func appendNumbers(seqs []uint64, rows *sql.Rows, err error) ([]uint64, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq uint64
		if err := rows.Scan(&seq); err != nil {
			return nil, err
		}
		seqs = append(seqs, seq)
	}
	return seqs, rows.Err()
}

// pageFault returns the error for a cursor that Entries did not return.
func pageFault(after string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: "after", Given: clip(after, 40), Wrong: "not a place in this list",
		Right: "the value of next that the page before gave"}}}
}

package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Generation is one of a machine's journals, as the ledger took it.
type Generation struct {
	wire.Generation
	Epoch   int       // 0: the machine's first
	Records uint64    // that are held
	Root    tlog.Hash // of the tree over them; zero: there are none
	By, Why string    // who let it take the place of the one before, and why; empty for a machine's first
	At      time.Time // when; zero for a machine's first
}

// Replacement is an administrator's act: the next journal of a machine takes the place of the one that is held.
type Replacement struct {
	Machine    policy.MachineID
	Generation wire.Generation // of the next journal, as the machine's state says it
	By         string          // the administrator
	Why        string
	At         time.Time
}

// maxWords bounds By and Why, in bytes.
const maxWords = 500

// Replace lets the next generation of a machine in. The records of the generations before stay, and can be read and
// proven. From now on only the next one is taken. Of a wrong generation, no record of which has come, the one before
// takes the place again: a machine's state is not signed, so that whoever has its account at the broker can name any.
// The act is on the disk when Replace returns.
func (l *Ledger) Replace(r Replacement) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("ledger: replace: %w", err)
	}
	err := l.site.Write(context.Background(), func(tx *store.Tx) error { return l.ReplaceIn(context.Background(), tx, r) })
	if err != nil {
		return fmt.Errorf("ledger: replace: %w", err)
	}
	return nil
}

// ReplaceIn is Replace within a transaction of the caller's.
func (l *Ledger) ReplaceIn(ctx context.Context, tx *store.Tx, r Replacement) error {
	if err := r.check(); err != nil {
		return err
	}
	all, err := generationsOf(ctx, tx, r.Machine)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("the ledger holds no records of %.64q: a first journal needs no replacement", r.Machine)
	}
	tx.Changed(store.Records)
	if n := len(all); n > 1 && all[n-1].Records == 0 && all[n-2].Generation == r.Generation {
		_, err = tx.Exec(
			ctx,
			"DELETE FROM ledger_journals WHERE site = $1 AND machine = $2 AND epoch = $3",
			string(r.Machine),
			all[n-1].Epoch,
		)
		return err
	}
	return r.follow(ctx, tx, all)
}

// follow has the next generation come after all that were taken.
func (r Replacement) follow(ctx context.Context, tx *store.Tx, all []Generation) error {
	for _, g := range all {
		if g.Generation == r.Generation {
			return fmt.Errorf(
				"generation %q of %.64q was taken before, want one that is new: at the machine, stop portillond, move its "+
					"journal.db and journal.db-wal to another name, and start it: it begins a new journal",
				string(r.Generation),
				r.Machine,
			)
		}
	}
	_, err := begin(
		ctx,
		tx,
		r.Machine,
		Generation{Generation: r.Generation, Epoch: len(all), By: r.By, Why: r.Why, At: r.At},
	)
	return err
}

// check finds what is wrong with a replacement; nil: nothing is.
func (r Replacement) check() error {
	switch {
	case r.Machine == "":
		return errors.New("the machine is missing")
	case r.By == "" || len(r.By) > maxWords || len(r.Why) > maxWords:
		return fmt.Errorf(
			"who does it has %d bytes, want 1 to %d; why has %d, want at most %d",
			len(r.By),
			maxWords,
			len(r.Why),
			maxWords,
		)
	case r.At.IsZero():
		return errors.New("the time is missing")
	}
	return r.Generation.Check()
}

// Generations are a machine's journals, in the order in which the ledger took them.
func (l *Ledger) Generations(ctx context.Context, m policy.MachineID) (_ []Generation, err error) {
	defer l.named(&err)
	out, err := generationsOf(ctx, l.site, m)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return out, nil
}

// begin notes that a machine's journal g is taken from now on, and returns its number.
func begin(ctx context.Context, tx *store.Tx, m policy.MachineID, g Generation) (id int64, err error) {
	err = tx.QueryRow(ctx, "SELECT coalesce(max(journal), 0) + 1 FROM ledger_journals WHERE site = $1").
		Scan(&id)
	if err != nil {
		return 0, err
	}
	at := int64(0)
	if !g.At.IsZero() {
		at = g.At.UnixMilli()
	}
	_, err = tx.Exec(
		ctx,
		`INSERT INTO ledger_journals (site, journal, machine, epoch, generation, who, why, at, size, root, edge, note)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9, $9)`,
		id,
		string(m),
		g.Epoch,
		string(g.Generation),
		g.By,
		g.Why,
		at,
		[]byte{},
	)
	return id, err
}

// generationsOf reads the journals of a machine, in the order in which the ledger took them.
func generationsOf(ctx context.Context, q queryer, m policy.MachineID) (out []Generation, err error) {
	rows, err := q.Query(
		ctx,
		"SELECT generation, epoch, who, why, at, size, root FROM ledger_journals WHERE site = $1 AND machine = $2 ORDER "+
			"BY epoch",
		string(m),
	)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var g Generation
		var name string
		var at, size int64
		var root []byte
		if err := rows.Scan(&name, &g.Epoch, &g.By, &g.Why, &at, &size, &root); err != nil {
			return nil, err
		}
		g.Generation, g.Records = wire.Generation(name), uint64(size)
		copy(g.Root[:], root)
		if at != 0 {
			g.At = time.UnixMilli(at).UTC()
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// journal is one of a machine's journals as the database has it.
type journal struct {
	id int64 // 0: there is none
	Generation
	root, edge []byte
}

// newestJournal is the journal of m that is taken.
func newestJournal(ctx context.Context, q queryer, m policy.MachineID) (journal, error) {
	return scanJournal(q.QueryRow(ctx, `SELECT journal, epoch, generation, size, root, edge FROM ledger_journals
		WHERE site = $1 AND machine = $2 ORDER BY epoch DESC LIMIT 1`, string(m)))
}

// journalOf is the journal of a generation of m.
func journalOf(ctx context.Context, q queryer, m policy.MachineID, g wire.Generation) (journal, error) {
	return scanJournal(q.QueryRow(ctx, `SELECT journal, epoch, generation, size, root, edge FROM ledger_journals
		WHERE site = $1 AND machine = $2 AND generation = $3`, string(m), string(g)))
}

// scanJournal reads one row of ledger_journals; the zero journal: there is no row.
func scanJournal(row *sql.Row) (j journal, err error) {
	var g string
	var size int64
	err = row.Scan(&j.id, &j.Epoch, &g, &size, &j.root, &j.edge)
	if errors.Is(err, sql.ErrNoRows) {
		return journal{}, nil
	}
	j.Generation.Generation, j.Records = wire.Generation(g), uint64(size)
	return j, err
}

// head is how much of the journal is held.
func (j journal) head() (h Head, err error) {
	if h.Root, err = tlog.TreeHash(0, nil); err != nil || j.id == 0 {
		return h, err
	}
	h.Generation, h.Known, h.Seq = j.Generation.Generation, true, j.Records
	if j.Records == 0 { // its first record has not come yet
		return h, nil
	}
	if len(j.root) != tlog.HashSize {
		return Head{}, fmt.Errorf(
			"the root of the journal %d has %d bytes, want %d: the ledger is corrupt",
			j.id,
			len(j.root),
			tlog.HashSize,
		)
	}
	h.Root = tlog.Hash(j.root)
	return h, nil
}

// grown is the edge of all that is held.
func (j journal) grown() (edge, error) {
	e, err := parseEdge(int64(j.Records), j.edge)
	if err != nil {
		return edge{}, err
	}
	root, err := e.root()
	if err == nil && j.Records > 0 && !bytes.Equal(root[:], j.root) {
		err = fmt.Errorf("the edge of the journal %d does not give its root: the ledger is corrupt", j.id)
	}
	return e, err
}

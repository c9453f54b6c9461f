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

// Generation describes one of a machine's journals in the ledger.
type Generation struct {
	wire.Generation
	Epoch   int       // position among the machine's journals; the first journal has position 0
	Records uint64    // number of records in the ledger
	Root    tlog.Hash // root of the tree over the records; zero if the ledger has no records of the journal
	// administrator who accepted the journal, and the administrator's reason; both are empty for a machine's first journal
	By, Why string
	At      time.Time // time at which the administrator accepted the journal; zero for a machine's first journal
}

// Replacement is an administrator's decision that the next journal of a machine replaces the current journal.
type Replacement struct {
	Machine    policy.MachineID
	Generation wire.Generation // generation of the next journal, as the machine's state message names it
	By         string          // name of the administrator
	Why        string
	At         time.Time
}

// maxText is the maximum length of By and of Why, in bytes.
const maxText = 500

// Replace accepts the next generation of a machine's journal. After Replace, the ledger accepts only records of the new
// generation. Records of earlier generations stay readable and provable. To undo a wrong decision, Replace can return
// to the previous generation before the first record of the new generation arrives. A decision may be wrong, because
// nobody signs the state message in which a machine names its generation. When Replace returns, the decision is on the
// disk.
func (l *Ledger) Replace(r Replacement) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("ledger: cannot replace the journal of a machine: %w", err)
	}
	err := l.site.Write(context.Background(), func(tx *store.Tx) error { return l.ReplaceIn(context.Background(), tx, r) })
	if err != nil {
		return fmt.Errorf("ledger: cannot replace the journal of a machine: %w", err)
	}
	return nil
}

// ReplaceIn does the work of Replace within a transaction of the caller.
func (l *Ledger) ReplaceIn(ctx context.Context, tx *store.Tx, r Replacement) error {
	if err := r.check(); err != nil {
		return err
	}
	all, err := readGenerations(ctx, tx, r.Machine)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("machine %.64q has no journal to replace: the ledger accepts its first journal without a decision",
			r.Machine)
	}
	tx.Changed(store.Records)
	// If r names the previous generation and the current one has no records yet, make the previous generation current
	// again.
	if n := len(all); n > 1 && all[n-1].Records == 0 && all[n-2].Generation == r.Generation {
		_, err = tx.Exec(
			ctx,
			"DELETE FROM ledger_journals WHERE site = $1 AND machine = $2 AND epoch = $3",
			string(r.Machine),
			all[n-1].Epoch,
		)
		return err
	}
	return r.addGeneration(ctx, tx, all)
}

// addGeneration adds the generation of r as the machine's newest generation. A generation that is already in the ledger
// is rejected.
func (r Replacement) addGeneration(ctx context.Context, tx *store.Tx, all []Generation) error {
	for _, g := range all {
		if g.Generation == r.Generation {
			return fmt.Errorf(
				"generation %q of %.64q is already in the ledger, want a new one: at the machine, stop portillond, move its "+
					"journal.db and journal.db-wal to another name, and start portillond: it begins a new journal",
				string(r.Generation),
				r.Machine,
			)
		}
	}
	_, err := insertJournal(
		ctx,
		tx,
		r.Machine,
		Generation{Generation: r.Generation, Epoch: len(all), By: r.By, Why: r.Why, At: r.At},
	)
	return err
}

// check returns an error for the first missing or overlong field.
func (r Replacement) check() error {
	switch {
	case r.Machine == "":
		return errors.New("replacement of a journal names no machine, want a machine's id")
	case r.By == "" || len(r.By) > maxText || len(r.Why) > maxText:
		return fmt.Errorf(
			"administrator's name has %d bytes, want 1 to %d, or reason has %d bytes, want at most %d",
			len(r.By),
			maxText,
			len(r.Why),
			maxText,
		)
	case r.At.IsZero():
		return errors.New("replacement of a journal has no time, want the time of the decision")
	}
	return r.Generation.Check()
}

// Generations returns a machine's journals, in the order in which the ledger accepted them.
func (l *Ledger) Generations(ctx context.Context, m policy.MachineID) (_ []Generation, err error) {
	defer l.addFileName(&err)
	out, err := readGenerations(ctx, l.site, m)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return out, nil
}

// insertJournal adds the journal g of a machine to the database, without records, and returns the journal's id.
func insertJournal(ctx context.Context, tx *store.Tx, m policy.MachineID, g Generation) (id int64, err error) {
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

// readGenerations does the work of Generations within the caller's transaction or connection.
func readGenerations(ctx context.Context, q queryer, m policy.MachineID) (out []Generation, err error) {
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
		// Root stays zero for a journal without records, and At stays zero for a journal without a decision.
		g.Generation, g.Records = wire.Generation(name), uint64(size)
		copy(g.Root[:], root)
		if at != 0 {
			g.At = time.UnixMilli(at).UTC()
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// journal is a row of ledger_journals: one of a machine's journals.
type journal struct {
	id int64 // id of the row; 0: the machine has no such journal
	Generation
	root, edge []byte
}

// newestJournal returns the journal of m with the highest epoch, which accepts new records.
func newestJournal(ctx context.Context, q queryer, m policy.MachineID) (journal, error) {
	return scanJournal(q.QueryRow(ctx, `SELECT journal, epoch, generation, size, root, edge FROM ledger_journals
		WHERE site = $1 AND machine = $2 ORDER BY epoch DESC LIMIT 1`, string(m)))
}

// journalOf returns the journal of m with a given generation.
func journalOf(ctx context.Context, q queryer, m policy.MachineID, g wire.Generation) (journal, error) {
	return scanJournal(q.QueryRow(ctx, `SELECT journal, epoch, generation, size, root, edge FROM ledger_journals
		WHERE site = $1 AND machine = $2 AND generation = $3`, string(m), string(g)))
}

// scanJournal reads a row of newestJournal or journalOf. If the row is missing, scanJournal returns the zero journal.
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

// head returns the extent of the journal in the ledger.
func (j journal) head() (h Head, err error) {
	if h.Root, err = tlog.TreeHash(0, nil); err != nil || j.id == 0 {
		return h, err
	}
	h.Generation, h.Known, h.Seq = j.Generation.Generation, true, j.Records
	if j.Records == 0 { // no record of the journal has arrived yet
		return h, nil
	}
	if len(j.root) != tlog.HashSize {
		return Head{}, fmt.Errorf(
			"corrupt ledger: root of journal %d has %d bytes, want %d",
			j.id,
			len(j.root),
			tlog.HashSize,
		)
	}
	h.Root = tlog.Hash(j.root)
	return h, nil
}

// currentEdge returns the edge of the tree over all stored records, or an error if the edge does not match the stored
// root.
func (j journal) currentEdge() (edge, error) {
	e, err := parseEdge(int64(j.Records), j.edge)
	if err != nil {
		return edge{}, err
	}
	root, err := e.root()
	if err == nil && j.Records > 0 && !bytes.Equal(root[:], j.root) {
		err = fmt.Errorf("corrupt ledger: tree edge of journal %d does not match the stored root", j.id)
	}
	return e, err
}

package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Entry is a record in the ledger.
type Entry struct {
	wire.Record
	Leaf wire.Leafed // the salt and the canonical bytes of the record
}

// Query selects records. The zero Query selects all of them.
type Query struct {
	Machine policy.MachineID // empty: all machines
	Kinds   []wire.Kind      // empty: all kinds; at most MaxKinds
	Member  policy.MemberID  // only records with a higher sequence number, in each journal
	After   uint64           // only records with a higher sequence number, in each journal
	// Generation selects one of a machine's journals; nil: all of them.
	Generation *wire.Generation
	Limit      int // maximum number of records; 0: no limit
	// Since selects records with a machine time at or after this instant. It requires exactly one kind. Zero: all records.
	Since time.Time
}

// MaxKinds is the maximum number of kinds in a Query.
const MaxKinds = 8

// queryer is the common part of a site and a transaction.
type queryer interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// Records calls yield for each record that q selects, ordered by machine, epoch and sequence number. Records stops at
// the first error of yield and returns it.
func (l *Ledger) Records(ctx context.Context, q Query, yield func(Entry) error) (err error) {
	defer l.named(&err)
	rows, err := q.rows(ctx, l.site)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := l.scan(rows.Scan)
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// rows runs the query. Each statement fixes the order in which SQLite reads the tables (CROSS JOIN,
// sqlite.org/optoverview.html §6.2), so that the right index is used. Without kinds, the primary key returns the
// records in order, and SQLite need not sort them. With kinds, the index of kinds finds the records.
func (q Query) rows(ctx context.Context, site queryer) (*sql.Rows, error) {
	switch {
	case !q.Since.IsZero():
		return q.rowsSince(ctx, site)
	case len(q.Kinds) == 0:
		args := q.args()
		return site.Query(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
			FROM ledger_journals AS j CROSS JOIN ledger_records AS r
			WHERE j.site = $1 AND r.site = $1 AND r.journal = j.journal AND ($2 = '' OR j.machine = $2)
			AND ($3 = 1 OR j.generation = $4) AND r.seq > $5 AND ($6 = '' OR r.member = $6)
			ORDER BY j.machine, j.epoch, r.seq LIMIT $7`, args...)
	}
	return q.rowsOfKinds(ctx, site)
}

// args returns the arguments $2 to $7 of every statement: machine, any generation, generation, seq, member, limit.
func (q Query) args() []any {
	anyOne, generation, limit := 1, "", int64(math.MaxInt64)
	if q.Generation != nil {
		anyOne, generation = 0, string(*q.Generation)
	}
	if q.Limit > 0 {
		limit = int64(q.Limit)
	}
	return []any{string(q.Machine), anyOne, generation, int64(q.After), string(q.Member), limit}
}

// rowsSince reads the records of one kind from a time on. In the index of kinds the time comes after the journal. The
// expression "seq + 0" is not a column, so SQLite cannot choose the primary key, with which it would read each journal
// from its first record.
func (q Query) rowsSince(ctx context.Context, site queryer) (*sql.Rows, error) {
	if len(q.Kinds) != 1 {
		return nil, fmt.Errorf("a query of a time and %d kinds, want one", len(q.Kinds))
	}
	args := append(q.args(), string(q.Kinds[0]), q.Since.UnixMilli())
	return site.Query(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
		FROM ledger_journals AS j CROSS JOIN ledger_records AS r
		WHERE j.site = $1 AND r.site = $1 AND r.journal = j.journal AND ($2 = '' OR j.machine = $2)
		AND ($3 = 1 OR j.generation = $4) AND r.seq + 0 > $5 AND ($6 = '' OR r.member = $6)
		AND r.kind = $8 AND r.wall >= $9
		ORDER BY j.machine, j.epoch, r.seq + 0 LIMIT $7`, args...)
}

// rowsOfKinds reads the records of some kinds.
func (q Query) rowsOfKinds(ctx context.Context, site queryer) (*sql.Rows, error) {
	args, err := kindArgs(q.Kinds, q.args()...)
	if err != nil {
		return nil, err
	}
	// A caller that reads one journal in parts needs the primary key: through the index of kinds, each part would read
	// and sort the kinds of all journals. The expression "kind || ''" is not a column, so SQLite cannot choose the index
	// of kinds.
	if q.Machine != "" && q.Generation != nil && q.Limit > 0 {
		return site.Query(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
			FROM ledger_journals AS j CROSS JOIN ledger_records AS r
			WHERE j.site = $1 AND r.site = $1 AND r.journal = j.journal AND j.machine = $2
			AND ($3 = 1 OR j.generation = $4) AND r.seq > $5 AND ($6 = '' OR r.member = $6)
			AND r.kind || '' IN ($8, $9, $10, $11, $12, $13, $14, $15)
			ORDER BY j.machine, j.epoch, r.seq LIMIT $7`, args...)
	}
	// With one machine, its journals come first: otherwise SQLite reads the records of all machines. The hub runs this
	// query after each batch. The lower bound of the time makes SQLite choose the index of kinds, as in rowsSince.
	if q.Machine != "" && len(q.Kinds) == 1 {
		return site.Query(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
			FROM ledger_journals AS j CROSS JOIN ledger_records AS r
			WHERE j.site = $1 AND j.machine = $2 AND r.site = $1 AND r.journal = j.journal
			AND ($3 = 1 OR j.generation = $4) AND r.seq + 0 > $5 AND ($6 = '' OR r.member = $6)
			AND r.kind = $8 AND r.wall >= $9
			ORDER BY j.machine, j.epoch, r.seq + 0 LIMIT $7`, append(args[:7], int64(math.MinInt64))...)
	}
	// With "IN" instead of this join, SQLite would not use the index of kinds but read the whole site. No clock shows a
	// year before 1.
	return site.Query(ctx, `WITH kinds(kind) AS (SELECT $8 UNION SELECT $9 UNION SELECT $10 UNION SELECT $11
		UNION SELECT $12 UNION SELECT $13 UNION SELECT $14 UNION SELECT $15)
		SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
		FROM kinds AS k CROSS JOIN ledger_journals AS j CROSS JOIN ledger_records AS r
		WHERE r.site = $1 AND j.site = $1 AND r.journal = j.journal AND ($2 = '' OR j.machine = $2)
		AND ($3 = 1 OR j.generation = $4) AND r.seq + 0 > $5 AND ($6 = '' OR r.member = $6)
		AND r.kind = k.kind AND r.wall >= $16
		ORDER BY j.machine, j.epoch, r.seq + 0 LIMIT $7`, append(args, time.Time{}.UnixMilli())...)
}

// kindArgs returns args followed by MaxKinds kinds. The first kind also fills the unused places.
func kindArgs(kinds []wire.Kind, args ...any) ([]any, error) {
	if len(kinds) == 0 || len(kinds) > MaxKinds {
		return nil, fmt.Errorf("query has %d kinds, want 1 to %d", len(kinds), MaxKinds)
	}
	for i := range MaxKinds {
		kind := kinds[0]
		if i < len(kinds) {
			kind = kinds[i]
		}
		args = append(args, string(kind))
	}
	return args, nil
}

// ErrChanged means that a stored record is not equal to the record that the ledger accepted: the disk or a person
// changed it.
var ErrChanged = errors.New("record was changed after it was taken")

// changed returns ErrChanged with the file, the record and the remedy.
func (l *Ledger) changed(m string, g string, seq int64) error {
	path := l.site.Path()
	return fmt.Errorf(
		"ledger %s: record %d of %s, generation %q: %w; %s",
		path,
		seq,
		m,
		g,
		ErrChanged,
		store.CureDamage(path),
	)
}

// scan reads one row and checks the record's bytes against the stored leaf hash.
func (l *Ledger) scan(into func(...any) error) (Entry, error) {
	var salt, record, leaf []byte
	var g, m string
	var epoch int
	var seq int64
	if err := into(&salt, &record, &g, &epoch, &leaf, &m, &seq); err != nil {
		return Entry{}, err
	}
	if len(salt) != len(wire.Salt{}) || len(leaf) != tlog.HashSize ||
		wire.Leaf(wire.Salt(salt), record) != tlog.Hash(leaf) {
		return Entry{}, l.changed(m, g, seq)
	}
	r, err := wire.ParseRecord(record)
	if err != nil {
		return Entry{}, fmt.Errorf("corrupt record: %w", err)
	}
	if r.Seq != uint64(seq) || string(r.Machine) != m {
		return Entry{}, l.changed(m, g, seq)
	}
	r.Generation, r.Epoch = wire.Generation(g), epoch
	e := Entry{Record: r, Leaf: wire.Leafed{Record: record}}
	copy(e.Leaf.Salt[:], salt)
	return e, nil
}

// Last returns the newest record of the given kinds in the journal of m with generation g. It returns false if the
// journal has no such record.
func (l *Ledger) Last(
	ctx context.Context,
	m policy.MachineID,
	g wire.Generation,
	kinds ...wire.Kind,
) (last Entry, ok bool,
	err error) {
	defer l.named(&err)
	args, err := kindArgs(kinds, string(m), string(g))
	if err != nil {
		return Entry{}, false, err
	}
	// kind || '' is not a column: SQLite reads the newest record first by the primary key. The index of kinds would need a
	// sort of all records.
	row := l.site.QueryRow(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
		FROM ledger_journals AS j CROSS JOIN ledger_records AS r
		WHERE j.site = $1 AND r.site = $1 AND r.journal = j.journal AND j.machine = $2 AND j.generation = $3
		AND r.kind || '' IN ($4, $5, $6, $7, $8, $9, $10, $11) ORDER BY r.seq DESC LIMIT 1`, args...)
	if last, err = l.scan(row.Scan); errors.Is(err, sql.ErrNoRows) {
		return Entry{}, false, nil
	}
	if err != nil {
		err = fmt.Errorf("ledger: %w", err)
	}
	return last, err == nil, err
}

// Head returns the extent of m's newest journal.
func (l *Ledger) Head(m policy.MachineID) (_ Head, err error) {
	defer l.named(&err)
	j, err := newestJournal(context.Background(), l.site, m)
	if err != nil {
		return Head{}, fmt.Errorf("ledger: %w", err)
	}
	return j.head()
}

// Proof proves that records belong to a machine's journal: it has the machine's signed checkpoint, and for each record
// the path to the root.
type Proof struct {
	Checkpoint string             // a signed note
	Size       uint64             // number of records that the checkpoint covers
	Paths      []tlog.RecordProof // in the order of the requested records
}

// Prove returns a proof for the records of m's journal of generation g with the given sequence numbers.
func (l *Ledger) Prove(
	ctx context.Context,
	m policy.MachineID,
	g wire.Generation,
	seqs []uint64,
) (out Proof, err error) {
	defer l.named(&err)
	err = l.site.Read(ctx, func(tx *store.Tx) error { // checkpoint and paths must be of the same state
		var journal, size int64
		var signed []byte
		err := tx.QueryRow(ctx, "SELECT journal, size, note FROM ledger_journals WHERE site = $1 AND machine = $2 AND "+
			"generation = $3 AND size > 0",
			string(m), string(g)).
			Scan(&journal, &size, &signed)
		if err != nil {
			return fmt.Errorf("no checkpoint for %s: %w", m, err)
		}
		out = Proof{Checkpoint: string(signed), Size: uint64(size)}
		t := newTree(ctx, tx, m, journal)
		for _, seq := range seqs {
			if seq == 0 || seq > uint64(size) {
				return fmt.Errorf("record %d of %s is not in the ledger", seq, m)
			}
			p, err := tlog.ProveRecord(size, int64(seq-1), t)
			if err != nil {
				return fmt.Errorf("record %d of %s: %w", seq, m, err)
			}
			out.Paths = append(out.Paths, p)
		}
		return nil
	})
	if err != nil {
		return Proof{}, fmt.Errorf("ledger: %w", err)
	}
	return out, nil
}

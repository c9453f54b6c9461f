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
	Leaf wire.Leafed // salt and canonical bytes of the record, from which its leaf hash follows
}

// Query selects records. The zero Query selects all records.
type Query struct {
	Machine policy.MachineID // empty: all machines
	Kinds   []wire.Kind      // at most MaxKinds; empty: all kinds
	Member  policy.MemberID  // only records about this member; empty: records about all members
	After   uint64           // in each journal, only records with a higher sequence number than After
	// Generation selects one of a machine's journals. If Generation is nil, the query selects records of all journals.
	Generation *wire.Generation
	Limit      int // maximum number of records; 0: no limit
	// Since selects records whose machine time is at or after Since. Kinds must then contain exactly one kind. If Since
	// is zero, the query selects records of any time.
	Since time.Time
}

// MaxKinds is the maximum number of kinds in a Query.
const MaxKinds = 8

// queryer contains the methods that a *store.Site and a *store.Tx have in common.
type queryer interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// Records calls yield for each record that q selects, ordered by machine, epoch and sequence number. If yield returns
// an error, Records stops and returns the error.
func (l *Ledger) Records(ctx context.Context, q Query, yield func(Entry) error) (err error) {
	defer l.addFileName(&err)
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

// rows runs the query. Each statement sets the order in which SQLite reads the tables (CROSS JOIN,
// sqlite.org/optoverview.html, section 6.2), so that SQLite uses the right index. A query without kinds uses the
// primary key, so that SQLite need not sort the records. A query with kinds uses the index of kinds.
func (q Query) rows(ctx context.Context, site queryer) (*sql.Rows, error) {
	switch {
	case !q.Since.IsZero():
		return q.rowsSince(ctx, site)
	case len(q.Kinds) == 0 && q.Member != "":
		return q.rowsOfMember(ctx, site)
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

// rowsOfMember reads the records of all kinds about q.Member. The index of members has no records about no member, so
// that SQLite and PostgreSQL use the index only for a statement that excludes those records.
func (q Query) rowsOfMember(ctx context.Context, site queryer) (*sql.Rows, error) {
	return site.Query(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
		FROM ledger_journals AS j CROSS JOIN ledger_records AS r
		WHERE j.site = $1 AND r.site = $1 AND r.journal = j.journal AND ($2 = '' OR j.machine = $2)
		AND ($3 = 1 OR j.generation = $4) AND r.seq > $5 AND r.member = $6 AND r.member <> ''
		ORDER BY j.machine, j.epoch, r.seq LIMIT $7`, q.args()...)
}

// args returns the arguments $2 to $7 of every statement: machine, 1 for any generation, generation, sequence number,
// member, limit.
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

// rowsSince reads the records of one kind at or after a time. rowsSince uses the index of kinds, whose columns are the
// kind, the journal and the time. The expression "seq + 0" is not a column, so that SQLite does not use the primary key
// and read each journal from the first record.
func (q Query) rowsSince(ctx context.Context, site queryer) (*sql.Rows, error) {
	if len(q.Kinds) != 1 {
		return nil, fmt.Errorf("query with a time has %d kinds, want exactly one kind", len(q.Kinds))
	}
	args := append(q.args(), string(q.Kinds[0]), q.Since.UnixMilli())
	return site.Query(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
		FROM ledger_journals AS j CROSS JOIN ledger_records AS r
		WHERE j.site = $1 AND r.site = $1 AND r.journal = j.journal AND ($2 = '' OR j.machine = $2)
		AND ($3 = 1 OR j.generation = $4) AND r.seq + 0 > $5 AND ($6 = '' OR r.member = $6)
		AND r.kind = $8 AND r.wall >= $9
		ORDER BY j.machine, j.epoch, r.seq + 0 LIMIT $7`, args...)
}

// rowsOfKinds reads the records of the kinds in q.Kinds.
func (q Query) rowsOfKinds(ctx context.Context, site queryer) (*sql.Rows, error) {
	args, err := kindArgs(q.Kinds, q.args()...)
	if err != nil {
		return nil, err
	}
	// A query that reads a part of one journal uses the primary key. With the index of kinds, each part would read and
	// sort the records of all journals. The expression "kind || ''" is not a column, so that SQLite cannot use the
	// index of kinds.
	if q.Machine != "" && q.Generation != nil && q.Limit > 0 {
		return site.Query(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
			FROM ledger_journals AS j CROSS JOIN ledger_records AS r
			WHERE j.site = $1 AND r.site = $1 AND r.journal = j.journal AND j.machine = $2
			AND ($3 = 1 OR j.generation = $4) AND r.seq > $5 AND ($6 = '' OR r.member = $6)
			AND r.kind || '' IN ($8, $9, $10, $11, $12, $13, $14, $15)
			ORDER BY j.machine, j.epoch, r.seq LIMIT $7`, args...)
	}
	// A query for one machine reads the machine's journals first, because SQLite would otherwise read the records of
	// all machines. The hub runs this query after each batch. The lower bound of the time makes SQLite use the index of
	// kinds, as in rowsSince.
	if q.Machine != "" && len(q.Kinds) == 1 {
		return site.Query(ctx, `SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
			FROM ledger_journals AS j CROSS JOIN ledger_records AS r
			WHERE j.site = $1 AND j.machine = $2 AND r.site = $1 AND r.journal = j.journal
			AND ($3 = 1 OR j.generation = $4) AND r.seq + 0 > $5 AND ($6 = '' OR r.member = $6)
			AND r.kind = $8 AND r.wall >= $9
			ORDER BY j.machine, j.epoch, r.seq + 0 LIMIT $7`, append(args[:7], int64(math.MinInt64))...)
	}
	// With "IN" instead of the join, SQLite would read all records of the site. The lower bound of the time only makes
	// SQLite use the index of kinds. The bound is the year 1, because no record is older.
	return site.Query(ctx, `WITH kinds(kind) AS (SELECT $8 UNION SELECT $9 UNION SELECT $10 UNION SELECT $11
		UNION SELECT $12 UNION SELECT $13 UNION SELECT $14 UNION SELECT $15)
		SELECT r.salt, r.record, j.generation, j.epoch, r.leaf, j.machine, r.seq
		FROM kinds AS k CROSS JOIN ledger_journals AS j CROSS JOIN ledger_records AS r
		WHERE r.site = $1 AND j.site = $1 AND r.journal = j.journal AND ($2 = '' OR j.machine = $2)
		AND ($3 = 1 OR j.generation = $4) AND r.seq + 0 > $5 AND ($6 = '' OR r.member = $6)
		AND r.kind = k.kind AND r.wall >= $16
		ORDER BY j.machine, j.epoch, r.seq + 0 LIMIT $7`, append(args, time.Time{}.UnixMilli())...)
}

// kindArgs returns args followed by MaxKinds kinds. If kinds has fewer elements, the first kind is repeated.
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

// ErrChanged means that a stored record differs from the record that the ledger accepted: a disk error or a person
// changed the record.
var ErrChanged = errors.New("record was changed after the ledger accepted it")

// changedError returns ErrChanged with the names of the file and the record, and the remedy.
func (l *Ledger) changedError(m string, g string, seq int64) error {
	path := l.site.Path()
	return fmt.Errorf(
		"ledger %s: record %d of %s in the journal of generation %q: %w; %s",
		path,
		seq,
		m,
		g,
		ErrChanged,
		store.CureDamage(path),
	)
}

// scan reads one row, and compares the hash of the record's bytes with the stored leaf hash.
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
		return Entry{}, l.changedError(m, g, seq)
	}
	r, err := wire.ParseRecord(record)
	if err != nil {
		return Entry{}, fmt.Errorf("cannot parse the stored record: %w", err)
	}
	if r.Seq != uint64(seq) || string(r.Machine) != m {
		return Entry{}, l.changedError(m, g, seq)
	}
	r.Generation, r.Epoch = wire.Generation(g), epoch
	e := Entry{Record: r, Leaf: wire.Leafed{Record: record}}
	copy(e.Leaf.Salt[:], salt)
	return e, nil
}

// Last returns the newest record of the given kinds in the journal of m with generation g. Last returns false if the
// journal has no such record.
func (l *Ledger) Last(
	ctx context.Context,
	m policy.MachineID,
	g wire.Generation,
	kinds ...wire.Kind,
) (last Entry, ok bool,
	err error) {
	defer l.addFileName(&err)
	args, err := kindArgs(kinds, string(m), string(g))
	if err != nil {
		return Entry{}, false, err
	}
	// The expression "kind || ''" is not a column, so that SQLite uses the primary key and reads the newest record
	// first. With the index of kinds, SQLite would sort all records.
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
	defer l.addFileName(&err)
	j, err := newestJournal(context.Background(), l.site, m)
	if err != nil {
		return Head{}, fmt.Errorf("ledger: %w", err)
	}
	return j.head()
}

// Proof proves that records belong to a machine's journal. Proof contains the machine's signed checkpoint, and for each
// record the path to the root.
type Proof struct {
	Checkpoint string             // a signed note
	Size       uint64             // number of records that the checkpoint covers
	Paths      []tlog.RecordProof // one path per requested record, in the order of the request
}

// Prove returns a proof for the records of m's journal of generation g with the given sequence numbers.
func (l *Ledger) Prove(
	ctx context.Context,
	m policy.MachineID,
	g wire.Generation,
	seqs []uint64,
) (out Proof, err error) {
	defer l.addFileName(&err)
	err = l.site.Read(ctx, func(tx *store.Tx) error { // one transaction, so that the checkpoint matches the paths
		var journal, size int64
		var signed []byte
		err := tx.QueryRow(ctx, "SELECT journal, size, note FROM ledger_journals WHERE site = $1 AND machine = $2 AND "+
			"generation = $3 AND size > 0",
			string(m), string(g)).
			Scan(&journal, &size, &signed)
		if err != nil {
			return fmt.Errorf("cannot read the checkpoint of the machine %s: %w", m, err)
		}
		out = Proof{Checkpoint: string(signed), Size: uint64(size)}
		t := newTree(ctx, tx, m, journal)
		for _, seq := range seqs {
			if seq == 0 || seq > uint64(size) {
				return fmt.Errorf("ledger has no record %d of the machine %s", seq, m)
			}
			p, err := tlog.ProveRecord(size, int64(seq-1), t)
			if err != nil {
				return fmt.Errorf("cannot create the proof for record %d of the machine %s: %w", seq, m, err)
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

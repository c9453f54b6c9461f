package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// Entry is a record as it is held.
type Entry struct {
	wire.Record
	Leaf wire.Leafed // its salt and canonical bytes
}

// Query chooses records. The zero Query is all of them.
type Query struct {
	Machine policy.MachineID // empty: all machines
	Kinds   []wire.Kind      // none: all kinds
	Member  policy.MemberID  // empty: everybody
	After   uint64           // only records with a higher seq, of each journal
	// Generation chooses one of a machine's journals; nil: all of them.
	Generation *wire.Generation
	Limit      int // at most so many; 0: no limit
}

// Records gives each record that q chooses to yield, by machine, epoch of its generation, and seq, until yield returns an error.
func (l *Ledger) Records(ctx context.Context, q Query, yield func(Entry) error) (err error) {
	defer l.named(&err)
	text, args := q.sql(l.from)
	rows, err := l.r.QueryContext(ctx, text, args...)
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

func (q Query) sql(from tables) (string, []any) {
	where, args := []string{"seq > ?"}, []any{int64(q.After)}
	if q.Machine != "" {
		where, args = append(where, "r.machine = ?"), append(args, string(q.Machine))
	}
	if q.Generation != nil {
		where, args = append(where, "r.generation = ?"), append(args, string(*q.Generation))
	}
	if q.Member != "" {
		where, args = append(where, "member = ?"), append(args, string(q.Member))
	}
	if len(q.Kinds) > 0 {
		where = append(where, "kind IN (?"+strings.Repeat(",?", len(q.Kinds)-1)+")")
		for _, k := range q.Kinds {
			args = append(args, string(k))
		}
	}
	// Without a choice that the index of kinds serves, the order of the tables is fixed: it gives the records in order, unsorted.
	join := " AS g CROSS JOIN "
	if len(q.Kinds) > 0 || q.Member != "" {
		join = " AS g JOIN "
	}
	text := "SELECT salt, record, r.generation, epoch, (SELECT hash FROM " + from.hashes + " AS h WHERE h.machine = r.machine AND " +
		"h.generation = r.generation AND h.idx = " + leafIndex() + "), r.machine, r.seq FROM " + from.generations + join + from.records +
		" AS r ON r.machine = g.machine AND r.generation = g.generation WHERE " + strings.Join(where, " AND ") + " ORDER BY g.machine, epoch, seq"
	if q.Limit > 0 {
		text += fmt.Sprintf(" LIMIT %d", q.Limit)
	}
	return text, args
}

// ErrChanged says that a record is not the one that was taken: the disk changed it, or somebody did.
var ErrChanged = errors.New("the record was changed after it was taken")

// leafIndex is tlog.StoredHashIndex(0, seq-1) in SQL: n + n/2 + n/4 … for n = seq-1, as far as journals of 2^40 records.
func leafIndex() string {
	terms := make([]string, 41)
	for i := range terms {
		terms[i] = fmt.Sprintf("((r.seq-1)>>%d)", i)
	}
	return "(" + strings.Join(terms, "+") + ")"
}

// changed is ErrChanged with the record's name and what to do.
func (l *Ledger) changed(m string, g string, seq int64) error {
	return fmt.Errorf("ledger %s: record %d of %s, generation %q: %w; %s", l.path, seq, m, g, ErrChanged, cureDamage(l.path))
}

func (l *Ledger) scan(into func(...any) error) (Entry, error) {
	var salt, record, leaf []byte
	var g, m string
	var epoch int
	var seq int64
	if err := into(&salt, &record, &g, &epoch, &leaf, &m, &seq); err != nil {
		return Entry{}, err
	}
	if len(salt) != len(wire.Salt{}) || len(leaf) != tlog.HashSize || wire.Leaf(wire.Salt(salt), record) != tlog.Hash(leaf) {
		return Entry{}, l.changed(m, g, seq)
	}
	r, err := wire.ParseRecord(record)
	if err != nil {
		return Entry{}, fmt.Errorf("a record is torn: %w", err)
	}
	if r.Seq != uint64(seq) || string(r.Machine) != m {
		return Entry{}, l.changed(m, g, seq)
	}
	r.Generation, r.Epoch = wire.Generation(g), epoch
	e := Entry{Record: r, Leaf: wire.Leafed{Record: record}}
	copy(e.Leaf.Salt[:], salt)
	return e, nil
}

// Head is how much of m's newest journal is held.
func (l *Ledger) Head(m policy.MachineID) (_ Head, err error) {
	defer l.named(&err)
	h, err := headOf(l.r, l.from, m)
	if err != nil {
		return Head{}, fmt.Errorf("ledger: %w", err)
	}
	return h, nil
}

// Proof shows that records stand in a machine's journal: the machine's signed checkpoint, and for each record its path to the root.
type Proof struct {
	Checkpoint string // a signed note
	Size       uint64
	Paths      []tlog.RecordProof // in the order asked for
}

// Prove proves records of m's journal of generation g by their seqs.
func (l *Ledger) Prove(ctx context.Context, m policy.MachineID, g wire.Generation, seqs []uint64) (_ Proof, err error) {
	defer l.named(&err)
	tx, err := l.r.BeginTx(ctx, nil) // one state of the ledger for checkpoint and paths
	if err != nil {
		return Proof{}, fmt.Errorf("ledger: %w", err)
	}
	defer tx.Rollback()
	var size int64
	var signed []byte
	if err := tx.QueryRow("SELECT size, note FROM "+l.from.checkpoints+" WHERE machine = ? AND generation = ?", string(m), string(g)).Scan(&size, &signed); err != nil {
		return Proof{}, fmt.Errorf("ledger: no checkpoint of %s: %w", m, err)
	}
	out := Proof{Checkpoint: string(signed), Size: uint64(size)}
	t := newTree(tx, l.from, m, g, size)
	for _, seq := range seqs {
		if seq == 0 || seq > uint64(size) {
			return Proof{}, fmt.Errorf("ledger: record %d of %s is not held", seq, m)
		}
		p, err := tlog.ProveRecord(size, int64(seq-1), t)
		if err != nil {
			return Proof{}, fmt.Errorf("ledger: record %d of %s: %w", seq, m, err)
		}
		out.Paths = append(out.Paths, p)
	}
	return out, nil
}

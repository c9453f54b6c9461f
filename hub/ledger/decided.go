package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Kept selects the records of one kind from a machine time on.
type Kept struct {
	Kind  wire.Kind
	Since time.Time
}

// maxKept is the maximum number of kinds in Parts.
const maxKept = 4

// Part is a range of a machine's journal that holds records of some kinds. Parts are read independently of each other,
// so several goroutines can read a long journal.
type Part struct {
	Machine policy.MachineID
	// Newest is the latest machine time of the journal's records of the kinds, in milliseconds since 1970.
	Newest      int64
	Records     int // an estimate: the journal's records of the kinds, spread evenly over its parts
	journal     int64
	after, upTo int64 // sequence numbers above after, up to upTo
	kept        []Kept
}

// partSize is the number of sequence numbers in a part.
const partSize = 10_000

// Parts returns the parts of all journals that hold records of the kinds. The end of the newest journals comes first.
func (l *Ledger) Parts(ctx context.Context, kept ...Kept) (out []Part, err error) {
	defer l.addFileName(&err)
	if len(kept) == 0 || len(kept) > maxKept {
		return nil, fmt.Errorf("ledger: parts of %d kinds, want 1 to %d", len(kept), maxKept)
	}
	spans := map[int64]*span{}
	for _, k := range kept {
		if err := addSpans(ctx, l.site, spans, k); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
	}
	for journal, s := range spans {
		n := int((s.last - s.first + partSize) / partSize)
		for end := s.last; end >= s.first; end -= partSize {
			out = append(out, Part{Machine: s.machine, Newest: s.newest, Records: (s.records + n - 1) / n, journal: journal,
				after: max(end-partSize, s.first-1), upTo: end, kept: kept})
		}
	}
	slices.SortFunc(out, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.Newest, a.Newest), cmp.Compare(a.journal, b.journal), cmp.Compare(b.upTo, a.upTo))
	})
	return out, nil
}

// span is the range of a journal that holds records of the wanted kinds.
type span struct {
	machine             policy.MachineID
	first, last, newest int64
	records             int
}

// addSpans adds the records of one kind to the spans of their journals. It reads the index of kinds only.
func addSpans(ctx context.Context, site *store.Site, spans map[int64]*span, k Kept) error {
	rows, err := site.Query(ctx, `SELECT j.journal, j.machine, MIN(r.seq), MAX(r.seq), MAX(r.wall), COUNT(r.seq)
		FROM ledger_journals AS j CROSS JOIN ledger_records AS r
		WHERE j.site = $1 AND r.site = $1 AND r.journal = j.journal AND r.kind = $2 AND r.wall >= $3
		GROUP BY j.journal, j.machine`, string(k.Kind), k.Since.UnixMilli())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var journal int64
		var s span
		if err := rows.Scan(&journal, &s.machine, &s.first, &s.last, &s.newest, &s.records); err != nil {
			return err
		}
		if was := spans[journal]; was != nil {
			s.first, s.last = min(s.first, was.first), max(s.last, was.last)
			s.newest, s.records = max(s.newest, was.newest), s.records+was.records
		}
		spans[journal] = &s
	}
	return rows.Err()
}

// ReadPart calls yield with the canonical JSON of each record of the part that has one of its kinds. The bytes are
// valid only during the call. Unlike Records, ReadPart does not check the bytes against their leaf hashes: it is for
// statistics over many records. ReadPart stops at the first error of yield and returns it.
func (l *Ledger) ReadPart(ctx context.Context, p Part, yield func(record []byte) error) (err error) {
	defer l.addFileName(&err)
	args := []any{p.journal, p.after, p.upTo}
	for i := range maxKept {
		k := Kept{Since: time.UnixMilli(math.MaxInt64)} // unused place: no record has an empty kind
		if i < len(p.kept) {
			k = p.kept[i]
		}
		args = append(args, string(k.Kind), k.Since.UnixMilli())
	}
	// Neighbouring records lie on the same pages of the primary key, while a search for each entry of the index of kinds
	// takes twice as long. The expression "kind || ''" is not a column, so SQLite cannot choose that index.
	rows, err := l.site.Query(ctx, `SELECT record FROM ledger_records
		WHERE site = $1 AND journal = $2 AND seq > $3 AND seq <= $4
		AND (kind || '' = $5 AND wall >= $6 OR kind || '' = $7 AND wall >= $8
			OR kind || '' = $9 AND wall >= $10 OR kind || '' = $11 AND wall >= $12)`, args...)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close()
	var record sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&record); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if err := yield(record); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

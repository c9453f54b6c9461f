package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"portillon/hub/decided"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Part is a range of sequence numbers in a machine's journal that contains decisions. Each Part can be read separately,
// so that several goroutines can read a long journal at the same time.
type Part struct {
	Machine policy.MachineID
	// number of decisions in the part; for records without a pack, the number of records of any kind
	Decisions int
	journal   int64
	number    int64 // the part contains the sequence numbers from number*partSize+1 to (number+1)*partSize
	packed    bool
	newest    int64 // latest time of a decision, in milliseconds since 1970; without a pack math.MaxInt64
	since     since
}

// since is the time of the first decision to read, in milliseconds since 1970.
type since struct{ sessions, refusals int64 }

// contains reports whether a decision is to be read.
func (s since) contains(d *decided.Decision) bool {
	if d.Kind == wire.Refused {
		return d.Wall >= s.refusals
	}
	return d.Wall >= s.sessions
}

// partSize is the number of sequence numbers in a part. Migration 00106 mentions the number: other packs would be lost
// with another number.
const partSize = 2000

// Decisions reads the decisions in a ledger.
type Decisions struct{ ledger *Ledger }

// Decisions returns the reader of the ledger's decisions.
func (l *Ledger) Decisions() Decisions { return Decisions{l} }

// Parts divides all journals into parts, the newest part first. The parts contain the decisions to allow a use from the
// time sessions on, and the decisions to refuse from the time refusals on. Parts leaves out packs that contain only
// older decisions.
func (r Decisions) Parts(ctx context.Context, sessions, refusals time.Time) (out []Part, err error) {
	defer r.ledger.addFileName(&err)
	from := since{sessions.UnixMilli(), refusals.UnixMilli()}
	journals, err := r.journals(ctx)
	if err != nil {
		return nil, err
	}
	machines := map[int64]policy.MachineID{}
	for _, j := range journals {
		machines[j.journal] = j.machine
		for n := j.packs; n*partSize < j.size; n++ {
			out = append(out, Part{Machine: j.machine, Decisions: int(min(j.size-n*partSize, partSize)), journal: j.journal,
				number: n, newest: math.MaxInt64, since: from})
		}
	}
	rows, err := r.ledger.site.Query(ctx, `SELECT journal, part, decisions, newest FROM ledger_packs
		WHERE site = $1 AND newest >= $2 AND decisions > 0`, min(from.sessions, from.refusals))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		p := Part{packed: true, since: from}
		if err := rows.Scan(&p.journal, &p.number, &p.Decisions, &p.newest); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		p.Machine = machines[p.journal]
		out = append(out, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	slices.SortFunc(out, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.newest, a.newest), cmp.Compare(a.journal, b.journal), cmp.Compare(b.number, a.number))
	})
	return out, nil
}

// packedJournal is a journal with the number of its packs.
type packedJournal struct {
	machine       policy.MachineID
	journal, size int64 // size is the number of records
	packs         int64
}

// packedJournals returns all journals of the site.
func (r Decisions) journals(ctx context.Context) (out []packedJournal, err error) {
	rows, err := r.ledger.site.Query(ctx, `SELECT j.machine, j.journal, j.size, COALESCE((SELECT MAX(p.part) + 1
		FROM ledger_packs AS p WHERE p.site = $1 AND p.journal = j.journal), 0)
		FROM ledger_journals AS j WHERE j.site = $1`)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var j packedJournal
		if err := rows.Scan(&j.machine, &j.journal, &j.size, &j.packs); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		out = append(out, j)
	}
	return out, rows.Err()
}

// Read calls yield with each decision of the part. yield may use the decision only until yield returns, except for the
// decision's strings. Unlike Records, Read does not compare the records with their leaf hashes, because only statistics
// over many records use Read. Several goroutines may read different parts at the same time. If yield returns an error,
// Read stops and returns the error.
func (r Decisions) Read(ctx context.Context, p Part, yield func(*decided.Decision) error) (err error) {
	defer r.ledger.addFileName(&err)
	selected := func(d *decided.Decision) error {
		if !p.since.contains(d) {
			return nil
		}
		return yield(d)
	}
	if !p.packed {
		return r.each(ctx, &wire.DecidedReader{}, p.journal, p.number, selected)
	}
	var pack []byte
	err = r.ledger.site.QueryRow(ctx, `SELECT pack FROM ledger_packs
		WHERE site = $1 AND journal = $2 AND part = $3`, p.journal, p.number).Scan(&pack)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	// Read the records instead of a pack that is corrupt or was written by another release.
	var reader decided.Reader
	if reader.Open(pack) != nil {
		return r.each(ctx, &wire.DecidedReader{}, p.journal, p.number, selected)
	}
	for {
		d, err := reader.Next()
		if err != nil || d == nil {
			return err
		}
		if err := selected(d); err != nil {
			return err
		}
	}
}

// eachDecision calls yield with each decision in the records of a part.
func (r Decisions) each(ctx context.Context, reader *wire.DecidedReader, journal, number int64,
	yield func(*decided.Decision) error) error {
	args := []any{journal, number * partSize, (number + 1) * partSize}
	for _, k := range decided.Kinds() {
		args = append(args, string(k))
	}
	// Read the range by the primary key, which stores neighbouring records together. Reading by the index of kinds takes
	// twice as long. The expression "kind || ''" is not a column, so that SQLite cannot choose the index of kinds.
	rows, err := r.ledger.site.Query(ctx, `SELECT kind, wall, record FROM ledger_records
		WHERE site = $1 AND journal = $2 AND seq > $3 AND seq <= $4 AND kind || '' IN ($5, $6, $7, $8)`, args...)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close()
	var kind wire.Kind
	var wall int64
	var record sql.RawBytes
	var d decided.Decision
	for rows.Next() {
		if err := rows.Scan(&kind, &wall, &record); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		d = decided.Parse(reader, kind, wall, record)
		if err := yield(&d); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// packBatch is the maximum number of packs in one transaction. The limit bounds the time that other writers wait.
const packBatch = 16

// Pack writes a pack for each complete part that has none. A part is complete when the ledger has all its
// records.
func (r Decisions) Pack(ctx context.Context) (err error) {
	defer r.ledger.addFileName(&err)
	journals, err := r.journals(ctx)
	if err != nil {
		return err
	}
	var reader wire.DecidedReader
	for _, j := range journals {
		for j.packs < j.size/partSize {
			next := min(j.packs+packBatch, j.size/partSize)
			if err := r.pack(ctx, &reader, j.journal, j.packs, next); err != nil {
				return fmt.Errorf("ledger: decisions of machine %s cannot be packed: %w", j.machine, err)
			}
			j.packs = next
		}
	}
	return nil
}

// newPack is a pack that is not stored yet.
type newPack struct {
	writer decided.Writer
	newest int64
}

// add adds a decision to the pack.
func (p *newPack) add(d *decided.Decision) error {
	p.writer.Add(d)
	p.newest = max(p.newest, d.Wall)
	return nil
}

// pack writes the packs from number first to number next-1.
func (r Decisions) pack(ctx context.Context, reader *wire.DecidedReader, journal, first, next int64) error {
	packs := make([]newPack, next-first)
	for i := range packs {
		if err := r.each(ctx, reader, journal, first+int64(i), packs[i].add); err != nil {
			return err
		}
	}
	return r.ledger.site.Write(ctx, func(tx *store.Tx) error {
		for i := range packs {
			p := &packs[i]
			// Another process of the hub may have written the same pack.
			if _, err := tx.Exec(ctx, `INSERT INTO ledger_packs (site, journal, part, decisions, newest, pack)
				VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, journal, first+int64(i), p.writer.Len(), p.newest,
				p.writer.Pack()); err != nil {
				return err
			}
		}
		return nil
	})
}

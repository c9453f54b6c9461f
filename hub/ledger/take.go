package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Refusal is the reason why a batch was rejected without any change. The list of codes is complete.
type Refusal struct {
	Code   Code
	Detail string
}

// Error returns the code and the detail.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Detail }

// Code identifies a reason to reject a batch.
type Code string

// Codes of a Refusal.
const (
	Malformed      Code = "malformed"       // the message is not a batch
	UnknownMachine Code = "unknown-machine" // no key is pinned for the machine
	// signed by another key, for another journal, or not for the last record of the batch
	BadCheckpoint Code = "bad-checkpoint"
	OtherMachine  Code = "other-machine" // a record names another site or machine than the topic
	Gap           Code = "gap"           // records before the batch are missing: send from Taken.Want
	// the records do not give the signed root: changed in transit, or different from the records held
	WrongRoot Code = "wrong-root"
	// the machine signed other records in place of held ones, and its journal is not longer than the copy
	RolledBack Code = "rolled-back"
	// the machine has a new journal, which an administrator must accept with Replace
	OtherGeneration Code = "other-generation"
	Forked          Code = "forked" // like rolled-back, but the machine's journal is longer than the copy
)

// refuse returns a Refusal with a formatted detail.
func refuse(c Code, format string, a ...any) error { return &Refusal{c, fmt.Sprintf(format, a...)} }

// Taken is the state of the machine's journal in the ledger after a batch, whether the batch was rejected or not.
type Taken struct {
	Head
	Want uint64 // the sequence number that the next batch should begin with
	New  int    // number of records that were not in the ledger before
}

// Batch is a message on a machine's records topic.
type Batch struct {
	Machine policy.MachineID
	Data    []byte
}

// Result is the outcome for one batch.
type Result struct {
	Taken
	// Err is a *Refusal if the batch is invalid. Any other error comes from the disk, and the batch may be sent again.
	Err error
}

// Take checks a batch that arrived on m's topic and stores its new records. When Take returns without error, the
// records are on the disk. The error is a *Refusal if the batch is invalid; any other error comes from the disk, and
// the batch may be sent again.
func (l *Ledger) Take(m policy.MachineID, data []byte) (Taken, error) {
	r := l.TakeAll([]Batch{{m, data}})[0]
	return r.Taken, r.Err
}

// TakeAll is Take for several batches, in order and in one transaction: accepted batches are on the disk when it
// returns. A rejected batch does not affect the others; a disk error fails all of them.
func (l *Ledger) TakeAll(batches []Batch) []Result {
	out := make([]Result, len(batches))
	good := l.openAll(batches, out)
	work := slices.ContainsFunc(out, func(r Result) bool { return r.Err == nil })
	// Without a valid batch no transaction is needed.
	ctx := context.Background()
	if !work {
		for i, b := range batches {
			out[i] = l.refused(ctx, l.site, b.Machine, out[i].Err)
		}
		return out
	}
	var refusals []error // the errors in out, restored if the commit fails
	for i := range out {
		refusals = append(refusals, out[i].Err)
	}
	// Store the valid batches. A refusal concerns one batch; a disk error ends the transaction.
	err := l.site.Write(ctx, func(tx *store.Tx) error {
		for i, b := range batches {
			if out[i].Err != nil {
				out[i] = l.refused(ctx, tx, b.Machine, out[i].Err)
				continue
			}
			var refusal *Refusal
			out[i].Taken, out[i].Err = l.take(ctx, tx, b.Machine, good[i])
			if err := out[i].Err; err != nil && !errors.As(err, &refusal) {
				return err
			}
			if out[i].New > 0 {
				tx.Changed(store.Records)
			}
		}
		return nil
	})
	if err == nil {
		return out
	}
	// The transaction failed: report the disk error for all batches that were not already rejected.
	for i, b := range batches {
		if out[i] = (Result{Err: fmt.Errorf("ledger: %w", err)}); refusals[i] != nil {
			out[i] = l.refused(ctx, l.site, b.Machine, refusals[i])
		}
	}
	return out
}

// refused returns the result of a batch that was rejected without reading the database: the journal's extent, and why.
func (l *Ledger) refused(ctx context.Context, q queryer, m policy.MachineID, why error) Result {
	j, err := newestJournal(ctx, q, m)
	head, herr := j.head()
	if err = errors.Join(err, herr); err != nil {
		l.named(&err)
		return Result{Err: fmt.Errorf("ledger: %w", err)}
	}
	return Result{Taken{Head: head, Want: head.Seq + 1}, why}
}

// take stores the new records of a batch.
func (l *Ledger) take(ctx context.Context, tx *store.Tx, m policy.MachineID, b opened) (Taken, error) {
	j, err := newestJournal(ctx, tx, m)
	if err != nil {
		return Taken{}, err
	}
	head, err := j.head()
	if err != nil {
		return Taken{}, err
	}
	out := Taken{Head: head, Want: head.Seq + 1}
	if !head.Known { // accept the first generation that arrives
		j.Generation.Generation = b.Generation
		out.Generation = b.Generation
	}
	if b.Generation != j.Generation.Generation {
		return out, judgeOther(ctx, tx, m, head, b)
	}
	// Check the signed root before anything is written.
	grown, err := judge(ctx, tx, m, j, b)
	if err != nil || grown == nil {
		return out, err
	}
	if !head.Known {
		if j.id, err = begin(ctx, tx, m, j.Generation); err != nil {
			return out, err
		}
	}
	// Store only the records that the ledger lacks.
	skip := int(head.Seq + 1 - b.first())
	if err := keep(ctx, tx, j.id, b, skip); err != nil {
		return out, err
	}
	if err := grown.keep(ctx, tx, j.id, b.c.Root, b.Checkpoint); err != nil {
		return out, err
	}
	return Taken{Head: Head{b.c.Size, b.c.Root, b.Generation, true}, Want: b.c.Size + 1, New: len(b.records) - skip}, nil
}

// judgeOther rejects a batch of another journal than the current one, unless its records are already in the ledger.
func judgeOther(ctx context.Context, tx *store.Tx, m policy.MachineID, head Head, b opened) error {
	again, err := isHeldBefore(ctx, tx, m, b)
	switch {
	case err != nil:
		return err
	case again:
		return nil
	}
	return refuse(
		OtherGeneration,
		"%s signed records of the journal's generation %q, want %q: new journal, or an old one was restored",
		m,
		string(b.Generation),
		string(head.Generation),
	)
}

// isHeldBefore reports whether a batch of an earlier journal contains only records that the ledger has: a late or
// replayed message. Without this exception, anyone at the broker could replay a message and make the machine's records
// appear as rejected.
func isHeldBefore(ctx context.Context, tx *store.Tx, m policy.MachineID, b opened) (bool, error) {
	j, err := journalOf(ctx, tx, m, b.Generation)
	if err != nil || j.id == 0 {
		return false, err
	}
	grown, err := judge(ctx, tx, m, j, b)
	var refused *Refusal
	if err != nil && !errors.As(err, &refused) {
		return false, err
	}
	return err == nil && grown == nil, nil
}

// openAll decodes batches on all processors: JSON, hashes and signatures take a third of the time. Errors are stored in
// out.
func (l *Ledger) openAll(batches []Batch, out []Result) []opened {
	good := make([]opened, len(batches))
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(batches); i = int(next.Add(1)) - 1 {
			good[i], out[i].Err = l.open(batches[i].Machine, batches[i].Data)
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(batches)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return good
}

// open makes all checks that need no database.
func (l *Ledger) open(m policy.MachineID, data []byte) (o opened, err error) {
	site := l.site.ID()
	key, ok := l.key(m)
	if !ok {
		return o, refuse(UnknownMachine, "no key is pinned for the machine %.64q", m)
	}
	b, records, err := wire.ParseBatch(data)
	if err != nil {
		return o, refuse(Malformed, "%v", err)
	}
	// All records must belong to the machine of the topic.
	for i := range records {
		if r := &records[i]; r.Site != site || r.Machine != m {
			return o, refuse(
				OtherMachine,
				"record %d belongs to %.64s/%.64s, but arrived on the topic of %s/%s",
				r.Seq,
				r.Site,
				r.Machine,
				site,
				m,
			)
		}
	}
	// The checkpoint must be signed with the pinned key and cover the last record of the batch.
	c, err := wire.OpenCheckpoint([]byte(b.Checkpoint), b.Generation.Origin(site, m), note.VerifierList(key))
	if err != nil {
		return o, refuse(BadCheckpoint, "%v", err)
	}
	if last := records[len(records)-1].Seq; c.Size != last {
		return o, refuse(BadCheckpoint, "checkpoint covers %d records, batch ends at %d", c.Size, last)
	}
	// Hash the records here, outside the transaction.
	o = opened{Batch: b, records: records, c: c, leaves: make([]tlog.Hash, len(records))}
	for i, r := range b.Records {
		o.leaves[i] = wire.Leaf(r.Salt, r.Record)
	}
	return o, nil
}

// opened is a batch with a valid signature of its machine. It is still unknown whether its records continue the
// journal.
type opened struct {
	wire.Batch
	records []wire.Record
	leaves  []tlog.Hash
	c       wire.Checkpoint
}

// first returns the sequence number of the first record. A batch has at least one record (wire.ParseBatch).
func (o opened) first() uint64 { return o.records[0].Seq }

// growth is the addition of a batch to a journal's tree.
type growth struct {
	tree  edge   // the tree with the batch
	nodes []node // the hashes that the batch adds and that are stored
}

// judge adds the batch to the tree and compares the new root with the signed one. It returns the additions, or nil if
// the ledger already has all records of the batch.
func judge(ctx context.Context, q queryer, m policy.MachineID, j journal, b opened) (*growth, error) {
	first, size := b.first(), j.Records
	if first > size+1 {
		return nil, refuse(Gap, "batch begins with record %d, want record %d", first, size+1)
	}
	t := newTree(ctx, q, m, j.id)
	var out growth
	var err error
	// Start from the stored edge, or rebuild an earlier edge where the batch overlaps the held records.
	if first == size+1 {
		out.tree, err = j.grown()
	} else {
		out.tree, err = t.edgeAt(int64(first - 1))
	}
	if err != nil {
		return nil, err
	}
	differs := uint64(0)
	// Add all leaves. Among the held records, note the first that is not equal to the record of the batch.
	for i, leaf := range b.leaves {
		seq := first + uint64(i)
		out.tree.add(leaf, func(n node) {
			if seq > size {
				out.nodes = append(out.nodes, n)
			}
		})
		if seq > size || differs > 0 {
			continue
		}
		held, err := t.hash(0, int64(seq-1))
		if err != nil {
			return nil, err
		}
		if held != leaf {
			differs = seq
		}
	}
	return out.verdict(m, b, size, differs)
}

// verdict compares the root with the signed one. differs is the sequence number of the first record that is not equal
// to the held one; 0: all are equal. verdict returns nil, nil if the batch has no new record.
func (g *growth) verdict(m policy.MachineID, b opened, size, differs uint64) (*growth, error) {
	// Compare the roots first: only a correct root proves what the machine signed.
	root, err := g.tree.root()
	switch {
	case err != nil:
		return nil, err
	case root != b.c.Root:
		return nil, refuse(
			WrongRoot,
			"records up to %d, with those already held, do not match the root signed by %s",
			b.c.Size,
			m,
		)
	case differs > 0 && b.c.Size <= size:
		return nil, refuse(
			RolledBack,
			"%s signed a journal of %d records, but record %d differs from the ledger's copy of %d records",
			m,
			b.c.Size,
			differs,
			size,
		)
	case differs > 0:
		return nil, refuse(Forked, "%s signed a longer journal, but record %d differs from the ledger's copy", m, differs)
	case b.c.Size <= size:
		return nil, nil
	}
	return g, nil
}

// stored is a record in the form of a database row.
type stored struct {
	*wire.Record
	wire.Leafed
	leaf tlog.Hash
}

// values appends the values of the columns that differ between the rows of an insert.
func (s *stored) values(to []any) []any {
	return append(
		to,
		int64(s.Seq),
		string(s.Kind),
		string(s.Member),
		s.Session,
		s.Wall.UnixMilli(),
		s.Salt[:],
		s.leaf[:],
		[]byte(s.Leafed.Record),
	)
}

// keep stores the records of a batch, without the first skip records, which the ledger already has.
func keep(ctx context.Context, tx *store.Tx, journal int64, b opened, skip int) error {
	all := make([]stored, 0, len(b.records))
	for i := skip; i < len(b.records); i++ {
		all = append(all, stored{&b.records[i], b.Batch.Records[i], b.leaves[i]})
	}
	return keepRecords(ctx, tx, journal, all)
}

// insertMany is the number of records in one INSERT statement: with ten, the cost of the call is small beside the cost
// of the rows.
const insertMany = 10

// keepRecords stores records, ten at a time, and the remainder one by one.
func keepRecords(ctx context.Context, tx *store.Tx, journal int64, all []stored) error {
	// Insert in groups of insertMany, whose statement is prepared once.
	args := append(make([]any, 0, 1+8*insertMany), journal)
	for ; len(all) >= insertMany; all = all[insertMany:] {
		args = args[:1]
		for i := range all[:insertMany] {
			args = all[i].values(args)
		}
		_, err := tx.Exec(
			ctx,
			`INSERT INTO ledger_records (site, journal, seq, kind, member, session, wall, salt, leaf, record) VALUES
			($1, $2, $3, $4, $5, $6, $7, $8, $9, $10),
			($1, $2, $11, $12, $13, $14, $15, $16, $17, $18),
			($1, $2, $19, $20, $21, $22, $23, $24, $25, $26),
			($1, $2, $27, $28, $29, $30, $31, $32, $33, $34),
			($1, $2, $35, $36, $37, $38, $39, $40, $41, $42),
			($1, $2, $43, $44, $45, $46, $47, $48, $49, $50),
			($1, $2, $51, $52, $53, $54, $55, $56, $57, $58),
			($1, $2, $59, $60, $61, $62, $63, $64, $65, $66),
			($1, $2, $67, $68, $69, $70, $71, $72, $73, $74),
			($1, $2, $75, $76, $77, $78, $79, $80, $81, $82)`,
			args...)
		if err != nil {
			return fmt.Errorf("records from %d on: %w", all[0].Seq, err)
		}
	}
	// Insert the remaining records one by one.
	for i := range all {
		_, err := tx.Exec(
			ctx,
			`INSERT INTO ledger_records (site, journal, seq, kind, member, session, wall, salt, leaf, record)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			all[i].values(args[:1])...)
		if err != nil {
			return fmt.Errorf("record %d: %w", all[i].Seq, err)
		}
	}
	return nil
}

// keep stores the new hashes of the tree and the checkpoint that the machine signed.
func (g *growth) keep(ctx context.Context, tx *store.Tx, journal int64, root tlog.Hash, signed string) error {
	for _, n := range g.nodes {
		_, err := tx.Exec(
			ctx,
			"INSERT INTO ledger_hashes (site, journal, level, place, hash) VALUES ($1, $2, $3, $4, $5)",
			journal,
			n.level,
			n.place,
			n.hash[:],
		)
		if err != nil {
			return fmt.Errorf("hash %d of level %d: %w", n.place, n.level, err)
		}
	}
	_, err := tx.Exec(
		ctx,
		"UPDATE ledger_journals SET size = $3, root = $4, edge = $5, note = $6 WHERE site = $1 AND journal = $2",
		journal,
		g.tree.size,
		root[:],
		g.tree.bytes(),
		[]byte(signed),
	)
	return err
}

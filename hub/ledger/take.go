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

// Refusal is the reason why the ledger rejected a batch. The constants below are all codes of a Refusal.
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
	Malformed      Code = "malformed"       // the message is not a batch in the format of wire.Batch
	UnknownMachine Code = "unknown-machine" // no key is pinned for the machine
	// the checkpoint was signed by another key, for another journal, or not for the last record of the batch
	BadCheckpoint Code = "bad-checkpoint"
	OtherMachine  Code = "other-machine" // a record names another site or machine than the topic
	// Records before the batch are missing; the machine must send from record Taken.Want.
	Gap Code = "gap"
	// the tree over the records does not have the signed root, because records were changed in transit or differ from
	// the stored records
	WrongRoot Code = "wrong-root"
	// the machine signed records that differ from stored records, and the machine's journal is not longer than the
	// ledger's copy
	RolledBack Code = "rolled-back"
	// the machine has a new journal that an administrator must accept first (Replace)
	OtherGeneration Code = "other-generation"
	Forked          Code = "forked" // as for RolledBack, but the machine's journal is longer than the ledger's copy
)

// refuse returns a Refusal with a formatted detail.
func refuse(c Code, format string, a ...any) error { return &Refusal{c, fmt.Sprintf(format, a...)} }

// Taken is the state of the machine's journal in the ledger after an accepted or rejected batch.
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
	// Err is a *Refusal if the batch is invalid. Any other error is a database error, and the machine may send the
	// batch again.
	Err error
}

// Take checks a batch that arrived on m's topic and stores its new records. When Take returns without error, the
// records are on the disk. The error is a *Refusal if the batch is invalid. Any other error is a database error, and
// the machine may send the batch again.
func (l *Ledger) Take(m policy.MachineID, data []byte) (Taken, error) {
	r := l.TakeAll([]Batch{{m, data}})[0]
	return r.Taken, r.Err
}

// TakeAll does the work of Take for several batches, in order and in one transaction. When TakeAll returns, accepted
// batches are on the disk. A rejected batch does not affect the other batches. A database error fails all batches.
func (l *Ledger) TakeAll(batches []Batch) []Result {
	out := make([]Result, len(batches))
	good := l.openAll(batches, out)
	work := slices.ContainsFunc(out, func(r Result) bool { return r.Err == nil })
	// If no batch is valid, return without beginning a transaction.
	ctx := context.Background()
	if !work {
		for i, b := range batches {
			out[i] = l.refusedResult(ctx, l.site, b.Machine, out[i].Err)
		}
		return out
	}
	var refusals []error // the errors in out before the transaction, which TakeAll restores if the transaction fails
	for i := range out {
		refusals = append(refusals, out[i].Err)
	}
	// Store the valid batches. A refusal concerns one batch, but a database error ends the transaction.
	err := l.site.Write(ctx, func(tx *store.Tx) error {
		for i, b := range batches {
			if out[i].Err != nil {
				out[i] = l.refusedResult(ctx, tx, b.Machine, out[i].Err)
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
	// The transaction failed: return the database error for all batches that were not already rejected.
	for i, b := range batches {
		if out[i] = (Result{Err: fmt.Errorf("ledger: %w", err)}); refusals[i] != nil {
			out[i] = l.refusedResult(ctx, l.site, b.Machine, refusals[i])
		}
	}
	return out
}

// refusedResult returns the result for a batch that was rejected for the reason why, with the extent of the machine's
// journal.
func (l *Ledger) refusedResult(ctx context.Context, q queryer, m policy.MachineID, why error) Result {
	j, err := newestJournal(ctx, q, m)
	head, herr := j.head()
	if err = errors.Join(err, herr); err != nil {
		l.addFileName(&err)
		return Result{Err: fmt.Errorf("ledger: %w", err)}
	}
	return Result{Taken{Head: head, Want: head.Seq + 1}, why}
}

// take stores the new records of a batch.
func (l *Ledger) take(ctx context.Context, tx *store.Tx, m policy.MachineID, b openedBatch) (Taken, error) {
	j, err := newestJournal(ctx, tx, m)
	if err != nil {
		return Taken{}, err
	}
	head, err := j.head()
	if err != nil {
		return Taken{}, err
	}
	out := Taken{Head: head, Want: head.Seq + 1}
	if !head.Known { // the ledger accepts the first generation that arrives from a machine
		j.Generation.Generation = b.Generation
		out.Generation = b.Generation
	}
	if b.Generation != j.Generation.Generation {
		return out, checkOtherJournal(ctx, tx, m, head, b)
	}
	// Check the signed root before writing to the database.
	grown, err := addBatch(ctx, tx, m, j, b)
	if err != nil || grown == nil {
		return out, err
	}
	if !head.Known {
		if j.id, err = insertJournal(ctx, tx, m, j.Generation); err != nil {
			return out, err
		}
	}
	// Store only the records that are not in the ledger yet.
	skip := int(head.Seq + 1 - b.first())
	if err := storeBatch(ctx, tx, j.id, b, skip); err != nil {
		return out, err
	}
	if err := grown.store(ctx, tx, j.id, b.c.Root, b.Checkpoint); err != nil {
		return out, err
	}
	return Taken{Head: Head{b.c.Size, b.c.Root, b.Generation, true}, Want: b.c.Size + 1, New: len(b.records) - skip}, nil
}

// checkOtherJournal handles a batch of a journal other than the current journal. The batch is rejected unless all its
// records are already in the ledger.
func checkOtherJournal(ctx context.Context, tx *store.Tx, m policy.MachineID, head Head, b openedBatch) error {
	again, err := isReplay(ctx, tx, m, b)
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

// isReplay reports whether a batch of an earlier journal contains only records that are in the ledger, because the
// message was delayed or replayed. A replayed batch is not rejected, because an attacker could otherwise replay a
// message and make the machine's records appear as rejected.
func isReplay(ctx context.Context, tx *store.Tx, m policy.MachineID, b openedBatch) (bool, error) {
	j, err := journalOf(ctx, tx, m, b.Generation)
	if err != nil || j.id == 0 {
		return false, err
	}
	grown, err := addBatch(ctx, tx, m, j, b)
	var refused *Refusal
	if err != nil && !errors.As(err, &refused) {
		return false, err
	}
	return err == nil && grown == nil, nil
}

// openAll decodes batches on all processors, because decoding and checking signatures take a third of the time of
// TakeAll. Errors are stored in out.
func (l *Ledger) openAll(batches []Batch, out []Result) []openedBatch {
	good := make([]openedBatch, len(batches))
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

// open decodes a batch and makes all checks that need no database.
func (l *Ledger) open(m policy.MachineID, data []byte) (o openedBatch, err error) {
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
	// Hash the records before the transaction begins, because hashing takes time.
	o = openedBatch{Batch: b, records: records, c: c, leaves: make([]tlog.Hash, len(records))}
	for i, r := range b.Records {
		o.leaves[i] = wire.Leaf(r.Salt, r.Record)
	}
	return o, nil
}

// openedBatch is a batch with a valid signature of the machine. The caller must still check whether the records
// continue the journal.
type openedBatch struct {
	wire.Batch
	records []wire.Record
	leaves  []tlog.Hash
	c       wire.Checkpoint
}

// first returns the sequence number of the first record. A batch has at least one record (wire.ParseBatch).
func (o openedBatch) first() uint64 { return o.records[0].Seq }

// growth is the result of adding a batch to a journal's tree.
type growth struct {
	tree  edge   // edge of the tree that includes the records of the batch
	nodes []node // hashes that the batch adds to the stored levels
}

// addBatch adds the batch to the tree and compares the new root with the signed root. addBatch returns nil if all
// records of the batch are already in the ledger.
func addBatch(ctx context.Context, q queryer, m policy.MachineID, j journal, b openedBatch) (*growth, error) {
	first, size := b.first(), j.Records
	if first > size+1 {
		return nil, refuse(Gap, "batch begins with record %d, want record %d", first, size+1)
	}
	t := newTree(ctx, q, m, j.id)
	var out growth
	var err error
	// Start from the stored edge, or rebuild an earlier edge if the batch overlaps the stored records.
	if first == size+1 {
		out.tree, err = j.currentEdge()
	} else {
		out.tree, err = t.edgeAt(int64(first - 1))
	}
	if err != nil {
		return nil, err
	}
	differs := uint64(0)
	// Add all leaves, and find the first stored record that differs from the record of the batch.
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
	return out.checkRoot(m, b, size, differs)
}

// checkRoot compares the root with the signed root. differs is the sequence number of the first record that differs
// from the stored record, or 0. If the batch contains no new record, checkRoot returns nil, nil.
func (g *growth) checkRoot(m policy.MachineID, b openedBatch, size, differs uint64) (*growth, error) {
	// Compare the roots first, because only a correct root proves which records the machine signed.
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

// recordRow is a row of the table ledger_records.
type recordRow struct {
	*wire.Record
	wire.Leafed
	leaf tlog.Hash
}

// values appends the values of all columns except site and journal, because all rows of an INSERT statement have the
// same site and journal.
func (s *recordRow) values(to []any) []any {
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

// storeBatch stores the records of a batch, except the first skip records, because these records are already in the
// ledger.
func storeBatch(ctx context.Context, tx *store.Tx, journal int64, b openedBatch, skip int) error {
	all := make([]recordRow, 0, len(b.records))
	for i := skip; i < len(b.records); i++ {
		all = append(all, recordRow{&b.records[i], b.Batch.Records[i], b.leaves[i]})
	}
	return insertRecords(ctx, tx, journal, all)
}

// insertMany is the number of records in one INSERT statement. With ten records per statement, the cost of calling the
// database is small compared with the cost of writing the rows.
const insertMany = 10

// insertRecords stores records, ten at a time, and the remainder one by one.
func insertRecords(ctx context.Context, tx *store.Tx, journal int64, all []recordRow) error {
	// Insert in groups of insertMany, so that the database prepares the statement only once.
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
			return fmt.Errorf("cannot store the records from number %d on: %w", all[0].Seq, err)
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
			return fmt.Errorf("cannot store the record with number %d: %w", all[i].Seq, err)
		}
	}
	return nil
}

// store stores the new hashes of the tree and the checkpoint that the machine signed.
func (g *growth) store(ctx context.Context, tx *store.Tx, journal int64, root tlog.Hash, signed string) error {
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
			return fmt.Errorf("cannot store hash %d of tree level %d: %w", n.place, n.level, err)
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

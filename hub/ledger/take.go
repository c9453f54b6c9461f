package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// Refusal says why a batch changed nothing. The list of codes is closed.
type Refusal struct {
	Code   Code
	Detail string
}

func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Detail }

// Code is a reason to refuse a batch.
type Code string

const (
	Malformed       Code = "malformed"        // not a batch
	UnknownMachine  Code = "unknown-machine"  // no key is pinned for it
	BadCheckpoint   Code = "bad-checkpoint"   // not signed by the pinned key, another journal's, or not at the last record
	OtherMachine    Code = "other-machine"    // a record names another site or machine than the topic
	Gap             Code = "gap"              // records before the batch are not held: send from Taken.Want
	WrongRoot       Code = "wrong-root"       // the records do not give the signed root: changed on the way, or not those held before
	RolledBack      Code = "rolled-back"      // the machine signed other records in the place of held ones, and its journal is no longer than what is held
	OtherGeneration Code = "other-generation" // the journal began anew: an administrator lets it in with Replace
	Forked          Code = "forked"           // as rolled-back, and its journal has grown beyond
)

func refuse(c Code, format string, a ...any) error { return &Refusal{c, fmt.Sprintf(format, a...)} }

// Taken is where the ledger stands after a batch, refused or not.
type Taken struct {
	Head
	Want uint64 // the next record it has use for
	New  int    // records that were not held before
}

// Take judges a batch that arrived on m's topic and keeps what is new in it. When it returns without error the records are
// on the disk. The error is a *Refusal where the batch is at fault; any other error is the disk's, and the batch may come again.
func (l *Ledger) Take(m policy.MachineID, data []byte) (_ Taken, err error) {
	defer l.named(&err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return Taken{}, errors.New("the ledger is open for reading only")
	}
	key, ok := l.keys[m]
	if !ok {
		return Taken{Want: 1}, refuse(UnknownMachine, "no key is pinned for the machine %.64q", m)
	}
	tx, err := l.w.Begin()
	if err != nil {
		return Taken{}, fmt.Errorf("ledger: %w", err)
	}
	defer tx.Rollback()
	head, err := headOf(tx, form2, m)
	if err != nil {
		return Taken{}, fmt.Errorf("ledger: %w", err)
	}
	out := Taken{Head: head, Want: head.Seq + 1}
	b, records, c, err := l.open(m, key, data)
	if err != nil {
		return out, err
	}
	if !head.Known { // what comes first is taken
		head.Generation = b.Generation
		out.Generation = b.Generation
	}
	if b.Generation != head.Generation {
		return out, judgeOther(tx, m, head, records[0].Seq, b, c)
	}
	fresh, err := judge(tx, m, head, records[0].Seq, b, c)
	if err != nil || len(fresh) == 0 {
		return out, err
	}
	skip := int(head.Seq + 1 - records[0].Seq)
	if !head.Known {
		if err := begin(tx, m, Generation{Generation: b.Generation}); err != nil {
			return out, fmt.Errorf("ledger: %w", err)
		}
	}
	if err := keep(tx, m, b.Generation, b.Records[skip:], records[skip:], fresh, c, b.Checkpoint); err != nil {
		return out, fmt.Errorf("ledger: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return out, fmt.Errorf("ledger: %w", err)
	}
	return Taken{Head: Head{c.Size, c.Root, b.Generation, true}, Want: c.Size + 1, New: len(records) - skip}, nil
}

// judgeOther refuses a batch of another journal than the one that is taken, unless it is held already.
func judgeOther(tx *sql.Tx, m policy.MachineID, head Head, first uint64, b wire.Batch, c wire.Checkpoint) error {
	again, err := isHeldBefore(tx, m, first, b, c)
	switch {
	case err != nil:
		return fmt.Errorf("ledger: %w", err)
	case again:
		return nil
	}
	return refuse(OtherGeneration, "%s signed records of the journal's generation %q, want %q: the journal began anew, or an old one came back",
		m, string(b.Generation), string(head.Generation))
}

// isHeldBefore reports whether a batch of a journal that another one took the place of holds nothing new: somebody replays it, or it was on
// its way for long. Anybody at the broker could otherwise have the machine's records shown as refused.
func isHeldBefore(tx *sql.Tx, m policy.MachineID, first uint64, b wire.Batch, c wire.Checkpoint) (bool, error) {
	all, err := generationsOf(context.Background(), tx, form2, m)
	if err != nil {
		return false, err
	}
	for _, g := range all {
		if g.Generation != b.Generation {
			continue
		}
		fresh, err := judge(tx, m, Head{g.Records, g.Root, g.Generation, true}, first, b, c)
		var refused *Refusal
		if err != nil && !errors.As(err, &refused) {
			return false, err
		}
		return err == nil && len(fresh) == 0, nil
	}
	return false, nil
}

// open judges what can be judged without the database.
func (l *Ledger) open(m policy.MachineID, key note.Verifier, data []byte) (b wire.Batch, records []wire.Record, c wire.Checkpoint, err error) {
	b, records, err = wire.ParseBatch(data)
	if err != nil {
		return b, nil, c, refuse(Malformed, "%v", err)
	}
	for _, r := range records {
		if r.Site != l.site || r.Machine != m {
			return b, nil, c, refuse(OtherMachine, "record %d is %.64s/%.64s's, on the topic of %s/%s", r.Seq, r.Site, r.Machine, l.site, m)
		}
	}
	c, err = wire.OpenCheckpoint([]byte(b.Checkpoint), b.Generation.Origin(l.site, m), note.VerifierList(key))
	if err != nil {
		return b, nil, c, refuse(BadCheckpoint, "%v", err)
	}
	if last := records[len(records)-1].Seq; c.Size != last {
		return b, nil, c, refuse(BadCheckpoint, "it is of %d records, the batch ends with %d", c.Size, last)
	}
	return b, records, c, nil
}

// judge grows the tree by the batch and compares its root with the one signed. It returns the hashes that are not stored yet;
// none: all of the batch is held already.
func judge(tx *sql.Tx, m policy.MachineID, head Head, first uint64, b wire.Batch, c wire.Checkpoint) ([]stored, error) {
	if first > head.Seq+1 {
		return nil, refuse(Gap, "it begins with record %d, %d is wanted", first, head.Seq+1)
	}
	t := newTree(tx, form2, m, head.Generation, int64(first-1))
	differs := uint64(0)
	for i, r := range b.Records {
		seq := first + uint64(i)
		leaf := wire.Leaf(r.Salt, r.Record)
		if err := t.grow(leaf); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		if seq > head.Seq || differs > 0 {
			continue
		}
		held, err := t.held(tlog.StoredHashIndex(0, int64(seq-1)))
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		if held != leaf {
			differs = seq
		}
	}
	root, err := t.root()
	switch {
	case err != nil:
		return nil, fmt.Errorf("ledger: %w", err)
	case root != c.Root:
		return nil, refuse(WrongRoot, "with what is held, the records up to %d do not give the root that %s signed", c.Size, m)
	case differs > 0 && c.Size <= head.Seq:
		return nil, refuse(RolledBack, "%s signed a journal of %d records whose record %d is not the one held; %d are held", m, c.Size, differs, head.Seq)
	case differs > 0:
		return nil, refuse(Forked, "%s signed a journal whose record %d is not the one held", m, differs)
	case c.Size <= head.Seq:
		return nil, nil
	}
	return t.since(int64(head.Seq)), nil
}

func keep(tx *sql.Tx, m policy.MachineID, g wire.Generation, leaves []wire.Leafed, records []wire.Record, fresh []stored, c wire.Checkpoint, signed string) error {
	insert, err := tx.Prepare("INSERT INTO records (machine, generation, seq, salt, record, kind, member, session, wall) VALUES (?,?,?,?,?,?,?,?,?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	for i, r := range records {
		if _, err := insert.Exec(string(m), string(g), int64(r.Seq), leaves[i].Salt[:], []byte(leaves[i].Record), string(r.Kind), string(r.Member),
			r.Session, r.Wall.UnixMilli()); err != nil {
			return fmt.Errorf("record %d: %w", r.Seq, err)
		}
	}
	hash, err := tx.Prepare("INSERT INTO hashes (machine, generation, idx, hash) VALUES (?,?,?,?)")
	if err != nil {
		return err
	}
	defer hash.Close()
	for _, h := range fresh {
		if _, err := hash.Exec(string(m), string(g), h.index, h.hash[:]); err != nil {
			return fmt.Errorf("hash %d: %w", h.index, err)
		}
	}
	_, err = tx.Exec("INSERT INTO checkpoints (machine, generation, size, root, note) VALUES (?,?,?,?,?) "+
		"ON CONFLICT (machine, generation) DO UPDATE SET size=excluded.size, root=excluded.root, note=excluded.note",
		string(m), string(g), int64(c.Size), c.Root[:], []byte(signed))
	return err
}

// queryer is what a database and a transaction have in common.
type queryer interface {
	QueryRow(query string, args ...any) *sql.Row
}

// headOf is the head of m's newest journal.
func headOf(q queryer, from tables, m policy.MachineID) (Head, error) {
	var h Head
	var err error
	if h.Root, err = tlog.TreeHash(0, nil); err != nil {
		return Head{}, err
	}
	var g string
	err = q.QueryRow("SELECT generation FROM "+from.generations+" WHERE machine = ? ORDER BY epoch DESC LIMIT 1", string(m)).Scan(&g)
	if errors.Is(err, sql.ErrNoRows) {
		return h, nil
	}
	if err != nil {
		return Head{}, err
	}
	h.Generation, h.Known = wire.Generation(g), true
	var size int64
	var root []byte
	err = q.QueryRow("SELECT size, root FROM "+from.checkpoints+" WHERE machine = ? AND generation = ?", string(m), g).Scan(&size, &root)
	switch {
	case errors.Is(err, sql.ErrNoRows): // its first record has not come yet
		return h, nil
	case err != nil:
		return Head{}, err
	case len(root) != len(h.Root):
		return Head{}, fmt.Errorf("the root of %s is torn", m)
	}
	h.Seq, h.Root = uint64(size), tlog.Hash(root)
	return h, nil
}

// Package audit is the log of administrators' acts. Each act writes one entry in the same database transaction.
//
// The entries are the leaves of a tree (RFC 6962), as in a machine's journal, and the hub's key signs a new checkpoint
// with each entry. An export is a text file: one line for each entry, and the newest checkpoint as the last line.
// Verify detects each line that was changed, removed, added or moved. Verify needs only the public half of the hub's
// key.
//
// An entry has a sealed part (number, time, id of the account, act, id of the request) and a personal part (names, the
// object of the act, details). The sealed part contains a salted hash of the personal part. Forget removes the salt and
// the personal part from a person's entries; the tree stays verifiable. Forget also adds an entry that lists the erased
// entries, because Verify rejects an erased entry that no later entry lists.
package audit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// originPrefix, followed by the site's id, is the origin of the log's checkpoints. No machine's journal has such an
// origin.
const originPrefix = "portillon-audit/"

// Options are the dependencies of New.
type Options struct {
	Site   *store.Site
	Signer note.Signer      // the hub's key
	Key    note.Verifier    // the public half of the hub's key
	Now    func() time.Time // nil: time.Now
	Random io.Reader        // source of random bytes for salts; nil: crypto/rand
}

// Log is a site's audit log. The methods of a Log may be called by many goroutines.
type Log struct{ o Options }

// New returns a Log. New returns an error if o lacks the site, the signer or the key.
func New(o Options) (*Log, error) {
	if o.Site == nil || o.Signer == nil || o.Key == nil {
		return nil, errors.New("audit: options are incomplete, want Site, Signer and Key")
	}
	if o.Signer.Name() != o.Key.Name() || o.Signer.KeyHash() != o.Key.KeyHash() {
		return nil, fmt.Errorf("audit: key %q is not the public half of the signing key %q", o.Key.Name(),
			o.Signer.Name())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Log{o}, nil
}

// Origin returns the origin of the checkpoints of a site's log.
func Origin(s policy.SiteID) string { return originPrefix + string(s) }

// Append writes an entry in the transaction tx, so that the entry is stored if and only if tx is committed. on names
// the object of the act, such as "member m-lea", and detail describes the change; Forget removes both. Append returns
// an error if the last signed checkpoint does not cover the stored tree, because then someone has changed the rows. The
// caller must have checked the actor's right.
func (l *Log) Append(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
	if err := l.append(ctx, tx, a, act, nil, personal{Name: a.Name, On: on, Detail: detail}); err != nil {
		return fmt.Errorf("audit log: cannot write the entry for the act %s: %w", act, err)
	}
	return nil
}

// append writes an entry and the checkpoint that covers it. The parameter erases lists the entries whose personal parts
// the same transaction removes.
func (l *Log) append(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, erases []uint64,
	p personal) error {
	// Read the right edge of the tree, which must match the last signed checkpoint.
	e, err := l.head(ctx, tx)
	if err != nil {
		return err
	}
	p = personal{Name: clip(p.Name, maxName), On: clip(p.On, maxAbout), Detail: clip(p.Detail, maxDetail)}
	hidden, err := wire.Canonical(p)
	if err != nil {
		return err
	}
	// The tree covers only a salted hash of the personal part, so that the personal part can be removed later.
	var salt wire.Salt
	if _, err := io.ReadFull(l.o.Random, salt[:]); err != nil {
		return err
	}
	text, err := wire.Canonical(sealed{Seq: e.size + 1, At: l.o.Now().UTC().Truncate(time.Millisecond),
		Account: clip(a.Account, maxName),
		Act:     actor.Act(clip(string(act), maxName)), Request: clip(a.Request, maxName), Erases: erases,
		Personal: hashOf(salt, hidden)})
	if err != nil {
		return err
	}
	// Add the entry to the tree, and store it.
	e.add(tlog.RecordHash(text))
	_, err = tx.Exec(ctx, `INSERT INTO audit_entry (site, seq, entry, account, about, salt, personal) VALUES ($1, $2, $3,
		$4, $5, $6, $7)`,
		int64(e.size), string(text), clip(a.Account, maxName), p.On, salt[:], string(hidden))
	if err != nil {
		return err
	}
	return l.sign(ctx, tx, e)
}

// sign signs a new checkpoint, and stores the checkpoint with the right edge of the tree.
func (l *Log) sign(ctx context.Context, tx *store.Tx, e edge) error {
	root, err := e.root()
	if err != nil {
		return err
	}
	signed, err := wire.SignCheckpoint(wire.Checkpoint{Origin: Origin(l.o.Site.ID()), Size: e.size, Root: root},
		l.o.Signer)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO audit_head (site, size, edge, signed) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site) DO UPDATE SET size = excluded.size, edge = excluded.edge, signed = excluded.signed`,
		int64(e.size), e.bytes(), string(signed))
	return err
}

// head reads the right edge of the tree. head returns an error if the last entry, the stored hashes and the signed
// checkpoint do not match.
func (l *Log) head(ctx context.Context, tx *store.Tx) (edge, error) {
	var size, last int64
	var b []byte
	var signed string
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM audit_entry WHERE site = $1`).Scan(&last); err != nil {
		return edge{}, err
	}
	err := tx.QueryRow(ctx, `SELECT size, edge, signed FROM audit_head WHERE site = $1`).Scan(&size, &b, &signed)
	if errors.Is(err, sql.ErrNoRows) && last == 0 {
		return edge{}, nil
	}
	if err != nil {
		return edge{}, err
	}
	if size != last || size < 0 {
		return edge{}, fmt.Errorf("stored tree covers %d entries, want the %d entries of the log", size, last)
	}
	e, err := edgeOf(uint64(size), b)
	if err != nil {
		return edge{}, err
	}
	c, err := wire.OpenCheckpoint([]byte(signed), Origin(l.o.Site.ID()), note.VerifierList(l.o.Key))
	if err != nil {
		return edge{}, err
	}
	if root, err := e.root(); err != nil || c.Size != e.size || c.Root != root {
		return edge{}, fmt.Errorf("signed checkpoint covers %d entries, want the stored %d entries", c.Size, e.size)
	}
	return e, nil
}

// Entry is an entry of the log for people to read.
type Entry struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Act     actor.Act `json:"act"`
	On      string    `json:"on,omitempty"` // what the act changed, such as "member m-lea" or "policy 4"
	Detail  string    `json:"detail,omitempty"`
	Request string    `json:"request,omitempty"`
	// true after the erasure of the person's data, which removed the name, On and Detail
	Erased bool `json:"erased,omitempty"`
}

// Page selects entries of the log: those with a lower number than After, or the newest entries if After is empty.
type Page struct {
	After string
	Limit int // number of entries: at most 500; 0 means 50
}

// Entries reads the log, the newest entry first. next is the cursor of the next page; empty: this page is the last. The
// actor needs actor.ReadAudit. Entries does not verify the entries: call Verify with an export.
func (l *Log) Entries(ctx context.Context, a actor.Actor, p Page) (out []Entry, next string, err error) {
	if err := a.May(actor.ReadAudit, actor.Target{}); err != nil {
		return nil, "", err
	}
	before := int64(1<<62 - 1)
	if p.After != "" {
		if before, err = strconv.ParseInt(p.After, 10, 62); err != nil {
			return nil, "", pageFault(p.After)
		}
	}
	// Read one entry more than the page contains, to find out whether there is a next page.
	limit := min(p.Limit, 500)
	if limit <= 0 {
		limit = 50
	}
	rows, err := l.o.Site.Query(ctx, `SELECT seq, entry, salt, personal FROM audit_entry WHERE site = $1 AND seq < $2
		ORDER BY seq DESC LIMIT $3`,
		before, limit+1)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, "", err
		}
		if len(out) == limit {
			return out, strconv.FormatUint(out[limit-1].Seq, 10), nil
		}
		e, err := r.read()
		if err != nil {
			return nil, "", err
		}
		out = append(out, e)
	}
	return out, "", rows.Err()
}

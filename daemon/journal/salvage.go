package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/wire"
)

// HubCopy is the part of a journal's generation that the hub has acknowledged: all records up to Seq, and the root of
// the tree over them. The zero HubCopy means that the hub has acknowledged nothing.
type HubCopy struct {
	Seq        uint64
	Root       tlog.Hash
	Generation wire.Generation
}

// Span is a range of sequence numbers, including First and Last.
type Span struct{ First, Last uint64 }

// String returns "41–50", or "41" for one number.
func (s Span) String() string {
	if s.First == s.Last {
		return fmt.Sprint(s.First)
	}
	return fmt.Sprintf("%d–%d", s.First, s.Last)
}

// SalvageResult reports which records Salvage read, and which of them the new journal contains.
type SalvageResult struct {
	Origin  string
	Read    uint64 // number of records that were read and match their leaf hash
	Records uint64 // number of records in the new journal
	Lost    []Span // unreadable records within the new journal: the hub holds them, and hashes of later records cover them
	Dropped []Span // past the end of the new journal: records that were read, but that no hash proves
	Unread  []Span // past the end of the new journal: records that existed and cannot be read
	Facts   bool   // whether all facts were read
	Cursor  uint64 // last record that the hub holds: the larger of the cursor and HubCopy.Seq
}

// Whole reports whether no record and no fact was lost.
func (s SalvageResult) Whole() bool {
	return len(s.Lost)+len(s.Dropped)+len(s.Unread) == 0 && s.Facts
}

// ErrNothingLeft means that no record of a file could be read.
var ErrNothingLeft = errors.New("no record of the journal can be read")

// Salvage reads the readable records of the damaged journal at from and writes them as a new journal at to, where no
// file may exist. The file at from is not modified. origin is the name of the journal with its generation, for the case
// that the file no longer contains that name.
//
// The new journal is the longest prefix of the old one in which every record is proven. A record is proven if it
// matches its leaf hash, or if the hub holds the record and the hashes in later records cover it. Records that are not
// proven are listed in the result and left out of the new journal.
func Salvage(ctx context.Context, from, to, origin string, held HubCopy) (SalvageResult, error) {
	left, err := readDamaged(ctx, from, filepath.Dir(to))
	if err != nil {
		return SalvageResult{}, fmt.Errorf("journal %s: salvage: %w", from, err)
	}
	if left.origin != "" {
		origin = left.origin
	} else if of := left.recordedOrigin(); of != "" {
		if base, _ := splitOrigin(origin); base != of {
			origin = of
		}
	}
	out := SalvageResult{Origin: origin, Facts: left.factsWhole, Cursor: max(held.Seq, left.cursors["hub"])}
	if origin == "" || len(left.rows) == 0 {
		return out, fmt.Errorf("journal %s: salvage: %w", from, ErrNothingLeft)
	}
	kept := longestProven(left.rows, left.last(), out.Cursor)
	if !kept.agreesWith(held) {
		kept = longestProven(left.rows, left.last(), 0) // the hashes over the lost records differ from the hub's
	}
	if kept.n == 0 {
		return out, fmt.Errorf("journal %s: salvage: %w: record 1 is lost, and no hash proves the "+
			"others", from, ErrNothingLeft)
	}
	out.Records, out.Lost = kept.n, kept.lost
	out.Read, out.Dropped, out.Unread = left.countAndListAfter(kept.n, out.Cursor)
	if err := writeSalvaged(ctx, to, origin, kept, left); err != nil {
		return out, fmt.Errorf("journal %s: salvage: %w", to, err)
	}
	return out, nil
}

// splitOrigin splits an origin portillon/SITE/MACHINE/GENERATION into its base and the generation. Origins of older
// journals have no generation.
func splitOrigin(origin string) (base string, g wire.Generation) {
	if i := strings.LastIndexByte(origin, '/'); strings.Count(origin, "/") == 3 {
		return origin[:i], wire.Generation(origin[i+1:])
	}
	return origin, ""
}

// prefix is the part of a journal, from the first record on, that Salvage can write to the new journal.
type prefix struct {
	n    uint64
	lost []Span
	edge [63]tlog.Hash // right edge of the tree over n records
	at   map[uint64]tlog.Hash
}

// longestProven returns the longest prefix of rows, up to last, that the tree proves. Records up to held may be missing
// from the prefix.
func longestProven(rows map[uint64]row, last, held uint64) prefix {
	var t knownTree
	out := prefix{at: map[uint64]tlog.Hash{}}
	var lost []Span
	for seq := uint64(1); seq <= last; seq++ {
		r, there := rows[seq]
		if there && !t.addHashes(seq, r.hashes) || !there {
			if seq > held {
				break
			}
			t.addUnknown(seq)
			if k := len(lost) - 1; k >= 0 && lost[k].Last == seq-1 {
				lost[k].Last = seq
			} else {
				lost = append(lost, Span{seq, seq})
			}
			continue
		}
		if root, known := t.root(seq); known {
			out.n, out.edge = seq, t.edge
			if seq == held {
				out.at[seq] = root
			}
		}
	}
	for _, s := range lost {
		if s.First <= out.n {
			out.lost = append(out.lost, s)
		}
	}
	return out
}

// agreesWith reports whether the prefix is consistent with the part that the hub acknowledged.
func (p prefix) agreesWith(held HubCopy) bool {
	root, known := p.at[held.Seq]
	return !known || held.Root == tlog.Hash{} || root == held.Root
}

// countAndListAfter counts the records that were read, and lists the read and unread records after record n.
func (l *remains) countAndListAfter(n, held uint64) (read uint64, dropped, unread []Span) {
	read = uint64(len(l.rows))
	for seq := n + 1; seq <= max(l.last(), held); seq++ {
		to := &unread
		if _, there := l.rows[seq]; there {
			to = &dropped
		}
		if k := len(*to) - 1; k >= 0 && (*to)[k].Last == seq-1 {
			(*to)[k].Last = seq
		} else {
			*to = append(*to, Span{seq, seq})
		}
	}
	return read, dropped, unread
}

// writeSalvaged writes the new journal.
func writeSalvaged(ctx context.Context, to, origin string, kept prefix, left *remains) (err error) {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("file %s exists: name a new file", to)
	}
	base, g := splitOrigin(origin)
	if err := build(to, base, g); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	j := &Journal{store: newStore(to, Options{})}
	j.store.origin, j.store.generation = origin, g
	defer func() {
		if err = errors.Join(err, j.release()); err != nil {
			os.Remove(to)
		}
	}()
	if err := j.store.db.connect("rw"); err != nil {
		return err
	}
	// Write a single file without a log; the file is synced below.
	db := j.store.db
	if err := errors.Join(db.pragma("journal_mode", "DELETE"), db.pragma("synchronous", "OFF")); err != nil {
		return err
	}
	if err := j.store.db.prepare(); err != nil {
		return err
	}
	if err := j.store.db.transact(func() error { return j.store.db.insertKept(ctx, kept, left) }); err != nil {
		return err
	}
	if err := j.store.load(); err != nil {
		return err
	}
	if _, err = j.Verify(ctx); err != nil {
		return err
	}
	return syncFile(to)
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// insertKept inserts the records of the prefix into the new journal.
func (d *database) insertKept(ctx context.Context, kept prefix, left *remains) error {
	for seq := uint64(1); seq <= kept.n; seq++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, there := left.rows[seq]
		if !there || kept.isLost(seq) {
			if _, err := d.st.insert.Exec(int64(seq), kindLost, nil, nil, nil, nil, []byte{}); err != nil {
				return err
			}
			continue
		}
		var session, member any
		kind := r.kind
		if r.record != nil {
			rec, err := r.check()
			if err != nil {
				return err
			}
			kind, session, member = string(rec.Kind), null(rec.Session), null(rec.Member)
		}
		flat := make([]byte, 0, len(r.hashes)*tlog.HashSize)
		for _, h := range r.hashes {
			flat = append(flat, h[:]...)
		}
		if _, err := d.st.insert.Exec(int64(seq), kind, session, member, r.salt, r.record, flat); err != nil {
			return err
		}
	}
	if err := d.setFacts(left.facts); err != nil {
		return err
	}
	for sink, seq := range left.cursors {
		if _, err := d.st.setCursor.Exec(sink, int64(min(seq, kept.n))); err != nil {
			return err
		}
	}
	return nil
}

func (p prefix) isLost(seq uint64) bool {
	for _, s := range p.lost {
		if s.First <= seq && seq <= s.Last {
			return true
		}
	}
	return false
}

// kindLost is the kind in the row of a record that Salvage could not read. Such a row has no hashes.
const kindLost = "lost"

// knownTree is a growing tree in which some hashes may be unknown.
type knownTree struct {
	edge  [63]tlog.Hash
	known [63]bool
}

// addHashes adds record seq with its stored hashes, and reports whether no known hash contradicts them.
func (t *knownTree) addHashes(seq uint64, hashes []tlog.Hash) bool {
	for level := 0; level+1 < len(hashes); level++ {
		if t.known[level] && tlog.NodeHash(t.edge[level], hashes[level]) != hashes[level+1] {
			return false
		}
	}
	top := len(hashes) - 1
	t.edge[top], t.known[top] = hashes[top], true
	return true
}

// addUnknown adds record seq, whose content is unknown.
func (t *knownTree) addUnknown(seq uint64) { t.known[trailing(seq)] = false }

// root returns the root of the tree over size records, if it is known.
func (t *knownTree) root(size uint64) (h tlog.Hash, known bool) {
	first := true
	for level := 0; size>>level != 0; level++ {
		switch {
		case size>>level&1 == 0:
			continue
		case !t.known[level]:
			return tlog.Hash{}, false
		case first:
			h, first = t.edge[level], false
		default:
			h = tlog.NodeHash(t.edge[level], h)
		}
	}
	return h, true
}

func trailing(seq uint64) int {
	n := 0
	for seq>>n&1 == 0 {
		n++
	}
	return n
}

// remains are the readable parts of a damaged file.
type remains struct {
	origin     string
	rows       map[uint64]row // each row matches its leaf hash or is erased
	top        uint64         // the highest sequence number that is known to have existed
	facts      map[string][]byte
	factsWhole bool
	cursors    map[string]uint64
}

func (l *remains) last() uint64 { return l.top }

// recordedOrigin returns the origin, without its generation, that the first complete record names; empty: no record is
// complete.
func (l *remains) recordedOrigin() string {
	for _, seq := range slices.Sorted(maps.Keys(l.rows)) {
		if r := l.rows[seq]; r.record != nil {
			rec, err := r.check()
			if err == nil {
				return wire.Origin(rec.Site, rec.Machine)
			}
		}
	}
	return ""
}

func (l *remains) add(r row) {
	if r.seq == 0 || len(r.hashes) == 0 {
		return
	}
	if _, err := r.check(); err != nil {
		return
	}
	l.rows[r.seq], l.top = r, max(l.top, r.seq)
}

// readDamaged reads a copy of the file in a temporary folder, so that the damaged file is not modified.
func readDamaged(ctx context.Context, from, dir string) (*remains, error) {
	fi, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: the path is not a regular file", ErrNothingLeft)
	}
	work, err := os.MkdirTemp(dir, ".salvage-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	copied := filepath.Join(work, "journal.db")
	if err := copyFile(from, copied); err != nil {
		return nil, err
	}
	if err := copyFile(from+"-wal", copied+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out := &remains{rows: map[uint64]row{}, facts: map[string][]byte{}, cursors: map[string]uint64{}}
	scanPages(copied, out) // before SQLite may checkpoint the log into the file
	scanPages(copied+"-wal", out)
	if out.origin == "" {
		if err := replaceFirstPage(copied, work); err != nil { // the first page is lost
			return nil, err
		}
	}
	d := &database{path: copied}
	defer d.close()
	if err := d.connect("rw"); err != nil {
		return out, nil // SQLite reads nothing; use the rows found in the pages
	}
	salvager{d}.readTables(ctx, out)
	return out, ctx.Err()
}

// salvager reads a damaged database.
type salvager struct{ db *database }

// readTables reads the rows that SQLite can still read. These rows replace the rows from the scan of the pages, because
// the latter may be older.
func (d salvager) readTables(ctx context.Context, out *remains) {
	if origin, _, err := d.db.readOrigin(); err == nil {
		out.origin = origin
	}
	var last sql.NullInt64
	if err := d.db.conn.QueryRowContext(ctx, "SELECT max(seq) FROM records").Scan(&last); err == nil && last.Int64 > 0 {
		out.top = max(out.top, uint64(last.Int64))
	}
	for from := uint64(1); from <= out.top && ctx.Err() == nil; from += step {
		if rows, err := d.db.rows(from, step); err == nil && uint64(len(rows)) == min(step, out.top-from+1) {
			for _, r := range rows {
				out.add(r)
			}
			continue
		}
		for seq := from; seq < from+step && seq <= out.top; seq++ { // the rows around the damage are read one by one
			if rows, err := d.db.rows(seq, 1); err == nil && len(rows) == 1 {
				out.add(rows[0])
			}
		}
	}
	d.nameKinds(ctx, out)
	up, down := d.readFacts(ctx, "ASC", out), true
	if !up {
		down = d.readFacts(ctx, "DESC", out)
	}
	out.factsWhole = up && down
	d.readCursors(ctx, out)
}

// nameKinds finds the kinds of erased records, whose bodies no longer contain the kind.
func (d salvager) nameKinds(ctx context.Context, out *remains) {
	for seq, r := range out.rows {
		if r.record != nil || r.kind != "" {
			continue
		}
		if err := d.db.conn.QueryRowContext(ctx, "SELECT kind FROM records WHERE seq = "+
			"?", int64(seq)).Scan(&r.kind); err != nil {
			r.kind = "erased"
		}
		out.rows[seq] = r
	}
}

// readFacts reads facts in the order of their keys until SQLite returns an error, and reports whether it reached the
// end.
func (d salvager) readFacts(ctx context.Context, order string, out *remains) bool {
	rs, err := d.db.conn.QueryContext(ctx, "SELECT key, value FROM facts ORDER BY key "+order)
	if err != nil {
		return false
	}
	defer rs.Close()
	for rs.Next() {
		var k string
		var v []byte
		if rs.Scan(&k, &v) != nil {
			return false
		}
		out.facts[k] = v
	}
	return rs.Err() == nil
}

func (d salvager) readCursors(ctx context.Context, out *remains) {
	rs, err := d.db.conn.QueryContext(ctx, "SELECT sink, seq FROM cursors")
	if err != nil {
		return
	}
	defer rs.Close()
	for rs.Next() {
		var sink string
		var seq int64
		if rs.Scan(&sink, &seq) == nil && seq > 0 {
			out.cursors[sink] = uint64(seq)
		}
	}
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

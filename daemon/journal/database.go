package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// database is an SQLite connection to the file of a journal. There is only one connection, and a database is not safe
// for concurrent use: callers use a lock.
type database struct {
	path    string
	db      *sql.DB
	conn    *sql.Conn
	st      statements
	relaxed bool // synchronous is not FULL on this connection; see relax
	commits int  // commits since the write-ahead log was last checkpointed into the file
}

// statements are prepared once, so that no SQL is parsed while a member waits.
type statements struct {
	insert, setFact, dropFact, setCursor *sql.Stmt
	begin, commit, rollback              *sql.Stmt
}

// connect opens the connection. The mode is "ro" or "rw", as in SQLite's URIs. SQLite's cache of 256 KiB holds the tail
// of the journal. The operating system caches the rest.
func (d *database) connect(mode string) (err error) {
	pragmas := []string{"busy_timeout(2000)", "cache_size(-256)", "mmap_size(0)", "trusted_schema(0)"}
	if mode == "rw" {
		pragmas = append(pragmas, "journal_mode(WAL)", "synchronous(FULL)", "journal_size_limit(4194304)")
	}
	if d.db, err = sql.Open("sqlite", dsn(d.path, mode, pragmas...)); err != nil {
		return err
	}
	d.db.SetMaxOpenConns(1)
	if d.conn, err = d.db.Conn(background); err != nil {
		return wrapReadError(err)
	}
	return nil
}

func (d *database) prepare() error {
	for text, st := range map[string]**sql.Stmt{
		"INSERT INTO records (seq, kind, session, member, salt, record, hashes) VALUES (?, ?, ?, ?, ?, ?, ?)": &d.st.insert,
		"INSERT INTO facts (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value": &d.st.setFact,
		"DELETE FROM facts WHERE key = ?": &d.st.dropFact,
		"INSERT INTO cursors (sink, seq) VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET seq = excluded.seq": &d.st.setCursor,
		"BEGIN IMMEDIATE": &d.st.begin, "COMMIT": &d.st.commit, "ROLLBACK": &d.st.rollback,
	} {
		s, err := d.conn.PrepareContext(background, text)
		if err != nil {
			return wrapReadError(err)
		}
		*st = s
	}
	return nil
}

func (s statements) close() error {
	var errs []error
	for _, st := range []*sql.Stmt{s.insert, s.setFact, s.dropFact, s.setCursor, s.begin, s.commit, s.rollback} {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(errs...)
}

func (d *database) pragma(name string, value any) error {
	_, err := d.conn.ExecContext(background, "PRAGMA "+name+"="+fmt.Sprint(value))
	return err
}

// close closes the statements and the connection.
func (d *database) close() error {
	var errs []error
	if d.conn != nil {
		errs = append(errs, d.st.close(), d.conn.Close())
	}
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	d.conn, d.db, d.st = nil, nil, statements{}
	return errors.Join(errs...)
}

// readOrigin reads the origin of the journal, and the generation at the end of the origin.
func (d *database) readOrigin() (origin string, g wire.Generation, err error) {
	form, err := readHeader(d.path)
	if err != nil {
		return "", "", err
	}
	q := "SELECT origin, '' FROM journal"
	if form >= withGeneration {
		q = "SELECT origin, generation FROM journal"
	}
	if err := d.conn.QueryRowContext(background, q).Scan(&origin, &g); err != nil {
		return "", "", wrapReadError(err)
	}
	if err := g.Check(); err != nil {
		return "", "", wrapReadError(err)
	}
	if g != "" {
		origin += "/" + string(g)
	}
	return origin, g, nil
}

// requireSync makes every commit wait for the disk (synchronous=FULL).
func (d *database) requireSync() error {
	if !d.relaxed {
		return nil
	}
	if err := d.pragma("synchronous", "FULL"); err != nil {
		return err
	}
	d.relaxed = false
	return nil
}

// transact runs do in a transaction, which is rolled back if do fails.
func (d *database) transact(do func() error) error {
	if _, err := d.st.begin.Exec(); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = d.st.commit.Exec()
	}
	if err != nil {
		_, _ = d.st.rollback.Exec() // fails if SQLite has already rolled back
	}
	return err
}

func (d *database) insert(r wire.Record, salt wire.Salt, text []byte, hashes []tlog.Hash) error {
	flat := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		flat = append(flat, h[:]...)
	}
	_, err := d.st.insert.Exec(int64(r.Seq), string(r.Kind), null(r.Session), null(r.Member), salt[:], text, flat)
	return err
}

// relax lets commits return before they are on the disk.
func (d *database) relax() error {
	if d.relaxed {
		return nil
	}
	if err := d.pragma("synchronous", "NORMAL"); err != nil {
		return err
	}
	d.relaxed = true
	return nil
}

// checkpointLog moves the content of the write-ahead log into the file, if the log is long.
func (d *database) checkpointLog() error {
	if d.commits < foldAfter {
		return nil
	}
	d.commits = 0
	_, err := d.conn.ExecContext(background, "PRAGMA wal_checkpoint(PASSIVE)")
	return err
}

func null[T string | policy.MemberID](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

func (d *database) setFacts(facts map[string][]byte) error {
	for k, v := range facts {
		var err error
		if v == nil {
			_, err = d.st.dropFact.Exec(k)
		} else {
			_, err = d.st.setFact.Exec(k, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errLost means that a hash is missing because it was stored in a record that Salvage could not read.
var errLost = errors.New("record with the hash is lost")

// row is a record as it is stored in the database.
type row struct {
	seq    uint64
	salt   []byte
	record []byte      // canonical JSON of the record; nil: erased or lost
	hashes []tlog.Hash // empty: Salvage could not read the record
	kind   string      // set only by Salvage
}

// rows reads at most n rows from seq on. A gap between the rows is an error.
func (d *database) rows(from uint64, n int) ([]row, error) {
	rs, err := d.conn.QueryContext(background, "SELECT seq, salt, record, hashes FROM records WHERE seq >= ? ORDER "+
		"BY seq LIMIT ?", int64(from), n)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	var out []row
	for rs.Next() {
		var r row
		var flat []byte
		if err := rs.Scan(&r.seq, &r.salt, &r.record, &flat); err != nil {
			return nil, err
		}
		if r.seq != from+uint64(len(out)) {
			return nil, fmt.Errorf("record %d is missing", from+uint64(len(out)))
		}
		for len(flat) >= tlog.HashSize {
			r.hashes, flat = append(r.hashes, tlog.Hash(flat[:tlog.HashSize])), flat[tlog.HashSize:]
		}
		if lost := len(r.hashes) == 0 && len(flat) == 0 && r.record == nil; lost {
			out = append(out, r)
			continue
		}
		if len(flat) != 0 || len(r.hashes) != bits.TrailingZeros64(r.seq)+1 {
			return nil, fmt.Errorf("record %d has %d hashes, want %d", r.seq, len(r.hashes), bits.TrailingZeros64(r.seq)+1)
		}
		out = append(out, r)
	}
	return out, rs.Err()
}

// hash reads the root of the n-th complete subtree of a level. The root is stored in the row of the record that
// completed the subtree.
func (d *database) hash(level int, n int64) (tlog.Hash, error) {
	var b []byte
	q := "SELECT substr(hashes, ?, ?) FROM records WHERE seq = ?"
	err := d.conn.QueryRowContext(background, q, level*tlog.HashSize+1, tlog.HashSize, (n+1)<<level).Scan(&b)
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d: %w", n, level, err)
	}
	if len(b) == 0 {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d: %w", n, level, errLost)
	}
	if len(b) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d is missing", n, level)
	}
	return tlog.Hash(b), nil
}

// lostAfter reports whether Salvage could not read a record after seq.
func (d *database) lostAfter(seq uint64) (lost bool, err error) {
	q := "SELECT EXISTS (SELECT 1 FROM records WHERE seq > ? AND kind = ?)"
	err = d.conn.QueryRowContext(background, q, int64(seq), kindLost).Scan(&lost)
	return lost, err
}

// runCheck runs one of SQLite's own checks, integrity_check or quick_check, and returns its result: "ok", or a
// description of the damage.
func (d *database) runCheck(ctx context.Context, check string) (found string, err error) {
	err = d.conn.QueryRowContext(ctx, "PRAGMA "+check+"(1)").Scan(&found)
	return found, err
}

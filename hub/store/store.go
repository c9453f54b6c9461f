// Package store is the hub's database: one SQLite file, its migrations, and the only way to its rows.
//
// Every table has the site's id as the first column of its primary key, and code reaches rows only through Site: the
// first parameter of every statement ($1) is the site's id, which Site fills in. A test of this package reads every
// statement of the hub's packages and fails on one that does not name a table's site.
//
// A write is one transaction (Write). It is on the disk when Write returns without an error: only then may anything
// be acknowledged. Statements are prepared once and kept: a statement is a constant, never made of values. After a
// commit, those who Subscribe are told which topics changed.
//
// SQL is written so that PostgreSQL runs it too wherever possible: $1, $2, … as parameters, TEXT, BIGINT, BYTEA-like
// BLOB, RETURNING, ON CONFLICT. Times are milliseconds since 1970, UTC.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"portillon/dberror"
	"portillon/policy"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Name is the database's file in the hub's data folder.
const Name = "portillon.db"

// DB is an open database. Its methods may be called by many goroutines.
type DB struct {
	path   string
	writer chan *writer // holds the only writer while nobody writes; nil: open for reading only
	write  *sql.DB
	read   *sql.DB
	reads  *statements // prepared on read

	mu          sync.Mutex
	subscribers map[*Subscription]struct{}
	watch       func(error) // nil: nobody
}

// Open opens the database at path, makes it where there is none, readable by its owner only, and brings it to the
// newest schema. It refuses a file of another program, one of a newer schema, and a damaged one, and leaves them as
// they are.
func Open(ctx context.Context, path string) (_ *DB, err error) {
	defer opened(path, &err)
	if err := prepare(path); err != nil {
		return nil, err
	}
	if err := checkFile(ctx, path, true); err != nil {
		return nil, err
	}
	db := &DB{path: path, writer: make(chan *writer, 1), subscribers: map[*Subscription]struct{}{}}
	if db.write, err = connect(path, false); err != nil {
		return nil, err
	}
	db.write.SetMaxOpenConns(1) // SQLite has one writer
	if err := migrate(ctx, db.write); err != nil {
		return nil, errors.Join(err, db.write.Close())
	}
	db.writer <- &writer{db: db.write}
	if err := db.openRead(); err != nil {
		return nil, errors.Join(err, db.write.Close())
	}
	return db, nil
}

// OpenReadOnly opens a database that another process may be writing. Write refuses.
func OpenReadOnly(ctx context.Context, path string) (_ *DB, err error) {
	defer opened(path, &err)
	if err := checkFile(ctx, path, false); err != nil {
		return nil, err
	}
	db := &DB{path: path, subscribers: map[*Subscription]struct{}{}}
	return db, db.openRead()
}

// openRead opens the connections that only read, at most maxReaders.
func (db *DB) openRead() (err error) {
	if db.read, err = connect(db.path, true); err != nil {
		return err
	}
	db.read.SetMaxOpenConns(maxReaders)
	db.reads = newStatements(db.read.PrepareContext)
	return nil
}

// maxReaders is how many statements are read at once.
const maxReaders = 4

// applicationID marks the file as the hub's database («Port»), PRAGMA application_id of SQLite.
const applicationID = 0x506f7274

// connect opens SQLite, without reading the file yet.
func connect(path string, readOnly bool) (*sql.DB, error) {
	dsn, err := dataSource(path, readOnly)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", dsn)
}

// busyTimeout is how long a statement waits for a lock that another process holds.
const busyTimeout = 10 * time.Second

// dataSource is SQLite's name for a file with its settings.
func dataSource(path string, readOnly bool) (string, error) {
	q := url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "foreign_keys(1)"}}
	if readOnly {
		q.Set("mode", "ro")
		q.Add("_pragma", "query_only(1)")
	} else {
		// What undoes a statement of several rows stays in memory: SQLite would write it to a file, which is no use after
		// a power cut. The log is copied into the file at 16 MB, not at 4: a page that changes often is copied less.
		q["_pragma"] = append(q["_pragma"], "journal_mode(WAL)", "synchronous(FULL)", "temp_store(MEMORY)",
			"wal_autocheckpoint(4000)",
			"secure_delete(1)") // what is deleted is overwritten with zeros (sqlite.org/pragma.html#pragma_secure_delete)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String(), nil
}

// migrate marks the file as the hub's and brings it to the newest schema. Each migration is one transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	var app int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return err
	}
	if app != applicationID { // Open has seen that the file is empty
		if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
			return err
		}
	}
	p, err := provider(db)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	return nil
}

// provider brings a database to the newest form of its tables.
func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files)
}

// newestMigration is the version of the schema that this program works with.
func newestMigration() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, err
		}
		newest = max(newest, v)
	}
	return newest, nil
}

// Close closes the database after the running transaction.
func (db *DB) Close() error {
	var err error
	if db.writer != nil {
		w, open := <-db.writer // the running transaction ends first, and no other begins
		if !open {
			return nil
		}
		err = errors.Join(w.emptyLog(context.Background(), eraseWait), w.close(), db.write.Close())
		close(db.writer)
	}
	return errors.Join(err, db.reads.close(), db.read.Close())
}

// Path is the file.
func (db *DB) Path() string { return db.path }

// Site is one site's rows of the database.
func (db *DB) Site(id policy.SiteID) *Site { return &Site{db: db, id: id} }

// Site is one site's rows. The zero Site cannot be used; make one with DB.Site.
type Site struct {
	db *DB
	id policy.SiteID
}

// Path is the database's file.
func (s *Site) Path() string { return s.db.path }

// ID is the site's id.
func (s *Site) ID() policy.SiteID { return s.id }

// Query reads rows. $1 is the site's id, args are $2, $3, ….
func (s *Site) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p, err := s.db.reads.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, s.with(args)...)
}

// QueryRow reads one row. $1 is the site's id, args are $2, $3, ….
func (s *Site) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	p, err := s.db.reads.get(ctx, query)
	if err != nil {
		return s.db.read.QueryRowContext(ctx, query, s.with(args)...) // it gives the error
	}
	return p.QueryRowContext(ctx, s.with(args)...)
}

// Read runs what reads several times on one state of the database.
func (s *Site) Read(ctx context.Context, read func(*Tx) error) error {
	tx, err := s.db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return read(&Tx{site: s, run: tx})
}

// with puts the site's id before the arguments of a statement: $1 is always the site.
func (s *Site) with(args []any) []any {
	out := make([]any, 1, len(args)+1)
	out[0] = string(s.id)
	return append(out, args...)
}

// Write runs change in one transaction, and commits it unless change returns an error. One Write runs at a time; ctx
// ends the wait for the one before.
func (s *Site) Write(ctx context.Context, change func(*Tx) error) (err error) {
	defer func() {
		err = Named(s.db.path, err)
		s.db.tellWatch(err)
	}()
	if s.db.writer == nil {
		return errors.New("the database is open for reading only")
	}
	var w *writer
	var open bool
	select {
	case w, open = <-s.db.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !open {
		return errors.New("the database is closed")
	}
	defer func() { s.db.writer <- w }()
	t := &Tx{site: s, run: w}
	err = w.transaction(ctx, func() error {
		if err := change(t); err != nil || !t.erased {
			return err
		}
		return w.clearPages(ctx)
	})
	if err != nil {
		return err
	}
	s.db.tell(s.id, t.changed)
	wait := time.Duration(0)
	if t.erased {
		w.erased, wait = true, eraseWait
	}
	_ = w.emptyLog(ctx, wait) // the transaction counts; the log is emptied after the next one
	return nil
}

// Watch has f told how each Write ended: nil after a commit, and an error where the file or its disk is at fault. f may
// be called by many goroutines.
func (db *DB) Watch(f func(error)) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.watch = f
}

// tellWatch tells the watcher whether the database took a change. Errors of the statement itself are not told: the
// database is well.
func (db *DB) tellWatch(err error) {
	if err != nil && dberror.KindOf(err) == dberror.Other {
		return
	}
	db.mu.Lock()
	f := db.watch
	db.mu.Unlock()
	if f != nil {
		f(err)
	}
}

// Reason is what is wrong with the file or its disk, in a few words that hold no path and no data.
func Reason(err error) string { return dberror.KindOf(err).String() }

// Tx is a transaction of one site.
type Tx struct {
	site    *Site
	run     runner
	changed []Topic
	erased  bool
}

// runner runs statements: the writer, or a reading transaction.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Exec runs a statement. $1 is the site's id, args are $2, $3, ….
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.run.ExecContext(ctx, query, t.site.with(args)...)
}

// Query reads rows as the transaction sees them.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.run.QueryContext(ctx, query, t.site.with(args)...)
}

// QueryRow reads one row as the transaction sees it.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return t.run.QueryRowContext(ctx, query, t.site.with(args)...)
}

// Topic names what a transaction changed.
type Topic string

// The topics.
const (
	Directory Topic = "directory" // members, cards, badges: what the next bundle holds
	Machines  Topic = "machines"  // enrolled machines, their accounts and certificates
	Policy    Topic = "policy"    // a policy was published
	Bundle    Topic = "bundle"    // a bundle was published
	Records   Topic = "records"   // the ledger has new records
	States    Topic = "states"    // the state of a machine changed
	Accounts  Topic = "accounts"  // people who sign in, their roles and sessions
	Taps      Topic = "taps"      // a card that nobody has was tapped
)

// Changed has the subscribers of topic told after the commit.
func (t *Tx) Changed(topic Topic) {
	if !slices.Contains(t.changed, topic) {
		t.changed = append(t.changed, topic)
	}
}

// Subscription collects the topics that change.
type Subscription struct {
	site policy.SiteID
	only []Topic
	wake chan struct{}

	mu      sync.Mutex
	pending []Topic
}

// Subscribe collects the topics that change from now on, of those asked for. cancel ends it.
func (s *Site) Subscribe(topics ...Topic) (sub *Subscription, cancel func()) {
	sub = &Subscription{site: s.id, only: topics, wake: make(chan struct{}, 1)}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.db.subscribers[sub] = struct{}{}
	return sub, func() {
		s.db.mu.Lock()
		defer s.db.mu.Unlock()
		delete(s.db.subscribers, sub)
	}
}

// C receives whenever Take would return a topic.
func (s *Subscription) C() <-chan struct{} { return s.wake }

// Take returns the topics that changed since the last call, each once.
func (s *Subscription) Take() []Topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics := s.pending
	s.pending = nil
	return topics
}

// add notes a change. It never waits for the subscriber.
func (s *Subscription) add(topics []Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, topic := range topics {
		if slices.Contains(s.only, topic) && !slices.Contains(s.pending, topic) {
			s.pending = append(s.pending, topic)
		}
	}
	if len(s.pending) == 0 {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Tell tells the subscribers of a topic that is no row of the database, as a machine's state.
func (s *Site) Tell(topic Topic) { s.db.tell(s.id, []Topic{topic}) }

// tell tells the site's subscribers which topics have changed.
func (db *DB) tell(site policy.SiteID, topics []Topic) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for sub := range db.subscribers {
		if sub.site == site {
			sub.add(topics)
		}
	}
}

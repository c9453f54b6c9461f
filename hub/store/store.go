// Package store provides the hub's database, which is one SQLite file, and the migrations of the database. Only this
// package accesses the rows.
//
// The primary key of every table begins with the site's id. Code accesses rows only through Site: the first parameter
// of every statement ($1) is the site's id, which Site adds. A test of this package reads all statements in the hub's
// packages and fails if a statement does not restrict a table to the site.
//
// A write is one transaction (Write). The transaction is on the disk when Write returns without an error: only then may
// the hub acknowledge the data. Prepared statements are cached by their text, so the text must be a constant without
// values. After a commit, subscribers are notified of the topics that changed.
//
// Wherever possible the SQL also runs in PostgreSQL: parameters $1, $2, …, types TEXT, BIGINT and BLOB, RETURNING, ON
// CONFLICT. Times are milliseconds since 1970, UTC.
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

// Name is the name of the database file in the hub's data folder.
const Name = "portillon.db"

// DB is an open database. The methods of a DB may be called concurrently.
type DB struct {
	path   string
	writer chan *writer // channel that contains the only writer while no transaction runs; nil: the database is read-only
	write  *sql.DB
	read   *sql.DB
	reads  *statements // cache of the prepared statements for the connections in read

	mu          sync.Mutex
	subscribers map[*Subscription]struct{}
	watch       func(error) // function that Write calls at its end; nil: there is no watcher
}

// Open opens the database at path and upgrades it to the newest schema. If the file does not exist, Open creates it,
// readable only by its owner. Open rejects a file of another program, a newer schema and a damaged file, and leaves
// such a file unchanged.
func Open(ctx context.Context, path string) (_ *DB, err error) {
	defer opened(path, &err)
	if err := createFile(path); err != nil {
		return nil, err
	}
	if err := checkFile(ctx, path, true); err != nil {
		return nil, err
	}
	db := &DB{path: path, writer: make(chan *writer, 1), subscribers: map[*Subscription]struct{}{}}
	if db.write, err = connect(path, false); err != nil {
		return nil, err
	}
	db.write.SetMaxOpenConns(1) // one connection, because SQLite allows only one writer at a time
	if err := migrate(ctx, db.write); err != nil {
		return nil, errors.Join(err, db.write.Close())
	}
	db.writer <- &writer{db: db.write}
	if err := db.openRead(); err != nil {
		return nil, errors.Join(err, db.write.Close())
	}
	return db, nil
}

// OpenReadOnly opens a database for reading only, even while another process writes it.
func OpenReadOnly(ctx context.Context, path string) (_ *DB, err error) {
	defer opened(path, &err)
	if err := checkFile(ctx, path, false); err != nil {
		return nil, err
	}
	db := &DB{path: path, subscribers: map[*Subscription]struct{}{}}
	return db, db.openRead()
}

// openRead opens the connections for reading.
func (db *DB) openRead() (err error) {
	if db.read, err = connect(db.path, true); err != nil {
		return err
	}
	db.read.SetMaxOpenConns(maxReaders)
	db.reads = newStatements(db.read.PrepareContext)
	return nil
}

// maxReaders is the maximum number of concurrent reading statements.
const maxReaders = 4

// applicationID marks the file as the hub's database ("Port"; PRAGMA application_id of SQLite).
const applicationID = 0x506f7274

// connect prepares connections to the file. The pool opens the file when the first statement runs.
func connect(path string, readOnly bool) (*sql.DB, error) {
	dsn, err := dataSource(path, readOnly)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", dsn)
}

// busyTimeout is the maximum wait for a lock of another process.
const busyTimeout = 10 * time.Second

// dataSource returns the address of the file for the SQLite driver, with the settings of each connection.
func dataSource(path string, readOnly bool) (string, error) {
	q := url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "foreign_keys(1)"}}
	if readOnly {
		q.Set("mode", "ro")
		q.Add("_pragma", "query_only(1)")
	} else {
		// Temporary data stay in memory, because SQLite does not need them after a power cut. SQLite copies the write-ahead
		// log into the file at 16 MB instead of 4 MB, so that it copies a frequently changed page less often.
		q["_pragma"] = append(q["_pragma"], "journal_mode(WAL)", "synchronous(FULL)", "temp_store(MEMORY)",
			"wal_autocheckpoint(4000)",
			"secure_delete(1)") // overwrite deleted data with zeros (sqlite.org/pragma.html#pragma_secure_delete)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String(), nil
}

// migrate writes the hub's application id into the file, and upgrades the file to the newest schema. Each migration
// is one transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	var app int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return err
	}
	if app != applicationID { // the file is new: Open has checked that it is empty
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

// provider returns the embedded migrations for a database.
func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files)
}

// newestMigration returns the version of the schema that this program needs.
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

// Close closes the database after the running transaction. After Close, each write returns an error.
func (db *DB) Close() error {
	var err error
	if db.writer != nil {
		w, open := <-db.writer // wait for the running transaction, and prevent further transactions
		if !open {
			return nil
		}
		err = errors.Join(w.emptyLog(context.Background(), eraseWait), w.close(), db.write.Close())
		close(db.writer)
	}
	return errors.Join(err, db.reads.close(), db.read.Close())
}

// Path returns the path of the database file.
func (db *DB) Path() string { return db.path }

// Site gives access to the rows of one site.
func (db *DB) Site(id policy.SiteID) *Site { return &Site{db: db, id: id} }

// Site gives access to the rows of one site. DB.Site returns a Site; the zero Site cannot be used.
type Site struct {
	db *DB
	id policy.SiteID
}

// Path returns the path of the database file.
func (s *Site) Path() string { return s.db.path }

// ID returns the site's id.
func (s *Site) ID() policy.SiteID { return s.id }

// Query runs a statement that returns rows. $1 is the site's id, args are $2, $3, ….
func (s *Site) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p, err := s.db.reads.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, s.with(args)...)
}

// QueryRow runs a statement that returns at most one row. $1 is the site's id, args are $2, $3, ….
func (s *Site) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	p, err := s.db.reads.get(ctx, query)
	if err != nil {
		return s.db.read.QueryRowContext(ctx, query, s.with(args)...) // Scan of the returned row reports the error
	}
	return p.QueryRowContext(ctx, s.with(args)...)
}

// Read calls read with a transaction for reading, so that several statements see the same state of the database.
func (s *Site) Read(ctx context.Context, read func(*Tx) error) error {
	tx, err := s.db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return read(&Tx{site: s, run: tx})
}

// with returns the arguments of a statement: the site's id, then args.
func (s *Site) with(args []any) []any {
	out := make([]any, 1, len(args)+1)
	out[0] = string(s.id)
	return append(out, args...)
}

// Write calls change in a transaction. Write commits the transaction if change returns nil, and rolls it back
// otherwise. Only one Write runs at a time. Concurrent calls wait, at most until their ctx is done.
func (s *Site) Write(ctx context.Context, change func(*Tx) error) (err error) {
	defer func() {
		err = Named(s.db.path, err)
		s.db.callWatcher(err)
	}()
	if s.db.writer == nil {
		return errors.New("database is open for reading only")
	}
	var w *writer
	var open bool
	select {
	case w, open = <-s.db.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !open {
		return errors.New("database is closed")
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
	s.db.announce(s.id, t.changed)
	wait := time.Duration(0)
	if t.erased {
		w.erased, wait = true, eraseWait
	}
	_ = w.emptyLog(ctx, wait) // ignore the error: the transaction is committed, and the next transaction empties the log
	return nil
}

// Watch sets a function that the store calls after each Write: with nil after a commit, and with the error if the file
// or the disk failed. f may be called concurrently.
func (db *DB) Watch(f func(error)) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.watch = f
}

// callWatcher passes the result of a write to the watcher. callWatcher does not pass on errors that do not come from
// the file or the disk.
func (db *DB) callWatcher(err error) {
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

// Reason describes an error of the file or the disk in a few words, without a path and without data.
func Reason(err error) string { return dberror.KindOf(err).String() }

// Tx is a transaction of one site. Callers must not use a Tx after the transaction has ended.
type Tx struct {
	site    *Site
	run     runner
	changed []Topic
	erased  bool
}

// runner runs statements: the writer, or a transaction for reading.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Exec runs a statement that returns no rows. $1 is the site's id, args are $2, $3, ….
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.run.ExecContext(ctx, query, t.site.with(args)...)
}

// Query runs a statement that returns rows, which include the changes of the transaction.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.run.QueryContext(ctx, query, t.site.with(args)...)
}

// QueryRow runs a statement that returns at most one row, which includes the changes of the transaction.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return t.run.QueryRowContext(ctx, query, t.site.with(args)...)
}

// Topic names a part of the hub's data, for notifications of changes.
type Topic string

// The topics.
const (
	Directory Topic = "directory" // members, cards, badges: the content of the next bundle
	Machines  Topic = "machines"  // enrolled machines, their accounts and certificates
	Policy    Topic = "policy"    // a policy was published
	Bundle    Topic = "bundle"    // a bundle was published
	Records   Topic = "records"   // the ledger has new records
	States    Topic = "states"    // a machine published a new state
	Accounts  Topic = "accounts"  // accounts of people, with roles and sessions
	Taps      Topic = "taps"      // an unknown card was tapped
)

// Changed adds a topic to the topics that are announced after the commit.
func (t *Tx) Changed(topic Topic) {
	if !slices.Contains(t.changed, topic) {
		t.changed = append(t.changed, topic)
	}
}

// Subscription collects changed topics until Take reads them.
type Subscription struct {
	site policy.SiteID
	only []Topic
	wake chan struct{}

	mu      sync.Mutex
	pending []Topic
}

// Subscribe returns a Subscription that collects changes of the given topics until cancel is called.
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

// C returns a channel that receives a value when Take would return a topic.
func (s *Subscription) C() <-chan struct{} { return s.wake }

// Take returns each topic that has changed since the previous call, once.
func (s *Subscription) Take() []Topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics := s.pending
	s.pending = nil
	return topics
}

// add stores which topics changed, and wakes the subscriber. add never waits for the subscriber.
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
	default: // the channel already contains a value that wakes the subscriber
	}
}

// Tell notifies subscribers of a change of data that are not in the database, such as the states of machines.
func (s *Site) Tell(topic Topic) { s.db.announce(s.id, []Topic{topic}) }

// announce adds changed topics to those subscriptions of a site that include them.
func (db *DB) announce(site policy.SiteID, topics []Topic) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for sub := range db.subscribers {
		if sub.site == site {
			sub.add(topics)
		}
	}
}

// Package store is the hub's database: one SQLite file, its migrations, and the only way to its rows.
//
// Every table has the site's id as the first column of its primary key, and code reaches rows only through Site: the
// first parameter of every statement ($1) is the site's id, which Site fills in. A test of this package reads every
// statement of the hub's packages and fails on one that does not name a table's site.
//
// A write is one transaction (Write). It is on the disk when Write returns without an error: only then may anything
// be acknowledged. After a commit, those who Subscribe are told which topics changed.
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
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"portillon/policy"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open database. Its methods may be called by many goroutines.
type DB struct {
	path        string
	write, read *sql.DB

	mu          sync.Mutex
	subscribers map[*Subscription]struct{}
}

// Open opens the database at path, makes it where there is none, readable by its owner only, and brings it to the
// newest schema.
func Open(ctx context.Context, path string) (_ *DB, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store %s: %w", path, err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db := &DB{path: path, subscribers: map[*Subscription]struct{}{}}
	if db.write, err = connect(path, false); err != nil {
		return nil, err
	}
	db.write.SetMaxOpenConns(1) // SQLite has one writer
	if err := migrate(ctx, db.write); err != nil {
		return nil, errors.Join(err, db.write.Close())
	}
	if db.read, err = connect(path, true); err != nil {
		return nil, errors.Join(err, db.write.Close())
	}
	db.read.SetMaxOpenConns(4)
	return db, nil
}

func connect(path string, readOnly bool) (*sql.DB, error) {
	q := url.Values{"_pragma": {"busy_timeout(10000)", "foreign_keys(1)"}}
	if readOnly {
		q.Set("mode", "ro")
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Set("_txlock", "immediate")
		q["_pragma"] = append(q["_pragma"], "journal_mode(WAL)", "synchronous(FULL)")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	return nil
}

// Close closes the database after the running transaction.
func (db *DB) Close() error { return errors.Join(db.read.Close(), db.write.Close()) }

// Path is the file.
func (db *DB) Path() string { return db.path }

// Site is one site's rows of the database.
func (db *DB) Site(id policy.SiteID) *Site { return &Site{db: db, id: id} }

// Site is one site's rows. The zero Site cannot be used; make one with DB.Site.
type Site struct {
	db *DB
	id policy.SiteID
}

// ID is the site's id.
func (s *Site) ID() policy.SiteID { return s.id }

// Query reads rows. $1 is the site's id, args are $2, $3, ….
func (s *Site) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.db.read.QueryContext(ctx, query, s.with(args)...)
}

// QueryRow reads one row. $1 is the site's id, args are $2, $3, ….
func (s *Site) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return s.db.read.QueryRowContext(ctx, query, s.with(args)...)
}

func (s *Site) with(args []any) []any { return append([]any{string(s.id)}, args...) }

// Write runs change in one transaction, and commits it unless change returns an error. One Write runs at a time.
func (s *Site) Write(ctx context.Context, change func(*Tx) error) error {
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	t := &Tx{site: s, tx: tx}
	if err := change(t); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.db.tell(s.id, t.changed)
	return nil
}

// Tx is a transaction of one site.
type Tx struct {
	site    *Site
	tx      *sql.Tx
	changed []Topic
}

// Exec runs a statement. $1 is the site's id, args are $2, $3, ….
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.tx.ExecContext(ctx, query, t.site.with(args)...)
}

// Query reads rows as the transaction sees them.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, query, t.site.with(args)...)
}

// QueryRow reads one row as the transaction sees it.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(ctx, query, t.site.with(args)...)
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
	States    Topic = "states"    // a machine said how it stands
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

func (db *DB) tell(site policy.SiteID, topics []Topic) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for sub := range db.subscribers {
		if sub.site == site {
			sub.add(topics)
		}
	}
}

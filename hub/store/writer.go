package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
)

// maxStatements bounds the prepared statements of a connection. The hub has some hundred; what is beyond is prepared
// for each use.
const maxStatements = 1000

// statements are prepared statements by their text.
type statements struct {
	prepare func(context.Context, string) (*sql.Stmt, error)
	mu      sync.Mutex
	all     map[string]*sql.Stmt
}

// newStatements keeps prepared statements of one connection or pool.
func newStatements(prepare func(context.Context, string) (*sql.Stmt, error)) *statements {
	return &statements{prepare: prepare, all: map[string]*sql.Stmt{}}
}

// get prepares a statement, or returns the one that was prepared before.
func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	p, full := s.all[query], len(s.all) >= maxStatements
	s.mu.Unlock()
	if p != nil {
		return p, nil
	}
	if full {
		return nil, fmt.Errorf("more than %d different statements: a statement must be a constant", maxStatements)
	}
	p, err := s.prepare(ctx, unnamed(query))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.all[query]; other != nil { // another goroutine was faster
		return other, p.Close()
	}
	s.all[query] = p
	return p, nil
}

// close closes all prepared statements.
func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, p := range s.all {
		err = errors.Join(err, p.Close())
	}
	clear(s.all)
	return err
}

// writer is the connection that writes. Its statements stay prepared from one transaction to the next, which those of
// a sql.Tx do not. One goroutine at a time uses it.
type writer struct {
	db       *sql.DB
	conn     *sql.Conn // nil: not connected yet, or given up after an error
	prepared *statements
	erased   bool // a transaction erased something, and the log may hold it still
}

// transaction runs change between BEGIN and COMMIT.
func (w *writer) transaction(ctx context.Context, change func() error) (err error) {
	if w.conn == nil {
		if w.conn, err = w.db.Conn(ctx); err != nil {
			return err
		}
		w.prepared = newStatements(w.conn.PrepareContext)
	}
	// The write lock is taken now: a transaction that reads first and writes then could find that another process
	// wrote in between.
	if _, err := w.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // also where change panics
			w.rollback(ctx)
		}
	}()
	if err := change(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// From here on the end of ctx changes nothing: whether the transaction counts must not stay unknown.
	if _, err := w.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	done = true
	return nil
}

// rollback undoes the transaction. After an error of the disk SQLite has done so itself
// (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction"): then, or where it fails, the
// connection is given up for a fresh one.
func (w *writer) rollback(ctx context.Context) {
	if _, err := w.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err != nil {
		w.prepared.close()                                       // before the connection: they are its own
		w.conn.Raw(func(any) error { return driver.ErrBadConn }) // has the pool close it
		w.close()
	}
}

// close ends the connection that writes.
func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	err := w.prepared.close()
	if cerr := w.conn.Close(); !errors.Is(cerr, sql.ErrConnDone) {
		err = errors.Join(err, cerr)
	}
	w.conn, w.prepared = nil, nil
	return err
}

// ExecContext runs a statement.
func (w *writer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	p, err := w.prepared.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return p.ExecContext(ctx, args...)
}

// QueryContext reads rows.
func (w *writer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p, err := w.prepared.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, args...)
}

// QueryRowContext reads one row.
func (w *writer) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	p, err := w.prepared.get(ctx, query)
	if err != nil {
		return w.conn.QueryRowContext(ctx, query, args...) // it gives the error
	}
	return p.QueryRowContext(ctx, args...)
}

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
)

// maxStatements is the maximum number of prepared statements of a connection. The hub has a few hundred statements.
// A connection with more statements shows that a package writes values into the text of a statement.
const maxStatements = 1000

// statements caches prepared statements by their text. The methods of statements may be called concurrently.
type statements struct {
	prepare func(context.Context, string) (*sql.Stmt, error)
	mu      sync.Mutex
	all     map[string]*sql.Stmt
}

// newStatements returns an empty cache.
func newStatements(prepare func(context.Context, string) (*sql.Stmt, error)) *statements {
	return &statements{prepare: prepare, all: map[string]*sql.Stmt{}}
}

// get returns the prepared statement, and prepares it at the first call.
func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	p, full := s.all[query], len(s.all) >= maxStatements
	s.mu.Unlock()
	if p != nil {
		return p, nil
	}
	if full {
		return nil, fmt.Errorf("connection has more than %d prepared statements, want constant statements", maxStatements)
	}
	p, err := s.prepare(ctx, withUnnamedParameters(query))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.all[query]; other != nil { // use the statement that another goroutine has prepared meanwhile
		return other, p.Close()
	}
	s.all[query] = p
	return p, nil
}

// close closes all prepared statements and empties the cache.
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

// writer is the connection for writing. Unlike the statements of a sql.Tx, the statements of a writer stay prepared
// between transactions. Only one goroutine at a time may use a writer.
type writer struct {
	db       *sql.DB
	conn     *sql.Conn // connection for writing; nil: it is not open yet, or was closed after an error
	prepared *statements
	erased   bool // true: a transaction has erased data that the write-ahead log may still contain
}

// transaction calls change between BEGIN and COMMIT, and rolls back after an error or a panic.
func (w *writer) transaction(ctx context.Context, change func() error) (err error) {
	if w.conn == nil {
		if w.conn, err = w.db.Conn(ctx); err != nil {
			return err
		}
		w.prepared = newStatements(w.conn.PrepareContext)
	}
	// BEGIN IMMEDIATE acquires the write lock at the beginning of the transaction. Otherwise another process could
	// write between a read and a write of this transaction.
	if _, err := w.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // roll back, because change has returned an error or panicked
			w.rollback(ctx)
		}
	}()
	if err := change(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Commit even if ctx ends now, because the caller must learn whether the transaction was committed.
	if _, err := w.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	done = true
	return nil
}

// rollback undoes the transaction. After a disk error, SQLite has already rolled back
// (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction"). In that case ROLLBACK fails, and
// rollback closes the connection, so that the next transaction opens a new one.
func (w *writer) rollback(ctx context.Context) {
	if _, err := w.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err != nil {
		w.prepared.close()                                       // close the statements before their connection
		w.conn.Raw(func(any) error { return driver.ErrBadConn }) // driver.ErrBadConn makes the pool close the connection
		w.close()
	}
}

// close closes the connection and its statements. The next transaction opens a new connection.
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

// ExecContext runs a statement that returns no rows.
func (w *writer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	p, err := w.prepared.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return p.ExecContext(ctx, args...)
}

// QueryContext runs a statement that returns rows.
func (w *writer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p, err := w.prepared.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, args...)
}

// QueryRowContext runs a statement that returns at most one row.
func (w *writer) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	p, err := w.prepared.get(ctx, query)
	if err != nil {
		return w.conn.QueryRowContext(ctx, query, args...) // Scan of the returned row reports the error
	}
	return p.QueryRowContext(ctx, args...)
}

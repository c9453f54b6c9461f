package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// OpenAs opens a file of an older program for reading only, and shows it through views, which are temporary and have
// the names of this program's tables: what reads the database reads that file too. The file does not change.
func OpenAs(path string, views []string) (*DB, error) {
	dsn, err := dataSource(path, true)
	if err != nil {
		return nil, err
	}
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := &DB{path: path, subscribers: map[*Subscription]struct{}{}}
	db.read = sql.OpenDB(viewing{c, views})
	db.read.SetMaxOpenConns(maxReaders)
	db.reads = newStatements(db.read.PrepareContext)
	return db, nil
}

// viewing makes the views on each new connection: they are the connection's own.
type viewing struct {
	driver.Connector
	views []string
}

// Connect opens a connection that has the views.
func (v viewing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := v.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	run, ok := c.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("the driver runs no statements"), c.Close())
	}
	// query_only forbids temporary views too.
	for _, s := range append(append([]string{"PRAGMA query_only = 0"}, v.views...), "PRAGMA query_only = 1") {
		if _, err := run.ExecContext(ctx, s, nil); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

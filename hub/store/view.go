package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// OpenAs opens a file of an older program for reading only. Each connection gets temporary views with the names of the
// current tables, so that the same statements can read the old file. OpenAs does not change the file.
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
	db.read = sql.OpenDB(viewConnector{c, views})
	db.read.SetMaxOpenConns(maxReaders)
	db.reads = newStatements(db.read.PrepareContext)
	return db, nil
}

// viewConnector creates the views on each new connection, because temporary views exist only within a connection.
type viewConnector struct {
	driver.Connector
	views []string
}

// Connect opens a connection and creates the views.
func (v viewConnector) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := v.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	run, ok := c.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("SQLite driver cannot run statements"), c.Close())
	}
	// Turn off the pragma query_only while the views are created, because it forbids even temporary views.
	for _, s := range append(append([]string{"PRAGMA query_only = 0"}, v.views...), "PRAGMA query_only = 1") {
		if _, err := run.ExecContext(ctx, s, nil); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

package ledger

import "portillon/hub/store"

// If err is a database error, addFileName adds the name of the database file and what an administrator can do. Each
// public method of the ledger defers addFileName.
func (l *Ledger) addFileName(err *error) { *err = store.Named(l.site.Path(), *err) }

package ledger

import "portillon/hub/store"

// addFileName adds the database file's name and the remedy to a database error. Public methods defer addFileName.
func (l *Ledger) addFileName(err *error) { *err = store.Named(l.site.Path(), *err) }

package ledger

import "portillon/hub/store"

// named puts the file's name and what to do into an error of the database. Public methods defer it.
func (l *Ledger) named(err *error) { *err = store.Named(l.site.Path(), *err) }

package ledger

import "portillon/hub/store"

// named adds the file's name and the remedy to a database error. Public methods defer named.
func (l *Ledger) named(err *error) { *err = store.Named(l.site.Path(), *err) }

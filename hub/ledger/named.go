package ledger

import (
	"fmt"

	"portillon/dberror"
)

// cureDamage is what to do with a damaged ledger. Machines keep their journals, and send again what a ledger lacks
// (daemon/uplink); the damaged file stays for what the machines no longer have.
func cureDamage(path string) string {
	return fmt.Sprintf("stop the hub, put back a copy, or move the file away to begin an empty one, "+
		"to which the machines send all that they have again: mv %[1]s %[1]s.damaged; rm -f %[1]s-wal %[1]s-shm", path)
}

// named puts the file's name and what to do into an error of the database. Public methods defer it.
func (l *Ledger) named(err *error) { named(l.path, err) }

func named(path string, err *error) { *err = dberror.Wrap(path, cureDamage(path), *err) }

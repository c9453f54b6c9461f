package ledger

import (
	"maps"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// Pin sets the only key that may sign new records of a machine. If key is nil, the ledger rejects all further records
// of the machine. The records in the ledger stay.
func (l *Ledger) Pin(m policy.MachineID, key note.Verifier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = maps.Clone(l.keys) // copy the map, because the map belongs to the caller of Open
	if l.keys == nil {
		l.keys = Keys{}
	}
	if key == nil {
		delete(l.keys, m)
		return
	}
	l.keys[m] = key
}

// key returns the pinned key of a machine.
func (l *Ledger) key(m policy.MachineID) (note.Verifier, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	key, ok := l.keys[m]
	return key, ok
}

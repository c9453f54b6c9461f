package ledger

import (
	"maps"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// Pin sets the only key that may sign records of a machine from now on. With a nil key the ledger rejects all further
// records of the machine; the records already held stay.
func (l *Ledger) Pin(m policy.MachineID, key note.Verifier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = maps.Clone(l.keys) // the caller of Open still holds the other map
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

package ledger

import (
	"maps"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// Pin has the ledger take a machine's records by this key from now on, in the place of the one before. nil: none of its
// records is taken any more; those that are held stay.
func (l *Ledger) Pin(m policy.MachineID, key note.Verifier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = maps.Clone(l.keys) // the caller of Open has the other
	if l.keys == nil {
		l.keys = Keys{}
	}
	if key == nil {
		delete(l.keys, m)
		return
	}
	l.keys[m] = key
}

// key is the pinned key of a machine.
func (l *Ledger) key(m policy.MachineID) (note.Verifier, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	key, ok := l.keys[m]
	return key, ok
}

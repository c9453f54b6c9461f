package journal

import (
	"fmt"

	"portillon/wire"
)

// Append writes one record. Append returns nil once the record is on the disk, or an error if the record was not
// written.
func (j *Journal) Append(e Entry) (_ wire.Record, err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	r, err := j.store.append(e)
	if err != nil {
		return wire.Record{}, fmt.Errorf("journal: record of kind %s was not written: %w", e.Kind, err)
	}
	return r, nil
}

// Keep writes facts without a record. Keep returns nil once the facts are on the disk. If Keep returns an error, none
// of the facts was written.
func (j *Journal) Keep(facts map[string][]byte) (err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	err = ErrReadOnly
	if !j.store.readOnly {
		err = j.store.requireUsable()
	}
	if err == nil {
		err = j.store.db.requireSync()
	}
	if err == nil {
		if err = j.store.db.transact(func() error { return j.store.db.setFacts(facts) }); err != nil {
			j.store.stale = true
		}
	}
	if err != nil {
		return fmt.Errorf("journal: facts were not written: %w", err)
	}
	return nil
}

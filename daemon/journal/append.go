package journal

import (
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/wire"
)

// Append writes one record. It returns once the record is on the disk, or with the reason why it is not.
func (j *Journal) Append(e Entry) (_ wire.Record, err error) {
	defer j.named(&err)
	j.mu.Lock()
	defer j.mu.Unlock()
	r, err := j.append(e)
	if err != nil {
		return wire.Record{}, fmt.Errorf("journal: %s is not recorded: %w", e.Kind, err)
	}
	return r, nil
}

// Keep writes facts alone. It returns once they are on the disk, or with the reason why they are not, and then none of
// them is.
func (j *Journal) Keep(facts map[string][]byte) (err error) {
	defer j.named(&err)
	j.mu.Lock()
	defer j.mu.Unlock()
	err = ErrReadOnly
	if !j.readOnly {
		err = j.usable()
	}
	if err == nil {
		err = j.db.strict()
	}
	if err == nil {
		if err = j.db.transact(func() error { return j.db.setFacts(facts) }); err != nil {
			j.stale = true
		}
	}
	if err != nil {
		return fmt.Errorf("journal: facts are not kept: %w", err)
	}
	return nil
}

func (j *Journal) append(e Entry) (wire.Record, error) {
	if j.readOnly {
		return wire.Record{}, ErrReadOnly
	}
	if err := j.usable(); err != nil {
		return wire.Record{}, err
	}
	r, text, err := j.compose(e)
	if err != nil {
		return wire.Record{}, err
	}
	var salt wire.Salt
	if _, err := io.ReadFull(j.o.Salt, salt[:]); err != nil {
		return wire.Record{}, fmt.Errorf("no salt: %w", err)
	}
	hashes, err := tlog.StoredHashesForRecordHash(int64(r.Seq-1), wire.Leaf(salt, text), j.tree.edgeReader())
	if err != nil {
		return wire.Record{}, err
	}
	if err := j.write(e.Facts, r, salt, text, hashes); err != nil {
		j.stale = true
		return wire.Record{}, err
	}
	j.clock.saw(r)
	j.db.commits++
	j.tree.advance(r.Seq, hashes)
	return r, nil
}

// compose makes the record and its canonical bytes.
func (j *Journal) compose(e Entry) (wire.Record, []byte, error) {
	r := wire.Record{Site: j.o.Site, Machine: j.o.Machine, Seq: j.tree.length.Load() + 1, Boot: j.o.Boot, Mono: j.o.Mono(),
		Kind: e.Kind, Session: e.Session, Member: e.Member}
	r.Wall, r.Clock = j.clock.time()
	if e.Body != nil {
		b, err := json.Marshal(e.Body)
		if err != nil {
			return r, nil, fmt.Errorf("its body: %w", err)
		}
		r.Body = b
	}
	text, err := r.Canonical()
	switch {
	case err != nil:
		return r, nil, err
	case len(text) > wire.MaxRecord:
		return r, nil, fmt.Errorf("it has %d bytes, at most %d", len(text), wire.MaxRecord)
	case e.Kind == "":
		return r, nil, fmt.Errorf("it has no kind")
	}
	return r, text, nil
}

// write is one transaction. A record alone is one statement, which is a transaction by itself.
func (j *Journal) write(facts map[string][]byte, r wire.Record, salt wire.Salt, text []byte, hashes []tlog.Hash) error {
	if err := j.db.strict(); err != nil {
		return err
	}
	if len(facts) == 0 {
		return j.db.insert(r, salt, text, hashes)
	}
	return j.db.transact(func() error {
		if err := j.db.insert(r, salt, text, hashes); err != nil {
			return err
		}
		return j.db.setFacts(facts)
	})
}

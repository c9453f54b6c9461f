package journal

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
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
		err = j.strict()
	}
	if err == nil {
		if err = j.transact(func() error { return j.setFacts(facts) }); err != nil {
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
	hashes, err := tlog.StoredHashesForRecordHash(int64(r.Seq-1), wire.Leaf(salt, text), j.edgeReader())
	if err != nil {
		return wire.Record{}, err
	}
	if err := j.write(e.Facts, r, salt, text, hashes); err != nil {
		j.stale = true
		return wire.Record{}, err
	}
	j.advance(r, hashes)
	return r, nil
}

// compose makes the record and its canonical bytes.
func (j *Journal) compose(e Entry) (wire.Record, []byte, error) {
	r := wire.Record{Site: j.o.Site, Machine: j.o.Machine, Seq: j.length.Load() + 1, Boot: j.o.Boot, Mono: j.o.Mono(),
		Kind: e.Kind, Session: e.Session, Member: e.Member}
	r.Wall, r.Clock = j.time()
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

// time is the record's wall time, and how far it can be believed. A trusted clock that lies further back than two
// clocks may differ was corrected: the earlier time was wrong, and the new one counts. An untrusted clock is never
// before a time that was trusted.
func (j *Journal) time() (time.Time, wire.Clock) {
	now := j.o.Now().UTC().Truncate(time.Millisecond)
	switch {
	case !j.o.Trusted():
		return later(now, j.sure), wire.ClockUntrusted
	case j.sure.Sub(now) > wire.Skew:
		return now, wire.ClockCorrected
	}
	return later(now, j.sure), wire.ClockTrusted
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// write is one transaction. A record alone is one statement, which is a transaction by itself.
func (j *Journal) write(facts map[string][]byte, r wire.Record, salt wire.Salt, text []byte, hashes []tlog.Hash) error {
	if err := j.strict(); err != nil {
		return err
	}
	if len(facts) == 0 {
		return j.insert(r, salt, text, hashes)
	}
	return j.transact(func() error {
		if err := j.insert(r, salt, text, hashes); err != nil {
			return err
		}
		return j.setFacts(facts)
	})
}

// strict has every commit wait for the disk.
func (j *Journal) strict() error {
	if !j.relaxed {
		return nil
	}
	if err := j.pragma("synchronous", "FULL"); err != nil {
		return err
	}
	j.relaxed = false
	return nil
}

// transact does all of it or nothing.
func (j *Journal) transact(do func() error) error {
	if _, err := j.st.begin.Exec(); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = j.st.commit.Exec()
	}
	if err != nil {
		_, _ = j.st.rollback.Exec() // it says no where SQLite has rolled back already
	}
	return err
}

func (j *Journal) insert(r wire.Record, salt wire.Salt, text []byte, hashes []tlog.Hash) error {
	flat := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		flat = append(flat, h[:]...)
	}
	_, err := j.st.insert.Exec(int64(r.Seq), string(r.Kind), null(r.Session), null(r.Member), salt[:], text, flat)
	return err
}

func null[T string | policy.MemberID](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

func (j *Journal) setFacts(facts map[string][]byte) error {
	for k, v := range facts {
		var err error
		if v == nil {
			_, err = j.st.dropFact.Exec(k)
		} else {
			_, err = j.st.setFact.Exec(k, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// saw takes note of a record's time.
func (j *Journal) saw(r wire.Record) {
	if r.Clock.Believed() {
		j.believe(r.Wall)
	}
}

// advance takes note of what is on the disk now.
func (j *Journal) advance(r wire.Record, hashes []tlog.Hash) {
	top := len(hashes) - 1
	j.edge[top] = hashes[top]
	j.saw(r)
	j.commits++
	j.length.Store(r.Seq)
}

package journal

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"portillon/wire"
)

const (
	// BatchBytes is the largest size of the records of a batch, in bytes. MQTT brokers accept messages of 64 KiB by
	// default.
	BatchBytes = 56 << 10
	// foldAfter is the number of commits after which SetCursor checkpoints the write-ahead log into the file.
	foldAfter = 32
)

// Batch returns the records from seq on, at most max of them and at most BatchBytes, with a checkpoint that covers the
// last one. If from is past the end, Batch returns the zero Batch.
func (j *Journal) Batch(from uint64, max int) (_ wire.Batch, err error) {
	defer j.store.addNameAndRemedy(&err)
	rows, root, err := j.store.take(from, min(max, wire.MaxBatchRecords))
	if err != nil || len(rows) == 0 {
		return wire.Batch{}, err
	}
	b := wire.Batch{Generation: j.store.generation}
	for _, r := range rows {
		if len(r.hashes) == 0 {
			return wire.Batch{}, fmt.Errorf("journal: record %d cannot be sent: it was lost to damage", r.seq)
		}
		if r.record == nil {
			return wire.Batch{}, fmt.Errorf("journal: record %d cannot be sent: its body was erased", r.seq)
		}
		b.Records = append(b.Records, wire.Leafed{Salt: wire.Salt(r.salt), Record: json.RawMessage(r.record)})
	}
	cp, err := j.store.sign(rows[len(rows)-1].seq, root)
	b.Checkpoint = string(cp)
	return b, err
}

// Cursor is the last sequence number that a sink has acknowledged; 0: the sink has acknowledged no record.
func (j *Journal) Cursor(sink string) (_ uint64, err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	if err := j.store.requireUsable(); err != nil {
		return 0, err
	}
	var n int64
	err = j.store.db.conn.QueryRowContext(background, "SELECT seq FROM cursors WHERE sink = ?", sink).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return uint64(n), err
}

// SetCursor moves a sink's cursor. SetCursor does not wait for the disk, so a power cut may reset the cursor to an
// earlier position. Some records are then sent again. SetCursor also checkpoints the write-ahead log into the file,
// because no member waits for a sink.
func (j *Journal) SetCursor(sink string, seq uint64) (err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	if j.store.readOnly {
		return ErrReadOnly
	}
	if err := j.store.requireUsable(); err != nil {
		return err
	}
	if n := j.store.tree.length.Load(); seq > n {
		return fmt.Errorf("journal: cursor %d is past the last record %d", seq, n)
	}
	if err := j.store.db.relax(); err != nil {
		return err
	}
	if _, err := j.store.db.st.setCursor.Exec(sink, int64(seq)); err != nil {
		return fmt.Errorf("journal: cannot store the cursor of %s: %w", sink, err)
	}
	return j.store.db.checkpointLog()
}

// Facts returns the last written values of the facts whose keys begin with prefix.
func (j *Journal) Facts(prefix string) (_ map[string][]byte, err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	if err := j.store.requireUsable(); err != nil {
		return nil, err
	}
	q := "SELECT key, value FROM facts WHERE substr(key, 1, length(?1)) = ?1"
	rs, err := j.store.db.conn.QueryContext(background, q, prefix)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	out := map[string][]byte{}
	for rs.Next() {
		var k string
		var v []byte
		if err := rs.Scan(&k, &v); err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, rs.Err()
}

// UnfinishedSession is a session with a start record and no end record.
type UnfinishedSession struct {
	Start    wire.Record // start record; its Session is the session's id
	SameBoot bool        // the computer has not restarted since: the daemon stopped, and the power stayed on
}

// OpenSession returns the session that the previous daemon left unfinished, if there is one. Sessions do not overlap,
// so only the last session can be unfinished.
func (j *Journal) OpenSession() (_ UnfinishedSession, _ bool, err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	if err := j.store.requireUsable(); err != nil {
		return UnfinishedSession{}, false, err
	}
	var kind string
	var text []byte
	q := "SELECT kind, record FROM records INDEXED BY lives WHERE kind IN ('session-start', 'session-end') ORDER " +
		"BY seq DESC LIMIT 1"
	err = j.store.db.conn.QueryRowContext(background, q).Scan(&kind, &text)
	if errors.Is(err, sql.ErrNoRows) || err == nil && wire.Kind(kind) == wire.SessionEnd {
		return UnfinishedSession{}, false, nil
	}
	if err != nil {
		return UnfinishedSession{}, false, err
	}
	r, err := wire.ParseRecord(text)
	if err != nil {
		return UnfinishedSession{}, false, wrapReadError(err)
	}
	if lost, err := j.store.db.lostAfter(r.Seq); err != nil || lost {
		return UnfinishedSession{}, false, err // the session's end may be among the lost records
	}
	return UnfinishedSession{Start: r, SameBoot: r.Boot == j.store.o.Boot}, true, nil
}

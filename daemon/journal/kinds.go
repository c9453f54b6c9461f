package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"portillon/wire"
)

// Walk calls seen for each readable record in order, and gap for each record whose body is erased or lost.
func (j *Journal) Walk(ctx context.Context, seen func(wire.Record), gap func()) (err error) {
	defer j.store.addNameAndRemedy(&err)
	return j.store.each(ctx, 1, func(r row) error {
		rec, err := r.check()
		switch {
		case err != nil:
			return err
		case r.record == nil:
			gap()
		default:
			seen(rec)
		}
		return nil
	})
}

// WalkTags calls seen and gap as Walk does, but only for the records of tags. WalkTags uses a partial index, so that
// its duration does not depend on the number of other records.
func (j *Journal) WalkTags(seen func(wire.Record), gap func()) (err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	if err := j.store.requireUsable(); err != nil {
		return err
	}
	in := fmt.Sprintf("kind IN ('%s', '%s', '%s')", wire.Tagged, wire.Untagged, kindLost)
	if !j.store.readOnly { // if a full disk has no room for the index, the query reads all records
		_, _ = j.store.db.conn.ExecContext(background, "CREATE INDEX IF NOT EXISTS tags ON records (seq) WHERE "+in)
	}
	rows, err := j.store.db.conn.QueryContext(background, "SELECT record FROM records WHERE "+in+" ORDER BY seq")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return err
		}
		var r wire.Record
		if strings.TrimSpace(string(text)) == "" || json.Unmarshal(text, &r) != nil {
			gap()
			continue
		}
		seen(r)
	}
	return rows.Err()
}

// Cursors returns for each sink the sequence number of the last record that the sink has acknowledged. A cursor past
// the end of the journal belongs to another journal, and the caller must ignore that cursor.
func (j *Journal) Cursors() (_ map[string]uint64, err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	if err := j.store.requireUsable(); err != nil {
		return nil, err
	}
	rows, err := j.store.db.conn.QueryContext(background, "SELECT sink, seq FROM cursors")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]uint64{}
	for rows.Next() {
		var sink string
		var seq int64
		if err := rows.Scan(&sink, &seq); err != nil {
			return nil, err
		}
		out[sink] = uint64(seq)
	}
	return out, rows.Err()
}

package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/wire"
)

// step is the number of records that are read while Append waits for the lock.
const step = 200

// VerifyResult summarizes a journal that Verify found valid.
type VerifyResult struct {
	Records uint64
	Erased  uint64
	Lost    uint64 // records lost to damage: Salvage kept the hashes that cover them
	Root    tlog.Hash
	Last    time.Time // wall time of the last record
}

// Verify reads everything: SQLite's integrity check, every leaf, every hash of the tree, the numbers, which have no
// gaps, and the times, which run backwards only after a correction of the clock. The journal may grow during the call.
// Verify covers the records that existed at the beginning of the call.
func (j *Journal) Verify(ctx context.Context) (_ VerifyResult, err error) {
	defer j.store.addNameAndRemedy(&err)
	if err := j.store.integrity(ctx); err != nil {
		return VerifyResult{}, err
	}
	v := VerifyResult{}
	var tree knownTree
	var sure time.Time // newest record with a trusted clock
	doubtful := 0      // number of records since that record
	err = j.store.each(ctx, 1, func(r row) error {
		rec, err := r.check()
		if err != nil {
			return err
		}
		if len(r.hashes) == 0 {
			tree.addUnknown(r.seq)
			v.Lost, v.Records, sure = v.Lost+1, r.seq, time.Time{}
			return nil
		}
		if !tree.addHashes(r.seq, r.hashes) {
			return fmt.Errorf("record %d does not match the hash tree", r.seq)
		}
		if doubtful++; doubtful > maxUntrusted+tail { // Open searches back as far as this
			sure = time.Time{}
		}
		switch {
		case r.record == nil:
			v.Erased++
			rec.Wall, sure = v.Last, time.Time{} // a lost record may have corrected the clock
		case rec.Clock != wire.ClockCorrected && rec.Wall.Before(sure):
			return fmt.Errorf("record %d has the time %s, want at least the earlier trusted time %s", r.seq,
				rec.Wall.Format(time.RFC3339Nano), sure.Format(time.RFC3339Nano))
		case rec.Clock.Believed():
			sure, doubtful = rec.Wall, 0
		}
		v.Last, v.Records = rec.Wall, r.seq
		return nil
	})
	if err != nil {
		return v, fmt.Errorf("journal: %w", err)
	}
	if v.Records == 0 {
		v.Root, err = tlog.TreeHash(0, nil)
		return v, err
	}
	root, known := tree.root(v.Records)
	if !known {
		return v, fmt.Errorf("journal: root over %d records cannot be computed: some records are lost", v.Records)
	}
	v.Root = root
	return v, nil
}

// Export writes the records from seq on to w, one JSON object per line, with the salt and the record in the format of
// the uplink. Erased records are left out.
func (j *Journal) Export(ctx context.Context, w io.Writer, from uint64) (err error) {
	defer j.store.addNameAndRemedy(&err)
	b := bufio.NewWriter(w)
	err = j.store.each(ctx, max(from, 1), func(r row) error {
		if r.record == nil {
			return nil
		}
		line, err := json.Marshal(wire.Leafed{Salt: wire.Salt(r.salt), Record: json.RawMessage(r.record)})
		if err != nil {
			return err
		}
		_, err = b.Write(append(line, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("journal: export: %w", err)
	}
	return b.Flush()
}

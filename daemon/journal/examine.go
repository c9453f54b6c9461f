package journal

import (
	"context"
	"fmt"
	"os"

	"portillon/wire"
)

// examineMost is how long a file may be whose pages are all read at a start. At 100 records of half a kilobyte a day, a
// year makes 18 MB. A Pi's SD card reads some 20 MB/s (check).
const examineMost = 64 << 20

// Examine looks for damage that would stop a daemon later, or a hub: pages that do not fit together, and records that
// are not what was written. It returns nil, or what is damaged. Of a file that is longer than a start can wait for,
// only the records that sink lacks are read. Verify reads everything, times among it.
func (j *Journal) Examine(ctx context.Context, sink string) (err error) {
	defer j.named(&err)
	held, err := j.Cursor(sink)
	if err != nil {
		return err
	}
	if held > j.Len() {
		return fmt.Errorf("%w: the cursor of %s is at %d, and there are %d records", ErrDamaged, sink, held, j.Len())
	}
	if fi, err := os.Stat(j.path); err != nil || fi.Size() > examineMost {
		return j.compare(ctx, held+1)
	}
	if err := j.quickCheck(ctx); err != nil {
		return err
	}
	return j.compare(ctx, 1)
}

// compare compares the records from seq on with their hashes; from the first on, the tree too.
func (j *Journal) compare(ctx context.Context, from uint64) error {
	var t knownTree
	err := j.each(ctx, from, func(r row) error {
		switch {
		case len(r.hashes) == 0:
			t.lose(r.seq)
		case r.record != nil && (len(r.salt) != len(wire.Salt{}) || wire.Leaf(wire.Salt(r.salt), r.record) != r.hashes[0]):
			return fmt.Errorf("record %d was changed after it was written", r.seq)
		case !t.grow(r.seq, r.hashes):
			return fmt.Errorf("record %d does not fit the tree", r.seq)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return torn(err)
	}
	return err
}

func (j *Journal) quickCheck(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return err
	}
	found, err := j.db.says(ctx, "quick_check")
	if err != nil {
		return torn(err)
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	return nil
}

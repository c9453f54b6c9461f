package journal

import (
	"context"
	"fmt"
	"os"
)

// examineMost is how long a file may be whose pages are all read at a start. At 100 records of half a kilobyte a day, a
// year makes 18 MB. A Pi's SD card reads some 20 MB/s (check).
const examineMost = 64 << 20

// Examine looks for damage that would stop a daemon later, or a hub: pages that do not fit together, and records that
// are not what was written. It returns nil, or what is damaged. Of a file that is longer than a start can wait for,
// only the records that sink lacks are read. Verify reads everything, times among it.
func (j *Journal) Examine(ctx context.Context, sink string) (err error) {
	defer j.store.named(&err)
	held, err := j.Cursor(sink)
	if err != nil {
		return err
	}
	if held > j.Len() {
		return fmt.Errorf("%w: the cursor of %s is at %d, and there are %d records", ErrDamaged, sink, held, j.Len())
	}
	if fi, err := os.Stat(j.store.path); err != nil || fi.Size() > examineMost {
		return j.store.compare(ctx, held+1)
	}
	if err := j.store.quickCheck(ctx); err != nil {
		return err
	}
	return j.store.compare(ctx, 1)
}

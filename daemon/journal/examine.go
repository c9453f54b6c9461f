package journal

import (
	"context"
	"fmt"
	"os"
)

// examineMost is the size in bytes up to which Examine reads all pages of a file at a start. At 100 records of half a
// kilobyte a day, a year makes 18 MB. The SD card of a Raspberry Pi reads about 20 MB/s (check).
const examineMost = 64 << 20

// Examine looks for damage that would later stop a daemon or a hub: inconsistent pages, and records that differ from
// their hashes. Examine returns nil, or an error that describes the damage. In a file larger than examineMost, Examine
// reads only the records that sink lacks. Verify reads everything, including the times.
func (j *Journal) Examine(ctx context.Context, sink string) (err error) {
	defer j.store.addNameAndRemedy(&err)
	held, err := j.Cursor(sink)
	if err != nil {
		return err
	}
	if held > j.Len() {
		return fmt.Errorf("%w: cursor of %s is %d, want at most %d", ErrDamaged, sink, held, j.Len())
	}
	if fi, err := os.Stat(j.store.path); err != nil || fi.Size() > examineMost {
		return j.store.verifyFrom(ctx, held+1)
	}
	if err := j.store.quickCheck(ctx); err != nil {
		return err
	}
	return j.store.verifyFrom(ctx, 1)
}

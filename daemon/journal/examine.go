package journal

import (
	"context"
	"fmt"
	"os"
)

// examineMost is how long a file may be whose pages are all read at a start. At 100 records of half a kilobyte a day, a year makes 18 MB. A Pi's
// SD card reads some 20 MB/s (check).
const examineMost = 64 << 20

// Examine looks for damage that would stop a daemon later: pages that do not fit together, and records that are still to be sent and no longer
// are what was written. It returns nil, or what is damaged. Verify reads everything.
func (j *Journal) Examine(ctx context.Context, sink string) (err error) {
	defer j.named(&err)
	if fi, err := os.Stat(j.path); err == nil && fi.Size() <= examineMost {
		if err := j.quickCheck(ctx); err != nil {
			return err
		}
	}
	held, err := j.Cursor(sink)
	if err != nil {
		return err
	}
	if held > j.Len() {
		return fmt.Errorf("%w: the cursor of %s is at %d, and there are %d records", ErrDamaged, sink, held, j.Len())
	}
	if err := j.each(ctx, held+1, func(r row) error { _, err := r.check(); return err }); err != nil {
		return torn(err)
	}
	return nil
}

func (j *Journal) quickCheck(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return err
	}
	var said string
	if err := j.conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil {
		return torn(err)
	}
	if said != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, said)
	}
	return nil
}

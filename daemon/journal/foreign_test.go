package journal

import (
	"bytes"
	"testing"
	"time"

	"portillon/wire"
)

// The damaged file may be another machine's journal although its header is lost. The records in the file still name
// that machine.
func TestJournalOfAnotherMachineIsNotMended(t *testing.T) {
	path, _ := savedJournal(t, 30, 20)
	b := bytesOf(t, path)
	o := options(t)
	origin := wire.Origin(o.Site, o.Machine)
	for p := range len(b) / pageSize {
		if page := b[p*pageSize : (p+1)*pageSize]; p > 0 && bytes.Contains(page, []byte(origin)) {
			zeroPage(t, path, p)
		}
	}
	o.Machine = "vinyl"
	m, err := Mend(t.Context(), path, o, HubCopy{}, time.Now())
	if err == nil || !bytes.Equal(bytesOf(t, path)[:pageSize], b[:pageSize]) {
		t.Errorf("%v: %d records of the %s are the journal of the %s now", err, m.Records, origin, o.Machine)
	}
}

package journal

import (
	"bytes"
	"testing"
	"time"

	"portillon/wire"
)

// The header of a damaged journal may be lost, and the journal may be another machine's. The records then still name
// the machine.
func TestJournalOfAnotherMachineIsNotMended(t *testing.T) {
	path, _ := saved(t, 30, 20)
	b := bytesOf(t, path)
	o := options(t)
	origin := wire.Origin(o.Site, o.Machine)
	for p := range len(b) / pageSize {
		if page := b[p*pageSize : (p+1)*pageSize]; p > 0 && bytes.Contains(page, []byte(origin)) {
			zeroed(t, path, p)
		}
	}
	o.Machine = "vinyl"
	m, err := Mend(t.Context(), path, o, HubCopy{}, time.Now())
	if err == nil || !bytes.Equal(bytesOf(t, path)[:pageSize], b[:pageSize]) {
		t.Errorf("%v: %d records of the %s are the journal of the %s now", err, m.Records, origin, o.Machine)
	}
}

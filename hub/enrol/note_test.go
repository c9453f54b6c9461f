package enrol

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"portillon/policy"
)

// The method write must return only when the fetch is on the disk, and must return the error of a failed write.
func TestFetchIsRecordedBeforeTheBundleIsSent(t *testing.T) {
	b := newBench(t)
	const machines = 40
	for i := range machines {
		if _, err := b.Machines.Add(t.Context(), admin, policy.MachineID(fmt.Sprintf("mill-%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for i := range machines {
		all.Go(func() {
			id := policy.MachineID(fmt.Sprintf("mill-%d", i))
			if err := b.fetches().write(t.Context(), id, 7); err != nil {
				t.Errorf("%s: %v", id, err)
			}
			var noted int64
			err := b.db.Site("biklab").
				QueryRow(t.Context(), "SELECT bundle FROM machine WHERE site = $1 AND machine = $2", string(id)).
				Scan(&noted)
			if err != nil || noted != 7 {
				t.Errorf("%s: bundle %d is noted, %v", id, noted, err)
			}
		})
	}
	all.Wait()
	b.db.Close()
	for i := range machines {
		all.Go(func() {
			if err := b.fetches().write(t.Context(), policy.MachineID(fmt.Sprintf("mill-%d", i)), 8); err == nil {
				t.Error("a note that was not written is no error")
			}
		})
	}
	all.Wait()
}

// Fetches that arrive during a transaction are written together in the next transaction.
func TestWaitingFetchesAreWrittenInOneTransaction(t *testing.T) {
	b := newBench(t)
	b.fetches().batches.writing.Lock()
	first, leads := b.fetches().batches.add("a", 1)
	second, follows := b.fetches().batches.add("b", 1)
	if first != second || !leads || follows {
		t.Error("two notes that wait are of two transactions")
	}
	b.fetches().batches.writing.Unlock()
	b.fetches().writeBatch(t.Context(), first)
	if third, leads := b.fetches().batches.add("c", 1); third == first || !leads {
		t.Error("a note joined a transaction that was written")
	}
}

// A fetch is recorded even if the machine disconnects before the write ends.
func TestFetchIsRecordedEvenIfTheMachineDisconnects(t *testing.T) {
	b := newBench(t)
	if _, err := b.Machines.Add(t.Context(), admin, "mill"); err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	b.fetches().write(gone, "mill", 3) // Wait until the cancelled request has returned an error
	var noted int64
	err := b.db.Site("biklab").
		QueryRow(t.Context(), "SELECT bundle FROM machine WHERE site = $1 AND machine = 'mill'").
		Scan(&noted)
	if err != nil || noted != 3 {
		t.Errorf("bundle %d is noted, %v", noted, err)
	}
}

package hub

import (
	"errors"
	"time"

	"portillon/hub/ledger"
)

const (
	// slowAfter is how long the connection to the broker waits for the database before it goes on with what else comes.
	slowAfter = time.Second
	// maxUntaken is how many batches wait for a slow database. Those beyond it are dropped: the machines send again what
	// is not acknowledged.
	maxUntaken = 64
)

// errSlow is a database that has not answered yet.
var errSlow = errors.New("the database is slow")

// intake is what a connection has given to the database. The connection's own goroutine uses it.
type intake struct {
	busy    bool
	waiting []ledger.Batch
	taken   chan outcome // holds one
}

// outcome is what became of batches.
type outcome struct {
	batches []ledger.Batch
	results []ledger.Result
}

// records keeps batches, then acknowledges each. A database that is slow holds up acknowledgements, and nothing else
// that comes over the connection.
func (ms *messages) records(l *link, batches []ledger.Batch) error {
	if len(batches) == 0 {
		return nil
	}
	in := &l.intake
	if in.busy {
		in.waiting = append(in.waiting, batches[:min(len(batches), maxUntaken-len(in.waiting))]...)
		return nil
	}
	in.busy = true
	if in.taken == nil {
		in.taken = make(chan outcome, 1)
	}
	go func() {
		in.taken <- outcome{batches,
			ms.core.ledger.TakeAll(batches)}
	}() // ends at the latest with the lock's timeout (store)
	t := time.NewTimer(slowAfter)
	defer t.Stop()
	select {
	case o := <-in.taken:
		return ms.tookAll(l, o)
	case <-t.C:
		ms.health.noteDatabase(errSlow)
		return nil
	}
}

// tookAll acknowledges batches, and goes on with those that wait.
func (ms *messages) tookAll(l *link, o outcome) (err error) {
	l.intake.busy = false
	for i, r := range o.results {
		err = errors.Join(err, ms.took(l, o.batches[i].Machine, r.Taken, r.Err))
	}
	waiting := l.intake.waiting
	l.intake.waiting = nil
	return errors.Join(err, ms.records(l, waiting))
}

// finish waits until the database has answered: the next connection, or Close, comes after it.
func (i *intake) finish() {
	if i.busy {
		<-i.taken
		i.busy = false
	}
}

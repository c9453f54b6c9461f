package hub

import (
	"errors"
	"time"

	"portillon/hub/ledger"
)

const (
	// slowAfter is the longest time for which the goroutine of a connection waits for the database before it handles other
	// messages.
	slowAfter = time.Second
	// maxUntaken is the largest number of batches that wait for a slow database. The hub drops further batches, because
	// machines send unacknowledged batches again.
	maxUntaken = 64
)

// errSlow means that the database has not answered yet.
var errSlow = errors.New("database has not answered yet")

// intake is the queue of a connection's batches that are being stored or wait to be stored. Only the connection's
// goroutine uses the queue.
type intake struct {
	busy    bool
	waiting []ledger.Batch
	taken   chan outcome // receives the results of the running goroutine; buffer of one
}

// outcome contains the results of storing batches.
type outcome struct {
	batches []ledger.Batch
	results []ledger.Result
}

// records stores the batches, and then acknowledges each batch. A slow database delays only acknowledgements:
// meanwhile the hub handles the other messages of the connection.
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
	}() // the goroutine ends at the latest when the database's lock timeout has passed
	t := time.NewTimer(slowAfter)
	defer t.Stop()
	select {
	case o := <-in.taken:
		return ms.acknowledgeStored(l, o)
	case <-t.C:
		ms.health.noteDatabase(errSlow)
		return nil
	}
}

// acknowledgeStored acknowledges stored batches, and begins to store the batches that wait.
func (ms *messages) acknowledgeStored(l *link, o outcome) (err error) {
	l.intake.busy = false
	for i, r := range o.results {
		err = errors.Join(err, ms.acknowledgeBatch(l, o.batches[i].Machine, r.Taken, r.Err))
	}
	waiting := l.intake.waiting
	l.intake.waiting = nil
	return errors.Join(err, ms.records(l, waiting))
}

// finish waits until the database has answered, so that neither the next connection nor Close starts earlier.
func (i *intake) finish() {
	if i.busy {
		<-i.taken
		i.busy = false
	}
}

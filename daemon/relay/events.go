package relay

import "sync"

// Event is a change that the guard reports without an order.
type Event struct {
	What EventKind
	On   bool   // EStop, Door: the circuit is open; Contactor: it differs from the order; Busy: the machine works
	Why  string // for Dropped: lease, e-stop, door, contactor, job-done or job-late; for Lost: a sentence for the operator
}

// EventKind is the kind of an Event.
type EventKind string

const (
	EStop     EventKind = "e-stop"     // sent at the start and on each change
	Door      EventKind = "door"       // sent at the start and on each change
	Busy      EventKind = "busy"       // sent at the start and on each change
	Contactor EventKind = "contactor"  // sent after the first comparison and on each change
	Dropped   EventKind = "dropped"    // the guard opened the relay without an order
	Lost      EventKind = "guard-lost" // the guard has ended, and the relay is open
)

// eventQueue queues events until they are read, so that the sender never waits. If the events are not read in time, the
// queue keeps only the last two changes of each input. A slow reader thereby learns that the e-stop opened, and that
// the e-stop closed again.
type eventQueue struct {
	mu    sync.Mutex
	queue []Event
	more  chan struct{}
}

func newEventQueue() *eventQueue { return &eventQueue{more: make(chan struct{}, 1)} }

// add adds an event to the queue.
func (n *eventQueue) add(e Event) {
	n.mu.Lock()
	n.merge(e)
	n.mu.Unlock()
	select {
	case n.more <- struct{}{}:
	default:
	}
}

// merge adds an event to the queue, and drops events of the same kind that it makes obsolete.
func (n *eventQueue) merge(e Event) {
	last, before := -1, -1 // indexes of the last two events of this kind
	for i, q := range n.queue {
		if q.What == e.What {
			last, before = i, last
		}
	}
	switch {
	case last >= 0 && n.queue[last].On == e.On: // the state did not change
	case before >= 0: // the last two changes cancel out
		n.queue = append(n.queue[:last], n.queue[last+1:]...)
	default:
		n.queue = append(n.queue, e)
	}
}

// deliver sends events until Lost was sent, or until closing is closed and no reader is ready.
func (n *eventQueue) deliver(to chan<- Event, closing <-chan struct{}) {
	for {
		e := n.first()
		select {
		case to <- e:
		case <-closing:
			select {
			case to <- e:
			default:
			}
		}
		if e.What == Lost {
			return
		}
	}
}

// first waits for the oldest event and removes it. The event Lost is never discarded.
func (n *eventQueue) first() Event {
	for {
		n.mu.Lock()
		if len(n.queue) > 0 {
			e := n.queue[0]
			n.queue = n.queue[1:]
			n.mu.Unlock()
			return e
		}
		n.mu.Unlock()
		<-n.more
	}
}

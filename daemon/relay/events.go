package relay

import "sync"

// Event is what the guard says by itself.
type Event struct {
	What EventKind
	On   bool   // EStop, Door: open; Contactor: it does not follow; Busy: works
	Why  string // Dropped: lease, e-stop, door, contactor, job-done, job-late; Lost: a sentence for the operator
}

// EventKind is the kind of an Event.
type EventKind string

const (
	EStop     EventKind = "e-stop"     // at the start, and when it changes
	Door      EventKind = "door"       // likewise
	Busy      EventKind = "busy"       // likewise
	Contactor EventKind = "contactor"  // once it was first compared with the order, and when that changes
	Dropped   EventKind = "dropped"    // the guard opened the relay without being asked
	Lost      EventKind = "guard-lost" // the guard has ended, and the relay is open
)

// news holds events until they are taken. Telling never waits: of what was not taken, each input keeps its last change
// and the one before, so that a reader who comes late learns both that the e-stop opened and that it closed again.
type news struct {
	mu    sync.Mutex
	queue []Event
	more  chan struct{}
}

func newNews() *news { return &news{more: make(chan struct{}, 1)} }

func (n *news) tell(e Event) {
	n.mu.Lock()
	n.add(e)
	n.mu.Unlock()
	select {
	case n.more <- struct{}{}:
	default:
	}
}

func (n *news) add(e Event) {
	last, before := -1, -1 // of the same kind
	for i, q := range n.queue {
		if q.What == e.What {
			last, before = i, last
		}
	}
	switch {
	case last >= 0 && n.queue[last].On == e.On: // nothing new
	case before >= 0: // there and back again: as it was before the last
		n.queue = append(n.queue[:last], n.queue[last+1:]...)
	default:
		n.queue = append(n.queue, e)
	}
}

// deliver passes events on until Lost has been, or until closing and nobody takes one.
func (n *news) deliver(to chan<- Event, closing <-chan struct{}) {
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

// first waits for the oldest event and takes it. Lost always comes.
func (n *news) first() Event {
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

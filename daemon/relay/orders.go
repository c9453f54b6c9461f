package relay

import (
	"sync"
	"time"
)

// orders numbers the orders to a guard and matches its answers with them.
type orders struct {
	answers chan word // room for one, and only one is awaited

	mu         sync.Mutex
	sent       uint64 // the number of the last order
	awaited    uint64 // the order whose answer is awaited; 0: none
	hungUp     bool   // the guard was told to end: answers count no more
	unanswered int    // renewals in a row
}

func newOrders() *orders { return &orders{answers: make(chan word, 1)} }

// next is a new order, whose answer is awaited from now on.
func (o *orders) next(on bool, finish, cool time.Duration) order {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
	o.awaited = o.sent
	if !on {
		return order{do: "off", id: o.sent}
	}
	return order{do: "on", id: o.sent, finish: finish, cool: cool}
}

// last is the order that opens the relay for good. Nobody awaits its answer.
func (o *orders) last() order {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
	o.hungUp = true
	return order{do: "off", id: o.sent}
}

// answer passes an answer on; false: nobody awaits it.
func (o *orders) answer(w word) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.hungUp {
		return true
	}
	if w.id == 0 || w.id != o.awaited {
		return false
	}
	o.awaited = 0
	o.answers <- w
	return true
}

// heard notes that the guard said something.
func (o *orders) heard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unanswered = 0
}

// renewal counts a renewal of the lease, and reports whether too many were left unanswered, and whether the guard was
// told to end.
func (o *orders) renewal() (silent, ending bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unanswered++
	return o.unanswered > silence, o.hungUp
}

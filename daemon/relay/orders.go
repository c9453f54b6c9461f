package relay

import (
	"sync"
	"time"
)

// orders numbers the orders to a guard and matches the guard's answers to these orders.
type orders struct {
	answers chan guardLine // the buffer holds one answer, because only one answer is awaited at a time

	mu         sync.Mutex
	sent       uint64 // number of the last order
	awaited    uint64 // number of the order whose answer is awaited; 0: none
	hungUp     bool   // the guard was told to end, so its answers are ignored
	unanswered int    // number of consecutive renewals that the guard has not answered
}

func newOrders() *orders { return &orders{answers: make(chan guardLine, 1)} }

// next returns a new order and registers it for an answer.
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

// finalOrder returns the order that opens the relay before the guard ends. No caller waits for the answer to that
// order.
func (o *orders) finalOrder() order {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
	o.hungUp = true
	return order{do: "off", id: o.sent}
}

// deliver delivers an answer, and returns false if no caller waits for that answer.
func (o *orders) deliver(w guardLine) bool {
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

// resetUnanswered resets the count of unanswered renewals.
func (o *orders) resetUnanswered() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unanswered = 0
}

// countRenewal counts a renewal of the lease. silent reports whether too many renewals are unanswered. ending reports
// whether the guard was ordered to end.
func (o *orders) countRenewal() (silent, ending bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unanswered++
	return o.unanswered > silence, o.hungUp
}

// Package relaytest provides a relay without a guard, for tests of its callers. This relay behaves as relay.Switch
// documents, records its orders, and fails on request.
package relaytest

import (
	"context"
	"slices"
	"sync"
	"time"

	"portillon/daemon/relay"
)

// Order contains the arguments of one call of Set.
type Order struct {
	On     bool          // true if the order closes the relay
	Finish time.Duration // how long the machine may finish its work
	Cool   time.Duration // how long the extraction runs after the relay opens
}

// Switch is a relay that is open at first. The zero Switch has no guard and refuses to close. New returns a working
// Switch.
type Switch struct {
	events chan relay.Event

	mu     sync.Mutex
	alive  bool
	on     bool
	estop  bool
	fail   []error
	orders []Order
}

// New returns a Switch with a guard. Events are sent to events, which must be read or buffered.
func New(events chan relay.Event) *Switch { return &Switch{alive: true, events: events} }

// Set has the contract of relay.Switch.Set. Set returns an error if a test has requested it (Fail), if the Switch has
// no guard, if the e-stop is open, or if ctx has ended. After an error, the relay is open.
func (s *Switch) Set(ctx context.Context, on bool, finish, cool time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders = append(s.orders, Order{on, finish, cool})
	err := s.obstacle(ctx, on)
	s.on = on && err == nil
	return err
}

// obstacle returns the reason why an order fails, or nil.
func (s *Switch) obstacle(ctx context.Context, on bool) error {
	switch {
	case ctx.Err() != nil:
		s.alive = false
		return ctx.Err()
	case !s.alive:
		return relay.ErrNoGuard
	case len(s.fail) > 0:
		err := s.fail[0]
		s.fail = s.fail[1:]
		return err
	case on && s.estop:
		return relay.ErrEStop
	}
	return nil
}

// Fail makes the next orders fail, each with one of these errors in turn. If an error is nil, its order succeeds.
func (s *Switch) Fail(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = append(s.fail, errs...)
}

// On reports whether the relay is closed.
func (s *Switch) On() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on
}

// Orders returns all orders so far.
func (s *Switch) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.orders)
}

// EStop opens or closes the emergency stop.
func (s *Switch) EStop(open bool) {
	dropped := s.change(func() { s.estop = open }, open)
	s.events <- relay.Event{What: relay.EStop, On: open}
	if dropped {
		s.events <- relay.Event{What: relay.Dropped, Why: "e-stop"}
	}
}

// Busy sends the event that the machine works, or has stopped working.
func (s *Switch) Busy(works bool) { s.events <- relay.Event{What: relay.Busy, On: works} }

// Drop opens the relay, as the guard does when a lease was not renewed.
func (s *Switch) Drop() {
	if s.change(func() {}, true) {
		s.events <- relay.Event{What: relay.Dropped, Why: "lease"}
	}
}

// Lose ends the guard, with the event Lost and the reason why.
func (s *Switch) Lose(why string) {
	s.change(func() { s.alive = false }, true)
	s.events <- relay.Event{What: relay.Lost, Why: why}
}

// change calls the function what, opens the relay if open is set, and reports whether the relay was closed before.
func (s *Switch) change(what func(), open bool) (dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what()
	dropped = open && s.on
	s.on = s.on && !open
	return dropped
}

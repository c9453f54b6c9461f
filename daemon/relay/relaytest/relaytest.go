// Package relaytest has a relay without a guard, for tests of what stands above it. It keeps relay.Switch's promises,
// writes down what it was asked, and fails when it is told to.
package relaytest

import (
	"context"
	"slices"
	"sync"
	"time"

	"portillon/daemon/relay"
)

// Order is what the relay was asked.
type Order struct {
	On     bool
	Finish time.Duration
	Cool   time.Duration
}

// Switch is a relay that is open. Its zero value has no guard and refuses; New makes one that works.
type Switch struct {
	events chan relay.Event

	mu     sync.Mutex
	alive  bool
	on     bool
	estop  bool
	fail   []error
	orders []Order
}

// New makes a Switch with a guard. What happens to it goes to events, which must be read or have room.
func New(events chan relay.Event) *Switch { return &Switch{alive: true, events: events} }

// Set does what relay.Switch's does: it fails as it was told to, and without a guard, with an open e-stop, or after
// ctx; then the relay is open.
func (s *Switch) Set(ctx context.Context, on bool, finish, cool time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders = append(s.orders, Order{on, finish, cool})
	err := s.obstacle(ctx, on)
	s.on = on && err == nil
	return err
}

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

// Fail has the next orders fail with these errors, one each; nil is success.
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

// Orders are all that was asked so far.
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

// Busy says that the machine works, or no longer does.
func (s *Switch) Busy(works bool) { s.events <- relay.Event{What: relay.Busy, On: works} }

// Drop opens the relay as a missed lease does.
func (s *Switch) Drop() {
	if s.change(func() {}, true) {
		s.events <- relay.Event{What: relay.Dropped, Why: "lease"}
	}
}

// Lose kills the guard.
func (s *Switch) Lose(why string) {
	s.change(func() { s.alive = false }, true)
	s.events <- relay.Event{What: relay.Lost, Why: why}
}

// change opens the relay where that is asked, and reports whether it was closed.
func (s *Switch) change(what func(), open bool) (dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what()
	dropped = open && s.on
	s.on = s.on && !open
	return dropped
}

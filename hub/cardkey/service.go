// Package cardkey changes the site's card key: the secret with which card numbers become the HMACs in bundles. The key
// is changed after the loss of a machine that held it.
//
// Rotate creates a new key. From then on, bundles are built with the new key. They also contain, with a mark, the cards
// of which the hub knows only the HMAC under the previous key. Machines fetch both keys over their certificates. A card
// that is tapped meanwhile is bound to the new key. End deletes the previous key: cards that still depend on it open
// nothing, and must be assigned again.
//
// The keys are files that only the hub can read; the database holds their check values.
package cardkey

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Options are the dependencies of the service. Site, Path, SetAside and End are required.
type Options struct {
	Site *store.Site
	Path string // the file of the card key
	Now  func() time.Time
	Log  *slog.Logger

	// SetAside marks the cards that depend on a key, and End ends those that still do; with runs in the same
	// transaction and returns the detail of the audit entry.
	SetAside, End func(ctx context.Context, a actor.Actor, mark string, with func(*store.Tx) (string, error)) error
	// Cards lists the cards that depend on the previous key; nil: not known.
	Cards func(context.Context, actor.Actor) ([]Card, error)
	// Machines lists the machines that are not revoked; nil: none.
	Machines func(context.Context, actor.Actor) ([]Machine, error)
	// Refuse returns the reason why the key cannot be changed now; nil: never refuse.
	Refuse func(context.Context) error
}

// Card is a card that depends on the previous key.
type Card struct {
	ID     string          `json:"id"`
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	Last   string          `json:"last"` // last four digits of the number
	State  string          `json:"state"`
}

// Machine is a machine with its card key.
type Machine struct {
	ID policy.MachineID `json:"machine"`
	// CardKey is the check value of the key of the machine's bundle, as the machine reports it; empty: not reported, or
	// no bundle.
	CardKey string `json:"card_key,omitempty"`
	// Given is the check value of the newest key that the machine fetched; empty: it fetched none.
	Given string `json:"given,omitempty"`
	// HasKey reports whether the machine has the key in force.
	HasKey bool `json:"has_key"`
	// Why is the reason why the machine will not fetch the key automatically; empty: it will. by-hand: it was not
	// enrolled. program: its program is too old. away: it is offline.
	Why string `json:"why,omitempty"`
}

// The values of Machine.Why.
const (
	ByHand  = "by-hand"
	Program = "program"
	Away    = "away"
)

// Status is the state of the card key.
type Status struct {
	Version int64     `json:"version"`          // 1: the key was never changed
	InForce string    `json:"in_force"`         // check value
	Before  string    `json:"before,omitempty"` // check value of the previous key; empty: no change-over is running
	Began   time.Time `json:"began,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Who     string    `json:"who,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	// Cards lists the cards that depend on the previous key, which open nothing after its end. Left is their number.
	Left     int       `json:"cards_left"`
	Cards    []Card    `json:"cards,omitempty"`
	Machines []Machine `json:"machines,omitempty"`
}

// Service changes the card key of one site. Its methods may be called by many goroutines.
type Service struct {
	o Options

	changing sync.RWMutex // locked for writing while the key changes, for reading while a bundle is built
	ring     atomic.Pointer[Ring]
}

// row is the site's database row.
type row struct {
	version         int64
	inForce, before string
	began, ended    int64
	who, reason     string
}

// New reads the card key, and completes a change that a power cut interrupted.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Site == nil || o.Path == "" {
		return nil, errors.New("card key: site and path are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{o: o}
	r, err := s.row(ctx)
	if err != nil {
		return nil, err
	}
	ring, err := s.settle(r)
	if err != nil {
		return nil, fmt.Errorf("card key: %w", err)
	}
	s.ring.Store(&ring)
	return s, nil
}

// Ring returns the current keys. It never blocks, so it may be called in a transaction.
func (s *Service) Ring() Ring { return *s.ring.Load() }

// Hold returns the keys, and prevents changes of the keys and of the marks of cards until release is called. It must
// not be called in a transaction, because a running change waits for a transaction.
func (s *Service) Hold() (ring Ring, release func()) {
	s.changing.RLock()
	return s.Ring(), s.changing.RUnlock
}

func (s *Service) row(ctx context.Context) (r row, err error) {
	err = s.o.Site.QueryRow(ctx, `SELECT version, in_force, before, began, ended, who, reason FROM card_key WHERE
		site = $1`).
		Scan(&r.version, &r.inForce, &r.before, &r.began, &r.ended, &r.who, &r.reason)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("card key: %w", err)
	}
	return r, nil
}

// Status returns the state of the card key: which cards depend on the previous key, and which machines have the new
// one.
func (s *Service) Status(ctx context.Context, a actor.Actor) (Status, error) {
	if err := a.May(actor.EnrolMachines, actor.Target{}); err != nil {
		return Status{}, err
	}
	r, err := s.row(ctx)
	if err != nil {
		return Status{}, err
	}
	ring := s.Ring()
	out := Status{
		Version: r.version + 1,
		InForce: checkOf(ring.InForce),
		Before:  checkOf(ring.Before),
		Began:   timeOf(r.began),
		Ended:   timeOf(r.ended),
		Who:     r.who,
		Reason:  r.reason,
	}
	if s.o.Machines != nil {
		if out.Machines, err = s.o.Machines(ctx, a); err != nil {
			return Status{}, err
		}
		for i := range out.Machines {
			m := &out.Machines[i]
			m.HasKey = m.Given == out.InForce || m.CardKey == out.InForce
		}
	}
	if s.o.Cards != nil && out.Before != "" {
		if out.Cards, err = s.o.Cards(ctx, a); err != nil {
			return Status{}, err
		}
		out.Left = len(out.Cards)
	}
	return out, nil
}

// maxReason is the maximum length, in bytes, of the reason that a person enters.
const maxReason = 300

// Rotate begins a change-over: when Rotate returns, a new card key is in force.
func (s *Service) Rotate(ctx context.Context, a actor.Actor, version int64, reason string) error {
	if err := a.May(actor.EnrolMachines, actor.Target{}); err != nil {
		return err
	}
	if reason == "" || len(reason) > maxReason || wire.OneLine(reason, maxReason) != reason {
		return invalid(
			"reason",
			fmt.Sprintf("%.40s", reason),
			"a reason is needed, on one line",
			fmt.Sprintf("1 to %d bytes", maxReason),
		)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	ring := s.Ring()
	if ring.Before != nil {
		return invalid("card-key", checkOf(ring.Before), "a change-over is under way", "end it first")
	}
	if s.o.Refuse != nil {
		if err := s.o.Refuse(ctx); err != nil {
			return err
		}
	}
	next, was := newKey(), ring.InForce
	if err := write(s.o.Path+nextSuffix, next); err != nil { // a folder that cannot be written stops the change here
		return fmt.Errorf("card key: %w", err)
	}
	err := s.o.SetAside(ctx, a, checkOf(was), func(tx *store.Tx) (string, error) {
		if err := s.expect(ctx, tx, version); err != nil {
			return "", err
		}
		_, err := tx.Exec(ctx, `INSERT INTO card_key (site, version, in_force, before, began, ended, who, reason)
			VALUES ($1, 1, $2, $3, $4, 0, $5, $6) ON CONFLICT (site) DO UPDATE SET version = card_key.version + 1,
			in_force = $2, before = $3, began = $4, ended = 0, who = $5, reason = $6 WHERE card_key.site = $1`,
			checkOf(next), checkOf(was), s.o.Now().UnixMilli(), a.Name, reason)
		tx.Changed(store.Machines)
		s.ring.Store(&Ring{InForce: next, Before: was}) // before another write can begin
		return fmt.Sprintf("card key changed from %s to %s: %s", checkOf(was), checkOf(next), reason), err
	})
	if err != nil {
		s.ring.Store(&ring)
		return errors.Join(err, remove(s.o.Path+nextSuffix))
	}
	// The database has changed: if this step fails, the next start or End completes it.
	if err := s.place(s.Ring()); err != nil {
		return fmt.Errorf("the card key is changed, and its file is not in place yet: %w", err)
	}
	s.o.Log.Info("card key changed", "before", checkOf(was), "in force", checkOf(next))
	return nil
}

// End ends a change-over: the previous key is deleted, and cards that depend on it open nothing from the next bundle
// on.
func (s *Service) End(ctx context.Context, a actor.Actor, version int64) error {
	if err := a.May(actor.EnrolMachines, actor.Target{}); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	ring := s.Ring()
	r, err := s.row(ctx)
	if err != nil {
		return err
	}
	if r.before == "" {
		return invalid(
			"card-key",
			checkOf(ring.InForce),
			"no change-over is under way",
			"begin one: the card key is changed by it",
		)
	}
	if err := s.place(ring); err != nil { // otherwise settle would delete the only file of the new key
		return fmt.Errorf("the card key's file is not in place yet: %w", err)
	}
	err = s.o.End(ctx, a, r.before, func(tx *store.Tx) (string, error) {
		if err := s.expect(ctx, tx, version); err != nil {
			return "", err
		}
		_, err := tx.Exec(
			ctx,
			`UPDATE card_key SET version = version + 1, before = '', ended = $2 WHERE site = $1`,
			s.o.Now().UnixMilli(),
		)
		tx.Changed(store.Machines)
		s.ring.Store(&Ring{InForce: ring.InForce})
		return fmt.Sprintf("card key %s dropped", r.before), err
	})
	if err != nil {
		s.ring.Store(&ring)
		return err
	}
	s.o.Log.Info("card key dropped", "check", r.before)
	return remove(BeforeFile(s.o.Path))
}

// expect returns an error if the stored version differs from the expected one.
func (s *Service) expect(ctx context.Context, tx *store.Tx, version int64) error {
	var have int64
	err := tx.QueryRow(ctx, `SELECT version FROM card_key WHERE site = $1`).Scan(&have)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if have++; have != version {
		return &fault.Conflict{What: "card-key", ID: "site", Have: have, Got: version}
	}
	return nil
}

func invalid(field, given, wrong, right string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: field, Given: given, Wrong: wrong, Right: right}}}
}

func timeOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

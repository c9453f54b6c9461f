// Package cardkey changes the site's card key: the secret that turns card numbers into what bundles hold. It is changed
// when a machine was lost that held it.
//
// Rotate makes a new key. From then on bundles are built with it, and carry the cards of which the hub knows only the
// HMAC under the key before, marked. Machines fetch both keys over their certificates. A card that is tapped meanwhile
// is bound to the new key. End drops the key before: cards that still depend on it open nothing, and have to be
// assigned anew.
//
// The keys are files, readable by the hub alone; the database holds their check values.
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

// Options are what the service works with. Site, Path, SetAside and End are needed.
type Options struct {
	Site *store.Site
	Path string // the file of the card key
	Now  func() time.Time
	Log  *slog.Logger

	// SetAside marks the cards that depend on a key, End ends those that still do; with runs in the same transaction and
	// gives the detail of the audit entry.
	SetAside, End func(ctx context.Context, a actor.Actor, mark string, with func(*store.Tx) (string, error)) error
	// Cards lists the cards that depend on the key before; nil: it is not known.
	Cards func(context.Context, actor.Actor) ([]Card, error)
	// Machines lists the machines that are not revoked; nil: none.
	Machines func(context.Context, actor.Actor) ([]Machine, error)
	// Refuse says why the key cannot be changed now; nil: it can.
	Refuse func(context.Context) error
}

// Card is a card that depends on the key before.
type Card struct {
	ID     string          `json:"id"`
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	Last   string          `json:"last"` // four digits
	State  string          `json:"state"`
}

// Machine is a machine and the card key that it works with.
type Machine struct {
	ID policy.MachineID `json:"machine"`
	// CardKey is the check value of the key of its bundle, as it says; empty: it does not say, or has no bundle.
	CardKey string `json:"card_key,omitempty"`
	// Given is that of the newest key that it fetched; empty: none since this can be fetched.
	Given string `json:"given,omitempty"`
	// HasKey says that the machine has the key in force.
	HasKey bool `json:"has_key"`
	// Why says why it will not fetch the key by itself; empty: it will. by-hand: it was not enrolled. program: its program
	// is too old. away: it is offline.
	Why string `json:"why,omitempty"`
}

// The values of Machine.Why.
const (
	ByHand  = "by-hand"
	Program = "program"
	Away    = "away"
)

// Status is how the card key stands.
type Status struct {
	Version int64     `json:"version"`          // 1: the key was never changed
	InForce string    `json:"in_force"`         // check value
	Before  string    `json:"before,omitempty"` // check value of the key before; empty: there is no change-over
	Began   time.Time `json:"began,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Who     string    `json:"who,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	// Cards are those that depend on the key before: at its end they open nothing. Left counts them.
	Left     int       `json:"cards_left"`
	Cards    []Card    `json:"cards,omitempty"`
	Machines []Machine `json:"machines,omitempty"`
}

// Service changes the card key of one site. Its methods may be called by many goroutines.
type Service struct {
	o Options

	changing sync.RWMutex // held for writing while the key changes, for reading while a bundle is built
	ring     atomic.Pointer[Ring]
}

// row is the site's row.
type row struct {
	version         int64
	inForce, before string
	began, ended    int64
	who, reason     string
}

// New opens the card key, and finishes a change that a power cut interrupted.
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

// Ring is the keys as they are. It never waits: it may be called in a transaction.
func (s *Service) Ring() Ring { return *s.ring.Load() }

// Hold gives the keys, and keeps them and the marks of cards as they are until release is called. It must not be called
// in a transaction: a change that is under way waits for one.
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

// Status is how the card key stands: which cards depend on the one before, and which machines have the new one.
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

// maxReason bounds what a person writes as a reason, in bytes.
const maxReason = 300

// Rotate begins a change-over: a new card key is in force when it returns.
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
	if err := write(s.o.Path+nextSuffix, next); err != nil { // a folder that takes no file stops here
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
		s.ring.Store(&Ring{InForce: next, Before: was}) // before others may write
		return fmt.Sprintf("card key changed from %s to %s: %s", checkOf(was), checkOf(next), reason), err
	})
	if err != nil {
		s.ring.Store(&ring)
		return errors.Join(err, remove(s.o.Path+nextSuffix))
	}
	// From here on the database says so: what fails now is finished by the next start, or by End.
	if err := s.place(s.Ring()); err != nil {
		return fmt.Errorf("the card key is changed, and its file is not in place yet: %w", err)
	}
	s.o.Log.Info("card key changed", "before", checkOf(was), "in force", checkOf(next))
	return nil
}

// End ends a change-over: the key before is deleted, and cards that depend on it open nothing from the next bundle on.
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
	if err := s.place(ring); err != nil { // else the only file of the new key would be taken for one of no use
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

// expect refuses a change of another version.
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

// Package cardkey changes the site's card key: the secret for the HMACs of card numbers in bundles. An administrator
// changes the key after the loss of a machine, because machines store the key.
//
// Rotate creates a new key. After Rotate, the hub builds bundles with the new key. If the hub knows only the HMAC of a
// card under the previous key, the bundles contain this HMAC with a mark. Machines fetch both keys over connections
// with certificates. When such a card is tapped, the hub binds it to the new key. End deletes the previous key.
// Machines then refuse the cards that still depend on the previous key, and an administrator must assign these cards
// again.
//
// The keys are files that only the hub can read. The database contains check values of the keys.
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
	Path string // path of the file with the card key
	Now  func() time.Time
	Log  *slog.Logger

	// SetAside marks all cards as dependent on the previous key; End removes the cards that still depend on it. Both call
	// the function with in the same transaction; this function changes the key and returns the detail of the audit entry.
	SetAside, End func(ctx context.Context, a actor.Actor, mark string, with func(*store.Tx) (string, error)) error
	// Cards lists the cards that depend on the previous key; nil: Status leaves the list out.
	Cards func(context.Context, actor.Actor) ([]Card, error)
	// Machines returns the machines that are not revoked; nil: the site has no machines.
	Machines func(context.Context, actor.Actor) ([]Machine, error)
	// Refuse returns the reason why the key cannot be changed now; if Refuse is nil, the key can always be changed.
	Refuse func(context.Context) error
}

// Card is a card that depends on the previous key.
type Card struct {
	ID     string          `json:"id"`
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	Last   string          `json:"last"` // last four digits of the card's number
	State  string          `json:"state"`
}

// Machine is a machine with its card key.
type Machine struct {
	ID policy.MachineID `json:"machine"`
	// CardKey is the check value of the card key for the machine's bundle, as the machine reports it; empty: the machine
	// has reported none.
	CardKey string `json:"card_key,omitempty"`
	// Given is the check value of the newest card key that the machine fetched; empty: the machine fetched no key.
	Given string `json:"given,omitempty"`
	// HasKey is true if the machine has the key in force.
	HasKey bool `json:"has_key"`
	// Why is the reason why the machine does not fetch the key in force automatically; empty: the machine fetches the key.
	// "by-hand" means that the machine was not enrolled, "program" means that the machine's program is too old, and "away"
	// means that the machine is offline.
	Why string `json:"why,omitempty"`
}

// Values of Machine.Why: the reasons why a machine does not fetch the card key automatically.
const (
	ByHand  = "by-hand"
	Program = "program"
	Away    = "away"
)

// Status is the state of the card key.
type Status struct {
	Version int64     `json:"version"`          // number of the key; 1: the key was never changed
	InForce string    `json:"in_force"`         // check value of the key in force
	Before  string    `json:"before,omitempty"` // check value of the previous key; empty: no change-over is running
	Began   time.Time `json:"began,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Who     string    `json:"who,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	// Cards lists the cards that depend on the previous key. Machines refuse these cards once the change-over has ended.
	// Left is the number of these cards.
	Left     int       `json:"cards_left"`
	Cards    []Card    `json:"cards,omitempty"`
	Machines []Machine `json:"machines,omitempty"`
}

// Service changes the card key of one site. The methods of a Service may be called by many goroutines.
type Service struct {
	o Options

	changing sync.RWMutex // write-locked while the key changes, read-locked while a bundle is built
	ring     atomic.Pointer[Ring]
}

// row is the site's row in the table of card keys.
type row struct {
	version         int64
	inForce, before string
	began, ended    int64
	who, reason     string
}

// New reads the card key, and completes a change that a power cut interrupted.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Site == nil || o.Path == "" {
		return nil, errors.New("card key: options are incomplete, want Site and Path")
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
	ring, err := s.matchFilesToDatabase(r)
	if err != nil {
		return nil, fmt.Errorf("card key: cannot match the key files to the database: %w", err)
	}
	s.ring.Store(&ring)
	return s, nil
}

// Ring returns the current card keys. Ring never blocks, so it may be called in a transaction.
func (s *Service) Ring() Ring { return *s.ring.Load() }

// Hold returns the current card keys, and blocks changes of the keys and of the cards' marks until release is called.
// Hold must not be called in a transaction, because a running change waits for a transaction to end.
func (s *Service) Hold() (ring Ring, release func()) {
	s.changing.RLock()
	return s.Ring(), s.changing.RUnlock
}

func (s *Service) row(ctx context.Context) (r row, err error) {
	err = s.o.Site.QueryRow(ctx, `SELECT version, in_force, before, began, ended, who, reason FROM card_key WHERE
		site = $1`).
		Scan(&r.version, &r.inForce, &r.before, &r.began, &r.ended, &r.who, &r.reason)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("card key: cannot read the state of the card key: %w", err)
	}
	return r, nil
}

// Status returns the state of the card key: which cards depend on the previous key, and which machines have the new
// key.
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
		InForce: checkValueOf(ring.InForce),
		Before:  checkValueOf(ring.Before),
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
		return invalid("card-key", checkValueOf(ring.Before), "a change-over is under way", "end it first")
	}
	if s.o.Refuse != nil {
		if err := s.o.Refuse(ctx); err != nil {
			return err
		}
	}
	next, was := newKey(), ring.InForce
	// if the write fails, the key and the database are unchanged
	if err := write(s.o.Path+nextSuffix, next); err != nil {
		return fmt.Errorf("card key: cannot write the file of the new key: %w", err)
	}
	err := s.o.SetAside(ctx, a, checkValueOf(was), func(tx *store.Tx) (string, error) {
		if err := s.requireVersion(ctx, tx, version); err != nil {
			return "", err
		}
		_, err := tx.Exec(ctx, `INSERT INTO card_key (site, version, in_force, before, began, ended, who, reason)
			VALUES ($1, 1, $2, $3, $4, 0, $5, $6) ON CONFLICT (site) DO UPDATE SET version = card_key.version + 1,
			in_force = $2, before = $3, began = $4, ended = 0, who = $5, reason = $6 WHERE card_key.site = $1`,
			checkValueOf(next), checkValueOf(was), s.o.Now().UnixMilli(), a.Name, reason)
		tx.Changed(store.Machines)
		s.ring.Store(&Ring{InForce: next, Before: was}) // Use the new key before another transaction can begin
		return fmt.Sprintf("card key changed from %s to %s: %s", checkValueOf(was), checkValueOf(next), reason), err
	})
	if err != nil {
		s.ring.Store(&ring)
		return errors.Join(err, remove(s.o.Path+nextSuffix))
	}
	// The database now has the new key. If moveFiles fails here, the next start or End moves the files.
	if err := s.moveFiles(s.Ring()); err != nil {
		return fmt.Errorf("card key was changed, but its file could not be moved: %w", err)
	}
	s.o.Log.Info("card key changed", "before", checkValueOf(was), "in force", checkValueOf(next))
	return nil
}

// End ends a change-over: it deletes the previous key. From the next bundle on, machines refuse cards that depend on
// the previous key.
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
			checkValueOf(ring.InForce),
			"no change-over is under way",
			"begin one: the card key is changed by it",
		)
	}
	// otherwise matchFilesToDatabase would later delete the only file of the new key
	if err := s.moveFiles(ring); err != nil {
		return fmt.Errorf("file of the new card key could not be moved: %w", err)
	}
	err = s.o.End(ctx, a, r.before, func(tx *store.Tx) (string, error) {
		if err := s.requireVersion(ctx, tx, version); err != nil {
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
	s.o.Log.Info("previous card key deleted", "check", r.before)
	return remove(BeforeFile(s.o.Path))
}

// requireVersion returns an error if the version in the database differs from the given version.
func (s *Service) requireVersion(ctx context.Context, tx *store.Tx, version int64) error {
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

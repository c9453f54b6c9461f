package maintenance

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Position describes how many records of a journal the ledger has.
type Position struct {
	Machine    policy.MachineID
	Generation wire.Generation
	Epoch      int    // position among the machine's journals; only the journal with the highest epoch gets new records
	Records    uint64 // the sequence numbers are 1 to Records
}

// Records reads the records in the ledger.
type Records interface {
	// Journals returns all journals of all machines.
	Journals(ctx context.Context) ([]Position, error)
	// Read calls yield with at most limit records of a journal, of all kinds and in order, beginning after the sequence
	// number after. If yield returns an error, Read stops and returns the error.
	Read(ctx context.Context, j Position, after uint64, limit int, yield func(wire.Record) error) error
}

// Options contains the dependencies of a Service. Site, Records, Policy and Audit are required.
type Options struct {
	Site    *store.Site
	Records Records
	// Policy returns the policy in force; nil: there is no policy.
	Policy func(ctx context.Context) (*policy.Policy, error)
	// Audit writes an entry to the audit log, in the transaction that makes the change.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	// Exists returns *fault.NotFound if the site has no such machine. The service calls Exists for a machine without a
	// record that the policy does not name. nil: there is no such machine.
	Exists func(ctx context.Context, id policy.MachineID) error
	// Names returns the names of members. The result lacks members without a name. nil: no names are shown.
	Names func(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error)
	// Progress returns how far a member is towards each badge that the policy awards for work; nil: no progress is shown.
	Progress func(ctx context.Context, m policy.MemberID) ([]Progress, error)
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: nothing is logged
}

// Service reads the maintenance of one site's machines from the ledger. The methods may be called concurrently.
type Service struct {
	o      Options
	update sync.Mutex // held during Update
	cache  historyCache
}

// New returns a Service, or an error if a required option is missing.
func New(o Options) (*Service, error) {
	if o.Site == nil || o.Records == nil || o.Policy == nil || o.Audit == nil {
		return nil, errors.New("maintenance: options are incomplete, want Site, Records, Policy and Audit")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o}, nil
}

// pause is the minimum time between two runs of Update.
const pause = time.Second

// Run reads new records until ctx is done. A failed update is logged and retried after the next change.
func (s *Service) Run(ctx context.Context) error {
	sub, cancel := s.o.Site.Subscribe(store.Records)
	defer cancel()
	for {
		sub.Take()
		if err := s.Update(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("update of the maintenance failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-sub.C():
		}
	}
}

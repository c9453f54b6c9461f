package report

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Journal is a journal of a machine, as the ledger holds it.
type Journal struct {
	Machine    policy.MachineID
	Generation wire.Generation
	Epoch      int    // the machine's journals in their order; the highest is the one that grows
	Records    uint64 // how many are held: those from 1 to Records
}

// Records is the ledger.
type Records interface {
	// Journals are all journals of all machines.
	Journals(ctx context.Context) ([]Journal, error)
	// Read gives the records of a journal whose seq is higher than after and whose kind is one of kinds, in the order
	// of seq, at most limit of them, until yield returns an error.
	Read(ctx context.Context, j Journal, after uint64, kinds []wire.Kind, limit int, yield func(wire.Record) error) error
}

// Options are what a Service works with. Site, Records and Zone are required.
type Options struct {
	Site    *store.Site
	Records Records
	Zone    func(ctx context.Context) (*time.Location, error) // the site's time zone, of the policy in force
	// Names are the names of members; one that is missing has none, because they were erased, say. nil: nobody has one.
	Names    func(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error)
	Language func(ctx context.Context) policy.Language // of the CSV file; nil: French
	Now      func() time.Time                          // nil: time.Now
	Log      *slog.Logger                              // nil: nothing is logged
}

// Service answers reports of one site. Its methods may be called by many goroutines.
type Service struct {
	o      Options
	update sync.Mutex // held by Update
	months months
}

// New returns a Service.
func New(o Options) (*Service, error) {
	if o.Site == nil || o.Records == nil || o.Zone == nil {
		return nil, errors.New("report: a site, its records and its time zone are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o}, nil
}

// pause is the shortest time between two runs of Update: reports may be so much behind the ledger.
const pause = time.Second

// Run counts new records until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	sub, cancel := s.o.Site.Subscribe(store.Records, store.Policy) // a policy may change the time zone
	defer cancel()
	for {
		sub.Take()
		if err := s.Update(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("report update failed", "err", err)
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

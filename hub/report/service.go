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

// Journal describes the hub's copy of a journal of a machine.
type Journal struct {
	Machine    policy.MachineID
	Generation wire.Generation
	Epoch      int    // position among the machine's journals; only the journal with the highest epoch gets new records
	Records    uint64 // number of records in the ledger; the sequence numbers are 1 to Records
}

// Records reads the records in the ledger.
type Records interface {
	// Journals returns all journals of all machines.
	Journals(ctx context.Context) ([]Journal, error)
	// Read calls yield with at most limit records of a journal, in order. These records have one of the given kinds and a
	// sequence number greater than after. If yield returns an error, Read stops and returns the error.
	Read(ctx context.Context, j Journal, after uint64, kinds []wire.Kind, limit int, yield func(wire.Record) error) error
}

// Options contains the dependencies and settings of a Service. Site, Records and Zone are required.
type Options struct {
	Site    *store.Site
	Records Records
	Zone    func(ctx context.Context) (*time.Location, error) // returns the site's time zone, from the current policy
	// Names returns the names of members. The result lacks a member who has no name, for example after an erasure. If
	// Names is nil, reports contain no names.
	Names    func(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error)
	Language func(ctx context.Context) policy.Language // returns the language of the CSV file; nil: French
	Now      func() time.Time                          // nil: time.Now
	Log      *slog.Logger                              // nil: nothing is logged
}

// Service counts and reports the machine use of one site. The methods may be called concurrently.
type Service struct {
	o      Options
	update sync.Mutex // held during Update
	months monthCache
}

// New returns a Service, or an error if a required option is missing.
func New(o Options) (*Service, error) {
	if o.Site == nil || o.Records == nil || o.Zone == nil {
		return nil, errors.New("report: options are incomplete, want Site, Records and Zone")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o}, nil
}

// pause is the minimum time between two runs of Update. A report therefore lacks at most the records of this time.
const pause = time.Second

// Run counts new records until ctx is done. A failed update is logged and retried after the next change.
func (s *Service) Run(ctx context.Context) error {
	// Subscribe to changes of the policy, too, because a new policy may change the time zone.
	sub, cancel := s.o.Site.Subscribe(store.Records, store.Policy)
	defer cancel()
	for {
		sub.Take()
		if err := s.Update(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("update of the reports failed", "err", err)
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

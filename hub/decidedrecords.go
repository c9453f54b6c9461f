package hub

import (
	"context"
	"log/slog"
	"time"

	"portillon/hub/decided"
	"portillon/hub/ledger"
	"portillon/hub/publish"
	"portillon/hub/store"
)

// decidedRecords gives the check of a policy access to the decisions in a ledger.
type decidedRecords struct{ decisions ledger.Decisions }

var _ publish.Records = decidedRecords{}

// Parts implements publish.Records.
func (r decidedRecords) Parts(ctx context.Context, sessions, refusals time.Time) ([]publish.RecordPart, error) {
	parts, err := r.decisions.Parts(ctx, sessions, refusals)
	out := make([]publish.RecordPart, len(parts))
	for i, p := range parts {
		out[i] = publish.RecordPart{Machine: p.Machine, Records: p.Decisions,
			Read: func(ctx context.Context, yield func(*decided.Decision) error) error {
				return r.decisions.Read(ctx, p, yield)
			}}
	}
	return out, err
}

// packPause is the minimum time between two calls of Pack. Decisions without a pack only take longer to replay.
const packPause = time.Minute

// packDecisions packs the decisions of new records until ctx is done. An error is logged, and the next records are a
// new attempt.
func packDecisions(ctx context.Context, d ledger.Decisions, site *store.Site, log *slog.Logger) error {
	sub, cancel := site.Subscribe(store.Records)
	defer cancel()
	for {
		sub.Take()
		if err := d.Pack(ctx); err != nil && ctx.Err() == nil {
			log.Warn("packing of decisions failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(packPause):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-sub.C():
		}
	}
}

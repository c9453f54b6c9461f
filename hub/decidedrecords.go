package hub

import (
	"context"
	"time"

	"portillon/hub/ledger"
	"portillon/hub/publish"
	"portillon/wire"
)

// decidedRecords gives the check of a policy access to the decisions in a ledger.
type decidedRecords struct{ ledger *ledger.Ledger }

var _ publish.Records = decidedRecords{}

// Parts implements publish.Records.
func (r decidedRecords) Parts(ctx context.Context, sessions, refusals time.Time) ([]publish.RecordPart, error) {
	parts, err := r.ledger.Parts(ctx, ledger.Kept{Kind: wire.SessionStart, Since: sessions},
		ledger.Kept{Kind: wire.RoleChanged, Since: sessions}, ledger.Kept{Kind: wire.HandedOver, Since: sessions},
		ledger.Kept{Kind: wire.Refused, Since: refusals})
	out := make([]publish.RecordPart, len(parts))
	for i, p := range parts {
		out[i] = publish.RecordPart{Machine: p.Machine, Records: p.Records,
			Read: func(ctx context.Context, yield func([]byte) error) error { return r.ledger.ReadPart(ctx, p, yield) }}
	}
	return out, err
}

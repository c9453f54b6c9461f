package hub

import (
	"context"

	"portillon/hub/ledger"
	"portillon/hub/report"
	"portillon/policy"
	"portillon/wire"
)

// ReportRecords gives reports access to a ledger.
type ReportRecords struct {
	Ledger *ledger.Ledger
	// Machines returns all machines of which the ledger may contain records, including revoked ones.
	Machines func(ctx context.Context) ([]policy.MachineID, error)
}

var _ report.Records = ReportRecords{}

// Journals implements report.Records.
func (r ReportRecords) Journals(ctx context.Context) (out []report.Journal, _ error) {
	machines, err := r.Machines(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range machines {
		generations, err := r.Ledger.Generations(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, g := range generations {
			out = append(out, report.Journal{Machine: m, Generation: g.Generation, Epoch: g.Epoch, Records: g.Records})
		}
	}
	return out, nil
}

// Read implements report.Records.
func (r ReportRecords) Read(
	ctx context.Context,
	j report.Journal,
	after uint64,
	kinds []wire.Kind,
	limit int,
	yield func(wire.Record) error,
) error {
	q := ledger.Query{Machine: j.Machine, Generation: &j.Generation, Kinds: kinds, After: after, Limit: limit}
	return r.Ledger.Records(ctx, q, func(e ledger.Entry) error { return yield(e.Record) })
}

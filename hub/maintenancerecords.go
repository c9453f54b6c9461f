package hub

import (
	"context"

	"portillon/hub/actor"
	"portillon/hub/ledger"
	"portillon/hub/maintenance"
	"portillon/policy"
	"portillon/wire"
)

// MaintenanceRecords gives the service of maintenance access to a ledger.
type MaintenanceRecords struct{ ReportRecords }

var _ maintenance.Records = MaintenanceRecords{}

// Journals implements maintenance.Records.
func (r MaintenanceRecords) Journals(ctx context.Context) (out []maintenance.Position, _ error) {
	all, err := r.ReportRecords.Journals(ctx)
	for _, j := range all {
		out = append(out, maintenance.Position(j))
	}
	return out, err
}

// Read implements maintenance.Records.
func (r MaintenanceRecords) Read(ctx context.Context, j maintenance.Position, after uint64, limit int,
	yield func(wire.Record) error) error {
	q := ledger.Query{Machine: j.Machine, Generation: &j.Generation, After: after, Limit: limit}
	return r.Ledger.Records(ctx, q, func(e ledger.Entry) error { return yield(e.Record) })
}

// openMaintenance opens the service of maintenance.
func openMaintenance(h *Hub) (err error) {
	h.pagesServer.maintenance, err = maintenance.New(maintenance.Options{
		Site:    h.core.db.Site(h.core.c.Site),
		Records: MaintenanceRecords{ReportRecords{h.core.ledger, h.enrolments.ledgerMachines}},
		Policy:  h.services.policies.current,
		Audit:   h.services.audit.Append,
		Exists: func(ctx context.Context, id policy.MachineID) error {
			_, err := h.enrolments.machines.Machines.Get(ctx, actor.System("maintenance"), id)
			return err
		},
		Names:    h.services.names,
		Progress: h.services.memberProgress,
		Now:      h.core.now,
		Log:      h.core.log,
	})
	return err
}

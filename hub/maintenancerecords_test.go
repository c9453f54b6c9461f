package hub_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/actor"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/maintenance"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/wire"
)

// The records of a ledger count once, also after a restart of the hub and in a replaced journal.
func TestMaintenanceCountsTheLedgersRecordsOnce(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	l := run(t, configure(t, []*ledgertest.Machine{m})).Ledger()
	o := maintenance.Options{Site: storetest.Open(t).Site("biklab"),
		Records: hub.MaintenanceRecords{ReportRecords: hub.ReportRecords{Ledger: l,
			Machines: func(context.Context) ([]policy.MachineID, error) { return []policy.MachineID{"laser"}, nil }}},
		Policy: func(context.Context) (*policy.Policy, error) { return nil, nil },
		Audit:  func(context.Context, *store.Tx, actor.Actor, actor.Act, string, string) error { return nil },
		Now:    func() time.Time { return ledgertest.Start().Add(time.Hour) }}
	take := func(m *ledgertest.Machine, first, last uint64) {
		t.Helper()
		if _, err := l.Take("laser", m.Data(first, last)); err != nil {
			t.Fatal(err)
		}
	}
	// check reads the new records with a new service, as after a restart.
	check := func(want string) {
		t.Helper()
		s, err := maintenance.New(o)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Update(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		x, err := s.Machine(t.Context(), actor.Local("root"), "laser")
		if err != nil {
			t.Fatal(err)
		}
		open := 0
		for _, r := range x.Reports {
			if r.Closed == nil {
				open++
			}
		}
		got := fmt.Sprintf("%d s, %d of %d reports, %d works, %d tags, %d failures", x.Figures.Used, open, len(x.Reports),
			len(x.Works), len(x.Tags), x.Figures.Failures)
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	m.Append(wire.SessionStart, "s", "lea", wire.StartBody{Role: policy.User})
	m.Append(wire.Reported, "s", "lea", wire.ReportBody{What: wire.Dangerous, Tag: "t"})
	m.Append(wire.Tagged, "s", "lea", wire.TagBody{Tag: "t", Reason: "smoke"})
	m.Append(wire.SessionEnd, "s", "lea", wire.EndBody{Cause: wire.CauseTag, Seconds: 100})
	take(m, 1, 2)
	check("0 s, 1 of 1 reports, 0 works, 0 tags, 0 failures")
	take(m, 3, 4)
	check("100 s, 1 of 1 reports, 0 works, 1 tags, 1 failures")
	next := m.Replaced("00000000000000aa")
	if err := l.Replace(ledger.Replacement{Machine: "laser", Generation: next.Generation, By: "Rosa", Why: "new SD card",
		At: ledgertest.Start()}); err != nil {
		t.Fatal(err)
	}
	next.Now = m.Now
	next.Append(wire.Tagged, "", "lea", wire.TagBody{Tag: "t", Reason: "smoke"})
	next.Append(wire.SessionStart, "w", "ines", wire.StartBody{Role: policy.Maintainer})
	next.Append(wire.Intervened, "w", "ines", wire.InterventionBody{What: "lens-cleaning"})
	next.Append(wire.SessionEnd, "w", "ines", wire.EndBody{Cause: wire.CauseTap, Seconds: 50})
	take(next, 1, 4)
	check("100 s, 1 of 1 reports, 1 works, 1 tags, 1 failures")
	next.Append(wire.Untagged, "", "ines", wire.TagBody{Tag: "t"})
	take(next, 5, 5)
	check("100 s, 0 of 1 reports, 1 works, 1 tags, 1 failures")
}

package hub_test

import (
	"context"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/actor"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/report"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/wire"
)

func TestReportsCountTheLedgersRecords(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	l := o.Ledger()
	use := func(m *ledgertest.Machine, seconds int64) {
		m.Append(wire.SessionStart, "s", "lea", wire.StartBody{Role: policy.User})
		m.Append(wire.Refused, "", "yann", wire.RefusedBody{Reasons: []policy.Code{policy.NoBadge}})
		m.Append(wire.SessionEnd, "s", "lea", wire.EndBody{Cause: wire.CauseTap, Seconds: seconds})
	}
	db := storetest.Open(t)
	s, err := report.New(
		report.Options{Site: db.Site("biklab"), Zone: func(context.Context) (*time.Location, error) { return time.UTC, nil },
			Records: hub.ReportRecords{
				Ledger:   l,
				Machines: func(context.Context) ([]policy.MachineID, error) { return []policy.MachineID{"laser", "vinyl"}, nil },
			}},
	)
	if err != nil {
		t.Fatal(err)
	}
	year := report.Range{From: policy.Date{Year: 2026, Month: 1, Day: 1}, To: policy.Date{Year: 2026, Month: 12, Day: 31}}
	counted := func(sessions int, seconds int64, refusals int) {
		t.Helper()
		if err := s.Update(t.Context()); err != nil {
			t.Fatal(err)
		}
		weeks, err1 := s.Weeks(t.Context(), actor.Local("root"), year)
		refused, err2 := s.Refusals(t.Context(), actor.Local("root"), year)
		if err1 != nil || err2 != nil || len(weeks) != 1 || weeks[0].Sessions != sessions || weeks[0].Seconds != seconds ||
			refused[0].Times != refusals {
			t.Errorf("%+v, %+v, %v, %v", weeks, refused, err1, err2)
		}
	}
	use(m, 100)
	if _, err := l.Take("laser", m.Data(1, 3)); err != nil {
		t.Fatal(err)
	}
	counted(1, 100, 1)
	use(m, 50)
	if _, err := l.Take("laser", m.Data(4, 6)); err != nil {
		t.Fatal(err)
	}
	next := m.Replaced("00000000000000aa")
	if err := l.Replace(ledger.Replacement{Machine: "laser", Generation: next.Generation, By: "Rosa", Why: "new SD card",
		At: ledgertest.Start()}); err != nil {
		t.Fatal(err)
	}
	use(next, 7)
	if _, err := l.Take("laser", next.Data(1, 3)); err != nil {
		t.Fatal(err)
	}
	counted(3, 157, 3)
	counted(3, 157, 3)
}

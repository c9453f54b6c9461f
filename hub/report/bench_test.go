package report_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"portillon/hub/report"
	"portillon/policy"
	"portillon/wire"
)

// BenchmarkReports requests each report 200 times from a million records of 20 machines over three years, and prints
// the 99th percentile of the response times.
func BenchmarkReports(b *testing.B) {
	x := newBench(b)
	r := rand.New(rand.NewPCG(1, 2))
	for m := range 20 {
		j := x.ledger.add(policy.MachineID(fmt.Sprintf("m%02d", m)), 0)
		at := time.Date(2024, 1, 1, 8, 0, 0, 0, time.UTC)
		for len(j.all) < 50_000 {
			member := policy.MemberID(fmt.Sprintf("p%d", r.IntN(300)))
			at = at.Add(time.Duration(r.IntN(120)) * time.Minute)
			if r.IntN(3) == 0 {
				j.write(wire.Refused, at, true, "", member, wire.RefusedBody{Reasons: []policy.Code{policy.Codes()[r.IntN(16)]}})
			}
			seconds := int64(r.IntN(3600))
			j.writeSession(at, seconds, member, wire.CauseTap)
			at = at.Add(time.Duration(seconds) * time.Second)
		}
	}
	start := time.Now()
	x.countAll()
	b.Logf("a million records counted in %v", time.Since(start).Round(time.Millisecond))
	month, year := between("2026-01-01", "2026-01-31"), between("2025-06-01", "2026-05-31")
	one := month
	one.Machine = "m07"
	for name, ask := range map[string]func() error{
		"uses, any page": func() error {
			after := fmt.Sprintf("%d/m07//1", time.Date(2024, 1, 1+r.IntN(800), 0, 0, 0, 0, time.UTC).UnixMilli())
			_, _, err := x.s.Uses(b.Context(), owner, always, report.Page{After: after})
			return err
		},
		"uses of a machine": func() error {
			_, _,
				err := x.s.Uses(b.Context(), owner, one, report.Page{})
			return err
		},
		"weeks of a month":           func() error { _, err := x.s.Weeks(b.Context(), owner, month); return err },
		"weeks of a year":            func() error { _, err := x.s.Weeks(b.Context(), owner, year); return err },
		"refusals of a month":        func() error { _, err := x.s.Refusals(b.Context(), owner, month); return err },
		"refusals of a year":         func() error { _, err := x.s.Refusals(b.Context(), owner, year); return err },
		"an update with nothing new": func() error { return x.s.Update(b.Context()) },
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for range 200 {
				start := time.Now()
				if err := ask(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[197].Microseconds())/1000, "p99-ms")
		})
	}
}

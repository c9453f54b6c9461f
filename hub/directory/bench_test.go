package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"portillon/policy"
)

// newCrowd fills a directory with n members, each with two addresses, a card and two badges.
func newCrowd(t testing.TB, n int) *world {
	t.Helper()
	w := newWorld(t)
	ctx := context.Background()
	base := w.policy.Badges
	err := w.Members.core.write(ctx, owner, "members.write", func(c *change) (string, string, error) {
		for i := range n {
			r := &record{Member: Member{ID: policy.MemberID(fmt.Sprintf("m-%06d", i)), Name: fmt.Sprintf("Prénom%d Nom%d",
				i*7919%n, i), Source: "list",
				Emails: []string{fmt.Sprintf("a%d@example.org", i), fmt.Sprintf("b%d@example.org", i)},
				Until:  policy.Date{Year: 2027, Month: 9, Day: 30}}, place: int64(i + 1)}
			if err := c.save(ctx, r); err != nil {
				return "", "", err
			}
			if err := c.insertCard(ctx, r.ID, &Card{ID: fmt.Sprintf("c-%d", i), Number: fmt.Sprintf("AB%08X", i),
				State: Active}); err != nil {
				return "", "", err
			}
			for k := range 2 {
				b := base[(i+k*5)%len(base)]
				issuer, _ := w.policy.Issuer(b.Issuer)
				v := &verified{Badge: Badge{ID: fmt.Sprintf("%064d", 2*i+k), Member: r.ID,
					File: fmt.Sprintf("badges/%d-%d.json", i, k), Name: string(b.ID), Issuer: issuer.Profile, Verdict: "valid",
					Checks: []Check{{Code: "form", OK: true, Outcome: "ok"}, {Code: "proof", OK: true, Outcome: "ok"},
						{Code: "dates", OK: true, Outcome: "ok"}}, Issued: w.now.AddDate(-1, 0, 0)}}
				v.held = held{issuer: issuer.Profile, achievement: b.Achievement, proved: true, standing: standingVerified,
					issued: w.now.AddDate(-1, 0, 0),
					to:     recipient{Subject: "mailto:" + r.Emails[0]}}
				if err := c.writeBadge(ctx, v, int64(k+1)); err != nil {
					return "", "", err
				}
			}
		}
		return "", "", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// csvOf returns a list of the members of crowd with n rows. In changed of the n rows, values differ from the
// directory.
func csvOf(n, changed int) []byte {
	var b strings.Builder
	b.WriteString("id;name;email;until;card\n")
	for i := range n {
		until := "30/09/2027"
		if i < changed {
			until = "30/09/2028"
		}
		fmt.Fprintf(&b, "m-%06d;Prénom%d Nom%d;a%d@example.org;%s;AB%08X\n", i, i*7919%n, i, i, until, i)
	}
	return []byte(b.String())
}

// processorTime returns the processor time that this process has used. The processor time does not depend on other
// programs, unlike the elapsed time.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTenThousandMembers compares the time of each page with the time of reading one row by its key, which no
// page can be faster than.
func BenchmarkTenThousandMembers(b *testing.B) {
	const n = 10_000
	w := newCrowd(b, n)
	ctx := context.Background()
	page := func(f Filter, p Page) func() error {
		return func() error { _, _, err := w.Members.List(ctx, owner, f, p); return err }
	}
	for _, c := range []struct {
		name string
		read func() error
	}{
		{"bare row", func() error {
			var name string
			return w.Members.core.site.QueryRow(ctx, `SELECT name FROM member WHERE site = $1 AND id = $2`,
				"m-005000").Scan(&name)
		}},
		{"first page", page(Filter{}, Page{})},
		{"middle page", page(Filter{}, Page{After: "m-005000"})},
		{"500 rows", page(Filter{}, Page{Limit: 500})},
		{"search", page(Filter{Text: "nom9999"}, Page{})},
		{"search for none", page(Filter{Text: "nobody at all"}, Page{})},
		{"by state", page(Filter{State: StateBlocked}, Page{})},
		{"by badge", page(Filter{Badge: "laser-user"}, Page{})},
		{"by machine", page(Filter{Machine: "laser"}, Page{})},
		{"member", func() error { _, err := w.Members.Get(ctx, owner, "m-005000"); return err }},
		{"endings", func() error { _, err := w.Members.Endings(ctx, owner); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			if err := c.read(); err != nil { // build the index before the measurement
				b.Fatal(err)
			}
			before := processorTime(b)
			for b.Loop() {
				start := time.Now()
				if err := c.read(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
			b.ReportMetric(float64((processorTime(b)-before)/time.Duration(len(took)))/1e6, "cpu-ms/op")
		})
	}
	b.Run("after a change", func(b *testing.B) {
		var took []time.Duration
		var busy time.Duration
		for b.Loop() {
			b.StopTimer()
			m, err := w.Members.Get(ctx, owner, "m-005000")
			if err == nil {
				_, err = w.Members.Change(ctx, owner, m.ID, m.Version, func(m *Member) error {
					m.Note += "."
					m.Note = m.Note[max(0,
						len(m.Note)-9):]
					return nil
				})
			}
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			start, before := time.Now(), processorTime(b)
			if _, _, err := w.Members.List(ctx, owner, Filter{Machine: "laser"}, Page{}); err != nil {
				b.Fatal(err)
			}
			took, busy = append(took, time.Since(start)), busy+processorTime(b)-before
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
		b.ReportMetric(float64(busy/time.Duration(len(took)))/1e6, "cpu-ms/op")
	})
	b.Run("preview", func(b *testing.B) {
		data := csvOf(n, 500)
		before, k := processorTime(b), 0
		defer func() { b.ReportMetric(float64((processorTime(b)-before)/time.Duration(k))/1e6, "cpu-ms/op") }()
		for b.Loop() {
			k++
			p, err := w.Imports.Preview(ctx, owner, Import{Name: "a.csv", Data: data})
			if err != nil || len(p.Changed) != 500 || p.Unchanged != n-500 {
				b.Fatal(len(p.Changed), p.Unchanged, err)
			}
		}
	})
	b.Run("index", func(b *testing.B) {
		before, k := processorTime(b), 0
		defer func() { b.ReportMetric(float64((processorTime(b)-before)/time.Duration(k))/1e6, "cpu-ms/op") }()
		for b.Loop() {
			k++
			w.Members.core.index.last = nil
			if _, err := w.Members.core.index.current(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package report_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/report"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/wire"
)

var owner = actor.Actor{Account: "1", Name: "Rosa", Site: actor.Owner}

// fakeLedger contains journals in memory. A reader gets a record only after the test has called arrive for the record.
type fakeLedger struct {
	mu       sync.Mutex
	journals []*fakeJournal
	grow     int // number of records that become readable during each Read
	damaged  policy.MachineID
}

type fakeJournal struct {
	report.Journal
	all []wire.Record
}

func (f *fakeLedger) Journals(context.Context) (out []report.Journal, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.journals {
		if j.Records > 0 {
			out = append(out, j.Journal)
		}
	}
	return out, nil
}

func (f *fakeLedger) Read(
	_ context.Context,
	j report.Journal,
	after uint64,
	kinds []wire.Kind,
	limit int,
	yield func(wire.Record) error,
) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.journals {
		if x.Machine != j.Machine || x.Generation != j.Generation {
			continue
		}
		if x.Machine == f.damaged {
			return errors.New("the record was changed after it was taken")
		}
		x.Records = uint64(min(int(x.Records)+f.grow, len(x.all)))
		for _, r := range x.all[after:x.Records] {
			if !slices.Contains(kinds, r.Kind) {
				continue
			}
			if limit--; limit < 0 {
				return nil
			}
			if err := yield(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrive makes the next n records of a journal readable, and reports whether all records of the journal are readable
// now.
func (f *fakeLedger) arrive(i, n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.journals[i]
	j.Records = uint64(min(int(j.Records)+n, len(j.all)))
	return int(j.Records) == len(j.all)
}

// add adds a journal without readable records.
func (f *fakeLedger) add(m policy.MachineID, epoch int) *fakeJournal {
	j := &fakeJournal{Journal: report.Journal{Machine: m, Epoch: epoch}}
	if epoch > 0 {
		j.Generation = wire.Generation(fmt.Sprintf("%016x", epoch))
	}
	f.journals = append(f.journals, j)
	return j
}

// write adds a record to a journal.
func (j *fakeJournal) write(
	kind wire.Kind,
	at time.Time,
	trusted bool,
	session string,
	member policy.MemberID,
	body any,
) {
	b, _ := json.Marshal(body)
	r := wire.Record{
		Site:    "biklab",
		Machine: j.Machine,
		Seq:     uint64(len(j.all) + 1),
		Wall:    at,
		Kind:    kind,
		Session: session,
		Member:  member,
		Body:    b,
		Clock:   wire.ClockUntrusted,
	}
	if trusted {
		r.Clock = wire.ClockTrusted
	}
	j.all = append(j.all, r)
}

// writeSession writes the records of a session with a length in whole seconds.
func (j *fakeJournal) writeSession(began time.Time, seconds int64, member policy.MemberID, cause wire.Cause) {
	id := fmt.Sprintf("s%d", len(j.all))
	j.write(wire.SessionStart, began, true, id, member, wire.StartBody{Role: policy.User})
	j.write(
		wire.SessionEnd,
		began.Add(time.Duration(seconds)*time.Second),
		true,
		id,
		member,
		wire.EndBody{Cause: cause, Seconds: seconds},
	)
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// bench is a report service with a fake ledger.
type bench struct {
	t      testing.TB
	ledger *fakeLedger
	o      report.Options
	s      *report.Service
	zone   *time.Location
}

func newBench(t testing.TB) *bench {
	t.Helper()
	db := storetest.Open(t)
	b := &bench{t: t, ledger: &fakeLedger{}, zone: zone(t, "Europe/Paris")}
	b.o = report.Options{
		Site:    db.Site("biklab"),
		Records: b.ledger,
		Zone:    func(context.Context) (*time.Location, error) { return b.zone, nil },
		Now:     func() time.Time { return time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC) },
		Names: func(_ context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
			out := map[policy.MemberID]string{}
			for _, id := range of {
				out[id] = "Name of " + string(id)
			}
			return out, nil
		},
	}
	b.open()
	return b
}

// open creates a new service on the same database, as a restart of the hub does.
func (b *bench) open() {
	b.t.Helper()
	s, err := report.New(b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.s = s
}

func (b *bench) update() {
	b.t.Helper()
	if err := b.s.Update(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// countAll makes all records readable and calls Update, which counts the records.
func (b *bench) countAll() {
	b.t.Helper()
	for i := range b.ledger.journals {
		b.ledger.arrive(i, 1<<30)
	}
	b.update()
}

func day(s string) policy.Date {
	d, err := policy.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

func between(from, to string) report.Range { return report.Range{From: day(from), To: day(to)} }

var always = between("2020-01-01", "2029-12-31")

func (b *bench) uses(a actor.Actor, r report.Range, limit int) (out []report.Use) {
	b.t.Helper()
	for p := (report.Page{Limit: limit}); ; {
		some, next, err := b.s.Uses(b.t.Context(), a, r, p)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, some...)
		if p.After = next; next == "" {
			return out
		}
	}
}

func (b *bench) weeks(a actor.Actor, r report.Range) []report.Week {
	b.t.Helper()
	out, err := b.s.Weeks(b.t.Context(), a, r)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) refusals(a actor.Actor, r report.Range) []report.Refusals {
	b.t.Helper()
	out, err := b.s.Refusals(b.t.Context(), a, r)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

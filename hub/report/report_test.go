package report_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/report"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

var owner = actor.Actor{Account: "1", Name: "Rosa", Site: actor.Owner}

// fakeLedger holds journals in memory. Of each, a part has arrived.
type fakeLedger struct {
	mu       sync.Mutex
	journals []*fakeJournal
	grow     int // so many more records arrive with each Read
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

func (f *fakeLedger) Read(_ context.Context, j report.Journal, after uint64, kinds []wire.Kind, limit int, yield func(wire.Record) error) error {
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

// arrive has so many more records of a journal arrive, and says whether all have.
func (f *fakeLedger) arrive(i, n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.journals[i]
	j.Records = uint64(min(int(j.Records)+n, len(j.all)))
	return int(j.Records) == len(j.all)
}

// add adds a journal of which nothing has arrived.
func (f *fakeLedger) add(m policy.MachineID, epoch int) *fakeJournal {
	j := &fakeJournal{Journal: report.Journal{Machine: m, Epoch: epoch}}
	if epoch > 0 {
		j.Generation = wire.Generation(fmt.Sprintf("%016x", epoch))
	}
	f.journals = append(f.journals, j)
	return j
}

// write adds a record to a journal.
func (j *fakeJournal) write(kind wire.Kind, at time.Time, trusted bool, session string, member policy.MemberID, body any) {
	b, _ := json.Marshal(body)
	r := wire.Record{Site: "biklab", Machine: j.Machine, Seq: uint64(len(j.all) + 1), Wall: at, Kind: kind, Session: session, Member: member, Body: b,
		Clock: wire.ClockUntrusted}
	if trusted {
		r.Clock = wire.ClockTrusted
	}
	j.all = append(j.all, r)
}

// use writes a session of whole seconds.
func (j *fakeJournal) use(began time.Time, seconds int64, member policy.MemberID, cause wire.Cause) {
	id := fmt.Sprintf("s%d", len(j.all))
	j.write(wire.SessionStart, began, true, id, member, wire.StartBody{Role: policy.User})
	j.write(wire.SessionEnd, began.Add(time.Duration(seconds)*time.Second), true, id, member, wire.EndBody{Cause: cause, Seconds: seconds})
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// bench is a service on a ledger.
type bench struct {
	t      testing.TB
	ledger *fakeLedger
	o      report.Options
	s      *report.Service
	zone   *time.Location
}

func newBench(t testing.TB) *bench {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "portillon.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b := &bench{t: t, ledger: &fakeLedger{}, zone: zone(t, "Europe/Paris")}
	b.o = report.Options{Site: db.Site("biklab"), Records: b.ledger, Zone: func(context.Context) (*time.Location, error) { return b.zone, nil },
		Now: func() time.Time { return time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC) },
		Names: func(_ context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
			out := map[policy.MemberID]string{}
			for _, id := range of {
				out[id] = "Name of " + string(id)
			}
			return out, nil
		}}
	b.open()
	return b
}

// open makes the service anew, as a restart does.
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

// take has everything arrive, and counts it.
func (b *bench) take() {
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

// generate writes random journals: sessions over midnight, weeks and changes of the clock, power cuts, clocks that are
// not trusted, journals that begin anew, records of other kinds.
func (f *fakeLedger) generate(r *rand.Rand, machines, sessions int) {
	causes := []wire.Cause{wire.CauseTap, wire.CauseIdle, wire.CauseLimit, wire.CauseStop, wire.CauseDaemonLost}
	reasons := [][]policy.Code{{policy.NoBadge}, {policy.OutsideHours}, {policy.NoBadge, policy.OutsideHours}, {policy.UnknownCard}, {policy.NoBadge, policy.NoBadge}, {}}
	for m := range machines {
		at := time.Date(2026, 3, 20, 8, 0, 0, 0, time.UTC) // before the clock is set forward in Europe
		for epoch := range 1 + r.IntN(3) {
			j := f.add(policy.MachineID(fmt.Sprintf("m%d", m)), epoch)
			trusted := true
			for n := range sessions {
				at = at.Add(time.Duration(r.IntN(600)) * time.Minute)
				member := policy.MemberID(fmt.Sprintf("p%d", r.IntN(12)))
				if r.IntN(20) == 0 {
					trusted = !trusted
				}
				for range r.IntN(4) {
					j.write(wire.Refused, at, trusted, "", []policy.MemberID{"", member}[r.IntN(2)], wire.RefusedBody{Reasons: reasons[r.IntN(len(reasons))]})
				}
				j.write(wire.Booted, at, trusted, "", "", wire.BootBody{})
				id, seconds := fmt.Sprintf("s%d", n), 60*int64(r.IntN(30*60))
				j.write(wire.SessionStart, at, trusted, id, member, wire.StartBody{Role: policy.Roles()[r.IntN(5)]})
				end := at.Add(time.Duration(seconds) * time.Second)
				switch r.IntN(12) {
				case 0: // power was lost: the end is written at the next start
					at = end.Add(time.Duration(r.IntN(3000)) * time.Minute)
					j.write(wire.SessionEnd, at, trusted, id, member, wire.EndBody{Cause: wire.CausePowerLost, Seconds: seconds * int64(r.IntN(2))})
				case 1: // no end was ever written
					at = end
				case 2: // the clock is trusted by the end
					trusted = true
					fallthrough
				default:
					at = end
					j.write(wire.SessionEnd, at, trusted, id, member, wire.EndBody{Cause: causes[r.IntN(len(causes))], Seconds: seconds})
				}
			}
		}
	}
}

// naive counts all of a ledger at once.
type naive struct {
	uses     []report.Use
	weeks    map[string]*report.Week
	refusals map[string]*report.Refusals
}

func recount(f *fakeLedger, z *time.Location, now time.Time, in report.Range) naive {
	n := naive{weeks: map[string]*report.Week{}, refusals: map[string]*report.Refusals{}}
	last := map[policy.MachineID]int{}
	for _, j := range f.journals {
		last[j.Machine] = max(last[j.Machine], j.Epoch)
	}
	who, whose := map[string]map[policy.MemberID]bool{}, map[string]map[policy.MemberID]bool{}
	inRange := func(at time.Time) bool {
		d := policy.DateOf(at, z)
		return !d.Before(in.From) && !in.To.Before(d)
	}
	for _, j := range f.journals {
		for i, r := range j.all {
			switch r.Kind {
			case wire.Refused:
				var b wire.RefusedBody
				json.Unmarshal(r.Body, &b)
				slices.Sort(b.Reasons)
				for _, c := range slices.Compact(b.Reasons) {
					if !inRange(r.Wall) {
						continue
					}
					k := string(j.Machine) + " " + string(c)
					if n.refusals[k] == nil {
						n.refusals[k], whose[k] = &report.Refusals{Machine: j.Machine, Reason: string(c)}, map[policy.MemberID]bool{}
					}
					n.refusals[k].Times++
					if !r.Clock.Believed() {
						n.refusals[k].Untrusted++
					}
					if r.Member != "" {
						whose[k][r.Member] = true
					}
					n.refusals[k].Members = len(whose[k])
				}
			case wire.SessionStart:
				var b wire.StartBody
				json.Unmarshal(r.Body, &b)
				u := report.Use{Machine: j.Machine, Member: r.Member, Role: b.Role.String(), From: r.Wall, Untrusted: !r.Clock.Believed(),
					Name: "Name of " + string(r.Member)}
				over := j.Epoch < last[j.Machine]
				for _, x := range j.all[i+1:] {
					if x.Kind == wire.SessionStart {
						over = true
						break
					}
					if x.Kind == wire.SessionEnd {
						var e wire.EndBody
						json.Unmarshal(x.Body, &e)
						u.Seconds, u.End = e.Seconds, string(e.Cause)
						if u.Untrusted && x.Clock.Believed() && e.Seconds > 0 && e.Cause != wire.CauseDaemonLost && e.Cause != wire.CausePowerLost {
							u.From, u.Untrusted = x.Wall.Add(-time.Duration(e.Seconds)*time.Second), false
						}
						break
					}
				}
				if over && u.End == "" {
					u.End = "unknown"
				}
				if u.End == "" {
					u.Seconds = int64(now.Sub(u.From) / time.Second)
				} else {
					u.To = u.From.Add(time.Duration(u.Seconds) * time.Second)
					if in == always { // weeks are whole, whatever the range is
						n.count(u, z, who)
					}
				}
				if inRange(u.From) {
					n.uses = append(n.uses, u)
				}
			}
		}
	}
	return n
}

// count adds a session to its weeks, minute by minute.
func (n naive) count(u report.Use, z *time.Location, who map[string]map[policy.MemberID]bool) {
	at := func(t time.Time) *report.Week {
		t = t.In(z)
		y, w := t.ISOWeek()
		k := fmt.Sprintf("%s %d-%02d", u.Machine, y, w)
		if n.weeks[k] == nil {
			monday := t.AddDate(0, 0, -(int(t.Weekday())+6)%7)
			n.weeks[k] = &report.Week{Machine: u.Machine, Monday: policy.DateOf(monday, z)}
			who[k] = map[policy.MemberID]bool{}
		}
		if u.Member != "" {
			who[k][u.Member] = true
		}
		n.weeks[k].Members = len(who[k])
		return n.weeks[k]
	}
	first := at(u.From)
	first.Sessions++
	if u.Untrusted {
		first.Untrusted++
	}
	for s := int64(0); s < u.Seconds; s += 60 {
		at(u.From.Add(time.Duration(s) * time.Second)).Seconds += 60
	}
}

func sortUses(all []report.Use) []report.Use {
	slices.SortFunc(all, func(a, b report.Use) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Member, b.Member), cmp.Compare(a.Seconds, b.Seconds), cmp.Compare(a.End, b.End))
	})
	return all
}

func sorted[T any](m map[string]*T, key func(T) string) (out []T) {
	for _, x := range m {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return out
}

func weekKey(w report.Week) string { return w.Monday.String() + string(w.Machine) }
func refusalKey(r report.Refusals) string {
	return fmt.Sprintf("%s %09d %s", r.Machine, 1_000_000-r.Times, r.Reason)
}

func TestReportsEqualARecountInWhateverOrderRecordsArrive(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := newBench(t)
		b.zone = zone(t, []string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana", "UTC"}[seed])
		b.ledger.generate(r, 3, 40)
		// A journal takes the place of the one before once all of that has arrived.
		for left := len(b.ledger.journals); left > 0; {
			i := r.IntN(len(b.ledger.journals))
			j := b.ledger.journals[i]
			if j.Epoch > 0 && int(b.ledger.journals[i-1].Records) < len(b.ledger.journals[i-1].all) || int(j.Records) == len(j.all) {
				continue
			}
			if b.ledger.arrive(i, 1+r.IntN(60)) {
				left--
			}
			switch r.IntN(3) {
			case 0:
				b.update()
			case 1:
				b.open()
			}
		}
		b.update()
		b.update()
		for _, in := range []report.Range{always, between("2026-03-23", "2026-04-05"), between("2026-03-01", "2026-03-31"), between("2026-03-21", "2026-04-30"),
			between("2026-04-01", "2026-05-01"), between("2026-03-25", "2026-05-05"), between("2026-03-22", "2026-03-22")} {
			want := recount(b.ledger, b.zone, b.o.Now(), in)
			if got := sortUses(b.uses(owner, in, 1+r.IntN(70))); len(got) == 0 && len(want.uses) > 0 || !slices.Equal(got, sortUses(want.uses)) {
				t.Errorf("seed %d: %d sessions, want %d", seed, len(got), len(want.uses))
				for i := range min(len(got), len(want.uses)) {
					if got[i] != want.uses[i] {
						t.Fatalf("%+v, want\n%+v", got[i], want.uses[i])
					}
				}
			}
			got := b.refusals(owner, in)
			if wanted := sorted(want.refusals, refusalKey); !slices.Equal(got, wanted) {
				t.Errorf("seed %d: refusals %v, want\n%v", seed, got, wanted)
			}
		}
		want := sorted(recount(b.ledger, b.zone, b.o.Now(), always).weeks, weekKey)
		if got := b.weeks(owner, always); len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("seed %d: weeks\n%v, want\n%v", seed, got, want)
		}
	}
}

func TestANewTimeZoneCountsEverythingAnew(t *testing.T) {
	b := newBench(t)
	b.ledger.generate(rand.New(rand.NewPCG(9, 9)), 2, 30)
	b.take()
	b.zone = zone(t, "Pacific/Auckland")
	b.update()
	want := sorted(recount(b.ledger, b.zone, b.o.Now(), always).weeks, weekKey)
	if got := b.weeks(owner, always); !slices.Equal(got, want) {
		t.Errorf("%v, want\n%v", got, want)
	}
}

func TestRecordsThatArriveDuringAnUpdateCountOnce(t *testing.T) {
	b := newBench(t)
	b.ledger.generate(rand.New(rand.NewPCG(4, 4)), 1, 30)
	b.ledger.grow = 7
	for i := range b.ledger.journals {
		for more := true; more; more = !b.ledger.arrive(i, 1) {
			b.update()
		}
	}
	b.update()
	want := sorted(recount(b.ledger, b.zone, b.o.Now(), always).weeks, weekKey)
	if got := b.weeks(owner, always); !slices.Equal(got, want) {
		t.Errorf("%v, want\n%v", got, want)
	}
}

func TestADamagedJournalKeepsNoOtherFromBeingCounted(t *testing.T) {
	b := newBench(t)
	for _, m := range []policy.MachineID{"laser", "vinyl"} {
		b.ledger.add(m, 0).use(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 3600, "lea", wire.CauseTap)
	}
	b.ledger.damaged = "laser"
	b.ledger.arrive(0, 9)
	b.ledger.arrive(1, 9)
	if err := b.s.Update(t.Context()); err == nil || !strings.Contains(err.Error(), "laser") {
		t.Errorf("%v", err)
	}
	if got := b.weeks(owner, always); len(got) != 1 || got[0].Machine != "vinyl" {
		t.Errorf("%+v", got)
	}
	b.ledger.damaged = ""
	b.update()
	if got := b.weeks(owner, always); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestUpdatesAtOnceCountNothingTwice(t *testing.T) {
	b := newBench(t)
	b.ledger.generate(rand.New(rand.NewPCG(3, 3)), 4, 30)
	for i := range b.ledger.journals {
		b.ledger.arrive(i, 1<<30)
	}
	var all sync.WaitGroup
	for range 4 {
		s, err := report.New(b.o)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() { _ = s.Update(t.Context()) }) // those that come second may find that others were faster
	}
	all.Wait()
	b.update()
	want := sorted(recount(b.ledger, b.zone, b.o.Now(), always).weeks, weekKey)
	if got := b.weeks(owner, always); !slices.Equal(got, want) {
		t.Errorf("%v, want\n%v", got, want)
	}
}

func TestHoursOverTheWeeksEndAndTheChangeOfTheClock(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	// On 25 October 2026 the clock in Paris is set back from 3:00 to 2:00: 22:00 to 4:00 are seven hours, of a Sunday.
	j.use(time.Date(2026, 10, 24, 22, 0, 0, 0, b.zone), 7*3600, "lea", wire.CauseTap)
	// From Sunday 22:00 to Monday 1:00.
	j.use(time.Date(2026, 10, 25, 22, 0, 0, 0, b.zone), 3*3600, "yann", wire.CauseTap)
	b.take()
	want := []report.Week{{Machine: "laser", Monday: day("2026-10-19"), Sessions: 2, Members: 2, Seconds: 9 * 3600},
		{Machine: "laser", Monday: day("2026-10-26"), Sessions: 0, Members: 1, Seconds: 3600}}
	if got := b.weeks(owner, between("2026-10-20", "2026-10-26")); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := b.weeks(owner, between("2026-10-25", "2026-10-25")); !slices.Equal(got, want[:1]) {
		t.Errorf("%+v", got)
	}
	if got := b.uses(owner, between("2026-10-24", "2026-10-24"), 0); len(got) != 1 || !got[0].To.Equal(time.Date(2026, 10, 25, 4, 0, 0, 0, b.zone)) {
		t.Errorf("%+v", got)
	}
}

func TestASessionThatRunsHasLastedUntilNow(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	j.write(wire.SessionStart, b.o.Now().Add(-90*time.Second), true, "s", "lea", wire.StartBody{Role: policy.User})
	b.take()
	if got := b.uses(owner, always, 0); len(got) != 1 || got[0].Seconds != 90 || !got[0].To.IsZero() || got[0].End != "" {
		t.Errorf("%+v", got)
	}
	if got := b.weeks(owner, always); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	b.ledger.add("laser", 1).write(wire.Booted, b.o.Now(), true, "", "", wire.BootBody{})
	b.take()
	if got := b.uses(owner, always, 0); len(got) != 1 || got[0].Seconds != 0 || got[0].To.IsZero() || got[0].End != "unknown" {
		t.Errorf("after the journal began anew: %+v", got)
	}
}

func TestRecordsOfAStolenMachineFillNothing(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	j.write(wire.SessionStart, b.o.Now(), true, "s", "lea", map[string]any{"role": strings.Repeat("x", 1000)})
	j.write(wire.SessionEnd, b.o.Now(), true, "s", "lea", map[string]any{"cause": strings.Repeat("x", 1000), "seconds": int64(1) << 60})
	j.write(wire.SessionStart, b.o.Now(), true, "t", "lea", 7)
	j.write(wire.SessionEnd, b.o.Now(), true, "t", "lea", map[string]any{"cause": "tap", "seconds": -5})
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("reason-%d", i)
	}
	j.write(wire.Refused, b.o.Now(), true, "", "lea", map[string]any{"reasons": append([]string{strings.Repeat("y", 1000)}, many...)})
	j.write(wire.Refused, b.o.Now(), true, "", "lea", "words")
	b.take()
	got := b.uses(owner, always, 0)
	if len(got) != 2 || got[0].Role != "other" || got[0].End != "other" || got[0].Seconds > 1<<30 || got[1].Seconds != 0 {
		t.Errorf("%+v", got)
	}
	if n := len(b.weeks(owner, always)); n != 1 {
		t.Errorf("%d weeks", n)
	}
	if got := b.refusals(owner, always); len(got) != 32 {
		t.Errorf("%d reasons", len(got))
	}
}

func TestARangeThatIsNoneIsRefused(t *testing.T) {
	b := newBench(t)
	for name, r := range map[string]report.Range{
		"none": {}, "no last day": {From: day("2026-01-01")}, "backwards": between("2026-02-02", "2026-02-01"), "too long": between("2000-01-01", "2026-01-01"),
		"a day of every year": {From: day("02-01"), To: day("2026-02-01")},
	} {
		var x *fault.Invalid
		if _, err := b.s.Weeks(t.Context(), owner, r); !errors.As(err, &x) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, after := range []string{"x", "1/2/3", "1/a/b/c", "a/b/c/4", strings.Repeat("1", 300)} {
		var x *fault.Invalid
		if _, _, err := b.s.Uses(t.Context(), owner, always, report.Page{After: after}); !errors.As(err, &x) {
			t.Errorf("cursor %q: %v", after, err)
		}
	}
}

func TestCSVIsWhatASpreadsheetOfTheLanguageReads(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	j.use(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 3600, "lea", wire.CauseTap)
	j.write(wire.SessionStart, time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), false, "s", "yann", wire.StartBody{Role: policy.Learner})
	b.o.Names = func(context.Context, []policy.MemberID) (map[policy.MemberID]string, error) {
		return map[policy.MemberID]string{"lea": `=HYPERLINK("http://x";"y")`}, nil
	}
	b.open()
	b.take()
	english := func(context.Context) policy.Language { return policy.English }
	for name, c := range map[string]struct {
		language func(context.Context) policy.Language
		actor    actor.Actor
		want     string
	}{
		"French": {nil, owner, "\ufeffMachine;Membre;Nom;Rôle;Début;Fin;Durée (s);Fin par;Heure sûre\r\n" +
			"laser;lea;\"'=HYPERLINK(\"\"http://x\"\";\"\"y\"\")\";user;2026-11-23 10:00:00;2026-11-23 11:00:00;3600;tap;oui\r\n" +
			"laser;yann;;learner;2026-11-24 10:00:00;;615600;;non\r\n"},
		"English, without names": {english, actor.Actor{Account: "4", Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}},
			"\ufeffMachine,Role,Start,End,Duration (s),Ended by,Time certain\r\n" +
				"laser,user,2026-11-23 10:00:00,2026-11-23 11:00:00,3600,tap,yes\r\n" +
				"laser,learner,2026-11-24 10:00:00,,615600,,no\r\n"},
	} {
		b.o.Language = c.language
		b.open()
		var out bytes.Buffer
		if err := b.s.UsesCSV(t.Context(), c.actor, always, &out); err != nil || out.String() != c.want {
			t.Errorf("%s: %q, %v, want\n%q", name, out.String(), err, c.want)
		}
	}
}

func TestCSVHoldsAllPages(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	for i := range 1201 {
		j.use(time.Date(2026, 11, 1, 0, 0, 5*i, 0, time.UTC), 1, "lea", wire.CauseTap)
	}
	b.take()
	var out bytes.Buffer
	if err := b.s.UsesCSV(t.Context(), owner, always, &out); err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(&out)
	r.Comma = ';'
	if all, err := r.ReadAll(); err != nil || len(all) != 1202 {
		t.Errorf("%d lines, %v", len(all), err)
	}
	if got, next, err := b.s.Uses(t.Context(), owner, always, report.Page{Limit: 5000}); err != nil || len(got) != 500 || next == "" {
		t.Errorf("a page of %d, %v", len(got), err)
	}
}

// The table is written by hand.
func TestWhoMaySeeWhichReports(t *testing.T) {
	b := newBench(t)
	for _, m := range []policy.MachineID{"laser", "vinyl"} {
		j := b.ledger.add(m, 0)
		j.use(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 3600, "lea", wire.CauseTap)
		j.write(wire.Refused, time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), true, "", "lea", wire.RefusedBody{Reasons: []policy.Code{policy.NoBadge}})
	}
	b.take()
	laser := func(r actor.Role) map[policy.MachineID]actor.Role { return map[policy.MachineID]actor.Role{"laser": r} }
	actors := map[string]actor.Actor{
		"nobody":                {},
		"no role":               {Account: "0"},
		"owner":                 {Account: "1", Site: actor.Owner},
		"administrator":         {Account: "2", Site: actor.Administrator},
		"maintainer":            {Account: "3", Machines: laser(actor.Maintainer)},
		"mentor":                {Account: "4", Machines: laser(actor.Mentor)},
		"member":                {Account: "5", Site: actor.Member, Member: "lea"},
		"token without names":   {Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.ReadReports}},
		"token for something":   {Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.ReadMembers}},
		"token with names only": {Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.ReadNames}},
	}
	type answer struct {
		all, laser, vinyl int // how many machines; -1: denied
		names             bool
	}
	no := answer{-1, -1, -1, false}
	want := map[string]answer{
		"nobody": no, "no role": no, "member": no, "token for something": no, "token with names only": no,
		"owner": {2, 1, 1, true}, "administrator": {2, 1, 1, true}, "token without names": {2, 1, 1, false},
		"maintainer": {1, 1, -1, false}, "mentor": {1, 1, -1, false},
	}
	if !maps.EqualFunc(want, actors, func(answer, actor.Actor) bool { return true }) {
		t.Fatal("an actor is undecided")
	}
	r := between("2026-11-01", "2026-11-30")
	for name, a := range actors {
		for method, call := range map[string]func(report.Range) (int, error){
			"Uses": func(r report.Range) (int, error) {
				got, _, err := b.s.Uses(t.Context(), a, r, report.Page{})
				for _, u := range got {
					if named := u.Member == "lea" && u.Name == "Name of lea"; named != want[name].names || !named && u.Member+policy.MemberID(u.Name) != "" {
						t.Errorf("%s is shown %+v", name, u)
					}
				}
				return len(got), err
			},
			"UsesCSV": func(r report.Range) (int, error) {
				var out bytes.Buffer
				err := b.s.UsesCSV(t.Context(), a, r, &out)
				if err != nil && out.Len() > 0 {
					t.Errorf("%s is denied, and given %q", name, out.String())
				}
				if strings.Contains(out.String(), "lea") != (want[name].names && err == nil) {
					t.Errorf("%s is given %q", name, out.String())
				}
				return strings.Count(out.String(), "\n") - 1, err
			},
			"Weeks":    func(r report.Range) (int, error) { got, err := b.s.Weeks(t.Context(), a, r); return len(got), err },
			"Refusals": func(r report.Range) (int, error) { got, err := b.s.Refusals(t.Context(), a, r); return len(got), err },
		} {
			for m, n := range map[policy.MachineID]int{"": want[name].all, "laser": want[name].laser, "vinyl": want[name].vinyl} {
				r.Machine = m
				got, err := call(r)
				var denied *actor.Denied
				if n < 0 && !errors.As(err, &denied) || n >= 0 && (err != nil || got != n) {
					t.Errorf("%s of %q by %s: %d, %v, want %d", method, m, name, got, err, n)
				}
			}
		}
	}
}

func TestReportsOfAnotherSiteAreNotSeen(t *testing.T) {
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "p.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	one, two := newBench(t), newBench(t)
	one.o.Site, two.o.Site = db.Site("one"), db.Site("two")
	one.open()
	two.open()
	one.ledger.add("laser", 0).use(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 3600, "lea", wire.CauseTap)
	one.take()
	two.take()
	if n := len(two.uses(owner, always, 0)) + len(two.weeks(owner, always)) + len(two.refusals(owner, always)); n != 0 {
		t.Errorf("%d lines of another site", n)
	}
	two.ledger.add("laser", 0).use(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 60, "lea", wire.CauseTap)
	two.take()
	if got := one.weeks(owner, always); len(got) != 1 || got[0].Seconds != 3600 {
		t.Errorf("%+v", got)
	}
}

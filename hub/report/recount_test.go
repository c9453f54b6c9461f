package report_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"portillon/hub/report"
	"portillon/policy"
	"portillon/wire"
)

// generate writes random journals. The journals contain sessions across midnight, weeks and changes of the clock, power
// cuts, untrusted clocks, replaced journals, and records of other kinds.
func (f *fakeLedger) generate(r *rand.Rand, machines, sessions int) {
	causes := []wire.Cause{wire.CauseTap, wire.CauseIdle, wire.CauseLimit, wire.CauseStop, wire.CauseDaemonLost}
	reasons := [][]policy.Code{
		{policy.NoBadge},
		{policy.OutsideHours},
		{policy.NoBadge, policy.OutsideHours},
		{policy.UnknownCard},
		{policy.NoBadge, policy.NoBadge},
		{},
	}
	for m := range machines {
		at := time.Date(2026, 3, 20, 8, 0, 0, 0, time.UTC) // the journals begin before the change to summer time in Europe
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
					j.write(
						wire.Refused,
						at,
						trusted,
						"",
						[]policy.MemberID{"", member}[r.IntN(2)],
						wire.RefusedBody{Reasons: reasons[r.IntN(len(reasons))]},
					)
				}
				j.write(wire.Booted, at, trusted, "", "", wire.BootBody{})
				id, seconds := fmt.Sprintf("s%d", n), 60*int64(r.IntN(30*60))
				j.write(wire.SessionStart, at, trusted, id, member, wire.StartBody{Role: policy.Roles()[r.IntN(5)]})
				end := at.Add(time.Duration(seconds) * time.Second)
				switch r.IntN(12) {
				case 0: // the power failed during the session: the machine records the end at its next start
					at = end.Add(time.Duration(r.IntN(3000)) * time.Minute)
					j.write(
						wire.SessionEnd,
						at,
						trusted,
						id,
						member,
						wire.EndBody{Cause: wire.CausePowerLost, Seconds: seconds * int64(r.IntN(2))},
					)
				case 1: // the machine never records the end of the session
					at = end
				case 2: // the machine trusts its clock at the end of the session
					trusted = true
					fallthrough
				default:
					at = end
					j.write(
						wire.SessionEnd,
						at,
						trusted,
						id,
						member,
						wire.EndBody{Cause: causes[r.IntN(len(causes))], Seconds: seconds},
					)
				}
			}
		}
	}
}

// naiveReport contains the expected reports. The test counts them from the whole ledger at once, with a simple
// algorithm.
type naiveReport struct {
	uses     []report.Use
	weeks    map[string]*report.Week
	refusals map[string]*report.Refusals
}

func recount(f *fakeLedger, z *time.Location, now time.Time, in report.Range) naiveReport {
	n := naiveReport{weeks: map[string]*report.Week{}, refusals: map[string]*report.Refusals{}}
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
				u := report.Use{
					Machine:   j.Machine,
					Member:    r.Member,
					Role:      b.Role.String(),
					From:      r.Wall,
					Untrusted: !r.Clock.Believed(),
					Name:      "Name of " + string(r.Member),
				}
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
						if u.Untrusted && x.Clock.Believed() && e.Seconds > 0 && e.Cause != wire.CauseDaemonLost &&
							e.Cause != wire.CausePowerLost {
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
					if in == always { // compare the sums of weeks only once, because they do not depend on the range
						n.addSession(u, z, who)
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

// addSession adds a session to its weeks, minute by minute.
func (n naiveReport) addSession(u report.Use, z *time.Location, who map[string]map[policy.MemberID]bool) {
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
		return cmp.Or(
			a.From.Compare(b.From),
			cmp.Compare(a.Machine, b.Machine),
			cmp.Compare(a.Member, b.Member),
			cmp.Compare(a.Seconds, b.Seconds),
			cmp.Compare(a.End, b.End),
		)
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

func TestReportsEqualARecountForAnyOrderOfArrival(t *testing.T) {
	if testing.Short() {
		t.Skip("short: counts thousands of records")
	}
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := newBench(t)
		b.zone = zone(
			t,
			[]string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana", "UTC"}[seed],
		)
		b.ledger.generate(r, 3, 40)
		// A newer journal of a machine arrives after all records of the machine's older journal.
		for left := len(b.ledger.journals); left > 0; {
			i := r.IntN(len(b.ledger.journals))
			j := b.ledger.journals[i]
			if j.Epoch > 0 && int(b.ledger.journals[i-1].Records) < len(b.ledger.journals[i-1].all) ||
				int(j.Records) == len(j.all) {
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
		for _, in := range []report.Range{always, between("2026-03-23", "2026-04-05"), between("2026-03-01", "2026-03-31"),
			between("2026-03-21", "2026-04-30"),
			between("2026-04-01", "2026-05-01"), between("2026-03-25", "2026-05-05"), between("2026-03-22", "2026-03-22")} {
			want := recount(b.ledger, b.zone, b.o.Now(), in)
			if got := sortUses(b.uses(owner, in, 1+r.IntN(70))); len(got) == 0 && len(want.uses) > 0 ||
				!slices.Equal(got, sortUses(want.uses)) {
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

// The cached sums of a month must be invalid after further records of the month were counted, and after a complete
// recount.
func TestCachedRefusalsAreNeverStale(t *testing.T) {
	if testing.Short() {
		t.Skip("short: counts thousands of records")
	}
	b := newBench(t)
	b.ledger.generate(rand.New(rand.NewPCG(7, 7)), 2, 20)
	compare := func(when string) {
		t.Helper()
		s, err := report.New(b.o) // create a new service, because a new service has an empty cache
		if err != nil {
			t.Fatal(err)
		}
		want, err := s.Refusals(t.Context(), owner, always)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.refusals(owner, always); !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want\n%v", when, got, want)
		}
	}
	for i := range b.ledger.journals {
		for more := true; more; more = !b.ledger.arrive(i, 5) {
			b.update()
			compare("as records arrive")
		}
	}
	b.zone = zone(t, "Pacific/Auckland")
	b.update()
	compare("in another zone")
	if want := sorted(recount(b.ledger, b.zone, b.o.Now(), always).refusals, refusalKey); !slices.Equal(
		b.refusals(owner, always),
		want,
	) {
		t.Errorf("counted by hand: %v", want)
	}
}

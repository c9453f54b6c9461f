package report_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/report"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/wire"
)

func TestNewTimeZoneCausesACompleteRecount(t *testing.T) {
	b := newBench(t)
	b.ledger.generate(rand.New(rand.NewPCG(9, 9)), 2, 30)
	b.countAll()
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

func TestDamagedJournalDoesNotBlockOtherJournals(t *testing.T) {
	b := newBench(t)
	for _, m := range []policy.MachineID{"laser", "vinyl"} {
		b.ledger.add(m, 0).writeSession(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 3600, "lea", wire.CauseTap)
	}
	b.ledger.damaged = "laser"
	b.ledger.arrive(0, 9)
	b.ledger.arrive(1, 9)
	if err := b.s.Update(t.Context()); err == nil || !strings.Contains(err.Error(), "laser") {
		t.Errorf("error of Update is %v", err)
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

func TestConcurrentUpdatesCountEachRecordOnce(t *testing.T) {
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
		// an update may fail because a concurrent update has counted the same records
		all.Go(func() { _ = s.Update(t.Context()) })
	}
	all.Wait()
	b.update()
	want := sorted(recount(b.ledger, b.zone, b.o.Now(), always).weeks, weekKey)
	if got := b.weeks(owner, always); !slices.Equal(got, want) {
		t.Errorf("%v, want\n%v", got, want)
	}
}

func TestHoursOfASessionAreDividedAmongWeeksAcrossClockChanges(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	// On 25 October 2026 the clock in Paris is set back from 3:00 to 2:00. A session from 22:00 on Saturday to 4:00 on
	// Sunday therefore lasts seven hours, of which five are on Sunday.
	j.writeSession(time.Date(2026, 10, 24, 22, 0, 0, 0, b.zone), 7*3600, "lea", wire.CauseTap)
	// The second session lasts from Sunday 22:00 to Monday 1:00.
	j.writeSession(time.Date(2026, 10, 25, 22, 0, 0, 0, b.zone), 3*3600, "yann", wire.CauseTap)
	b.countAll()
	want := []report.Week{{Machine: "laser", Monday: day("2026-10-19"), Sessions: 2, Members: 2, Seconds: 9 * 3600},
		{Machine: "laser", Monday: day("2026-10-26"), Sessions: 0, Members: 1, Seconds: 3600}}
	if got := b.weeks(owner, between("2026-10-20", "2026-10-26")); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := b.weeks(owner, between("2026-10-25", "2026-10-25")); !slices.Equal(got, want[:1]) {
		t.Errorf("%+v", got)
	}
	if got := b.uses(owner, between("2026-10-24", "2026-10-24"), 0); len(got) != 1 ||
		!got[0].To.Equal(time.Date(2026, 10, 25, 4, 0, 0, 0, b.zone)) {
		t.Errorf("%+v", got)
	}
}

func TestLengthOfARunningSessionIsTheTimeSinceItsStart(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	j.write(wire.SessionStart, b.o.Now().Add(-90*time.Second), true, "s", "lea", wire.StartBody{Role: policy.User})
	b.countAll()
	if got := b.uses(owner, always, 0); len(got) != 1 || got[0].Seconds != 90 || !got[0].To.IsZero() || got[0].End != "" {
		t.Errorf("%+v", got)
	}
	if got := b.weeks(owner, always); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	b.ledger.add("laser", 1).write(wire.Booted, b.o.Now(), true, "", "", wire.BootBody{})
	b.countAll()
	if got := b.uses(owner, always, 0); len(got) != 1 || got[0].Seconds != 0 || got[0].To.IsZero() ||
		got[0].End != "unknown" {
		t.Errorf("after the journal began anew: %+v", got)
	}
}

func TestValuesInRecordsOfAStolenMachineAreLimited(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	j.write(wire.SessionStart, b.o.Now(), true, "s", "lea", map[string]any{"role": strings.Repeat("x", 1000)})
	j.write(
		wire.SessionEnd,
		b.o.Now(),
		true,
		"s",
		"lea",
		map[string]any{"cause": strings.Repeat("x", 1000), "seconds": int64(1) << 60},
	)
	j.write(wire.SessionStart, b.o.Now(), true, "t", "lea", 7)
	j.write(wire.SessionEnd, b.o.Now(), true, "t", "lea", map[string]any{"cause": "tap", "seconds": -5})
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("reason-%d", i)
	}
	j.write(
		wire.Refused,
		b.o.Now(),
		true,
		"",
		"lea",
		map[string]any{"reasons": append([]string{strings.Repeat("y", 1000)}, many...)},
	)
	j.write(wire.Refused, b.o.Now(), true, "", "lea", "words")
	b.countAll()
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

func TestInvalidRangesAreRejected(t *testing.T) {
	b := newBench(t)
	for name, r := range map[string]report.Range{
		"none": {}, "no last day": {From: day("2026-01-01")}, "backwards": between("2026-02-02", "2026-02-01"),
		"too long":             between("2000-01-01", "2026-01-01"),
		"a day without a year": {From: day("02-01"), To: day("2026-02-01")},
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

func TestCSVFollowsTheSpreadsheetFormatOfTheLanguage(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	j.writeSession(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 3600, "lea", wire.CauseTap)
	j.write(
		wire.SessionStart,
		time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC),
		false,
		"s",
		"yann",
		wire.StartBody{Role: policy.Learner},
	)
	b.o.Names = func(context.Context, []policy.MemberID) (map[policy.MemberID]string, error) {
		return map[policy.MemberID]string{"lea": `=HYPERLINK("http://x";"y")`}, nil
	}
	b.open()
	b.countAll()
	english := func(context.Context) policy.Language { return policy.English }
	for name, c := range map[string]struct {
		language func(context.Context) policy.Language
		actor    actor.Actor
		want     string
	}{
		"French": {nil, owner, "\ufeffMachine;Membre;Nom;Rôle;Début;Fin;Durée (s);Fin par;Heure sûre\r\n" +
			"laser;lea;\"'=HYPERLINK(\"\"http://x\"\";\"\"y\"\")\";user;2026-11-23 10:00:00;2026-11-23 " +
			"11:00:00;3600;tap;oui\r\n" +
			"laser;yann;;learner;2026-11-24 10:00:00;;615600;;non\r\n"},
		"English, without names": {english, actor.Actor{Account: "4",
			Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}},
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

func TestCSVContainsTheSessionsOfAllPages(t *testing.T) {
	b := newBench(t)
	j := b.ledger.add("laser", 0)
	for i := range 1201 {
		j.writeSession(time.Date(2026, 11, 1, 0, 0, 5*i, 0, time.UTC), 1, "lea", wire.CauseTap)
	}
	b.countAll()
	var out bytes.Buffer
	if err := b.s.UsesCSV(t.Context(), owner, always, &out); err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(&out)
	r.Comma = ';'
	if all, err := r.ReadAll(); err != nil || len(all) != 1202 {
		t.Errorf("%d lines, %v", len(all), err)
	}
	if got, next, err := b.s.Uses(t.Context(), owner, always, report.Page{Limit: 5000}); err != nil || len(got) != 500 ||
		next == "" {
		t.Errorf("a page of %d, %v", len(got), err)
	}
}

// The table of expected permissions was written by hand.
func TestActorsSeeOnlyPermittedReports(t *testing.T) {
	b := newBench(t)
	for _, m := range []policy.MachineID{"laser", "vinyl"} {
		j := b.ledger.add(m, 0)
		j.writeSession(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 3600, "lea", wire.CauseTap)
		j.write(
			wire.Refused,
			time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
			true,
			"",
			"lea",
			wire.RefusedBody{Reasons: []policy.Code{policy.NoBadge}},
		)
	}
	b.countAll()
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
		"token without reports": {Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.ReadMembers}},
		"token with names only": {Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.ReadNames}},
		"maintainer's token":    {Account: "3", Machines: laser(actor.Maintainer), Scopes: []actor.Act{actor.ReadMachines}},
	}
	type answer struct {
		all, laser, vinyl int // number of machines that the report contains; -1: the actor gets no report
		names             bool
	}
	no := answer{-1, -1, -1, false}
	want := map[string]answer{
		"nobody": no, "no role": no, "member": no, "token without reports": no, "token with names only": no,
		"maintainer's token": no,
		"owner":              {2, 1, 1, true}, "administrator": {2, 1, 1, true}, "token without names": {2, 1, 1, false},
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
					if named := u.Member == "lea" && u.Name == "Name of lea"; named != want[name].names || !named &&
						u.Member+policy.MemberID(u.Name) != "" {
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
			for m, n := range map[policy.MachineID]int{"": want[name].all, "laser": want[name].laser,
				"vinyl": want[name].vinyl} {
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

func TestReportsOfOtherSitesAreInvisible(t *testing.T) {
	db := storetest.Open(t)
	one, two := newBench(t), newBench(t)
	one.o.Site, two.o.Site = db.Site("one"), db.Site("two")
	one.open()
	two.open()
	one.ledger.add("laser", 0).writeSession(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 3600, "lea", wire.CauseTap)
	one.countAll()
	two.countAll()
	if n := len(two.uses(owner, always, 0)) + len(two.weeks(owner, always)) + len(two.refusals(owner, always)); n != 0 {
		t.Errorf("%d lines of another site", n)
	}
	two.ledger.add("laser", 0).writeSession(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), 60, "lea", wire.CauseTap)
	two.countAll()
	if got := one.weeks(owner, always); len(got) != 1 || got[0].Seconds != 3600 {
		t.Errorf("%+v", got)
	}
}

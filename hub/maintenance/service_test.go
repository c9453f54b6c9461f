package maintenance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
	"portillon/wire"
)

// laserStory writes a little of everything at the laser, and one report at the vinyl cutter.
func (b *bench) laserStory() {
	s := b.ledger.add("laser")
	at := date(2026, 11, 2).Add(9 * time.Hour)
	s.use(at, 7200, policy.User)
	s.write(at.Add(3*time.Hour), wire.SessionStart, "m", "yann", wire.StartBody{Role: policy.Maintainer})
	s.write(at.Add(3*time.Hour), wire.Intervened, "m", "ines", wire.InterventionBody{What: "lens-cleaning", ID: "i",
		Endorser: "yann", Minutes: 20, Note: "wiped"})
	s.write(at.Add(3*time.Hour), wire.Attested, "m", "yann", wire.AttestBody{Intervention: "i"})
	s.write(at.Add(4*time.Hour), wire.SessionEnd, "m", "yann", wire.EndBody{Seconds: 3600})
	s.write(at.AddDate(0, 0, 1), wire.Reported, "", "lea", wire.ReportBody{What: wire.Noise, Note: "squeaks"})
	s.write(at.AddDate(0, 0, 2), wire.Reported, "", "tom", wire.ReportBody{What: wire.Dangerous, Tag: "t"})
	s.write(at.AddDate(0, 0, 2), wire.Tagged, "", "tom", wire.TagBody{Tag: "t", Reason: "smoke"})
	v := b.ledger.add("vinyl")
	v.write(at, wire.Reported, "", "lea", wire.ReportBody{What: wire.Broken})
	v.write(at.AddDate(0, 0, 3), wire.Tagged, "", "ines", wire.TagBody{Tag: "v", Reason: "belt"})
	b.update()
}

// words returns the items as short texts.
func words(o Overview) (out []string) {
	for _, i := range o.Items {
		text := fmt.Sprint(i.Machine, " ", i.Group)
		switch {
		case i.Report != nil:
			text += " " + string(i.Report.What)
		case i.Due != nil:
			text += " " + i.Due.What + " " + string(i.Due.State)
		}
		out = append(out, text)
	}
	return out
}

func TestOverviewListsTheWorstFirst(t *testing.T) {
	b := newBench(t)
	b.setPolicy(policy.Machine{ID: "laser", Maintenance: []policy.Upkeep{
		{Kind: "extraction", Hours: time.Hour, Block: true},
		{Kind: "lens-cleaning", Every: 30 * 24 * time.Hour}, {Kind: "belt", Hours: 500 * time.Hour}}},
		policy.Machine{ID: "vinyl"})
	b.laserStory()
	o, err := b.s.Overview(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	want := "laser reports dangerous, vinyl reports broken, vinyl out, laser due extraction now, laser reports noise, " +
		"laser due lens-cleaning soon"
	if got := strings.Join(words(o), ", "); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	var planned []string
	for _, p := range o.Calendar {
		planned = append(planned, p.What+" "+p.At.Format(time.DateOnly))
	}
	// The belt has 498 hours left at 257 seconds a day, which is more than five years.
	if got := strings.Join(planned, ", "); got != "extraction 2026-12-01, lens-cleaning 2026-12-02" {
		t.Error(got)
	}
}

func TestOnlyMaintainersMentorsAndAdministratorsReadTheirMachines(t *testing.T) {
	b := newBench(t)
	b.laserStory()
	for _, c := range []struct {
		who  actor.Actor
		want string // machines of the overview, or "denied"
		at   string // answers of the pages of laser and vinyl
	}{
		{owner, "[laser vinyl]", "yes yes"},
		{ines, "[laser]", "yes denied"},
		{karim, "[laser]", "yes denied"},
		{lea, "denied", "denied denied"},
		{actor.Actor{}, "denied", "denied denied"},
		{actor.Actor{Account: "5", Site: actor.Owner, Scopes: []actor.Act{actor.ReadMachines}}, "denied", "denied denied"},
	} {
		said := func(err error) string {
			var denied *actor.Denied
			if errors.As(err, &denied) {
				return "denied"
			}
			if err != nil {
				return err.Error()
			}
			return "yes"
		}
		o, err := b.s.Overview(t.Context(), c.who)
		got := fmt.Sprint(o.Machines)
		if err != nil {
			got = said(err)
		}
		_, err1 := b.s.Machine(t.Context(), c.who, "laser")
		_, err2 := b.s.Machine(t.Context(), c.who, "vinyl")
		if at := said(err1) + " " + said(err2); got != c.want || at != c.at {
			t.Errorf("%s: %s, %s; want %s, %s", c.who.Name, got, at, c.want, c.at)
		}
	}
	for _, c := range []struct {
		who actor.Actor
		tag bool
	}{{owner, true}, {ines, true}, {karim, false}} {
		if m := b.machine(c.who, "laser"); m.MayTag != c.tag {
			t.Errorf("%s may close reports: %v, want %v", c.who.Name, m.MayTag, c.tag)
		}
	}
	var missing *fault.NotFound
	if _, err := b.s.Machine(t.Context(), owner, "mill"); !errors.As(err, &missing) {
		t.Errorf("an unknown machine: %v", err)
	}
}

func TestNamesAreOnlyForThoseWhoMaySeeThem(t *testing.T) {
	b := newBench(t)
	b.laserStory()
	people := func(a actor.Actor) string {
		o, err := b.s.Overview(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		m := b.machine(a, "laser")
		return fmt.Sprint(o.Items[0].Report.By, m.Reports[1].By, m.Works[0].By, m.Works[0].Endorser, m.Tags[0].By)
	}
	want := "{tom Name of tom} {lea Name of lea} {ines Name of ines} {yann Name of yann} {tom Name of tom}"
	if got := people(owner); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	if got := people(ines); got != "{ } { } { } { } { }" {
		t.Errorf("for a maintainer: %s", got)
	}
}

func TestPersonClosesAnOpenReportWithAReason(t *testing.T) {
	b := newBench(t)
	b.laserStory()
	id := b.machine(owner, "laser").Reports[1].ID
	for _, c := range []struct {
		name   string
		who    actor.Actor
		report string
		words  string
		want   string
	}{
		{"no reason", ines, id, "  ", "words: no reason, or too long"},
		{"a long reason", ines, id, strings.Repeat("x", maxWords+1), "words: no reason, or too long"},
		{"a mentor", karim, id, "fine", "machines.tag: Karim may not do this"},
		{"an unknown report", ines, "-99", "fine", `there is no open report "-99"`},
		{"a maintainer", ines, id, "no fault found", ""},
		{"once more", ines, id, "fine", `there is no open report "-7"`},
	} {
		err := b.s.CloseReport(t.Context(), c.who, "laser", c.report, c.words)
		if got := fmt.Sprint(err); got != c.want && (err != nil || c.want != "") {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	r := b.machine(owner, "laser").Reports[1]
	if r.Closed == nil || r.Closed.How != "person" || r.Closed.Words != "no fault found" || r.Closed.By.Member != "ines" {
		t.Errorf("%+v", r.Closed)
	}
	want := []string{"Ines machines.tag machine/laser: report closed: no fault found"}
	if fmt.Sprint(b.audit) != fmt.Sprint(want) {
		t.Errorf("audit log: %q", b.audit)
	}
}

func TestTotalsIncludeTheInitialHours(t *testing.T) {
	b := newBench(t)
	b.laserStory()
	day := func(s string) policy.Date { d, _ := policy.ParseDate(s); return d }
	for _, c := range []struct {
		who   actor.Actor
		hours int64
		day   string
		want  string
		total int64
	}{
		{owner, 1240, "2026-01-01", "", 1240*3600 + 7200},
		{owner, 1250, "2026-11-02", "", 1250*3600 + 7200},
		{owner, 1250, "2026-11-03", "", 1250 * 3600},
		{owner, -1, "2026-01-01", "hours: not a number of hours", 1250 * 3600},
		{owner, maxHours + 1, "2026-01-01", "hours: not a number of hours", 1250 * 3600},
		{owner, 10, "2026-12-02", "day: not a past day", 1250 * 3600},
		{owner, 10, "", "day: not a past day", 1250 * 3600},
		{ines, 10, "2026-01-01", "machines.enrol: Ines may not do this", 1250 * 3600},
		{owner, 0, "2026-01-01", "", 7200},
	} {
		err := b.s.SetInitial(t.Context(), c.who, "laser", c.hours, day(c.day))
		if got := fmt.Sprint(err); got != c.want && (err != nil || c.want != "") {
			t.Errorf("%d on %s: %s, want %q", c.hours, c.day, got, c.want)
		}
		if got := b.machine(owner, "laser").Figures.Total; got != c.total {
			t.Errorf("%d on %s: total %d, want %d", c.hours, c.day, got, c.total)
		}
	}
	if len(b.audit) != 4 || b.audit[0] != "Rosa machines.enrol machine/laser: 1240 hours on 2026-01-01" {
		t.Errorf("audit log: %q", b.audit)
	}
	var missing *fault.NotFound
	if err := b.s.SetInitial(t.Context(), owner, "mill", 1, day("2026-01-01")); !errors.As(err, &missing) {
		t.Errorf("an unknown machine: %v", err)
	}
}

func TestOwnWorkIsTheActorsOnly(t *testing.T) {
	b := newBench(t)
	b.laserStory()
	b.o.Progress = func(_ context.Context, m policy.MemberID) ([]Progress, error) {
		return []Progress{{Badge: "laser-maintainer", Counted: 1, Needed: 5}}, nil
	}
	b.open()
	own, err := b.s.Own(t.Context(), ines)
	if err != nil || len(own.Works) != 1 || own.Works[0].Machine != "laser" || own.Asked != 1 || own.Attested != 1 ||
		len(own.Progress) != 1 {
		t.Errorf("%+v, %v", own, err)
	}
	for _, a := range []actor.Actor{karim, owner} {
		if own, err := b.s.Own(t.Context(), a); err != nil || len(own.Works) != 0 || own.Progress != nil {
			t.Errorf("%s: %+v, %v", a.Name, own, err)
		}
	}
	if _, err := b.s.Own(t.Context(), actor.Actor{Member: "ines"}); err == nil {
		t.Error("nobody signed in, and the own work was shown")
	}
}

func TestPresentRateIsTheUseOfTheLastFourWeeks(t *testing.T) {
	now := date(2026, 12, 1).Add(12 * time.Hour)
	day := func(ago int) policy.Date { return policy.DateOf(now, time.UTC).AddDays(-ago) }
	use := dailyUse{day(0): 2800, day(27): 2800, day(28): 1 << 30}
	for _, c := range []struct {
		began time.Time
		want  int64
	}{
		{now.AddDate(-1, 0, 0), 200}, {time.Time{}, 200}, {now.AddDate(0, 0, -27), 200}, {now.Add(-time.Hour), 5600},
		{now.AddDate(0, 0, -6), 800},
	} {
		if got := use.perDay(c.began, now); got != c.want {
			t.Errorf("since %v: %d, want %d", c.began, got, c.want)
		}
	}
}

// The first batch has 2,000 records, and two processes of a hub may read one database.
func TestTwoProcessesReadManyRecordsOnce(t *testing.T) {
	b := newBench(t)
	s := b.ledger.add("laser")
	for i := range 2*batch + 500 {
		s.write(date(2026, 11, 1), wire.Tagged, "", "ines", tagBody(fmt.Sprint(i)))
	}
	s.Records = uint64(len(s.all))
	other := must(New(b.o))
	b.ledger.during = func() {
		if err := other.Update(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := b.s.Update(t.Context()); !errors.Is(err, errAgain) {
		t.Errorf("the slower process: %v, want %v", err, errAgain)
	}
	b.update()
	if got := len(b.machine(owner, "laser").Tags); got != 2*batch+500 {
		t.Errorf("%d tags", got)
	}
}

// must returns x, and panics if err is not nil.
func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

func TestServiceNeedsItsOptions(t *testing.T) {
	b := newBench(t)
	for _, o := range []Options{{}, {Site: b.o.Site}, {Site: b.o.Site, Records: b.ledger, Policy: b.o.Policy}} {
		if _, err := New(o); err == nil {
			t.Error("a service without its options")
		}
	}
}

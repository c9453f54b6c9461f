package evidence_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/hub/evidence"
	"portillon/policy"
	"portillon/wire"
)

// workOf returns an intervention of the given number of minutes. The records of a story are only ten seconds apart, so
// tests of the length also set the times of the records.
func workOf(session, what string, minutes int) line {
	return line{
		wire.Intervened,
		session,
		"lea",
		wire.InterventionBody{What: what, Endorser: "ines", Minutes: minutes},
		nil,
	}
}
func ended(session string, seconds int64) line {
	return line{wire.SessionEnd, session, "ines", wire.EndBody{Cause: wire.CauseTap, Seconds: seconds}, nil}
}
func before(d time.Duration) func(*wire.Record) {
	return func(r *wire.Record) { r.Wall = now.Add(-d) }
}

func TestJudgeCountsEachKindOncePerSession(t *testing.T) {
	refused := did("s", "lea", "lens-cleaning", "")
	for _, c := range []struct {
		name    string
		lines   []line
		counted int
		why     string
	}{
		{"five times the same", workStory(slices.Repeat([]line{did("s", "lea", "lens-cleaning", "ines")}, 5)...), 1,
			"[same-session same-session same-session same-session]"},
		{"of two kinds", workStory(did("s", "lea", "lens-cleaning", "ines"), did("s", "lea", "mirror-alignment", "ines")), 2,
			"[]"},
		{"after one that does not count", workStory(refused, did("s", "lea", "lens-cleaning", "ines")), 1, "[not-endorsed]"},
		{"once more after the end", workStory(did("s", "lea", "lens-cleaning", "ines"), end("s", "ines"),
			did("s", "lea", "lens-cleaning", "ines")), 1, "[same-session]"},
		{"in the next session", workStory(did("s", "lea", "lens-cleaning", "ines"), end("s", "ines"),
			start("r", "ines", policy.Maintainer, "laser-maintainer"),
			assisted("r", "lea"), did("r", "lea", "lens-cleaning", "ines")), 2, "[]"},
		{"another fault hides this reason", workStory(did("s", "lea", "painting", "ines"),
			did("s", "lea", "painting", "ines")), 0, "[wrong-kind wrong-kind]"},
	} {
		p := evidence.Judge(rule, "lea", records(t, "laser", c.lines...), now)
		if got := fmt.Sprint(whys(p)); len(p.Counted) != c.counted || got != c.why {
			t.Errorf("%s: %d count, %s", c.name, len(p.Counted), got)
		}
	}
}

func TestJudgeCountsTheSameKindOnceAtEachMachine(t *testing.T) {
	both := rule
	both.Machines = []policy.MachineID{"laser", "vinyl"}
	story := workStory(did("s", "lea", "lens-cleaning", "ines"))
	all := append(records(t, "laser", story...), records(t, "vinyl", story...)...)
	if p := evidence.Judge(both, "lea", all, now); len(p.Counted) != 2 {
		t.Errorf("%d count", len(p.Counted))
	}
}

func TestCountedMinutesAreLimitedToTheLengthOfTheSession(t *testing.T) {
	began := start("s", "ines", policy.Maintainer, "laser-maintainer").with(before(30 * time.Minute))
	for _, c := range []struct {
		name  string
		lines []line
		want  string
	}{
		{"less than the session", []line{began, assisted("s", "lea"), workOf("s", "lens-cleaning", 12).with(before(0))},
			"[12]"},
		{"more than the session so far", []line{began, assisted("s", "lea"),
			workOf("s", "lens-cleaning", 1440).with(before(10 * time.Minute))}, "[20]"},
		{"two kinds share the minutes", []line{began, assisted("s", "lea"), workOf("s", "lens-cleaning", 25).with(before(0)),
			workOf("s", "mirror-alignment", 25).with(before(0))}, "[25 5]"},
		{"a part of a minute is rounded up", []line{began, assisted("s", "lea"),
			workOf("s", "lens-cleaning", 99).with(before(19*time.Minute + 59*time.Second))}, "[11]"},
		{"after the end, its length", []line{began, assisted("s", "lea"), ended("s", 600).with(before(5 * time.Minute)),
			workOf("s", "lens-cleaning", 99).with(before(0))}, "[10]"},
		{"after an end of unknown length, its records",
			[]line{began, assisted("s", "lea"), ended("s", 0).with(before(5 * time.Minute)),
				workOf("s", "lens-cleaning", 99).with(before(0))}, "[25]"},
		{"an absurd length", []line{began, assisted("s", "lea"), ended("s", 1<<62).with(before(5 * time.Minute)),
			workOf("s", "lens-cleaning", 99).with(before(0))}, "[99]"},
		{"a clock that was set back", []line{began, assisted("s", "lea"),
			workOf("s", "lens-cleaning", 9).with(before(time.Hour))}, "[0]"},
		{"negative minutes", []line{began, assisted("s", "lea"), workOf("s", "lens-cleaning", -5).with(before(0))}, "[0]"},
	} {
		p := evidence.Judge(rule, "lea", records(t, "laser", c.lines...), now)
		var got []int
		sum := 0
		for _, x := range p.Counted {
			got, sum = append(got, x.Minutes), sum+x.Minutes
		}
		if fmt.Sprint(got) != c.want || sum != p.Minutes {
			t.Errorf("%s: %v (%d in all), want %s", c.name, got, p.Minutes, c.want)
		}
	}
}

func TestRuleWithSpreadRequiresDifferentDaysAtTheSite(t *testing.T) {
	r := rule
	r.Spread, r.Zone = 2, "Europe/Paris"
	day := func(session string, at time.Time) []line {
		when := func(r *wire.Record) { r.Wall = at }
		return []line{
			start(session, "ines", policy.Maintainer, "laser-maintainer").with(when),
			assisted(session, "lea").with(when),
			did(session, "lea", "lens-cleaning", "ines").with(when),
			end(session, "ines").with(when),
		}
	}
	paris := func(d, h, m int) time.Time { return time.Date(2026, 11, d, h-1, m, 0, 0, time.UTC) } // UTC+1 in November
	for _, c := range []struct {
		name     string
		rule     evidence.Rule
		at       []time.Time
		days     int
		complete bool
	}{
		{"two on one day", r, []time.Time{paris(20, 9, 0), paris(20, 18, 0)}, 1, false},
		{"on two days", r, []time.Time{paris(20, 9, 0), paris(21, 9, 0)}, 2, true},
		{"midnight in the site's zone", r, []time.Time{paris(20, 23, 50), paris(21, 0, 10)}, 2, true},
		{"midnight in UTC is ignored", r, []time.Time{paris(21, 0, 30), paris(21, 1, 30)}, 1, false},
		{"enough days, too few interventions", r, []time.Time{paris(20, 9, 0)}, 1, false},
		{"unknown zone", func() evidence.Rule { x := r; x.Zone = "Mars/Olympus"; return x }(),
			[]time.Time{paris(20, 9, 0), paris(21, 9, 0)}, 0, false},
		{"the zone Local", func() evidence.Rule { x := r; x.Zone = "Local"; return x }(),
			[]time.Time{paris(20, 9, 0), paris(21, 9, 0)}, 0, false},
	} {
		var lines []line
		for i, at := range c.at {
			lines = append(lines, day(fmt.Sprint(i), at)...)
		}
		p := evidence.Judge(c.rule, "lea", records(t, "laser", lines...), now)
		if p.Days != c.days || p.Complete != c.complete || p.MissingDays() != 2-c.days || len(p.Counted) != len(c.at) {
			t.Errorf("%s: %d days, complete %t, %d count", c.name, p.Days, p.Complete, len(p.Counted))
		}
	}
	r.Within = 0
	p := evidence.Judge(
		r,
		"lea",
		records(
			t,
			"laser",
			workStory(
				did("s", "lea", "lens-cleaning", "ines").with(func(r *wire.Record) { r.Clock = wire.ClockUntrusted }),
			)...),
		now,
	)
	if got := fmt.Sprint(whys(p)); got != "[clock-untrusted]" {
		t.Errorf("whose day is unknown: %s", got)
	}
}

func attested(session string, m policy.MemberID, id string) line {
	return line{wire.Attested, session, m, wire.AttestBody{Intervention: id}, nil}
}

func TestRuleWithAtTheTimeRequiresTheEndorsersConfirmation(t *testing.T) {
	r := rule
	r.AtTheTime = true
	named := line{
		wire.Intervened,
		"s",
		"lea",
		wire.InterventionBody{What: "lens-cleaning", Endorser: "ines", ID: "i"},
		nil,
	}
	themself := line{
		wire.Intervened,
		"s",
		"lea",
		wire.InterventionBody{What: "lens-cleaning", Endorser: "ines", Attested: true},
		nil,
	}
	for _, c := range []struct {
		name  string
		lines []line
		why   string
	}{
		{"no confirmation", workStory(did("s", "lea", "lens-cleaning", "ines")), "[not-attested]"},
		{"no confirmation yet", workStory(named), "[not-attested]"},
		{"confirmed by the endorser", workStory(named, attested("s", "ines", "i")), "[]"},
		{"confirmed after the end", workStory(named, end("s", "ines"), attested("s", "ines", "i")), "[]"},
		{"confirmed too late", workStory(named, end("s", "ines").with(before(evidence.Late+time.Second)),
			attested("s", "ines", "i")), "[not-attested]"},
		{"written by the endorser", workStory(themself), "[]"},
		{"confirmed by the member", workStory(named, attested("s", "lea", "i")), "[not-attested]"},
		{"by another person", workStory(named, attested("s", "zoe", "i")), "[not-attested]"},
		{"by another person, then by ines", workStory(named, attested("s", "zoe", "i"), attested("s", "ines", "i")), "[]"},
		{"another intervention", workStory(named, attested("s", "ines", "j")), "[not-attested]"},
		{"an intervention without an id", workStory(did("s", "lea", "lens-cleaning", "ines"), attested("s", "ines", "")),
			"[not-attested]"},
		{"confirmed before the intervention", workStory(attested("s", "ines", "i"), named), "[not-attested]"},
		{"in another session", workStory(named, end("s", "ines"), start("r", "ines", policy.Maintainer, "laser-maintainer"),
			attested("r", "ines", "i")), "[not-attested]"},
		{"an unreadable confirmation", workStory(named, line{wire.Attested, "s", "ines", []int{1}, nil}), "[not-attested]"},
		{"not a maintainer", []line{start("s", "ines", policy.User, "laser-user"), assisted("s", "lea"), named,
			attested("s", "ines", "i")}, "[endorser-not-maintainer]"},
		{"confirmed twice", workStory(named, attested("s", "ines", "i"), attested("s", "ines", "i")), "[]"},
	} {
		p := evidence.Judge(r, "lea", records(t, "laser", c.lines...), now)
		if got := fmt.Sprint(whys(p)); got != c.why || len(p.Counted)+len(p.Rejected) != 1 {
			t.Errorf("%s: %s, want %s", c.name, got, c.why)
		}
	}
}

func TestConfirmationAtAnotherMachineIsIgnored(t *testing.T) {
	r := rule
	r.AtTheTime, r.Machines = true, []policy.MachineID{"laser", "vinyl"}
	named := line{
		wire.Intervened,
		"s",
		"lea",
		wire.InterventionBody{What: "lens-cleaning", Endorser: "ines", ID: "i"},
		nil,
	}
	all := append(
		records(t, "laser", workStory(named)...),
		records(t, "vinyl", workStory(attested("s", "ines", "i"))...)...)
	if got := fmt.Sprint(whys(evidence.Judge(r, "lea", all, now))); got != "[not-attested]" {
		t.Error(got)
	}
}

func TestExportContainsTheRecordsThatProveDaysMinutesAndConfirmations(t *testing.T) {
	d := newDesk(t)
	f := d.file(t)
	f.Rule.AtTheTime, f.Rule.Spread, f.Rule.Zone = true, 2, "Europe/Paris"
	var lines []line
	for i, ago := range []time.Duration{50 * time.Hour, 2 * time.Hour} {
		s, at := fmt.Sprint("s", i), before(ago)
		lines = append(
			lines,
			start(s, "ines", policy.Maintainer, "laser-maintainer").with(at),
			assisted(s, "lea").with(at),
			ended(s, 300).with(at),
			line{
				wire.Intervened,
				s,
				"lea",
				wire.InterventionBody{What: "lens-cleaning", Endorser: "ines", ID: s, Minutes: 60},
				at,
			},
			attested(s, "ines", s).with(at),
		)
	}
	all := records(t, "laser", lines...)
	whole := evidence.Judge(f.Rule, "lea", all, now)
	if !whole.Complete || whole.Minutes != 10 || whole.Days != 2 {
		t.Fatalf("%+v", whole)
	}
	j, proofs := proveRecords(t, "laser", all, d.laser)
	f.Machines, f.Records = []evidence.Journal{j}, nil
	for _, n := range evidence.Needs(whole) {
		f.Records = append(f.Records, proofs[n.Seq-1])
	}
	data, err := evidence.Make(f, d.hub)
	if err != nil {
		t.Fatal(err)
	}
	got, p, err := d.verify(data)
	if err != nil || !p.Complete || p.Minutes != 10 || p.Days != 2 || len(got.Records) != 10 {
		t.Errorf("%d records, %+v, %v", len(got.Records), p, err)
	}
	f.Records = f.Records[:len(f.Records)-1] // Remove the record of the endorser's confirmation from the file
	if data, err = evidence.Make(f, d.hub); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.verify(data); err == nil {
		t.Error("a file without a confirmation verifies")
	}
}

// If there are more interventions than a file may contain, the export selects interventions on as many different days
// as the rule requires.
func TestExportContainsAllDaysThatTheRuleRequires(t *testing.T) {
	p := evidence.Progress{Spread: 2}
	for i := range evidence.MaxCounted + 5 {
		day := "2026-11-20"
		if i < 2 {
			day = "2026-11-19"
		}
		p.Counted = append(
			p.Counted,
			evidence.Counted{
				Day:    day,
				Record: wire.Record{Machine: "laser", Seq: uint64(i + 1), Wall: now.Add(time.Duration(i) * time.Second)},
			},
		)
	}
	got := evidence.Needs(p)
	if len(got) != evidence.MaxCounted || got[0].Seq != 2 || got[1].Seq != 7 {
		t.Errorf("%d records, %v", len(got), got[:3])
	}
	p.Spread = 0
	if got := evidence.Needs(p); len(got) != evidence.MaxCounted || got[0].Seq != 6 {
		t.Errorf("without days: %v", got[:3])
	}
}

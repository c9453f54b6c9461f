package report_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/report"
	"portillon/policy"
	"portillon/wire"
)

// lea is a member without any other role.
var lea = actor.Actor{Account: "a-lea", Name: "Léa", Member: "lea", Site: actor.Member}

// ownBench has sessions of Léa and Tom, and a session without a known member.
func ownBench(t *testing.T) *bench {
	b := newBench(t)
	at := time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)
	laser, vinyl := b.ledger.add("laser", 0), b.ledger.add("vinyl", 0)
	laser.writeSession(at.AddDate(-2, 0, 0), 60, "lea", wire.CauseTap)
	laser.writeSession(at, 600, "lea", wire.CauseTap)
	laser.writeSession(at.Add(time.Hour), 300, "tom", wire.CauseTap)
	laser.writeSession(at.Add(2*time.Hour), 1200, "lea", wire.CauseIdle)
	laser.writeSession(at.Add(3*time.Hour), 30, "", wire.CauseTap)
	// The session begins on 31 October in UTC, and on 1 November at the site.
	vinyl.writeSession(time.Date(2026, 10, 31, 23, 30, 0, 0, time.UTC), 900, "lea", wire.CauseTap)
	vinyl.write(wire.SessionStart, b.o.Now().Add(-90*time.Second), true, "s", "lea", wire.StartBody{Role: policy.User})
	b.countAll()
	return b
}

func TestMemberReadsOnlyTheOwnSessions(t *testing.T) {
	b := ownBench(t)
	uses, err := b.s.OwnUses(t.Context(), lea)
	if err != nil || len(uses) != 5 {
		t.Fatalf("%+v, %v, want 5 sessions", uses, err)
	}
	if slices.ContainsFunc(uses, func(u report.Use) bool { return u.Member != "lea" || u.Name != "" }) {
		t.Errorf("sessions of other members, or names: %+v", uses)
	}
	if last := uses[4]; last.Machine != "vinyl" || !last.To.IsZero() || last.Seconds != 90 {
		t.Errorf("the running session is %+v", last)
	}
	missing, denied := (*fault.NotFound)(nil), (*actor.Denied)(nil)
	for name, c := range map[string]struct {
		who  actor.Actor
		want any
	}{
		"nobody":                      {actor.Actor{}, &denied},
		"an account without a role":   {actor.Actor{Account: "x"}, &denied},
		"an owner without a member":   {owner, &missing},
		"a token for other rights":    {withScopes(lea, actor.ReadMachines), &denied},
		"a member without sessions":   {actor.Actor{Account: "z", Member: "zoe", Site: actor.Member}, nil},
		"a token to read the own row": {withScopes(lea, actor.ReadOwn), nil},
	} {
		_, err := b.s.OwnUses(t.Context(), c.who)
		if c.want == nil && err != nil || c.want != nil && !errors.As(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := b.s.OwnMonths(t.Context(), c.who, 12); (again == nil) != (err == nil) {
			t.Errorf("%s: OwnMonths answers %v", name, again)
		}
	}
}

// withScopes returns the actor of an API token with these scopes.
func withScopes(a actor.Actor, scopes ...actor.Act) actor.Actor {
	a.Token, a.Scopes = "t-1", scopes
	return a
}

func TestOwnHoursAreCountedByMonthAtTheSite(t *testing.T) {
	b := ownBench(t)
	for n, want := range map[int]string{
		1:  "[{2026-12 vinyl 1 90}]",
		2:  "[{2026-11 vinyl 1 900} {2026-12 vinyl 1 90}]",
		12: "[{2026-10 laser 2 1800} {2026-11 vinyl 1 900} {2026-12 vinyl 1 90}]",
		27: "[{2024-10 laser 1 60} {2026-10 laser 2 1800} {2026-11 vinyl 1 900} {2026-12 vinyl 1 90}]",
	} {
		months, err := b.s.OwnMonths(t.Context(), lea, n)
		if got := fmt.Sprint(months); err != nil || got != want {
			t.Errorf("%d months: %s, %v, want %s", n, got, err, want)
		}
	}
}

// The practice of one member equals the practice that Practice returns for all members, and also contains the day and
// the week of the last use.
func TestPracticeOfOneMemberEqualsThePracticeOfAllMembers(t *testing.T) {
	b := newBench(t)
	at := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC) // a Monday
	j, second := b.ledger.add("laser", 0), b.ledger.add("laser", 1)
	j.writeSession(at, 600, "lea", wire.CauseTap)
	j.writeSession(at.Add(time.Hour), 300, "lea", wire.CausePowerLost)
	j.writeSession(at.Add(2*time.Hour), 60, "tom", wire.CauseDaemonLost)
	second.writeSession(at.Add(24*time.Hour), 900, "lea", wire.CauseTap)
	second.writeSession(at.Add(25*time.Hour), 100, "lea", wire.CauseTap)
	b.countAll()
	all, _, err := b.s.Practice(t.Context(), []policy.MachineID{"laser"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []policy.MemberID{"lea", "tom"} {
		got, known, err := b.s.PracticeOf(t.Context(), id)
		if err != nil || len(got) != 1 || !known["laser"] || known["mill"] {
			t.Fatalf("%s: %+v, %v, %v", id, got, known, err)
		}
		if want := all[id][0]; got[0].Logged != want.Logged || !got[0].Last.Equal(want.Last) {
			t.Errorf("%s: %+v, want %+v", id, got[0], want)
		}
	}
	got, _, _ := b.s.PracticeOf(t.Context(), "lea")
	if p := got[0]; p.Day != 1000*time.Second || p.Week != 1600*time.Second || p.Sessions != 2 {
		t.Errorf("%+v", p)
	}
	if got, _, err := b.s.PracticeOf(t.Context(), ""); err != nil || len(got) != 0 {
		t.Errorf("practice of nobody: %+v, %v", got, err)
	}
}

package daemon

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/session"
	"portillon/policy"
)

// quotaBench returns a bench with the laser of the example site, where users may use the laser at any hour and have a
// quota of n sessions a day.
func quotaBench(t *testing.T, n int) *bench {
	t.Helper()
	return otherBench(
		t,
		`hours: "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off", session: { max: 2h, idle: 10m, warn: 2m }`,
		fmt.Sprintf("quota: { sessions: %d }, session: { max: 30m, warn: 10m, extend: 30m }", n),
	)
}

// sessionOf lets a member start a session that lasts for d, and end it.
func (b *bench) sessionOf(card string, d time.Duration) {
	b.t.Helper()
	b.wants(b.tap(card), "session-start RELAY ON [on]")
	b.now = b.now.Add(d - 3*time.Second) // a tap takes three seconds
	b.wants(b.tap(card), "relay off session-end [cooling]")
}

// restarted returns the bench as it is after a restart of the daemon: only the journal's facts remain.
func (b *bench) restarted() {
	b.t.Helper()
	p := *b.cfg
	p.Roster, p.Practice = b.m.rules.roster, map[policy.MemberID]policy.Practice{}
	for name, value := range b.notes.facts {
		if id, ok := strings.CutPrefix(name, FactPractice); ok {
			var x policy.Practice
			if err := json.Unmarshal(value, &x); err != nil {
				b.t.Fatal(err)
			}
			p.Practice[policy.MemberID(id)] = x
		}
	}
	b.Machine = New(p)
	b.e, b.m = b.engine, b.engine.model
}

func TestQuotaOfSessionsRefusesAnotherStartOnThatDay(t *testing.T) {
	b := quotaBench(t, 2)
	b.sessionOf(lea, 5*time.Minute)
	b.sessionOf(lea, 5*time.Minute)
	for range 2 { // the panel shows the second refusal, and the journal does not record it again
		if got := b.tap(lea); !strings.HasSuffix(got, "[refused]") {
			t.Fatalf("the third session of the day: %q", got)
		}
		v := b.cfg.Panel.Current()
		if v.Line.FR != "Le quota d’utilisations de la journée (2) est épuisé" ||
			v.Line.EN != "The day’s quota of sessions (2) is used up" ||
			!strings.HasSuffix(v.Next.FR, "revenir demain") || !strings.HasSuffix(v.Next.EN, "come back tomorrow") {
			t.Errorf("the panel shows %+v, %+v", v.Line, v.Next)
		}
		b.cfg.Panel.EndFlash()
	}
	b.sessionOf(karim, time.Minute) // sessions of one member do not count for another member

	b.restarted()
	if got := b.tap(lea); !strings.HasSuffix(got, "refused [refused]") {
		t.Errorf("after a restart: %q", got)
	}
	b.cfg.Panel.EndFlash()
	b.now = time.Date(2026, 11, 23, 23, 0, 1, 0, time.UTC) // Tuesday, one second after midnight in Paris
	b.sessionOf(lea, 5*time.Minute)
	b.sessionOf(lea, 5*time.Minute)
	if got := b.tap(lea); !strings.HasSuffix(got, "[refused]") {
		t.Errorf("the third session of the next day: %q", got)
	}
}

func TestRefusedTapsUseUpNoSession(t *testing.T) {
	b := quotaBench(t, 1)
	b.do(control.Request{Do: "tag", Reason: "courroie", Tag: "t-1"})
	for range 3 {
		b.wants(strings.TrimPrefix(b.tap(lea), "refused "), "[tagged]")
	}
	b.do(control.Request{Do: "untag", Tag: "t-1"})
	b.notes.full = true
	b.wants(b.tap(lea), "relay off [fault]")
	b.notes.full = false
	b.cfg.Panel.EndFlash()
	b.now = b.now.Add(time.Minute)
	b.sessionOf(lea, time.Minute)
}

// The card was tapped again while the contactor was opening: the guard refuses, and the recorded session has no length.
func TestSessionWhoseRelayDidNotCloseUsesUpNoSession(t *testing.T) {
	b := quotaBench(t, 1)
	b.notes.dead = fmt.Errorf("relay: %w", relay.ErrContactorOpening)
	for range 2 {
		if got := b.tap(lea); !strings.HasPrefix(got, "session-start ") || !strings.Contains(got, "session-end") {
			t.Fatalf("while the contactor opens: %q", got)
		}
		b.cfg.Panel.EndFlash()
	}
	b.notes.dead = nil
	b.sessionOf(lea, time.Minute)
	if p := b.m.practice.of["m-020dc2"]; p.Sessions != 1 {
		t.Errorf("%d sessions, want 1", p.Sessions)
	}
}

// The policy decides again at each extension. The running session is the last one that the quota permits, and does not
// count against its own extension.
func TestLastSessionOfAQuotaCanBeExtended(t *testing.T) {
	b := quotaBench(t, 2)
	b.sessionOf(lea, time.Minute)
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	for range 2 {
		b.now = b.m.state.Current.Until.Add(-time.Minute)
		b.e.apply(t.Context(), session.Tick{})
		if err := b.touch(panel.Touch{Do: panel.Extend}); err != nil {
			t.Fatalf("the extension: %v", err)
		}
		if left := b.m.state.Current.Until.Sub(b.now); left != 31*time.Minute {
			t.Errorf("%v left", left)
		}
	}
	b.wants(b.tap(lea), "relay off session-end [cooling]")
	if got := b.tap(lea); !strings.HasSuffix(got, "refused [refused]") {
		t.Errorf("after the last session: %q", got)
	}
}

func TestChangeOfRoleUsesUpNoSession(t *testing.T) {
	b := quotaBench(t, 1)
	b.wants(b.tap(karim), "session-start RELAY ON [on]")
	for _, role := range []string{"mentor", "user"} {
		if err := b.touch(panel.Touch{Do: panel.TakeRole, Arg: role}); err != nil {
			t.Fatalf("%s: %v", role, err)
		}
	}
	b.wants(b.tap(karim), "relay off session-end [cooling]")
	if p := b.m.practice.of["m-be879f"]; p.Sessions != 1 {
		t.Errorf("%d sessions, want 1", p.Sessions)
	}
}

func TestSessionPastMidnightCountsOnTheDayItBegan(t *testing.T) {
	b := quotaBench(t, 1)
	b.now = time.Date(2026, 11, 23, 22, 50, 0, 0, time.UTC) // 23:50 in Paris
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	b.now = b.m.state.Current.Until.Add(-time.Minute) // after midnight
	b.e.apply(t.Context(), session.Tick{})
	if err := b.touch(panel.Touch{Do: panel.Extend}); err != nil {
		t.Errorf("an extension after midnight: %v", err)
	}
	b.wants(b.tap(lea), "relay off session-end [cooling]")
	b.restarted()
	b.sessionOf(lea, time.Minute)
	if got := b.tap(lea); !strings.HasSuffix(got, "refused [refused]") {
		t.Errorf("the second session of Tuesday: %q", got)
	}
}

// Without a trusted clock, the policy cannot evaluate the quota by the calendar. The sessions then count for the last
// known day, even a session that lasted longer than the day had lasted so far.
func TestSessionsWithAnUntrustedClockCountOnTheLastKnownDay(t *testing.T) {
	day := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	got := Practised(policy.Practice{Last: day, Sessions: 1}, time.Time{}, 5*time.Hour)
	if got.Sessions != 2 || !got.Last.Equal(day) {
		t.Errorf("%+v, want two sessions on %v", got, day)
	}
	b := quotaBench(t, 1)
	b.cfg.Trusted = func() bool { return false }
	if got := b.tap(lea); strings.Contains(got, "session-start") {
		t.Errorf("with an untrusted clock: %q", got)
	}
}

// A clock that runs ahead stores a date in the future. Once the clock is right, after a restart, sessions of that date
// do not count.
func TestSessionsDatedInTheFutureDoNotCount(t *testing.T) {
	b := quotaBench(t, 1)
	right := b.now
	b.now = right.AddDate(0, 0, 2)
	b.sessionOf(lea, time.Minute)
	b.now = right
	b.restarted()
	b.sessionOf(lea, time.Minute)
}

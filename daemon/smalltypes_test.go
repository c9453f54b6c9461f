package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// configWithClock returns a configuration with only a clock and a log.
func configWithClock(now *time.Time) *Config {
	return &Config{Now: func() time.Time { return *now }, Logger: slog.New(slog.DiscardHandler)}
}

func TestReportsAreRateLimitedPerMember(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	f := forms{cfg: configWithClock(&now)}
	for n := range reportsMax + 1 {
		if got := f.mayReport(reportKey{id: "m-1"}); got != (n < reportsMax) {
			t.Errorf("report %d: %v", n+1, got)
		}
	}
	if !f.mayReport(reportKey{id: "m-2"}) || !f.mayReport(reportKey{id: "m-1", unsigned: true}) {
		t.Error("one member's reports count for another, or unsigned ones for signed ones")
	}
	if now = now.Add(reportsIn); !f.mayReport(reportKey{id: "m-1"}) {
		t.Error("the limit does not end after reportsIn")
	}
}

func TestInterventionsThatWaitForTheirEndorserAreLimitedInNumber(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	a := attestations{cfg: configWithClock(&now)}
	for i := range maxAttestations + 1 {
		r := session.Record{Session: "s", Member: "m-1"}
		a.add(r, wire.InterventionBody{ID: fmt.Sprint(i), What: "lens", Endorser: "m-2"})
	}
	if len(a.waiting) != maxAttestations {
		t.Errorf("%d wait, want %d", len(a.waiting), maxAttestations)
	}
	if _, waits := a.find("0", "m-1"); waits {
		t.Error("an intervention waits for its own author")
	}
	if now = now.Add(formLife); true {
		a.expire("s")
	}
	if len(a.waiting) != maxAttestations {
		t.Error("what waits is dropped while its session runs")
	}
	now = now.Add(formLife)
	if a.expire(""); len(a.waiting) != 0 {
		t.Errorf("%d wait after formLife", len(a.waiting))
	}
}

func TestPracticeOfASessionOfUnknownLengthIsNotCounted(t *testing.T) {
	r := session.Record{Kind: wire.SessionEnd, Session: "s-1", Member: "m-1", Body: wire.EndBody{Seconds: 90}}
	p := newPractice(nil, []Owed{{Record: r}})
	if _, counts := p.after(r, "laser", time.Time{}); counts {
		t.Error("the zero practice of an owed end is written")
	}
	r.Session = "s-2"
	if got, counts := p.after(r, "laser", time.Time{}); !counts || got.Logged != 90*time.Second || got.Machine != "laser" {
		t.Errorf("%+v %v", got, counts)
	}
	if _, counts := p.after(session.Record{Kind: wire.SessionStart}, "laser", time.Time{}); counts {
		t.Error("a record that is no end adds practice")
	}
}

// A clock that was fast has stored a date of maintenance that is now in the future. Once the clock is right, the
// interval of the maintenance begins now.
func TestMaintenanceDatedInTheFutureCountsFromNow(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	u := newUpkeep(map[string]policy.Done{"lens": {At: now.AddDate(1, 0, 0), Ran: time.Hour}})
	mach := &policy.Machine{Maintenance: []policy.Upkeep{{Kind: "lens", Every: 24 * time.Hour}, {Kind: "belt"}}}
	u.begin(mach, 5*time.Hour, now)
	if got := u.done["lens"]; !got.At.Equal(now) || got.Ran != time.Hour {
		t.Errorf("lens %+v", got)
	}
	if got := u.done["belt"]; !got.At.Equal(now) || got.Ran != 5*time.Hour || len(u.begun) != 2 {
		t.Errorf("belt %+v, begun %v", got, u.begun)
	}
	if u.isSettled(mach, "lens") || !u.isSettled(mach, "belt") || !u.isSettled(mach, "no such") {
		t.Error("only what does not depend on the time is settled")
	}
}

func TestLivenessAllowsACommitTenTimesTheLoopsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLiveness()
		failed := errors.New("no room")
		err := l.duringCommit(func() error {
			time.Sleep(diskHang - 1)
			if !l.alive() {
				t.Error("a disk that is slow makes the loop dead")
			}
			time.Sleep(2 * time.Nanosecond) // a commit that begins at 0 ns is stored as 1 ns, because 0 means no commit
			if l.alive() {
				t.Error("a disk that hangs leaves the loop alive")
			}
			return failed
		})
		if !errors.Is(err, failed) || !l.alive() {
			t.Errorf("after the commit: %v, alive %v", err, l.alive())
		}
		if time.Sleep(hang); l.alive() {
			t.Error("a loop that is silent for hang is alive")
		}
	})
}

// If a fact cannot be encoded, the daemon must not remove the fact instead.
func TestFactThatCannotBeWrittenStopsTheCommit(t *testing.T) {
	var f factSet
	f.put(FactHours, session.Hours{Relay: time.Hour})
	f.put(FactTags, []session.Tag{{ID: "t", Since: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}})
	if _, there := f.values[FactTags]; f.err == nil || there || len(f.values) != 1 {
		t.Errorf("%v, %v", f.err, f.values)
	}
}

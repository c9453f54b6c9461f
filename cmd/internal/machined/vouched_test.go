package machined

import (
	"testing"
	"time"
)

// What a machine hears of its clock over days, and whether it believes it.
func TestClockIsBelievedAfterItsServerIsGoneUntilSomebodySetsIt(t *testing.T) {
	wall, mono, kernel := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC), time.Duration(0), false
	v := &vouched{asks: func() bool { return kernel }, now: func() (time.Time, time.Duration) { return wall, mono }}
	pass := func(d time.Duration) { wall, mono = wall.Add(d), mono+d }
	wants := func(want bool, when string) {
		t.Helper()
		if got := v.trusted(); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	wants(false, "before anybody vouched for it")
	pass(time.Hour)
	kernel = true
	wants(true, "a time server")
	kernel = false
	pass(9 * time.Hour)
	wants(true, "the morning after the network failed")
	wall = wall.Add(time.Second)
	wants(true, "a leap second")
	pass(keeps - 9*time.Hour)
	wants(true, "a month")
	pass(time.Minute)
	wants(false, "more than a month")

	for name, by := range map[string]time.Duration{"set ahead": time.Minute, "set back": -time.Minute} {
		kernel = true
		wants(true, "a time server again")
		kernel = false
		pass(time.Hour)
		wall = wall.Add(by)
		wants(false, name)
		wall = wall.Add(-by)
		wants(false, name+", and back again: who did that knows better, and nobody else")
	}
	kernel = true
	wall = wall.Add(-48 * time.Hour)
	wants(true, "set by a time server")
}

func TestClocksAreReadTogether(t *testing.T) {
	w1, m1 := bothClocks()
	w2, m2 := bothClocks()
	if d := w2.Sub(w1) - (m2 - m1); d.Abs() > step || m2 < m1 {
		t.Error(d, m1, m2)
	}
}

// A daemon that starts anew takes the word that its journal has of this boot; whoever set the clock in between is found out.
func TestClockIsBelievedByTheNextDaemonToo(t *testing.T) {
	vouchedFor := time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		wall time.Time
		want bool
	}{"nothing happened": {vouchedFor.Add(13 * time.Hour), true}, "set ahead": {vouchedFor.Add(14 * time.Hour), false}, "set back": {vouchedFor, false}} {
		v := &vouched{asks: func() bool { return false }, now: func() (time.Time, time.Duration) { return c.wall, 15 * time.Hour }}
		v.recall(vouchedFor, 2*time.Hour)
		if got := v.trusted(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	now := time.Hour
	v := &vouched{asks: func() bool { return true }, now: func() (time.Time, time.Duration) { return vouchedFor, now }}
	v.trusted()
	v.recall(vouchedFor.AddDate(-1, 0, 0), 0) // an older word takes nothing back
	v.asks = func() bool { return false }
	if !v.trusted() {
		t.Error("what was recalled took the place of what the kernel says")
	}
}

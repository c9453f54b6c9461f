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
	read := bothClocks(time.Now())
	w1, m1 := read()
	w2, m2 := read()
	if d := w2.Sub(w1) - (m2 - m1); d.Abs() > step || m2 < m1 {
		t.Error(d, m1, m2)
	}
}

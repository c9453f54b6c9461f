package machined

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
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

// A daemon that starts anew takes the kernel's last word of this boot; whoever set the clock in between is found out.
func TestClockIsBelievedByTheNextDaemonToo(t *testing.T) {
	begin := time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)
	wall, mono, kernel := begin, 2*time.Hour, true
	var mu sync.Mutex // of those three: a daemon reads them from elsewhere
	set := func(vouches bool, by time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		kernel, wall, mono = vouches, wall.Add(by), mono+by
	}
	clock := func() *vouched {
		return &vouched{asks: func() bool { mu.Lock(); defer mu.Unlock(); return kernel },
			now: func() (time.Time, time.Duration) { mu.Lock(); defer mu.Unlock(); return wall, mono }}
	}
	var fact []byte
	synctest.Test(t, func(t *testing.T) {
		set(false, 0)
		v, writes := clock(), 0
		ctx, cancel := context.WithCancel(t.Context())
		go v.listen(ctx, "boot", func(facts map[string][]byte) error {
			fact = facts[factVouched]
			writes++
			return nil
		})
		synctest.Wait()
		if fact != nil {
			t.Errorf("nobody has vouched, and it is written: %s", fact)
		}
		set(true, 0)
		for range 150 { // minutes
			time.Sleep(time.Minute)
			set(true, time.Minute)
			synctest.Wait()
		}
		set(false, 0)
		if writes < 2 || writes > 4 {
			t.Errorf("written %d times in two hours and a half", writes)
		}
		for range 150 {
			time.Sleep(time.Minute)
			set(false, time.Minute)
		}
		cancel()
		synctest.Wait()
	})
	for name, c := range map[string]struct {
		boot string
		set  time.Duration
		want bool
	}{"nothing happened": {"boot", 0, true}, "set ahead": {"boot", time.Hour, false}, "set back": {"boot", -time.Hour, false}, "another boot": {"another", 0, false}, "no boot": {"", 0, false}, "no boot known": {"unknown", 0, false}} {
		was := wall
		wall = wall.Add(c.set)
		v := clock()
		if v.recall(fact, c.boot); v.trusted() != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
		wall = was
	}
	for _, junk := range []string{"", "null", "{", `{"boot":"boot"}`} {
		v := clock()
		if v.recall([]byte(junk), "boot"); v.trusted() {
			t.Errorf("%s is believed", junk)
		}
	}
	wall, mono = wall.Add(keeps), mono+keeps
	v := clock()
	if v.recall(fact, "boot"); v.trusted() {
		t.Error("a month after the kernel's last word a new daemon begins another")
	}
}

package daemoncmd

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Each case lists what the kernel reports about the clock over days, and whether the machine trusts the clock.
func TestClockStaysTrustedForAMonthUnlessSomebodySetsTheClock(t *testing.T) {
	wall, mono, kernel := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC), time.Duration(0), false
	v := &clockTrust{asks: func() bool { return kernel }, now: func() (time.Time, time.Duration) { return wall, mono }}
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
	pass(trustFor - 9*time.Hour)
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

func TestWallAndBootClocksAreReadTogether(t *testing.T) {
	w1, m1 := readClocks()
	w2, m2 := readClocks()
	if d := w2.Sub(w1) - (m2 - m1); d.Abs() > step || m2 < m1 {
		t.Error(d, m1, m2)
	}
}

// clocks simulates the wall clock, the time since boot, and the kernel's report on synchronisation.
type clocks struct {
	mu     sync.Mutex
	kernel bool
	wall   time.Time
	mono   time.Duration
}

func (c *clocks) pass(vouches bool, by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kernel, c.wall, c.mono = vouches, c.wall.Add(by), c.mono+by
}

func (c *clocks) daemon() *clockTrust {
	return &clockTrust{asks: func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.kernel },
		now: func() (time.Time, time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); return c.wall, c.mono }}
}

// A synchronisation is stored when the kernel first reports it, and again at intervals while it lasts.
func TestSynchronisationIsStoredWhileTheKernelReportsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, fact, writes := clocks{wall: time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC), mono: 2 * time.Hour}, []byte(nil), 0
		ctx, cancel := context.WithCancel(t.Context())
		go c.daemon().watchClock(ctx, "boot", func(facts map[string][]byte) error {
			fact = facts[factClockSync]
			writes++
			return nil
		})
		minutes := func(n int, vouches bool) {
			for c.pass(vouches, 0); n > 0; n-- {
				<-time.After(time.Minute)
				c.pass(vouches, time.Minute)
				synctest.Wait()
			}
		}
		if minutes(5, false); writes != 0 {
			t.Errorf("nobody has vouched, and it is written: %s", fact)
		}
		if minutes(150, true); writes < 2 || writes > 4 {
			t.Errorf("written %d times in two hours and a half", writes)
		}
		was := writes
		if minutes(150, false); writes > was {
			t.Error("written anew, and nobody vouches any more")
		}
		cancel()
		synctest.Wait()
		next := c.daemon()
		if next.restore(fact, "boot"); !next.trusted() {
			t.Error("the next daemon does not believe it")
		}
	})
}

// A restarted daemon uses the stored synchronisation of the same boot. The restarted daemon detects that somebody has
// set the clock in between.
func TestClockTrustSurvivesARestartOfTheDaemon(t *testing.T) {
	begin := time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)
	fact, err := json.Marshal(syncRecord{"boot", begin, 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		fact, boot string
		passed     time.Duration
		set        time.Duration
		want       bool
	}{
		"nothing happened": {string(fact), "boot", 13 * time.Hour, 0, true},
		"set ahead":        {string(fact), "boot", 13 * time.Hour, time.Hour, false},
		"set back":         {string(fact), "boot", 13 * time.Hour, -time.Hour, false},
		"another boot":     {string(fact), "another", 13 * time.Hour, 0, false},
		"no boot":          {string(fact), "", 13 * time.Hour, 0, false},
		"no boot known":    {`{"boot":"unknown","wall":"2026-11-28T20:00:00Z","mono":7200000000000}`, "unknown", 0, 0, false},
		// A restart does not extend the month of trust.
		"a month since": {string(fact), "boot", trustFor + time.Minute, 0, false},
		"nothing":       {"", "boot", 0, 0, false},
		"null":          {"null", "boot", 0, 0, false},
		"half":          {"{", "boot", 0, 0, false},
		"no time":       {`{"boot":"boot"}`, "boot", 0, 0, false},
	} {
		c := clocks{wall: begin.Add(x.passed + x.set), mono: 2*time.Hour + x.passed}
		v := c.daemon()
		if v.restore([]byte(x.fact), x.boot); v.trusted() != x.want {
			t.Errorf("%s: %v", name, !x.want)
		}
	}
}

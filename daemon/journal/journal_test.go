package journal

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
)

// signer returns a key pair that the tests share. The seed of the keys is fixed, so that a failure is reproducible.
func signer(t testing.TB) (note.Signer, note.Verifiers) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)), "laser")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, note.VerifierList(v)
}

func options(t testing.TB) Options {
	s, _ := signer(t)
	return Options{Site: "lab", Machine: "laser", Signer: s, Boot: "boot-1", Trusted: func() bool { return true }}
}

func open(t testing.TB, path string, o Options) *Journal {
	t.Helper()
	j, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func fresh(t testing.TB) *Journal {
	return open(t, filepath.Join(t.TempDir(), "journal.db"), options(t))
}

func start(i int) Entry {
	return Entry{Kind: wire.SessionStart, Session: fmt.Sprintf("s-%06d", i), Member: "m-7k2f9q",
		Body: wire.StartBody{Role: 2, Badges: nil, Bundle: 12, Card: "uid"}}
}

func end(i int) Entry {
	return Entry{Kind: wire.SessionEnd, Session: fmt.Sprintf("s-%06d", i), Member: "m-7k2f9q",
		Body: wire.EndBody{Cause: wire.CauseTap, Seconds: 61}}
}

func fill(t testing.TB, j *Journal, n int) {
	t.Helper()
	for i := range n {
		e := start(i / 2)
		if i%2 == 1 {
			e = end(i / 2)
		}
		if _, err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	}
}

func verified(t testing.TB, j *Journal) VerifyResult {
	t.Helper()
	v, err := j.Verify(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRecordsAreNumberedWithoutGapsAcrossRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "un journal #1%.db")
	want := uint64(0)
	for range 5 {
		j, err := Open(path, options(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 7 {
			want++
			r, err := j.Append(start(int(want)))
			if err != nil || r.Seq != want {
				t.Fatalf("seq %d, want %d: %v", r.Seq, want, err)
			}
		}
		root, err := j.Root(want)
		if v := verified(t, j); err != nil || v.Records != want || v.Root != root {
			t.Fatalf("verified %+v, root %s, %v", v, root, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckpointOpensWithTheMachinesKey(t *testing.T) {
	j := fresh(t)
	_, keys := signer(t)
	for n := range 20 {
		cp, err := j.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		c, err := wire.OpenCheckpoint(cp, j.Generation().Origin("lab", "laser"), keys)
		if err != nil || c.Size != uint64(n) {
			t.Fatalf("%+v, %v", c, err)
		}
		fill(t, j, 1)
	}
}

func TestTrustedTimeRunsBackwardsOnlyAtAClockCorrection(t *testing.T) {
	base := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		step  time.Duration
		wall  time.Time
		clock wire.Clock
	}{
		{"forward", time.Second, base.Add(time.Second), wire.ClockTrusted},
		{"set back by less than Skew", -3 * time.Second, base, wire.ClockTrusted},
		{"set back an hour", -time.Hour, base.Add(-time.Hour), wire.ClockCorrected},
		{"set back to 1970", -base.Sub(time.Unix(0, 0)), time.Unix(0, 0), wire.ClockCorrected},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := base
			o := options(t)
			o.Now = func() time.Time { return now }
			path := filepath.Join(t.TempDir(), "journal.db")
			j := open(t, path, o)
			fill(t, j, 1)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			now = base.Add(c.step)
			r, err := open(t, path, o).Append(end(0))
			if err != nil || !r.Wall.Equal(c.wall) || r.Clock != c.clock {
				t.Errorf("%s %s, %v; want %s %s", r.Wall, r.Clock, err, c.wall, c.clock)
			}
		})
	}
}

// Before a time server is reached, the clock may show any time. A wrong time from that period must not affect later
// records.
func TestAFastUntrustedClockDoesNotAffectLaterTimes(t *testing.T) {
	now, trusted := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC), true
	o := options(t)
	o.Now, o.Trusted = func() time.Time { return now }, func() bool { return trusted }
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, o)
	wants := func(at time.Time, clock wire.Clock, when string) {
		t.Helper()
		if r, err := j.Append(end(0)); err != nil || !r.Wall.Equal(at) || r.Clock != clock {
			t.Errorf("%s: %s %s, %v; want %s %s", when, r.Wall, r.Clock, err, at, clock)
		}
	}
	again := func() {
		t.Helper()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, path, o)
	}
	wants(now, wire.ClockTrusted, "first")
	real, ahead := now.Add(time.Minute), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	now, trusted = ahead, false
	for range 3 * tail { // more records than the tail that Open reads
		wants(ahead, wire.ClockUntrusted, "ahead")
	}
	now = real
	wants(real, wire.ClockUntrusted, "set by hand, still without a server")
	again()
	trusted = true
	wants(real, wire.ClockTrusted, "a server")
	again()
	wants(real, wire.ClockTrusted, "a server, and a new daemon")
	now = real.Add(-time.Hour)
	wants(now, wire.ClockCorrected, "set back behind what was trusted")
	wants(now, wire.ClockTrusted, "and from then on")
	verified(t, j)
	erase := `UPDATE records SET record = NULL, salt = NULL, member = NULL
		WHERE seq > 1 AND CAST(record AS TEXT) LIKE '%"trusted"%'`
	if _, err := j.store.db.conn.ExecContext(t.Context(), erase); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, j); v.Erased != 3 {
		t.Errorf("%d are erased", v.Erased)
	}
}

// One start with a clock ten years ahead must not invalidate the members' later records. The records after the
// correction have the corrected time.
func TestRecordsAfterACorrectedClockCarryTheCorrectedTime(t *testing.T) {
	right := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for _, trusted := range []bool{true, false} {
		for _, off := range []time.Duration{
			-10 * 365 * 24 * time.Hour, -time.Hour, -8 * time.Second, -time.Second, time.Second, 40 * time.Second,
			time.Hour, 10 * 365 * 24 * time.Hour,
		} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v off, trusted %t, restart %t", off, trusted, restart), func(t *testing.T) {
					correctedAfter(t, right, off, trusted, restart)
				})
			}
		}
	}
}

func correctedAfter(t *testing.T, right time.Time, off time.Duration, trusted, restart bool) {
	now, believed := right.Add(off), trusted
	o := options(t)
	o.Now, o.Trusted = func() time.Time { return now }, func() bool { return believed }
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, o)
	fill(t, j, 3)
	if restart {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, path, o)
	}
	now, believed = right, true
	for i := range 5 {
		now = now.Add(time.Minute)
		r, err := j.Append(end(0))
		if err != nil || !r.Clock.Believed() || r.Wall.Sub(now).Abs() > wire.Skew {
			t.Errorf("record %d after the correction has %s %s, %v; want %s", i, r.Wall, r.Clock, err, now)
		}
	}
	verified(t, j)
}

func TestOpenSessionReportsWhetherTheComputerRestarted(t *testing.T) {
	for _, c := range []struct {
		name string
		boot string
		log  []Entry
		left string
		same bool
	}{
		{"no session yet", "boot-1", nil, "", true},
		{"the daemon was killed", "boot-1", []Entry{start(0), end(0), start(1)}, "s-000001", true},
		{"the power failed", "boot-2", []Entry{start(0), end(0), start(1)}, "s-000001", false},
		{"refusals after the start", "boot-2", []Entry{
			start(1),
			{Kind: wire.Refused, Body: wire.RefusedBody{}},
			{Kind: wire.Booted},
		}, "s-000001", false},
		{"all sessions had ended", "boot-1", []Entry{start(0), end(0), start(1), end(1), {Kind: wire.Refused}}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.db")
			j := open(t, path, options(t))
			for _, e := range c.log {
				if _, err := j.Append(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			o := options(t)
			o.Boot = c.boot
			l, ok, err := open(t, path, o).OpenSession()
			if err != nil || ok != (c.left != "") || l.Start.Session != c.left || ok && l.SameBoot != c.same {
				t.Errorf("%+v %t %v", l, ok, err)
			}
		})
	}
}

func TestFactsAreWrittenOnlyTogetherWithTheirRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t))
	put := func(e Entry, facts map[string][]byte) error {
		e.Facts = facts
		_, err := j.Append(e)
		return err
	}
	if err := put(start(0), map[string][]byte{
		"tags":         []byte("a"),
		"practice/m-1": []byte("x"),
		"practice/m-2": []byte("y"),
	}); err != nil {
		t.Fatal(err)
	}
	if err := put(end(0), map[string][]byte{"tags": nil, "practice/m-2": []byte("z")}); err != nil {
		t.Fatal(err)
	}
	big := Entry{Kind: wire.Faulted, Body: wire.FaultBody{Why: string(bytes.Repeat([]byte("x"), wire.MaxRecord))}}
	if err := put(big, map[string][]byte{"tags": []byte("never")}); err == nil {
		t.Fatal("a record that is too large was taken")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, options(t))
	got, err := j.Facts("practice/")
	if err != nil || fmt.Sprintf("%s", got) != "map[practice/m-1:x practice/m-2:z]" {
		t.Errorf("%s %v", got, err)
	}
	if got, err := j.Facts("tags"); err != nil || len(got) != 0 {
		t.Errorf("%s %v", got, err)
	}
}

func TestCursorStaysWithinTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t))
	fill(t, j, 100)
	if err := j.SetCursor("hub", 101); err == nil {
		t.Error("a cursor past the end was taken")
	}
	if err := j.SetCursor("hub", 99); err != nil {
		t.Fatal(err)
	}
	fill(t, j, 2) // after SetCursor, synchronous=FULL is set again
	var sync int
	if err := j.store.db.conn.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&sync); err != nil || sync != 2 {
		t.Errorf("synchronous is %d, want 2 (FULL): %v", sync, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, options(t))
	if n, err := j.Cursor("hub"); n != 99 || err != nil {
		t.Errorf("cursor at %d, %v", n, err)
	}
	if n, err := j.Cursor("other"); n != 0 || err != nil {
		t.Errorf("cursor at %d, %v", n, err)
	}
}

func TestVerifyRejectsATrustedTimeBeforeAnEarlierOne(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	o := options(t)
	o.Now = func() time.Time { return now }
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), o)
	fill(t, j, 1)
	j.store.clock.sure, now = time.Time{}, now.Add(-time.Hour) // stores the time as a program without this rule would
	fill(t, j, 1)
	if _, err := j.Verify(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "record 2 has the time 2026-05-04T09:00:00Z, want at least") {
		t.Error(err)
	}
}

// Open searches backwards for a trusted time. A damaged record that Open meets in this search must not prevent the
// start of the machine.
func TestDamagedRecordDoesNotStopTheSearchForATrustedTime(t *testing.T) {
	o := options(t)
	o.Trusted = func() bool { return false }
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, o)
	fill(t, j, 2*tail+step)
	truncate := "UPDATE records SET hashes = zeroblob(1) WHERE seq = 7"
	if _, err := j.store.db.conn.ExecContext(t.Context(), truncate); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, open(t, path, o), 1)
}

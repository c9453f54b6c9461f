package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/hub/decided"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/wire"
)

// readParts reads all parts, and returns the machine, the kind and the hour of each decision, sorted.
func readParts(t *testing.T, l *ledger.Ledger, sessions, refusals time.Time) (out []string) {
	t.Helper()
	parts, err := l.Decisions().Parts(t.Context(), sessions, refusals)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		err := l.Decisions().Read(t.Context(), p, func(d *decided.Decision) error {
			text, err := json.Marshal(d)
			out = append(out, fmt.Sprintf("%s %s %.0f %s", p.Machine, d.Kind,
				time.UnixMilli(d.Wall).Sub(ledgertest.Start()).Hours(), text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}

// short returns the machines, kinds and hours without the rest of the decisions.
func short(lines []string) (out []string) {
	for _, x := range lines {
		var machine, kind, hour string
		if _, err := fmt.Sscan(x, &machine, &kind, &hour); err != nil {
			return []string{err.Error()}
		}
		out = append(out, machine+" "+kind+" "+hour)
	}
	return out
}

// The parts must contain each selected decision exactly once, even if the machine's clock was set back.
func TestPartsContainEachSelectedDecisionOnce(t *testing.T) {
	laser, vinyl := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	start := ledgertest.Start()
	for i, k := range []wire.Kind{wire.Refused, wire.SessionStart, wire.SessionEnd, wire.Refused, wire.SessionStart} {
		laser.Now = start.Add(time.Duration(i) * time.Hour)
		laser.Append(k, "s", "m", nil)
	}
	laser.Now = start.Add(-100 * time.Hour) // the machine's clock was set back before this record
	laser.Append(wire.Refused, "", "m", nil)
	laser.Now = start.Add(9 * time.Hour)
	laser.Append(wire.Refused, "", "m", nil)
	vinyl.Append(wire.SessionEnd, "s", "m", nil)
	vinyl.Append(wire.RoleChanged, "s", "m", nil)
	l := fresh(t, laser, vinyl)
	take(t, l, laser, 1, 7)
	take(t, l, vinyl, 1, 2)
	never := start.AddDate(1, 0, 0)
	for name, c := range map[string]struct {
		sessions, refusals time.Time
		want               []string
	}{
		"uses":     {start, never, []string{"laser session-start 1", "laser session-start 4", "vinyl role-changed 0"}},
		"refusals": {never, start.Add(time.Minute), []string{"laser refused 3", "laser refused 9"}},
		"a time for each": {start.Add(2 * time.Hour), start.AddDate(0, -1, 0),
			[]string{"laser refused -100", "laser refused 0", "laser refused 3", "laser refused 9", "laser session-start 4"}},
		"nothing": {never, never, nil},
	} {
		if got := short(readParts(t, l, c.sessions, c.refusals)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	stop := errors.New("stop")
	parts, err := l.Decisions().Parts(t.Context(), start, start)
	if err != nil || len(parts) != 2 || parts[0].Machine != "laser" || parts[0].Decisions != 7 {
		t.Fatalf("%+v %v", parts, err)
	}
	n := 0
	err = l.Decisions().Read(t.Context(), parts[0], func(*decided.Decision) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d decisions after the error, %v", n, err)
	}
}

// fillJournals stores n records of two machines, of which every second one is a decision.
func fillJournals(t *testing.T, l *ledger.Ledger, machines []*ledgertest.Machine, n uint64) {
	t.Helper()
	for _, m := range machines {
		first := m.Len() + 1
		for m.Len() < n {
			k := wire.SessionEnd
			if m.Len()%2 == 0 {
				k = []wire.Kind{wire.Refused, wire.SessionStart}[m.Len()/2%2]
			}
			m.Append(k, "s", "m", map[string]any{"reasons": []string{"no-badge"}, "basis": map[string]any{
				"at": m.Now, "verdict": "deny", "member": map[string]any{"id": fmt.Sprintf("m-%d", m.Len()%7)}}})
		}
		for from := first; from <= m.Len(); from += 200 {
			take(t, l, m, from, min(from+199, m.Len()))
		}
	}
}

// A pack must contain the same decisions as the records, whatever a hub has packed so far.
func TestPacksContainTheDecisionsOfTheRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("short: writes 9,000 records")
	}
	machines := []*ledgertest.Machine{ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")}
	db := storetest.Open(t)
	l := ledger.New(db.Site("biklab"), ledger.Keys{"laser": machines[0].Key, "vinyl": machines[1].Key})
	start := ledgertest.Start()
	fillJournals(t, l, machines, 2001)
	want := readParts(t, l, start, start)
	if len(want) != 2*1001 {
		t.Fatalf("%d decisions", len(want))
	}
	compare := func(when string) {
		t.Helper()
		if got := readParts(t, l, start, start); !slices.Equal(got, want) {
			t.Errorf("%s: %d decisions, want the same %d as without packs", when, len(got), len(want))
		}
	}
	pack := func() {
		t.Helper()
		if err := l.Decisions().Pack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pack()
	pack() // a second time, with nothing to do
	compare("packed")
	parts, err := l.Decisions().Parts(t.Context(), start, start)
	if err != nil || len(parts) != 4 {
		t.Fatalf("%+v %v", parts, err)
	}
	// The records after the last pack come first, because they are the newest.
	for i, want := range []int{1, 1, 1000, 1000} {
		if parts[i].Decisions != want {
			t.Errorf("part %d: %d decisions, want %d", i, parts[i].Decisions, want)
		}
	}
	// An older program, a damaged file: the records replace the pack.
	site := db.Site("biklab")
	for _, change := range []string{"UPDATE ledger_packs SET pack = x'0201020304' WHERE site = $1 AND journal = 1",
		"UPDATE ledger_packs SET pack = x'' WHERE site = $1"} {
		err := site.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), change); return err })
		if err != nil {
			t.Fatal(err)
		}
		compare(change)
	}
	fillJournals(t, l, machines[:1], 4000)
	want = readParts(t, l, start, start)
	pack()
	compare("a second pack of one machine")
	after := machines[1].Now.Add(time.Second)
	if later, err := l.Decisions().Parts(t.Context(), after, after); err != nil || len(later) != 2 {
		t.Errorf("parts with decisions after the first packs: %+v %v", later, err)
	}
}

func TestPacksOfAnotherSiteAreNotRead(t *testing.T) {
	if testing.Short() {
		t.Skip("short: writes 2,000 records")
	}
	m := ledgertest.New(t, "biklab", "laser")
	db := storetest.Open(t)
	l := ledger.New(db.Site("biklab"), ledger.Keys{"laser": m.Key})
	fillJournals(t, l, []*ledgertest.Machine{m}, 2000)
	if err := l.Decisions().Pack(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := ledger.New(db.Site("other"), nil)
	parts, err := other.Decisions().Parts(t.Context(), ledgertest.Start(), ledgertest.Start())
	if err != nil || len(parts) != 0 {
		t.Errorf("%+v %v", parts, err)
	}
}

package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

// readParts returns machine and sequence number of each record in parts, sorted.
func readParts(t *testing.T, l *ledger.Ledger, kept ...ledger.Kept) (out []string) {
	t.Helper()
	parts, err := l.Parts(t.Context(), kept...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		err := l.ReadPart(t.Context(), p, func(record []byte) error {
			r, err := wire.ParseRecord(record)
			out = append(out, fmt.Sprintf("%s/%d", r.Machine, r.Seq))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}

// Each record of the kinds since their times is read exactly once, whatever the machine's clock did in between.
func TestPartsHoldEachRecordOfTheirKindsOnce(t *testing.T) {
	laser, vinyl := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	start := ledgertest.Start()
	for i, k := range []wire.Kind{wire.Refused, wire.SessionStart, wire.SessionEnd, wire.Refused, wire.SessionStart} {
		laser.Now = start.Add(time.Duration(i) * time.Hour)
		laser.Append(k, "s", "m", nil)
	}
	laser.Now = start.AddDate(-1, 0, 0) // the clock was set back
	laser.Append(wire.Refused, "", "m", nil)
	laser.Now = start.Add(9 * time.Hour)
	laser.Append(wire.Refused, "", "m", nil)
	vinyl.Append(wire.SessionEnd, "s", "m", nil)
	l := fresh(t, laser, vinyl)
	take(t, l, laser, 1, 7)
	take(t, l, vinyl, 1, 1)
	for name, c := range map[string]struct {
		kept []ledger.Kept
		want []string
	}{
		"one kind":     {[]ledger.Kept{{wire.SessionStart, start}}, []string{"laser/2", "laser/5"}},
		"since a time": {[]ledger.Kept{{wire.Refused, start.Add(time.Minute)}}, []string{"laser/4", "laser/7"}},
		"a time for each": {
			[]ledger.Kept{{wire.Refused, start.AddDate(-2, 0, 0)}, {wire.SessionStart, start.Add(2 * time.Hour)}},
			[]string{"laser/1", "laser/4", "laser/5", "laser/6", "laser/7"},
		},
		"another machine": {[]ledger.Kept{{wire.SessionEnd, start}, {wire.RoleChanged, start}},
			[]string{"laser/3", "vinyl/1"}},
		"nothing": {[]ledger.Kept{{wire.HandedOver, start}}, nil},
	} {
		if got := readParts(t, l, c.kept...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, kept := range [][]ledger.Kept{nil, make([]ledger.Kept, 5)} {
		if _, err := l.Parts(t.Context(), kept...); err == nil {
			t.Errorf("parts of %d kinds", len(kept))
		}
	}
	stop := errors.New("stop")
	parts, err := l.Parts(t.Context(), ledger.Kept{Kind: wire.Refused, Since: start})
	if err != nil || len(parts) != 1 || parts[0].Machine != "laser" || parts[0].Records != 3 {
		t.Fatalf("%+v %v", parts, err)
	}
	n := 0
	if err := l.ReadPart(t.Context(), parts[0], func([]byte) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d records after the error, %v", n, err)
	}
}

// A long journal has several parts, the newest first.
func TestLongJournalHasSeveralParts(t *testing.T) {
	if testing.Short() {
		t.Skip("short: writes 10,001 records")
	}
	m := ledgertest.New(t, "biklab", "laser")
	l := fresh(t, m)
	for m.Len() < 10_001 {
		m.Append(wire.Refused, "", "", nil)
	}
	for from := uint64(1); from <= m.Len(); from += 200 {
		take(t, l, m, from, min(from+199, m.Len()))
	}
	kept := ledger.Kept{Kind: wire.Refused, Since: ledgertest.Start()}
	parts, err := l.Parts(t.Context(), kept)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%+v %v", parts, err)
	}
	if got := readParts(t, l, kept); len(got) != 10_001 || len(slices.Compact(got)) != 10_001 {
		t.Errorf("%d records", len(got))
	}
	first := 0
	err = l.ReadPart(t.Context(), parts[0], func([]byte) error { first++; return nil })
	if err != nil || first != 10_000 {
		t.Errorf("the first part has %d records, %v", first, err)
	}
}

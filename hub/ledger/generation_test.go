package ledger_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

const (
	second = wire.Generation("2222222222222222")
	third  = wire.Generation("3333333333333333")
)

// newReplacement returns an administrator's decision that accepts the generation g.
func newReplacement(g wire.Generation) ledger.Replacement {
	return ledger.Replacement{Machine: "laser", Generation: g, By: "ines", Why: "new SD card", At: ledgertest.Start()}
}

func wantRefused(t *testing.T, l *ledger.Ledger, m *ledgertest.Machine, first, last uint64, want ledger.Code) {
	t.Helper()
	before, _ := l.Head(m.ID)
	_, err := l.Take(m.ID, m.Data(first, last))
	var r *ledger.Refusal
	if !errors.As(err, &r) || r.Code != want {
		t.Errorf("records %d to %d of %q: %v, want %s", first, last, m.Generation, err, want)
	}
	if after, err := l.Head(m.ID); after != before || err != nil {
		t.Errorf("a refused batch moved the head from %+v to %+v, %v", before, after, err)
	}
}

func TestOnlyTheFirstGenerationIsAcceptedWithoutADecision(t *testing.T) {
	for _, first := range []wire.Generation{"", second} {
		m := ledgertest.New(t, "biklab", "laser")
		m.Generation = first
		m.Fill(5)
		other := m.Replaced(third)
		other.Fill(9)
		l := fresh(t, m)
		if taken, err := l.Take("laser", m.Data(3, 4)); err == nil || taken.Known || taken.Generation != first ||
			taken.Want != 1 {
			t.Errorf("a gap before anything is held: %+v, %v", taken, err)
		}
		if taken := take(t, l, m, 1, 5); taken.Generation != first || !taken.Known || taken.Seq != 5 {
			t.Errorf("%+v", taken)
		}
		wantRefused(t, l, other, 1, 9, ledger.OtherGeneration)
		wantRefused(t, l, other, 6, 9, ledger.OtherGeneration)
		if h, err := l.Head("laser"); err != nil || h.Generation != first || h.Seq != 5 {
			t.Errorf("head is %+v, %v", h, err)
		}
	}
}

// The signed checkpoint's origin must name the same generation as the batch.
func TestBatchesWhoseCheckpointNamesAnotherGenerationAreRejected(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(5)
	l := fresh(t, m)
	b := m.Batch(1, 5)
	b.Generation = second
	var r *ledger.Refusal
	if _, err := l.Take("laser", ledgertest.Encode(t, b)); !errors.As(err, &r) || r.Code != ledger.BadCheckpoint {
		t.Error(err)
	}
	if h, _ := l.Head("laser"); h.Known {
		t.Error("a refused batch began a generation")
	}
}

func TestReplacedJournalStaysReadableAndProvable(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(5)
	next := m.Replaced(second)
	next.Fill(3)
	l := fresh(t, m)
	take(t, l, m, 1, 5)
	if err := l.Replace(newReplacement(second)); err != nil {
		t.Fatal(err)
	}
	if h, err := l.Head("laser"); err != nil || h.Generation != second || h.Seq != 0 || !h.Known {
		t.Errorf("after the replacement: %+v, %v", h, err)
	}
	// A replayed batch of the previous journal must not be refused, because the machine would display and report the
	// refusal.
	if got, err := l.Take("laser", m.Data(2, 5)); err != nil || got.New != 0 || got.Generation != second || got.Want != 1 {
		t.Errorf("a replay: %+v, %v", got, err)
	}
	m.Fill(1)
	wantRefused(t, l, m, 6, 6, ledger.OtherGeneration)
	take(t, l, next, 1, 2)
	take(t, l, next, 2, 3)
	var got []string
	err := l.Records(context.Background(), ledger.Query{Machine: "laser"}, func(e ledger.Entry) error {
		got = append(
			got,
			strings.Repeat("*", e.Epoch)+string(e.Generation[:min(1, len(e.Generation))])+string(rune('0'+e.Seq)),
		)
		return nil
	})
	if want := []string{"1", "2", "3", "4", "5", "*21", "*22", "*23"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("records %v, want %v, %v", got, want, err)
	}
	g := second
	for name, q := range map[string]ledger.Query{"by journal": {Generation: &g, After: 2},
		"by kind": {Generation: &g, After: 2, Kinds: []wire.Kind{wire.Booted}}} {
		if got := seqs(t, l, q); !slices.Equal(got, []string{"laser/3"}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for g, size := range map[wire.Generation]uint64{"": 5, second: 3} {
		p, err := l.Prove(context.Background(), "laser", g, []uint64{2})
		if err != nil {
			t.Fatal(err)
		}
		c, err := wire.OpenCheckpoint([]byte(p.Checkpoint), g.Origin("biklab", "laser"), note.VerifierList(m.Key))
		if err != nil || c.Size != size {
			t.Fatalf("%q: %+v, %v", string(g), c, err)
		}
		err = l.Records(context.Background(), ledger.Query{Generation: &g, After: 1, Limit: 1}, func(e ledger.Entry) error {
			return tlog.CheckRecord(p.Paths[0], int64(c.Size), c.Root, 1, wire.Leaf(e.Leaf.Salt, e.Leaf.Record))
		})
		if err != nil {
			t.Errorf("%q: %v", string(g), err)
		}
	}
	all, err := l.Generations(context.Background(), "laser")
	want := []ledger.Generation{
		{Records: 5, Root: m.Root(5)},
		{
			Generation: second,
			Epoch:      1,
			Records:    3,
			Root:       next.Root(3),
			By:         "ines",
			Why:        "new SD card",
			At:         ledgertest.Start(),
		},
	}
	if err != nil || !slices.Equal(all, want) {
		t.Errorf("generations %+v, want %+v, %v", all, want, err)
	}
}

func TestReplaceRequiresANewGenerationAndAnAdministrator(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Generation = second
	m.Fill(2)
	l := fresh(t, m)
	if err := l.Replace(newReplacement(third)); err == nil {
		t.Error("a machine of which nothing is held was given a generation")
	}
	take(t, l, m, 1, 2)
	for name, change := range map[string]func(*ledger.Replacement){
		"the same generation": func(r *ledger.Replacement) { r.Generation = second },
		"malformed":           func(r *ledger.Replacement) { r.Generation = "x" },
		"nobody":              func(r *ledger.Replacement) { r.By = "" },
		"long":                func(r *ledger.Replacement) { r.Why = strings.Repeat("x", 501) },
		"no time": func(r *ledger.Replacement) {
			r.At = r.At.AddDate(-3000, 0, 0)
			*r = ledger.Replacement{Machine: r.Machine, Generation: r.Generation, By: r.By}
		},
		"no machine":      func(r *ledger.Replacement) { r.Machine = "" },
		"another machine": func(r *ledger.Replacement) { r.Machine = "vinyl" },
	} {
		r := newReplacement(third)
		change(&r)
		if err := l.Replace(r); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if h, err := l.Head("laser"); err != nil || h.Seq != 2 || h.Generation != second {
		t.Errorf("head is %+v, %v", h, err)
	}
	// The decision names an earlier generation, for example because an old SD card was found again.
	if err := l.Replace(newReplacement("")); err != nil {
		t.Error(err)
	}
	found := m.Replaced("")
	found.Fill(1)
	take(t, l, found, 1, 1)
	if err := l.Replace(newReplacement(second)); err == nil {
		t.Error("a generation that was replaced came back")
	}
}

// After accepting a wrong generation, an administrator can return to the previous generation before the first record of
// the wrong generation arrives.
func TestReplacementWithoutRecordsCanBeUndone(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(4)
	l := fresh(t, m)
	take(t, l, m, 1, 2)
	for _, g := range []wire.Generation{third, ""} {
		if err := l.Replace(newReplacement(g)); err != nil {
			t.Fatal(err)
		}
	}
	take(t, l, m, 3, 4)
	all, err := l.Generations(t.Context(), "laser")
	if err != nil || len(all) != 1 || all[0].Records != 4 {
		t.Errorf("generations are %+v, %v", all, err)
	}
	if err := l.Replace(newReplacement(second)); err != nil {
		t.Fatal(err)
	}
	next := m.Replaced(second)
	next.Fill(1)
	take(t, l, next, 1, 1)
	if err := l.Replace(newReplacement("")); err == nil || !strings.Contains(err.Error(), "move its journal.db") {
		t.Errorf("a journal was replaced by the one before though its records are held: %v", err)
	}
}

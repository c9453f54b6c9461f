package directory

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// nearest returns the same endings as if all endings were sorted.
func TestNearestEndingsEqualTheFirstOfASortedList(t *testing.T) {
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, maxEndings, maxEndings + 1, 20 * maxEndings} {
		all := make([]ending, n)
		for i := range all {
			all[i].at = now.Add(-endedDays*24*time.Hour + time.Duration(r.Int64N(int64((endedDays+endingDays)*24*time.Hour+1))))
		}
		sorted := slices.Clone(all)
		away := func(a, b ending) int { return cmp.Compare(a.at.Sub(now).Abs(), b.at.Sub(now).Abs()) }
		slices.SortFunc(sorted, away)
		got := nearest(all, now)
		slices.SortFunc(got, away)
		if want := sorted[:min(n, maxEndings)]; !slices.EqualFunc(
			got,
			want,
			func(a, b ending) bool { return a.at.Equal(b.at) },
		) {
			t.Errorf("of %d endings: %d that are not the nearest", n, len(got))
		}
	}
}

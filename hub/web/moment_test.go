package web

import (
	"testing"
	"time"
)

// A day in a French sentence has an article: "retiré le 3 mars à 14:00".
func TestFrenchMomentsHaveAnArticle(t *testing.T) {
	_, l := auditedPages(t)
	now := time.Date(2026, 12, 1, 14, 0, 0, 0, time.UTC)
	l.now = func() time.Time { return now }
	for at, want := range map[time.Time]string{
		now:                      "aujourd’hui à " + l.clock(now),
		now.Add(-48 * time.Hour): "le " + l.day(now.Add(-48*time.Hour)) + " à " + l.clock(now),
	} {
		if got := l.moment(at); got != want {
			t.Errorf("%v is written %q, want %q", at, got, want)
		}
	}
}

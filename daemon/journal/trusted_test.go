package journal

import (
	"path/filepath"
	"testing"
	"time"
)

func TestLastTrustedReturnsTheTimeOfTheNewestTrustedRecord(t *testing.T) {
	now, trusted := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC), false
	o := options(t)
	o.Now, o.Trusted = func() time.Time { return now }, func() bool { return trusted }
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, o)
	fill(t, j, 1)
	if got := j.LastTrusted(); !got.IsZero() {
		t.Errorf("no record had a trusted clock: %v", got)
	}
	trusted = true
	fill(t, j, 1)
	want := now
	trusted, now = false, now.AddDate(10, 0, 0)
	fill(t, j, 3)
	if got := j.LastTrusted(); !got.Equal(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, o)
	if got := j.LastTrusted(); !got.Equal(want) {
		t.Errorf("after a restart: %v, want %v", got, want)
	}
	fill(t, j, tail+5)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, path, o).LastTrusted(); !got.Equal(want) {
		t.Errorf("far back: %v, want %v", got, want)
	}
}

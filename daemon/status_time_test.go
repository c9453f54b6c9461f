package daemon

import (
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/wire"
)

// A status shows the same time as the panel, whatever the time zone of this computer is.
func TestStatusGivesTimesInTheZoneOfTheSite(t *testing.T) {
	b := newBench(t)
	b.now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	if rep := b.operator.order(t.Context(), control.Request{Do: "tap", Card: lea}, ""); !rep.OK {
		t.Fatalf("%+v", rep)
	}
	b.m.unknown.note(wire.EnrolCard{Code: "7F3K9Q"}, b.now)
	s := b.operator.order(t.Context(), control.Request{Do: "status"}, "").Status
	unknown := b.operator.orderUnknown().Unknown.Cards
	times := map[string]time.Time{
		"since":                  s.Since,
		"tap of an unknown card": unknown[0].At,
		"now":                    b.m.rules.siteTime(b.now),
	}
	for what, at := range times {
		if got := at.Format("15:04 MST"); got != "10:00 CET" {
			t.Errorf("%s: %s, want 10:00 CET", what, got)
		}
	}
	if got := s.Until.Format("15:04 MST"); got != "12:00 CET" {
		t.Errorf("until: %s, want 12:00 CET", got)
	}
	if free := newBench(t).e.views.status(); !free.Since.IsZero() || !free.Until.IsZero() {
		t.Errorf("without a session: %v, %v", free.Since, free.Until)
	}
	b.m.rules.roster = nil
	if got := b.m.rules.siteTime(b.now); got.Location() != time.Local {
		t.Errorf("without a bundle: %v, want this computer's zone", got)
	}
}

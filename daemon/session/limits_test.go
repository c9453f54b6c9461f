package session

import (
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

func TestTagWithoutATimeTakesThePresentTime(t *testing.T) {
	given := noon().Add(-time.Hour)
	w := newWorld().do(AddTag{Tag: Tag{ID: "a"}}, AddTag{Tag: Tag{ID: "b", Since: given}})
	if len(w.kept) != 2 || !w.kept[0].Since.Equal(noon().Add(Flap)) || !w.kept[1].Since.Equal(given) {
		t.Errorf("%+v", w.kept)
	}
}

// The busy input is ignored until Settings.Ignore has passed since the start. From then on, a high level means that the
// machine works.
func TestBusyInputIsUsedFromTheEndOfTheIgnoredTime(t *testing.T) {
	for early, want := range map[time.Duration]Phase{0: Finishing, time.Nanosecond: Cooling} {
		w := newWorld()
		w.settings.Ignore = 10 * time.Second
		w.tap(nour).do(Busy{true}).wait(w.settings.Ignore - 2*Flap - early) // tap and do each advance the clock by one Flap
		if w.tap(nour); w.Phase != want {
			t.Errorf("tapped %v before: %s, want %s", early, w.Phase, want)
		}
	}
}

func TestMentorsApprovalThatNamesNoRoleStartsNoSession(t *testing.T) {
	w := newWorld().tap(lea)
	e := tapOf(karim)
	e.Decision, e.Supervising = denied(policy.Deny, policy.User, policy.NoBadge), allow(policy.NoRole)
	if w.do(e); w.Phase != Awaiting || w.relay || w.count(wire.SessionStart) != 0 {
		t.Errorf("%s, relay %v", w.Phase, w.relay)
	}
}

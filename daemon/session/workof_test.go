package session

import "testing"

func TestMaintenanceIsLoggedOnlyByThoseWhoDidItAndInTime(t *testing.T) {
	w := newWorld().tap(ines).tap(lea)
	want := Work{Session: w.journal[0].Session, By: lea, Endorser: ines, Since: noon().Add(Flap)}
	if w.WorkOf(ines, w.now) != want || w.WorkOf(lea, w.now) != want || w.WorkOf(nour, w.now) != (Work{}) {
		t.Errorf("%+v, %+v, %+v", w.WorkOf(ines, w.now), w.WorkOf(lea, w.now), w.WorkOf(nour, w.now))
	}
	w.tap(ines)
	want.Ended = w.now
	if got := w.WorkOf(ines, w.now.Add(ChooseFor-1)); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if w.WorkOf(nour, w.now) != (Work{}) || w.WorkOf(ines, w.now.Add(ChooseFor)) != (Work{}) {
		t.Error("somebody else may log it, or it may be logged for ever")
	}
}

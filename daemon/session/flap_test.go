package session

import (
	"reflect"
	"testing"
)

func TestSecondTapWithinTheFlapTimeIsAnswered(t *testing.T) {
	w := newWorld().tap(nour)
	w.atOnce(FaultRaised{What: "guard-lost"})
	w.atOnce(tapOf(nour))
	for _, e := range w.effects {
		if x, told := e.(Notify); told && x.Notice == AlreadyRead {
			t.Error("a fault is hidden by a card that was read before")
		}
	}
	w = newWorld().tap(nour)
	for range 3 {
		w.now = w.now.Add(Flap / 4)
		w.atOnce(tapOf(nour))
		if want := []Effect{Notify{Notice: AlreadyRead, Member: nour}}; !reflect.DeepEqual(w.effects, want) || !w.Running() {
			t.Errorf("%v, want %v", w.effects, want)
		}
	}
}

package tiny

import (
	"testing"
	"time"
)

func TestHoursAreOpenFromTheirStartToTheirEnd(t *testing.T) {
	for hour, want := range map[int]bool{8: false, 9: true, 16: true, 17: false} {
		if Open(hour, false) != want || Open(hour, true) {
			t.Error(hour)
		}
	}
}

func TestAcceptanceCountdownCountsDownToZero(t *testing.T) {
	if n := Countdown(3); n != 3 {
		t.Error(n)
	}
}

func TestKindTellsCasesApart(t *testing.T) {
	if Kind("tap") != 1 || Kind("key") != 2 || Kind("") != 0 {
		t.Error()
	}
}

func TestBoundedEndsAtFifteenSeconds(t *testing.T) {
	for d, want := range map[time.Duration]bool{15*time.Second - 1: true, 15 * time.Second: false} {
		if both, ok := Bounded(d); ok != want || both != [2]int{0, 7} {
			t.Error(d, both)
		}
	}
}

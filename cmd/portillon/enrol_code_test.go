package main

import (
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

func TestTwoUnknownCardsWithOneCodeAreRefusedWithBothMachines(t *testing.T) {
	one, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.Local)
	seen := func(code, card, machine string, after time.Duration) seenCard {
		return seenCard{EnrolCard: wire.EnrolCard{Code: code, Card: card}, Machine: machine, At: at.Add(after), Clock: true}
	}
	for name, c := range map[string]struct {
		all  []seenCard
		want []string // of the error; none: found
	}{
		"one card at two machines": {[]seenCard{seen("7F3K9Q", one, "laser", 0), seen("7F3K9Q", one, "vinyl", time.Hour)}, nil},
		"another code":             {[]seenCard{seen("7F3K9R", one, "laser", 0)}, []string{"no unknown card of the last 24 hours has the code 7F3K9Q"}},
		"two cards": {[]seenCard{seen("7F3K9Q", one, "vinyl", time.Hour), seen("000000", one, "laser", 0), seen("7F3K9Q", other, "laser", 0)},
			[]string{"two unknown cards have the code 7F3K9Q", "laser  2026-11-30 09:00:00", "vinyl  2026-11-30 10:00:00"}},
	} {
		english := policy.English
		x := enrolling{lang: &english}
		found, err := x.withCode(c.all, "7F3K9Q")
		if (err == nil) != (c.want == nil) || err == nil && found[0].Card != one {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), one) {
				t.Errorf("%s: %v, want %q", name, err, w)
			}
		}
	}
}

func TestCardLearnTakesOnlyACardTappedAfterwards(t *testing.T) {
	at := time.Now()
	before := []seenCard{{EnrolCard: wire.EnrolCard{Code: "7F3K9Q", Card: "a"}, At: at, tap: "1"}}
	now := append(before, seenCard{EnrolCard: wire.EnrolCard{Code: "000000", Card: "b"}, At: at, tap: "2"})
	english := policy.English
	x := enrolling{lang: &english}
	if found, err := x.fresh(before, before); found != nil || err != nil {
		t.Errorf("a card tapped before was taken: %v, %v", found, err)
	}
	if found, err := x.fresh(now, before); err != nil || len(found) != 1 || found[0].Card != "b" {
		t.Errorf("%v, %v", found, err)
	}
	now = append(now, seenCard{EnrolCard: wire.EnrolCard{Code: "000001", Card: "c"}, At: at, tap: "3"})
	if found, err := x.fresh(now, before); found != nil || err == nil || !strings.Contains(err.Error(), "two cards were tapped") {
		t.Errorf("%v, %v", found, err)
	}
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

func TestCodeOfTwoUnknownCardsIsRefusedWithTheNamesOfBothMachines(t *testing.T) {
	one, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.Local)
	seen := func(code, card, machine string, after time.Duration) seenCard {
		return seenCard{EnrolCard: wire.EnrolCard{Code: code, Card: card}, Machine: machine, At: at.Add(after), Clock: true}
	}
	for name, c := range map[string]struct {
		all  []seenCard
		want []string // texts that the error contains; none: the card is found
	}{
		"one card at two machines": {
			[]seenCard{seen("7F3K9Q", one, "laser", 0), seen("7F3K9Q", one, "vinyl", time.Hour)},
			nil,
		},
		"another code": {
			[]seenCard{seen("7F3K9R", one, "laser", 0)},
			[]string{"no unknown card of the last 24 hours has the code 7F3K9Q"},
		},
		"two cards": {[]seenCard{
			seen("7F3K9Q", one, "vinyl", time.Hour),
			seen("000000", one, "laser", 0),
			seen("7F3K9Q", other, "laser", 0),
		},
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

func TestCardLearnIgnoresCardsTappedBeforeItStarted(t *testing.T) {
	at := time.Now()
	before := []seenCard{{EnrolCard: wire.EnrolCard{Code: "7F3K9Q", Card: "a"}, At: at, tap: "1"}}
	now := append(before, seenCard{EnrolCard: wire.EnrolCard{Code: "000000", Card: "b"}, At: at, tap: "2"})
	english := policy.English
	x := enrolling{lang: &english}
	if found, err := x.newTaps(before, before); found != nil || err != nil {
		t.Errorf("a card tapped before was taken: %v, %v", found, err)
	}
	if found, err := x.newTaps(now, before); err != nil || len(found) != 1 || found[0].Card != "b" {
		t.Errorf("%v, %v", found, err)
	}
	now = append(now, seenCard{EnrolCard: wire.EnrolCard{Code: "000001", Card: "c"}, At: at, tap: "3"})
	if found, err := x.newTaps(now, before); found != nil || err == nil ||
		!strings.Contains(err.Error(), "two cards were tapped") {
		t.Errorf("%v, %v", found, err)
	}
}

func TestTapsOfACardAtAMachineArePrintedAsOneLine(t *testing.T) {
	paris := time.FixedZone("CET", 3600)
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, paris)
	seen := func(card, machine string, minute int, clock bool) seenCard {
		when := at.Add(time.Duration(minute) * time.Minute)
		return seenCard{EnrolCard: wire.EnrolCard{Code: "7F3K9Q", Card: card}, Machine: machine, At: when, Clock: clock}
	}
	all := []seenCard{seen("a", "laser", 9, true), seen("a", "laser", 1, true), seen("a", "vinyl", 5, false),
		seen("b", "laser", 7, true)}
	english := policy.English
	x := enrolling{lang: &english}
	want := "vinyl  2026-11-30 09:05:00 CET (clock not trusted)\nlaser  2026-11-30 09:07:00 CET\n" +
		"laser  2026-11-30 09:09:00 CET (the last of 2 times)"
	if got := x.taps(all); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if all[0].At != at.Add(9*time.Minute) {
		t.Error("the order of what was given has changed")
	}
}

func TestMemberIsFoundByIDOrByAUniqueFullName(t *testing.T) {
	dir := t.TempDir()
	text := `portillon: 1
members:
  - { id: m-000001, name: "Zoé Girard", cards: [] }
  - { id: m-000002, name: "Ana Roux", cards: [] }
  - { id: m-000003, name: "Ana Roux", cards: [] }
`
	if err := os.WriteFile(filepath.Join(dir, "members.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{"m-000002": "m-000002", "Zoé Girard": "m-000001",
		" zoé GIRARD ": "m-000001", "Zoé": "", "Ana Roux": "", "": "", "m-00000": ""} {
		x := enrolling{site: dir}
		got, err := x.member(given)
		if string(got.ID) != want || (err == nil) != (want != "") {
			t.Errorf("%q: %+v, %v, want %q", given, got, err, want)
		}
		var f *failure
		if given == "Ana Roux" && (!errors.As(err, &f) || f.hint != "one of: m-000002, m-000003") {
			t.Errorf("%q: %#v", given, err)
		}
	}
}

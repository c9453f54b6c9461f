package site

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

func parseLine(t *testing.T, line string) ([]Member, error) {
	t.Helper()
	return ParseMembers(
		"members.yaml",
		[]byte(
			"portillon: 1\nmembers:\n  - { id: m-1, name: Léa, "+line+" }\n  - { id: m-2, name: Jules, card: \"FF00FF00\" }\n",
		),
	)
}

func TestMembersHaveALastDayAndCardsHaveStates(t *testing.T) {
	all, err := parseLine(
		t,
		`until: 2026-09-30, cards: ["01 02", { number: "dec:0000000772", state: lost, since: 2026-11-01 }, { number: `+
			`"0506" }, { number: "0708", state: replaced }, { number: "090A", state: active }]`,
	)
	if err != nil {
		t.Fatal(err)
	}
	m := all[0]
	lost := InactiveCard{"00000304", true, policy.LostCard, policy.Date{Year: 2026, Month: time.November, Day: 1}}
	if m.Until != (policy.Date{Year: 2026, Month: time.September, Day: 30}) ||
		strings.Join(m.Cards, " ") != "0102 0506 090A" ||
		len(m.Inactive) != 2 ||
		m.Inactive[0] != lost ||
		m.Inactive[1] != (InactiveCard{Number: "0708", State: policy.ReplacedCard}) {
		t.Errorf("%+v", m)
	}
	if all, err = parseLine(t, `card: { number: "0102", state: blocked }`); err != nil || len(all[0].Cards) != 0 ||
		len(all[0].Inactive) != 1 {
		t.Errorf("%+v %v", all, err)
	}
}

func TestFaultsOfCardsAndDaysQuoteNoNumber(t *testing.T) {
	for in, want := range map[string]string{
		`until: 09-30`:                                     "this is no day of the calendar",
		`until: 2026-02-30`:                                "this is no day of the calendar",
		`until: [2026-09-30]`:                              "must be one value",
		`cards: [{ number: "AB12", state: gone }]`:         "the state of this card is not known",
		`cards: [{ number: "AB12", state: "" }]`:           "the state of this card is not known",
		`cards: [{ number: lost, state: AB12 }]`:           "the state of this card is not known",
		`cards: [{ number: "AB12", since: AB12 }]`:         "this is no day of the calendar",
		`cards: [{ AB12: lost }]`:                          "a key of this card is not known",
		`cards: [{ state: lost }]`:                         "is missing",
		`cards: [{ number: "AB1", state: lost }]`:          "card 1 is not a card's number",
		`cards: ["FF00FF00"]`:                              "card 1 is m",
		`cards: [{ number: "FF00FF00", state: lost }]`:     "card 1 is m",
		`cards: ["AB12", { number: "ab12", state: lost }]`: "already",
		`cards: [[AB12]]`:                                  "must be one value",
	} {
		_, err := parseLine(t, in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(strings.ToUpper(err.Error()), "AB12") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestBundleMarksTheLastDayCriticalAndSeparatesRefusedCards(t *testing.T) {
	_, dir := example(t)
	s, err := rewrite(
		t,
		dir,
		`email: zoe@example.org, cards: ["4400C81D93"]`,
		`email: zoe@example.org, until: 2027-09-30, cards: ["4400C81D93", { number: "AABBCCDD", state: lost, since: `+
			`2026-11-01 }]`,
	)
	if err != nil {
		t.Fatal(err)
	}
	o := order(t, 1)
	b, err := s.Build(o)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range b.Chunks {
		var r wire.RosterBucket
		if json.Unmarshal(c, &r) != nil {
			continue
		}
		for _, m := range r.Members {
			if m.ID != "m-9d017e" {
				if m.Until != "" || m.Critical != nil || m.CardStates != nil {
					t.Errorf("a member without a last day: %+v", m)
				}
				continue
			}
			found = true
			want := wire.CardState{Card: cardHash(o.CardKey, "AABBCCDD"), State: "lost", Since: "2026-11-01"}
			if m.Until != "2027-09-30" || strings.Join(m.Critical, " ") != "until" || len(m.CardStates) == 0 ||
				m.CardStates[0] != want ||
				slices.Contains(m.Cards, want.Card) {
				t.Errorf("%+v", m)
			}
		}
	}
	if !found {
		t.Error("the member is in no bucket")
	}
}

// The thirty days begin on 2026-11-23, when the test's bundle is issued.
func TestBuildListsMembershipsThatEndWithinThirtyDays(t *testing.T) {
	_, dir := example(t)
	var pairs []string
	for name, until := range map[string]string{
		"zoe":   "2026-12-23",
		"tom":   "2026-12-24",
		"aicha": "2026-11-22",
		"yann":  "2026-11-23",
		"rosa":  "2026-11-01",
		"nour":  "2026-12-01",
	} {
		more := ""
		if name == "nour" {
			more = "blocked: true, "
		}
		pairs = append(pairs, "email: "+name+"@example.org,", "email: "+name+"@example.org, "+more+"until: "+until+",")
	}
	path := filepath.Join(dir, "policy.yaml")
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(p, "membership: { grace: 14d }\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := rewrite(t, dir, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Build(order(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	var fr, en []string
	for _, e := range b.Ending {
		fr, en = append(fr, e.In(policy.French, s.Policy)), append(en, e.In(policy.English, s.Policy))
	}
	want := "2026-11-22  Aïcha Benali (m-cf53f1), membership; 2026-11-23  Yann Le Goff (m-a10415), membership; " +
		"2026-12-23  Zoé Girard (m-9d017e), membership"
	if got := strings.Join(en, "; "); got != want || !strings.HasSuffix(fr[0], ", adhésion") {
		t.Errorf("got %s\nwant %s\n%q", got, want, fr)
	}
}

func TestBuildListsBadgesThatEndWithinThirtyDays(t *testing.T) {
	s, _ := example(t)
	for at, want := range map[time.Time]string{
		time.Date(
			2026,
			2,
			20,
			10,
			0,
			0,
			0,
			time.UTC,
		): "2026-03-03  Malik Petit (m-2063d1), badge “Découpe laser - Utilisateur autonome”",
		time.Date(
			2026,
			2,
			1,
			8,
			0,
			0,
			0,
			time.UTC,
		): "2026-03-03  Malik Petit (m-2063d1), badge “Découpe laser - Utilisateur autonome”",
		time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC): "",
		time.Date(2026, 3, 3, 9, 0, 1, 0, time.UTC):  "",
	} {
		o := order(t, 1)
		o.Issued = at
		b, err := s.Build(o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range b.Ending {
			got = append(got, e.In(policy.English, s.Policy))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
}

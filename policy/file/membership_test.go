package file

import (
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

func TestMembershipRuleRoundTripsThroughAPolicyFile(t *testing.T) {
	in := small("membership: { after: [user], warn: 30d, grace: 14d }", "", "")
	p, err := Parse("p", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Membership.String(); got != "grace 14d, warn 30d, after user" {
		t.Error(got)
	}
	out, err := Format("p", []byte(in))
	if err != nil || !strings.Contains(string(out), "membership: { grace: 14d, warn: 30d, after: [user] }") {
		t.Errorf("%v\n%s", err, out)
	}
	if p, err = Parse("p", []byte(small("", "", ""))); err != nil || p.Membership.Grace != 0 || p.Membership.Warn != 0 ||
		p.Membership.After != nil {
		t.Errorf("without the key: %v %v", p.Membership, err)
	}
}

func TestFaultsOfTheMembershipNameAValidValue(t *testing.T) {
	for in, want := range map[string]string{
		"{ grace: 12h }":     `"12h" is no number of days`,
		"{ grace: 0 }":       "as 14d, at most 9999d",
		"{ after: [admin] }": "admin",
		"{ gracee: 14d }":    "grace",
	} {
		_, err := Parse("p", []byte(small("membership: "+in, "", "")))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	bad := small(`tests: [{ at: "2026-01-01", machine: x, expect: deny, holds: [], until: 2026-02-30 }]`, "", "")
	if _, err := Parse("p", []byte(bad)); err == nil || !strings.Contains(err.Error(), "2026-02-30") {
		t.Errorf("an impossible day: %v", err)
	}
}

func TestExamplesMaySetUntilAndTheCardState(t *testing.T) {
	p, err := Parse(
		"p",
		[]byte(
			small(
				`tests: [{ at: "2026-10-01T00:00", machine: x, expect: deny, holds: [], until: 2026-09-30, card-state: lost }]`,
				"",
				"",
			),
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	q := p.Tests[0].Question
	if q.Member.Until != (policy.Date{Year: 2026, Month: time.September, Day: 30}) || q.CardState != policy.LostCard {
		t.Errorf("%+v %v", q.Member, q.CardState)
	}
}

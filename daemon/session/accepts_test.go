package session

import (
	"encoding/json"
	"testing"

	"portillon/policy"
	"portillon/wire"
)

// A record names the badges of other issuers on which its decision was based: at the start, in another role, and when
// another mentor takes over.
func TestRecordsNameTheBadgesOfOtherIssuersUsedInADecision(t *testing.T) {
	theirs := []policy.Accepted{
		{
			Badge:      "laser-user",
			OtherBadge: policy.OtherBadge{Issuer: "autre-lab", Achievement: "https://autre.example/laser"},
			With:       "induction",
		},
	}
	rests := func(d policy.Decision) policy.Decision {
		d.Accepted = theirs
		return d
	}
	start := tapOf(paul)
	start.Decision = rests(start.Decision)
	w := newWorld().do(start)
	w.do(ChooseRole{Decision: rests(allow(policy.Maintainer))})
	mentor := tapOf(sami)
	mentor.Supervising = rests(mentor.Supervising)
	other := newWorld().tap(lea).tap(karim).do(mentor)
	for name, got := range map[string][]policy.Accepted{
		"session-start": body[wire.StartBody](t, w, wire.SessionStart).Accepted,
		"role-changed":  body[wire.RoleBody](t, w, wire.RoleChanged).Accepted,
		"handed-over":   body[wire.HandOverBody](t, other, wire.HandedOver).Accepted,
	} {
		if len(got) != 1 || got[0] != theirs[0] {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// A record without such a badge has the format of earlier releases, so that machines and hubs that are one release
	// older can read it.
	b, err := json.Marshal(body[wire.StartBody](t, newWorld().tap(nour), wire.SessionStart))
	if want := `{"role":"user","grant":1,"badges":["laser-user"],"max_s":7200,"bundle":7,"card":"uid"}`; err != nil ||
		string(b) != want {
		t.Errorf("%v %s, want %s", err, b, want)
	}
	b, err = json.Marshal(theirs)
	const want = `[{"badge":"laser-user","issuer":"autre-lab",` +
		`"achievement":"https://autre.example/laser","with":"induction"}]`
	if err != nil ||
		string(b) != want {
		t.Errorf("%v %s, want %s", err, b, want)
	}
}

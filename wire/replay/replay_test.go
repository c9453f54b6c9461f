package replay

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/policy/analysis"
	"portillon/wire"
)

// replayPolicy returns a policy that lets users with all these badges use the laser.
func replayPolicy(t *testing.T, change func(*policy.Model), needs ...policy.BadgeID) *policy.Policy {
	t.Helper()
	m := policy.Model{
		Site: "s",
		Issuers: []policy.Issuer{
			{ID: "i", Profile: "did:x", Keys: []string{"k"}},
			{ID: "o", Profile: "did:y", Keys: []string{"l"}},
		},
	}
	for _, id := range []policy.BadgeID{"a", "b"} {
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: id, Name: policy.Text{FR: string(id)}, Issuer: "i", Achievement: "urn:" + string(id)},
		)
	}
	g := policy.Grant{Role: policy.User}
	for _, b := range needs {
		g.Needs.All = append(g.Needs.All, policy.Need{Badge: b})
	}
	m.Machines = []policy.Machine{{ID: "laser", Grants: []policy.Grant{g}}}
	if change != nil {
		change(&m)
	}
	p, err := policy.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReplayReturnsTheDecisionOfAnotherPolicy(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	held := func(badges ...policy.BadgeID) (out []policy.Holding) {
		for _, b := range badges {
			out = append(out, policy.Holding{Badge: b, Standing: policy.Verified, From: at})
		}
		return out
	}
	newBadge := func(m *policy.Model) {
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: "new", Name: policy.Text{FR: "new"}, Issuer: "i", Achievement: "urn:new"},
		)
	}
	accepts := func(m *policy.Model) {
		m.Badges[0].Accepts = []policy.Accept{{OtherBadge: policy.OtherBadge{Issuer: "o", Achievement: "urn:theirs"}}}
	}
	acceptsForB := func(m *policy.Model) {
		m.Badges[1].Accepts = []policy.Accept{{OtherBadge: policy.OtherBadge{Issuer: "o", Achievement: "urn:theirs"}}}
	}
	otherKeys := func(m *policy.Model) { m.Issuers[0].Keys = []string{"k2"} }
	// Exchange the names of the member and the supervisor.
	moved := func(m *policy.Model) { m.Badges[0].ID, m.Badges[1].ID = "b", "a" }
	theirs := []policy.Holding{
		{Badge: "a", Other: &policy.OtherBadge{Issuer: "o", Achievement: "urn:theirs"}, Standing: policy.Verified, From: at},
	}
	a := replayPolicy(t, nil, "a")
	for name, c := range map[string]struct {
		before, after *policy.Policy
		holds         []policy.Holding
		want          string
	}{
		"the same policy":             {a, a, held("a"), "allow allow"},
		"a badge more is asked for":   {a, replayPolicy(t, nil, "a", "b"), held("a"), "allow deny no-badge"},
		"and held":                    {a, replayPolicy(t, nil, "a", "b"), held("a", "b"), "allow allow"},
		"another badge is asked for":  {a, replayPolicy(t, nil, "b"), held("b"), "deny allow"},
		"a badge that nobody knew of": {a, replayPolicy(t, newBadge, "a", "new"), held("a"), "allow not known"},
		"one that nobody knew of, and another lack": {a, replayPolicy(t, newBadge, "a", "new"), held("b"),
			"deny deny no-badge"},
		"no machine of that name": {a, replayPolicy(t, func(m *policy.Model) { m.Machines[0].ID = "vinyl" }, "a"),
			held("a"), "allow deny"},
		"keys that differ":                 {a, replayPolicy(t, otherKeys, "a"), held("a"), "allow not known"},
		"a badge that accepts another now": {a, replayPolicy(t, accepts, "a"), nil, "deny not known"},
		"a badge that accepted another":    {replayPolicy(t, accepts, "a"), a, theirs, "allow deny no-badge"},
		"another badge accepts it now": {replayPolicy(t, accepts, "a"), replayPolicy(t, acceptsForB, "b"), theirs,
			"allow allow"},
		"names that changed places": {a, replayPolicy(t, moved, "a"), held("a"), "allow deny no-badge"},
	} {
		q := policy.Question{
			At:      at,
			Clock:   policy.Trusted,
			Machine: "laser",
			Member:  &policy.Member{ID: "m-1", Holdings: c.holds},
		}
		b := policy.BasisOf(q, c.before.Decide(q))
		b.Policy = "old"
		kind, body := wire.Refused, any(wire.RefusedBody{Basis: &b})
		if b.Verdict == policy.Allow {
			kind, body = wire.SessionStart, wire.StartBody{Basis: &b}
		}
		text, _ := json.Marshal(body)
		got, ok := Record(
			wire.Record{Machine: "laser", Kind: kind, Body: text},
			c.after,
			func(n string) (*policy.Policy, bool) { return c.before, n == "old" },
		)
		is := got.Was.String() + " " + got.Would.String()
		for _, r := range got.Reasons {
			is += " " + string(r)
		}
		if got.Why != "" {
			is = got.Was.String() + " not known"
		}
		if !ok || is != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, is, c.want, got.Why)
		}
	}
}

// Replay evaluates the badges of the supervisor as well as those of the member.
func TestReplayEvaluatesTheSupervisorToo(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	supervised := func(by policy.BadgeID, more func(*policy.Model)) *policy.Policy {
		return replayPolicy(t, func(m *policy.Model) {
			m.Machines[0].Grants[0].Role = policy.Learner
			m.Machines[0].Grants[0].Supervisor = &policy.Need{Badge: by}
			if more != nil {
				more(m)
			}
		}, "a")
	}
	newBadge := func(m *policy.Model) {
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: "new", Name: policy.Text{FR: "new"}, Issuer: "i", Achievement: "urn:new"},
		)
	}
	who := func(id policy.MemberID, b policy.BadgeID) *policy.Member {
		return &policy.Member{ID: id, Holdings: []policy.Holding{{Badge: b, Standing: policy.Verified, From: at}}}
	}
	before := supervised("b", nil)
	q := policy.Question{
		At:         at,
		Clock:      policy.Trusted,
		Machine:    "laser",
		Member:     who("m-1", "a"),
		Supervisor: who("m-2", "b"),
	}
	b := policy.BasisOf(q, before.Decide(q))
	for name, c := range map[string]struct {
		p    *policy.Policy
		want policy.Verdict
		why  bool
	}{"same": {before, policy.Allow, false}, "another": {supervised("a", nil), policy.Await, false},
		"unknown": {supervised("new", newBadge), 0, true}} {
		if got := analysis.Replay(b, "laser", c.p, before); got.Was != policy.Allow || (got.Why != "") != c.why ||
			!c.why && got.Would != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRecordWithoutInputGivesTheReason(t *testing.T) {
	p := replayPolicy(t, nil, "a")
	basis, _ := json.Marshal(wire.RefusedBody{Basis: &policy.Basis{Policy: "old", Verdict: policy.Await}})
	cut, _ := json.Marshal(wire.StartBody{Basis: &policy.Basis{Policy: "new", Verdict: policy.Allow, Truncated: true}})
	for name, c := range map[string]struct {
		kind wire.Kind
		body string
		ok   bool
		was  policy.Verdict
		why  string
	}{
		"an older record": {wire.SessionStart, `{"role":"user","grant":0,"badges":["a"],"bundle":1,"card":"uid"}`,
			true, policy.Allow, "older program"},
		"an older refusal":           {wire.Refused, `{"reasons":["no-badge"]}`, true, policy.Deny, "older program"},
		"a policy that is not here":  {wire.Refused, string(basis), true, policy.Await, `policy "old"`},
		"a truncated basis":          {wire.SessionStart, string(cut), true, policy.Allow, "all badges"},
		"a body that cannot be read": {wire.HandedOver, `{"basis":7}`, true, policy.Allow, "cannot be read"},
		"no body":                    {wire.Refused, "", true, policy.Deny, "cannot be read"},
		"no decision":                {wire.SessionEnd, `{}`, false, policy.Deny, ""},
	} {
		got, ok := Record(
			wire.Record{Machine: "laser", Kind: c.kind, Body: json.RawMessage(c.body)},
			p,
			func(n string) (*policy.Policy, bool) { return p, n == "new" },
		)
		if ok != c.ok || got.Was != c.was || !strings.Contains(got.Why, c.why) || got.Changed() || c.ok && got.Why == "" {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
}

func FuzzReplay(f *testing.F) {
	f.Add(
		`{"basis":{"at":"2026-11-23T09:00:00Z","trusted":true,"member":{"id":"m","until":"2026-12-31",` +
			`"badges":[{"badge":"a"}],"practice":{"logged":"2h"}},"verdict":"allow"}}`,
	)
	f.Add(`{"basis":{"member":{"badges":[{"issuer":"o","achievement":"urn:x","standing":"revoked"}]},"truncated":true}}`)
	m := policy.Model{Site: "s", Issuers: []policy.Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}}},
		Badges: []policy.Badge{{ID: "a", Name: policy.Text{FR: "a"}, Issuer: "i", Achievement: "urn:a"}},
		Machines: []policy.Machine{
			{ID: "laser", Grants: []policy.Grant{{Role: policy.User, Needs: policy.Need{Badge: "a"}}}},
		}}
	p, err := policy.New(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, ok := Record(
			wire.Record{Machine: "laser", Kind: wire.Refused, Body: json.RawMessage(body)},
			p,
			func(string) (*policy.Policy, bool) { return p, true },
		)
		if !ok || got.Changed() && got.Why != "" {
			t.Errorf("%+v", got)
		}
	})
}

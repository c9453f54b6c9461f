package analysis

import (
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

// replayed returns a policy with one machine, whose users need a badge of one issuer.
func replayed(t *testing.T, needs policy.BadgeID, key string) *policy.Policy {
	return mustNew(t, policy.Model{Site: "s", Issuers: []policy.Issuer{{ID: "i", Profile: "did:x", Keys: []string{key}}},
		Badges: []policy.Badge{{ID: needs, Name: policy.Text{FR: "B"}, Issuer: "i", Achievement: "urn:" + string(needs)}},
		Machines: []policy.Machine{
			{ID: "m", Name: policy.Text{FR: "M"}, Grants: []policy.Grant{{Role: policy.User, Needs: policy.Need{Badge: needs}}}},
		}})
}

func TestReplayGivesNoAnswerIfTheRecordedFactsAreInsufficient(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	before := replayed(t, "a", "k")
	holder := &policy.Member{
		ID: "m-1",
		Holdings: []policy.Holding{
			{Badge: "a", Standing: policy.Verified, From: at},
			{Badge: "gone", Standing: policy.Verified, From: at},
		},
	}
	q := policy.Question{At: at, Clock: policy.Trusted, Machine: "m", Member: holder}
	basis := policy.BasisOf(q, before.Decide(q))
	stranger := policy.Question{At: at, Clock: policy.Trusted, Machine: "m"}
	cut := basis
	cut.Truncated = true
	for name, c := range map[string]struct {
		basis policy.Basis
		after *policy.Policy
		would policy.Verdict
		why   string
	}{
		"the same policy": {basis, replayed(t, "a", "k"), policy.Allow, ""},
		"a stranger": {policy.BasisOf(stranger, before.Decide(stranger)), replayed(t, "a", "k"),
			policy.Deny, ""},
		"a badge that nobody knew": {basis, replayed(t, "b", "k"), policy.Deny,
			"did not name: deny without them, allow with them ([b])"},
		"an issuer whose keys differ":    {basis, replayed(t, "a", "k2"), policy.Deny, "depends on badges"},
		"a basis that could not hold it": {cut, replayed(t, "a", "k"), policy.Deny, "does not contain all badges"},
	} {
		got := Replay(c.basis, "m", c.after, before)
		if got.Why == "" && got.Would != c.would || !strings.Contains(got.Why, c.why) || c.why == "" && got.Why != "" {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Changed() != (got.Why == "" && got.Was != c.would) {
			t.Errorf("%s: changed %v", name, got.Changed())
		}
	}
}

// If a decision is replayed under the policy that made the decision, the answer must stay the same.
func TestAReplayUnderTheSamePolicyGivesTheSameAnswer(t *testing.T) {
	g := newGen(21, 23)
	seen := map[policy.Verdict]int{}
	for range 200 {
		p := mustNew(t, g.Accepting())
		for range 10 {
			q := g.WithCircumstances(g.WithForeign(g.Question(), p))
			d := p.Decide(q)
			if r := Replay(policy.BasisOf(q, d), q.Machine, p, p); r.Changed() || r.Why != "" || r.Was != d.Verdict {
				t.Fatalf("%+v, but %v was decided", r, d.Verdict)
			}
			seen[d.Verdict]++
		}
	}
	if len(seen) != 3 || seen[policy.Allow] < 50 {
		t.Errorf("too few of one kind: %v", seen)
	}
}

func TestObstaclesAreDifferentWords(t *testing.T) {
	seen := map[Obstacle]bool{"": true}
	for _, o := range Obstacles() {
		if seen[o] {
			t.Errorf("obstacle %q is empty or occurs twice", o)
		}
		seen[o] = true
	}
}

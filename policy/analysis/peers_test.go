package analysis

import (
	"testing"

	"portillon/policy"
)

// In this test, two members each hold a badge of another issuer. The policy accepts this badge both as the learner's
// badge and as the mentor's badge, so each member could supervise the other.
func TestAcceptedBadgesThatMakePeersMentorsAreDetected(t *testing.T) {
	theirs := policy.OtherBadge{Issuer: "other", Achievement: "urn:f0"}
	for name, c := range map[string]struct {
		learner, mentor, third []policy.Accept // entries under accepts: of the three badges
		needs                  policy.Need
		want                   bool
	}{
		"nothing is accepted": {needs: policy.Need{Badge: "a"}},
		"the same badge":      {needs: policy.Need{Badge: "b"}, want: true},
		"accepted for both": {[]policy.Accept{{OtherBadge: theirs}},
			[]policy.Accept{{OtherBadge: theirs, Roles: []policy.Role{policy.Mentor}}}, nil, policy.Need{Badge: "a"}, true},
		"for the learner alone": {[]policy.Accept{{OtherBadge: theirs}}, []policy.Accept{{OtherBadge: theirs}},
			nil, policy.Need{Badge: "a"}, false},
		"for the mentor alone": {[]policy.Accept{{OtherBadge: theirs, Roles: []policy.Role{policy.User}}},
			[]policy.Accept{{OtherBadge: theirs, Roles: []policy.Role{policy.Mentor}}}, nil, policy.Need{Badge: "a"}, false},
		"with what the learner has not": {[]policy.Accept{{OtherBadge: theirs}},
			[]policy.Accept{{OtherBadge: theirs, With: "c", Roles: []policy.Role{policy.Mentor}}}, nil, policy.Need{Badge: "a"},
			false},
		"with what the learner has": {[]policy.Accept{{OtherBadge: theirs, With: "c", Roles: nil}},
			[]policy.Accept{{OtherBadge: theirs, With: "c", Roles: []policy.Role{policy.Mentor}}}, nil, policy.Need{Badge: "a"},
			true},
		"with the mentor's badge": {[]policy.Accept{{OtherBadge: theirs, With: "b", Roles: nil}}, nil, nil,
			policy.Need{Badge: "a"}, true},
		"the learner's badge is accepted": {nil,
			[]policy.Accept{{OtherBadge: policy.OtherBadge{Issuer: "i", Achievement: "urn:a"}, With: "",
				Roles: []policy.Role{policy.Mentor}}}, nil, policy.Need{Badge: "a"}, true},
		"it is, but not of mentors": {nil,
			[]policy.Accept{{OtherBadge: policy.OtherBadge{Issuer: "i", Achievement: "urn:a"}, With: "",
				Roles: []policy.Role{policy.User}}}, nil, policy.Need{Badge: "a"}, false},
		"a badge more is asked for": {[]policy.Accept{{OtherBadge: theirs}},
			[]policy.Accept{{OtherBadge: theirs, Roles: []policy.Role{policy.Mentor}}}, nil,
			policy.Need{All: []policy.Need{{Badge: "c"}, {Badge: "a"}}}, true},
		"one of two that does not lead on": {[]policy.Accept{{OtherBadge: theirs, Roles: []policy.Role{policy.User}}},
			[]policy.Accept{{OtherBadge: theirs, Roles: []policy.Role{policy.Mentor}}}, []policy.Accept{{OtherBadge: theirs}},
			policy.Need{Any: []policy.Need{{Badge: "a"}, {Badge: "d"}}}, false},
	} {
		m := gen{}.PlainModel()
		m.Badges[0].Accepts, m.Badges[1].Accepts, m.Badges[2].Accepts = c.learner, c.mentor, c.third
		m.Machines = []policy.Machine{
			{ID: "m", Grants: []policy.Grant{{Role: policy.Learner, Needs: c.needs, Supervisor: &policy.Need{Badge: "b"}}}},
		}
		p := mustNew(t, m)
		if got := canSuperviseEachOther(p, &p.Machines[0].Grants[0]); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

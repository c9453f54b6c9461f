package uplink

import (
	"regexp"
	"testing"

	"portillon/policy"
)

// Panels of every site show the hub's reasons. The texts name no role, because the policy of a site may not have that
// role.
func TestReasonsOfTheHubNameNoRole(t *testing.T) {
	role := regexp.MustCompile(`(?i)mentor|mainten|learner|apprenant|superviseur|supervisor`)
	codes := []string{"", "moon-phase", "hub-refuses/moon-phase"}
	for _, w := range []Why{BrokerAway, BrokerCuts, RecordsDropped, NoAnswer, OtherJournal, OtherHubKey, TooLarge,
		JournalUnread} {
		codes = append(codes, string(w))
	}
	for _, refused := range []string{"", "bad-checkpoint", "other-machine", "rolled-back", "forked", "other-generation",
		"wrong-root", "malformed"} {
		codes = append(codes, string(HubRefuses)+"/"+refused)
	}
	m := &policy.Machine{Grants: []policy.Grant{{Role: policy.User}, {Role: policy.Learner}}}
	for _, c := range codes {
		fact, cure := Explain(c)
		for _, s := range []policy.Text{fact, cure} {
			if role.MatchString(s.FR) || role.MatchString(s.EN) || s.FR == "" || s.EN == "" {
				t.Errorf("%q: %+v", c, s)
			}
			if m.Plain(s) != s {
				t.Errorf("%q: a machine of two roles changes it: %+v", c, m.Plain(s))
			}
		}
	}
}

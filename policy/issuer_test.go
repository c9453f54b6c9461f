package policy_test

import (
	"slices"
	"testing"

	. "portillon/policy"
)

func TestStatusProfilesAreThoseOfTheNamedIssuers(t *testing.T) {
	all := []Issuer{
		{ID: "a", Profile: "did:x:a", StatusIssuers: []IssuerID{"c", "gone"}},
		{ID: "b", Profile: "did:x:b"},
		{ID: "c", Profile: "did:x:c"},
	}
	for i, want := range [][]string{{"did:x:c"}, nil, nil} {
		if got := StatusProfiles(all, all[i]); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", all[i].ID, got, want)
		}
	}
}

package directory

import (
	"slices"
	"testing"

	"portillon/policy"
)

// An administrator first adds badges, and then drafts a policy that trusts the badges' issuer. The effect of the draft
// must name the members who have these badges.
func TestHoldersAreJudgedByTheKeysOfEachPolicy(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies the badges of a whole site")
	}
	w := newWorld(t)
	w.importSite(example)
	trusting, stranger := w.policy, *w.policy
	stranger.Issuers = slices.Clone(stranger.Issuers)
	for i := range stranger.Issuers {
		stranger.Issuers[i].Keys = []string{"did:key:z6MkkNUhEch1T8ak3Jtc8xHfhShXsq4kuc49GxmY8o67Kjyw"}
	}
	for _, c := range []struct {
		inForce, after *policy.Policy
		before, then   int // number of Léa's badges that are valid under each policy
	}{
		{trusting, trusting, 2, 2}, {trusting, &stranger, 2, 0}, {&stranger, trusting, 0, 2}, {&stranger, &stranger, 0,
			0}, {trusting, nil, 2, 0},
	} {
		w.policy = c.inForce
		if err := w.Verdicts.Verify(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		all, _, err := w.Lookup.Holders(t.Context(), c.inForce, c.after)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(h Held) bool { return h.Before.ID == "m-020dc2" })
		if got := all[i]; len(got.Before.Holdings) != c.before || len(got.After.Holdings) != c.then {
			t.Errorf("%d badges count before and %d after, want %d and %d", len(got.Before.Holdings), len(got.After.Holdings),
				c.before, c.then)
		}
		for _, h := range all {
			for _, x := range h.After.Holdings {
				if h.After.ID == "m-3f56e9" && x.Standing != policy.Revoked { // Camille's badge must be revoked
					t.Errorf("%+v", x)
				}
			}
		}
	}
}

package directory

import (
	"slices"
	"testing"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
)

func TestOnlySnapshotsNameTheMemberOfABadgeWithAHashedAddress(t *testing.T) {
	hashed := recipient{Identifiers: []openbadge.Identity{{Hashed: true, Hash: "sha256$00", Type: "emailAddress"}}}
	named := recipient{Subject: "did:example:lea",
		Identifiers: []openbadge.Identity{{Hash: "lea@example.org", Type: "emailAddress"}}}
	e := &entry{record: &record{files: []string{"badges/by-hand.json"}}}
	e.ID = "lea"
	for file, to := range map[string]recipient{"badges/by-hand.json": hashed, "badges/hashed.json": hashed,
		"badges/named.json": named} {
		e.Badges, e.held = append(e.Badges, Badge{File: file}), append(e.held, held{to: to})
	}
	members := []site.Member{{ID: "other"}, {ID: "lea", Badges: []string{"badges/by-hand.json"}}}
	nameHashed(members, []*entry{e, {record: &record{Member: Member{ID: policy.MemberID("gone")}}}})
	want := []string{"badges/by-hand.json", "badges/hashed.json"}
	if !slices.Equal(members[1].Badges, want) || members[0].Badges != nil {
		t.Errorf("%q and %q, want none and %q", members[0].Badges, members[1].Badges, want)
	}
}

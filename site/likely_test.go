package site

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// hashed gives a member a badge that names a hash of their address alone.
func (c *crowd) hashed(t *testing.T, member int, address string) string {
	t.Helper()
	b := c.Policy.Badges[0]
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	data, err := openbadge.IssueJSON(openbadge.Draft{IssuerID: c.Policy.Issuers[0].Profile, IssuerName: "Lab", Email: address,
		ValidFrom: at, Achievement: openbadge.Achievement{ID: b.Achievement, Name: b.Name.FR, Criteria: "y"}}, c.key, at)
	if err != nil {
		t.Fatal(err)
	}
	c.Badges = append(c.Badges, File{Name: fmt.Sprintf("badges/%d-%d.json", member, len(c.Badges)), Data: data})
	return wire.Hash(data)
}

// Order.Likely decides nothing: not where it is right, wrong, or of somebody who shares the address with others.
func TestLikelyOwnersChangeNoBundle(t *testing.T) {
	c := newCrowd(t, 6, 1)
	c.Members[4].Emails = []string{"shared@example.org"}
	c.Members[5].Emails = []string{"Shared@Example.org", "five@example.org"}
	c.Members[3].Emails = append(c.Members[3].Emails, "three@example.org")
	right := map[string]policy.MemberID{}
	for i, address := range []string{"m0@example.org", "m1@example.org", "m2@Example.org", "three@example.org",
		"shared@example.org", "five@example.org"} {
		right[c.hashed(t, i, address)] = c.Members[i].ID
	}
	c.hashed(t, 0, "nobody@example.org")
	wrong := map[string]policy.MemberID{}
	for sha := range right {
		wrong[sha] = c.Members[4].ID
	}
	o := order(t, 1)
	bare, err := c.Build(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(bare.Errors) != 1 || bare.Counted != 4+5 {
		t.Fatalf("%d badges count, errors %q", bare.Counted, bare.Errors)
	}
	for name, likely := range map[string]map[string]policy.MemberID{"right": right, "wrong": wrong} {
		o.Likely = likely
		got, err := c.Build(o)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Manifest, bare.Manifest) || fmt.Sprint(got.Errors, got.Warnings) != fmt.Sprint(bare.Errors, bare.Warnings) {
			t.Errorf("%s: %q %q, want %q %q", name, got.Errors, got.Warnings, bare.Errors, bare.Warnings)
		}
	}
}

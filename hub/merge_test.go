package hub_test

import (
	"errors"
	"testing"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
)

// If two members are merged, the hub moves the account of the dropped member to the other member. An erasure of that
// member must then also remove the person's address in the account.
func TestErasureAfterAMergeLeavesNoAccount(t *testing.T) {
	h, _ := managedHub(t)
	ctx, d, accounts := t.Context(), h.Directory(), h.Accounts()
	keep, err1 := d.Members.Add(ctx, root, directory.Member{Name: "Léa"})
	drop, err2 := d.Members.Add(ctx, root, directory.Member{Name: "Lea", Emails: []string{"lea@example.org"}})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	given := account.Account{Name: "lea@example.org", Member: drop.ID, Site: actor.Member}
	x, err := accounts.Registry.Add(ctx, root, given, "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Members.Merge(ctx, root, keep.ID, drop.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := accounts.Registry.Get(ctx, root, x.ID); err != nil || got.Member != keep.ID {
		t.Errorf("the account is of %q, want %q: %v", got.Member, keep.ID, err)
	}
	if err := d.Erasures.Erase(ctx, root, keep.ID, m.Version); err != nil {
		t.Fatal(err)
	}
	_, err = accounts.Registry.Get(ctx, root, x.ID)
	if gone := (*fault.NotFound)(nil); !errors.As(err, &gone) {
		t.Errorf("the account of an erased person is left: %v", err)
	}
}

package account_test

import (
	"testing"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

func (b *bench) merge(a actor.Actor, keep, drop policy.MemberID) error {
	return b.site.Write(
		b.t.Context(),
		func(tx *store.Tx) error { return b.Registry.Merge(b.t.Context(), tx, a, keep, drop) },
	)
}

func TestMergeMovesTheAccountToTheKeptMember(t *testing.T) {
	writer := actor.Actor{Account: "w", Name: "Writer", Site: actor.Owner, Scopes: []actor.Act{actor.WriteMembers}}
	machines := roles("saw", actor.Mentor)
	names := map[policy.MemberID]string{"m-karim": "keep", "m-ines": "drop"}
	b := open(t)
	b.owner()
	for name, c := range map[string]struct {
		keep, drop *account.Account // nil: the member has no account before the merge
		of         string           // name of the account that remains after the merge
		refused    bool
	}{
		"neither has an account": {},
		"keep has an account":    {keep: &account.Account{Site: actor.Member}, of: "keep"},
		"drop has an account":    {drop: &account.Account{Machines: machines}, of: "drop"},
		"drop is an owner":       {drop: &account.Account{Site: actor.Owner}, of: "drop"},
		"both": {keep: &account.Account{Machines: machines}, of: "keep",
			drop: &account.Account{Site: actor.Member}},
		"both have accounts, drop has a role at a machine": {keep: &account.Account{Site: actor.Member},
			drop: &account.Account{Machines: machines}, of: "keep", refused: true},
		"both have accounts, drop has a role": {keep: &account.Account{Site: actor.Member},
			drop: &account.Account{Site: actor.Administrator}, of: "keep", refused: true},
	} {
		for member, given := range map[policy.MemberID]*account.Account{"m-karim": c.keep, "m-ines": c.drop} {
			if given != nil {
				given.Name, given.Member = names[member], member
				b.add(*given)
			}
		}
		err := b.merge(writer, "m-karim", "m-ines")
		if invalid(err) != c.refused || err != nil && !c.refused {
			t.Errorf("%s: %v", name, err)
		}
		all, _, err := b.Registry.List(t.Context(), root, account.Page{})
		left := ""
		for _, x := range all {
			switch x.Member {
			case "m-karim":
				left = x.Name
			case "m-ines":
				if !c.refused {
					t.Errorf("%s: an account of the member who is gone is left: %+v", name, x)
				}
			}
		}
		if err != nil || left != c.of {
			t.Errorf("%s: the account of %q is left, want %q; %v", name, left, c.of, err)
		}
		for _, x := range all {
			if x.Member != "" {
				if err := b.Registry.Remove(t.Context(), root, x.ID, x.Version); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b.verifyAudit()
}

func TestMergeEndsSessionsAndInvalidatesPrintedCodes(t *testing.T) {
	b := open(t)
	b.owner()
	x := b.add(account.Account{Name: "drop", Member: "m-ines", Site: actor.Member})
	if _, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-ines"}, 2); err != nil {
		t.Fatal(err)
	}
	if err := b.merge(root, "m-karim", "m-ines"); err != nil {
		t.Fatal(err)
	}
	if n := b.count(`SELECT count(*) FROM account_code WHERE site = $1`); n != 0 {
		t.Errorf("%d codes are left", n)
	}
	if n := b.count(`SELECT epoch FROM account WHERE site = $1 AND id = $2`, x.ID); n != 2 {
		t.Errorf("the account's sessions did not end: epoch %d", n)
	}
}

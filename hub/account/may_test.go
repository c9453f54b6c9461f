package account_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

// mayTable lists the rights of each actor. People wrote mayTable by hand: a table that the code computes would repeat
// the code's mistakes. Each string has one sign per actor: + means that the actor may call the method, - that the actor
// may not.
var mayTable = []struct {
	method string
	// The actors of the signs are: no account, member, mentor, maintainer, administrator, owner, root, the owner's
	// token with all scopes, and the owner's token with only the scope members.read.
	own   string // signs for a call on the actor's own account
	other string // signs for a call on another person's account
}{
	{"Accounts", "-----+++-", "-----+++-"},
	{"Account", "-+++++?+-", "-----+++-"},
	{"Add", "-----+++-", "-----+++-"},
	{"Change", "-----+?+-", "-----+++-"},
	{"SetRole", "-----+?+-", "-----+++-"},
	{"SetMachineRole", "-----+?+-", "-----+++-"},
	{"Disable", "-----+?+-", "-----+++-"},
	{"Remove", "-----+?+-", "-----+++-"},
	{"ResetCode", "-----+?+-", "-----+++-"},
	{"Recover", "------?--", "------+--"},
	{"Sessions", "-+++++?+-", "-----+++-"},
	{"EndSession", "-+++++?+-", "-----+++-"},
	{"SignOutEverywhere", "-+++++?+-", "-----+++-"},
	{"Tokens", "-+++++?+-", "-----+++-"},
	{"NewToken", "-+++++?--", "?????????"},
	{"RevokeToken", "-+++++?+-", "-----+++-"},
	{"ChangePassword", "-+++++?--", "?????????"},
	{"PrintedCodes", "----+++?-", "----++++-"},
	{"AuditLog", "----++++-", "----++++-"},
	{"ExportAudit", "----++++-", "----++++-"},
	{"Forget", "?????????", "----++++-"},
	{"Merge", "?????????", "----++++-"},
}

func TestRightsOfActorsMatchTheTable(t *testing.T) {
	if testing.Short() {
		t.Skip("short: hashes passwords")
	}
	b := open(t)
	b.owner()
	ctx := t.Context()
	mine := []account.Account{{}, {Name: "member", Member: "m-karim", Site: actor.Member}, {Name: "mentor",
		Machines: roles("saw", actor.Mentor)},
		{Name: "maintainer", Machines: roles("saw", actor.Maintainer)}, {Name: "administrator",
			Site: actor.Administrator}, {Name: "boss", Site: actor.Owner}}
	actors := make([]actor.Actor, 9)
	for i, given := range mine {
		if i > 0 {
			mine[i] = b.add(given)
			actors[i] = actor.Actor{Account: mine[i].ID, Name: given.Name, Member: given.Member, Site: given.Site,
				Machines: given.Machines}
		}
	}
	actors[6] = root
	actors[7], actors[8] = actors[5], actors[5]
	actors[7].Token, actors[7].Scopes = "t-1", actor.Acts()
	actors[8].Token, actors[8].Scopes = "t-2", []actor.Act{actor.ReadMembers}
	other := b.add(account.Account{Name: "other", Member: "m-zoe", Site: actor.Member})
	for _, row := range mayTable {
		for i, a := range actors {
			own := account.Account{ID: "a-none"}
			if i > 0 && i < 6 {
				own = mine[i]
			} else if i > 6 {
				own = mine[5]
			}
			for whose, x := range map[string]account.Account{"own": own, "other": other} {
				want := row.own[i]
				if whose == "other" {
					want = row.other[i]
				}
				if want == '?' {
					continue
				}
				x = b.currentAccount(x)
				err := accountMethods(b, ctx, a, x)[row.method]()
				if got := !denied(err); got != (want == '+') {
					t.Errorf("%s of actor %d (%q %v) on their %s account: %v, want %c", row.method, i, a.Name, a.Scopes, whose, err,
						want)
				}
				if want == '+' {
					b.restore(x)
				}
			}
		}
	}
	if got := len(accountMethods(b, ctx, root, other)); got != len(mayTable) {
		t.Errorf("%d methods, %d rows", got, len(mayTable))
	}
}

func roles(m policy.MachineID, r actor.Role) map[policy.MachineID]actor.Role {
	return map[policy.MachineID]actor.Role{m: r}
}

// currentAccount returns the current state of an account.
func (b *bench) currentAccount(x account.Account) account.Account {
	if got, err := b.Registry.Get(b.t.Context(), root, x.ID); err == nil {
		return got
	}
	return x
}

// restore undoes a permitted method's changes to an account.
func (b *bench) restore(x account.Account) {
	b.t.Helper()
	now, err := b.Registry.Get(b.t.Context(), root, x.ID)
	if missing(err) {
		return // nothing to restore: the method under test has removed the account
	}
	if err == nil {
		_, err = b.Registry.Change(b.t.Context(), root, x.ID, now.Version, func(y *account.Account) error {
			y.Name, y.Site, y.Machines, y.Disabled, y.Member = x.Name, x.Site, x.Machines, x.Disabled, x.Member
			return nil
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

var errUndo = errors.New("undo")

// accountMethods returns functions that call, with actor a and account x, each method that has an actor parameter.
func accountMethods(b *bench, ctx context.Context, a actor.Actor, x account.Account) map[string]func() error {
	return map[string]func() error{
		"Accounts": func() error { _, _, err := b.Registry.List(ctx, a, account.Page{}); return err },
		"Account":  func() error { _, err := b.Registry.Get(ctx, a, x.ID); return err },
		"Add": func() error {
			_, err := b.Registry.Add(ctx, a, account.Account{Name: "owner"},
				"")
			return err
		}, // Add returns *fault.Invalid, because another account has the name "owner"
		"Change": func() error {
			_, err := b.Registry.Change(ctx, a, x.ID, x.Version, func(*account.Account) error { return nil })
			return err
		},
		"SetRole": func() error { _, err := b.Registry.SetRole(ctx, a, x.ID, x.Version, actor.Owner); return err },
		"SetMachineRole": func() error {
			_, err := b.Registry.SetMachineRole(ctx, a, x.ID, x.Version, "saw",
				actor.Maintainer)
			return err
		},
		"Disable": func() error { _, err := b.Registry.Disable(ctx, a, x.ID, x.Version, true); return err },
		// Remove returns *fault.Conflict, because no account has version -1.
		"Remove":            func() error { return b.Registry.Remove(ctx, a, x.ID, -1) },
		"ResetCode":         func() error { _, err := b.Recovery.ResetCode(ctx, a, x.ID); return err },
		"Recover":           func() error { _, err := b.Recovery.Recover(ctx, a, x.Name); return err },
		"Sessions":          func() error { _, err := b.Sessions.Active(ctx, a, x.ID); return err },
		"EndSession":        func() error { return b.Sessions.End(ctx, a, x.ID, "s-none") },
		"SignOutEverywhere": func() error { return b.Sessions.EndAll(ctx, a, x.ID) },
		"Tokens":            func() error { _, err := b.Tokens.Issued(ctx, a, x.ID); return err },
		"NewToken": func() error {
			_, err := b.Tokens.Issue(ctx, a, "t", []actor.Act{actor.ReadMembers}, b.now.Add(time.Hour))
			return err
		},
		"RevokeToken": func() error { return b.Tokens.Revoke(ctx, a, x.ID, "t-none") },
		"ChangePassword": func() error {
			return b.Passwords.ChangePassword(ctx, a, "wrong wrong wrong", "another random text")
		},
		"PrintedCodes": func() error {
			_, err := b.PrintedCodes.Print(ctx, a, []policy.MemberID{"m-karim"}, 1)
			return err
		},
		"AuditLog":    func() error { _, _, err := b.o.Audit.Entries(ctx, a, account.Page{}); return err },
		"ExportAudit": func() error { return b.o.Audit.Export(ctx, a, &bytes.Buffer{}) },
		"Merge":       func() error { return b.merge(a, "m-karim", "m-ines") },
		"Forget": func() error {
			err := b.site.Write(ctx, func(tx *store.Tx) error {
				if err := b.Registry.Forget(ctx, tx, a, "m-zoe", nil); err != nil {
					return err
				}
				return errUndo
			})
			if errors.Is(err, errUndo) {
				return nil
			}
			return err
		},
	}
}

// For the ids of another site, every method must return *fault.NotFound and change nothing.
func TestAccountsOfAnotherSiteAreNotFound(t *testing.T) {
	b := open(t)
	b.owner()
	o := b.o
	o.Site, o.Audit, o.Folder = b.db.Site("elsewhere"), nil, t.TempDir()
	elsewhere, err := account.New(o)
	if err != nil {
		t.Fatal(err)
	}
	x, err := elsewhere.Registry.Add(t.Context(), root, account.Account{Name: "theirs", Site: actor.Owner}, good)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := elsewhere.Tokens.Issue(t.Context(), actor.Actor{Account: x.ID, Site: actor.Owner}, "t",
		[]actor.Act{actor.ReadMembers}, b.now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	code, err := elsewhere.Recovery.ResetCode(t.Context(), root, x.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range accountMethods(b, t.Context(), root, x) {
		err := f()
		switch name {
		case "Accounts", "AuditLog", "ExportAudit", "PrintedCodes", "Forget", "Merge", "NewToken", "ChangePassword", "Add":
			continue // these methods have no account parameter, or use the actor's own account
		}
		if !missing(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, _, err := b.Registry.List(t.Context(), root, account.Page{}); err != nil || len(all) != 1 {
		t.Errorf("accounts after calls for another site: %+v, %v", all, err)
	}
	if _, err := b.Passwords.SignIn(t.Context(), "theirs", good, ""); !errors.Is(err, account.ErrWrong) {
		t.Errorf("SignIn: %v", err)
	}
	if _, err := b.Tokens.FromToken(t.Context(), tok.Text, ""); !errors.Is(err, account.ErrWrong) {
		t.Errorf("FromToken: %v", err)
	}
	if _, err := b.Recovery.ResetPassword(t.Context(), code, "another random text"); !errors.Is(err, account.ErrCode) {
		t.Errorf("ResetPassword: %v", err)
	}
	if _, err := elsewhere.Passwords.SignIn(t.Context(), "theirs", good, ""); err != nil {
		t.Errorf("at their own site: %v", err)
	}
}

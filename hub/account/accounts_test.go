package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

func TestLastOwnerCannotBeRemovedDemotedOrDisabled(t *testing.T) {
	b := open(t)
	x := b.owner()
	// The hub ignores owners who cannot sign in when it looks for another owner, because such an owner could not restore
	// the role.
	second, err := b.Registry.Add(t.Context(), root, account.Account{Name: "second", Site: actor.Owner}, "")
	if err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]func() error{
		"demoted": func() error {
			_, err := b.Registry.SetRole(t.Context(), root, x.ID, x.Version, actor.Administrator)
			return err
		},
		"disabled": func() error { _, err := b.Registry.Disable(t.Context(), root, x.ID, x.Version, true); return err },
		"removed":  func() error { return b.Registry.Remove(t.Context(), root, x.ID, x.Version) },
	} {
		if err := f(); !invalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	code, err := b.Recovery.ResetCode(t.Context(), root, second.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Recovery.ResetPassword(t.Context(), code, "another random text"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Registry.SetRole(t.Context(), root, x.ID, x.Version, actor.Administrator); err != nil {
		t.Errorf("with a second owner: %v", err)
	}
}

func TestParallelDemotionsLeaveOneOwner(t *testing.T) {
	b := open(t)
	var all []account.Account
	for n := range 4 {
		all = append(all, b.add(account.Account{Name: fmt.Sprintf("owner%d", n), Site: actor.Owner}))
	}
	done := make(chan error)
	for _, x := range all {
		go func() { _, err := b.Registry.Disable(t.Context(), root, x.ID, x.Version, true); done <- err }()
	}
	refused := 0
	for range all {
		if <-done != nil {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d were refused, want 1", refused)
	}
}

func TestAllFaultsOfAnAccountAreReportedTogether(t *testing.T) {
	b := open(t)
	b.add(account.Account{Name: "Inès", Member: "m-ines", Site: actor.Member})
	for _, c := range []struct {
		what   string
		given  account.Account
		faults []string
	}{
		{"name taken, in capitals", account.Account{Name: "INE\u0300S"}, []string{"name"}},
		{"member has an account", account.Account{Name: "x", Member: "m-ines"}, []string{"member"}},
		{"unknown member", account.Account{Name: "x", Member: "m-none"}, []string{"member"}},
		{"unknown role", account.Account{Name: "x", Site: "root"}, []string{"role"}},
		{"a machine's role as the site's", account.Account{Name: "x", Site: actor.Mentor}, []string{"role"}},
		{"the site's role at a machine", account.Account{Name: "x",
			Machines: map[policy.MachineID]actor.Role{"laser": actor.Administrator}}, []string{"machine_roles"}},
		{"line feed in the name", account.Account{Name: "x\r\nBcc: y"}, []string{"name"}},
		{"direction marks in the name", account.Account{Name: "x\u202ey"}, []string{"name"}},
		{"everything", account.Account{Name: "", Site: "x", Member: "a\nb"}, []string{"name", "role", "member"}},
		{"role member without a member id", account.Account{Name: "x", Site: actor.Member}, []string{"member"}},
	} {
		_, err := b.Registry.Add(t.Context(), root, c.given, "")
		if !invalid(err) {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		for _, f := range c.faults {
			if !strings.Contains(err.Error(), f+":") {
				t.Errorf("%s: no fault of %s in %v", c.what, f, err)
			}
		}
	}
}

func TestChangeOfAnOlderVersionIsAConflict(t *testing.T) {
	b := open(t)
	x := b.owner()
	if _, err := b.Registry.Change(t.Context(), root, x.ID, x.Version,
		func(x *account.Account) error { x.Name = "a"; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Registry.Change(t.Context(), root, x.ID, x.Version,
		func(x *account.Account) error { x.Name = "b"; return nil }); !conflicted(err) {
		t.Error(err)
	}
	if err := b.Registry.Remove(t.Context(), root, x.ID, x.Version); !conflicted(err) {
		t.Error(err)
	}
}

func TestChangeIgnoresReadOnlyFields(t *testing.T) {
	b := open(t)
	x := b.owner()
	got, err := b.Registry.Change(t.Context(), root, x.ID, x.Version, func(x *account.Account) error {
		x.ID, x.Version, x.Password, x.Made = "a-other", 99, false, time.Time{}
		return nil
	})
	if err != nil || got.ID != x.ID || got.Version != x.Version+1 || !got.Password || !got.Made.Equal(x.Made) {
		t.Errorf("account after a change is %+v, %v", got, err)
	}
}

func TestAccountsArePaged(t *testing.T) {
	b := open(t)
	for n := range 7 {
		if _, err := b.Registry.Add(t.Context(), root, account.Account{Name: fmt.Sprintf("n%d", n)}, ""); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	pages := 0
	for p := (account.Page{Limit: 3}); ; pages++ {
		out, next, err := b.Registry.List(t.Context(), root, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range out {
			seen[x.ID] = true
		}
		if p.After = next; next == "" {
			break
		}
	}
	if len(seen) != 7 || pages != 2 {
		t.Errorf("%d accounts on %d pages", len(seen), pages+1)
	}
}

func TestEveryActOfAnAdministratorIsInTheAuditLog(t *testing.T) {
	b := open(t)
	x := b.owner()
	a := actor.Actor{Account: x.ID, Name: "owner", Site: actor.Owner, Request: "req-7"}
	ctx := t.Context()
	var y account.Account
	var tok account.Token
	entries := 1
	for _, step := range []struct {
		what string
		f    func() error
	}{
		{"Add", func() (err error) { y, err = b.Registry.Add(ctx, a, account.Account{Name: "y\u00a0z"}, ""); return err }},
		{"Add", func() (err error) {
			y, err = b.Registry.Add(ctx, a, account.Account{Name: "y", Member: "m-lea", Site: actor.Member}, good)
			return err
		}},
		{"SetRole", func() (err error) {
			y, err = b.Registry.SetRole(ctx, a, y.ID, y.Version, actor.Administrator)
			return err
		}},
		{"SetMachineRole", func() (err error) {
			y, err = b.Registry.SetMachineRole(ctx, a, y.ID, y.Version, "saw", actor.Maintainer)
			return err
		}},
		{"SetMachineRole", func() (err error) {
			y, err = b.Registry.SetMachineRole(ctx, a, y.ID, y.Version, "saw", "")
			return err
		}},
		{"Disable", func() (err error) { y, err = b.Registry.Disable(ctx, a, y.ID, y.Version, true); return err }},
		{"ResetCode", func() error { _, err := b.Recovery.ResetCode(ctx, a, y.ID); return err }},
		{"SignOutEverywhere", func() error { return b.Sessions.EndAll(ctx, a, y.ID) }},
		{"NewToken", func() (err error) {
			tok, err = b.Tokens.Issue(ctx, a, "script", []actor.Act{actor.ReadMembers}, b.now.Add(time.Hour))
			return err
		}},
		{"RevokeToken", func() error { return b.Tokens.Revoke(ctx, a, x.ID, tok.ID) }},
		{"PrintedCodes", func() error {
			_, err := b.PrintedCodes.Print(ctx, a, []policy.MemberID{"m-karim"}, 1)
			return err
		}},
		{"ChangePassword", func() error { return b.Passwords.ChangePassword(ctx, a, good, "another random text") }},
		{"Remove", func() error { return b.Registry.Remove(ctx, a, y.ID, y.Version) }},
	} {
		err := step.f()
		if step.what == "Add" && invalid(err) {
			continue // a no-break space is not a printable character
		}
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		entries++
		out, _, err := b.o.Audit.Entries(ctx, a, account.Page{Limit: 500})
		if err != nil || len(out) != entries || out[0].Account != x.ID || out[0].Request != "req-7" || out[0].Detail == "" {
			t.Fatalf("after %s: %d entries, want %d, %v, %+v", step.what, len(out), entries, err, out[0])
		}
	}
	text := b.verifyAudit()
	for _, secret := range []string{good, "another random text", tok.Text, "argon2id"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q stands in the audit log", secret)
		}
	}
}

func TestChangeIsRolledBackIfItsAuditEntryFails(t *testing.T) {
	b := open(t)
	x := b.owner()
	err := b.site.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE audit_head SET signed = 'forged' WHERE site = $1`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Registry.Add(t.Context(), root, account.Account{Name: "y"}, ""); err == nil {
		t.Error("an account was added without an entry")
	}
	if _, err := b.Registry.Change(t.Context(), root, x.ID, x.Version,
		func(x *account.Account) error { x.Name = "z"; return nil }); err == nil {
		t.Error("an account was changed without an entry")
	}
	if n := b.count(`SELECT count(*) FROM account WHERE site = $1 AND name_key = 'owner'`); n != 1 {
		t.Error("the change was kept")
	}
}

func TestTokenHasTheCurrentRightsOfItsOwnerWithinItsScopes(t *testing.T) {
	b := open(t)
	b.owner()
	x := b.add(account.Account{Name: "adm", Member: "m-lea", Site: actor.Administrator})
	a := actor.Actor{Account: x.ID, Site: actor.Administrator}
	tok, err := b.Tokens.Issue(t.Context(), a, "script", []actor.Act{actor.WriteMembers, actor.WriteAccounts,
		actor.TagMachine}, b.now.Add(24*time.Hour))
	if err != nil || !strings.HasPrefix(tok.Text, "ptl_") {
		t.Fatal(tok, err)
	}
	may := func(act actor.Act, m policy.MachineID) bool {
		a, err := b.Tokens.FromToken(t.Context(), tok.Text, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		return a.May(act, actor.Target{Machine: m}) == nil
	}
	if !may(actor.WriteMembers, "") || may(actor.WriteAccounts, "") || may(actor.ReadMembers, "") ||
		!may(actor.TagMachine, "saw") {
		t.Error("wrong rights as an administrator")
	}
	if x, err = b.Registry.Change(t.Context(), root, x.ID, x.Version, func(x *account.Account) error {
		x.Site, x.Machines = actor.Member, map[policy.MachineID]actor.Role{"saw": actor.Maintainer}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if may(actor.WriteMembers, "") || !may(actor.TagMachine, "saw") || may(actor.TagMachine, "laser") {
		t.Error("wrong rights as a maintainer")
	}
	if _, err := b.Registry.Disable(t.Context(), root, x.ID, x.Version, true); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tokens.FromToken(t.Context(), tok.Text, ""); !errors.Is(err, account.ErrWrong) {
		t.Errorf("of a disabled account: %v", err)
	}
}

func TestExpiredOrRevokedTokenIsRefused(t *testing.T) {
	b := open(t)
	x := b.owner()
	a := actor.Actor{Account: x.ID, Site: actor.Owner}
	tok, err := b.Tokens.Issue(t.Context(), a, "script", []actor.Act{actor.ReadMembers}, b.now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	use := func() error { _, err := b.Tokens.FromToken(t.Context(), tok.Text, ""); return err }
	if err := use(); err != nil {
		t.Fatal(err)
	}
	if all, err := b.Tokens.Issued(t.Context(), a, x.ID); err != nil || len(all) != 1 || all[0].Text != "" ||
		all[0].Used.IsZero() {
		t.Errorf("tokens are %+v, %v", all, err)
	}
	if n := b.count(`SELECT count(*) FROM account_token WHERE site = $1 AND (CAST(hash AS TEXT) LIKE '%ptl%' OR name LIKE
		'%ptl%' OR id LIKE '%ptl%')`); n != 0 {
		t.Error("the text is stored")
	}
	b.pass(time.Hour)
	if err := use(); !errors.Is(err, account.ErrWrong) {
		t.Errorf("after its end: %v", err)
	}
	tok, err = b.Tokens.Issue(t.Context(), a, "script", []actor.Act{actor.ReadMembers}, b.now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(use(), b.Tokens.Revoke(t.Context(), a, x.ID, tok.ID)); err != nil {
		t.Fatal(err)
	}
	if err := use(); !errors.Is(err, account.ErrWrong) {
		t.Errorf("revoked: %v", err)
	}
	for what, f := range map[string]func() error{
		"no scopes": func() error { _, err := b.Tokens.Issue(t.Context(), a, "x", nil, b.now.Add(time.Hour)); return err },
		"unknown act": func() error {
			_, err := b.Tokens.Issue(t.Context(), a, "x", []actor.Act{"all"}, b.now.Add(time.Hour))
			return err
		},
		"no end": func() error {
			_, err := b.Tokens.Issue(t.Context(), a, "x", []actor.Act{actor.ReadOwn}, time.Time{})
			return err
		},
		"ends in 2028": func() error {
			_, err := b.Tokens.Issue(t.Context(), a, "x", []actor.Act{actor.ReadOwn}, b.now.AddDate(2, 0, 0))
			return err
		},
	} {
		if err := f(); !invalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOnlyInvalidTokensAreThrottled(t *testing.T) {
	b := open(t)
	x := b.owner()
	tok, err := b.Tokens.Issue(t.Context(), actor.Actor{Account: x.ID, Site: actor.Owner}, "script",
		[]actor.Act{actor.ReadMembers}, b.now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for range 100 {
		if _, err := b.Tokens.FromToken(t.Context(), "ptl_guess", "192.0.2.1"); throttled(err) {
			refused++
		}
	}
	if refused != 40 {
		t.Errorf("%d of 100 were refused, want 40", refused)
	}
	if _, err := b.Tokens.FromToken(t.Context(), tok.Text, "192.0.2.1"); err != nil {
		t.Errorf("a right token: %v", err)
	}
}

func TestMalformedTokenIsRefused(t *testing.T) {
	b := open(t)
	x := b.owner()
	tok, err := b.Tokens.Issue(t.Context(), actor.Actor{Account: x.ID, Site: actor.Owner}, "s",
		[]actor.Act{actor.ReadMembers}, b.now.Add(time.Hour))
	if err != nil || !account.IsToken(tok.Text) {
		t.Fatal(tok, err)
	}
	for i := range tok.Text {
		changed := []byte(tok.Text)
		if changed[i]++; account.IsToken(string(changed)) {
			t.Errorf("changed at %d, it is still a token", i)
		}
	}
}

func TestErasureLeavesOnlyAVerifiableAuditLog(t *testing.T) {
	b := open(t)
	b.owner()
	w := b.browser()
	if err := w.useLink(w.requestLink("lea@biklab.example"), ""); err != nil {
		t.Fatal(err)
	}
	id := w.get().Account
	x, err := b.Registry.Get(t.Context(), root, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Registry.Change(t.Context(), root, id, x.Version,
		func(x *account.Account) error { x.Name = "Léa Martin"; return nil }); err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context) error { return b.Links.MailLink(ctx, "lea@biklab.example") }
	if err := w.do("POST", ask); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-lea"}, 1); err != nil {
		t.Fatal(err)
	}
	forget := func(a actor.Actor) error {
		return b.site.Write(t.Context(), func(tx *store.Tx) error {
			return b.Registry.Forget(t.Context(), tx, a, "m-lea", []string{"Lea@biklab.example"})
		})
	}
	if err := forget(actor.Actor{Account: "a", Site: actor.Member}); !denied(err) {
		t.Errorf("a member: %v", err)
	}
	if err := forget(root); err != nil {
		t.Fatal(err)
	}
	if w.get().Account != "" {
		t.Error("still signed in")
	}
	for _, q := range []int{b.count(`SELECT count(*) FROM account WHERE site = $1 AND member = 'm-lea'`),
		b.count(`SELECT count(*) FROM account_code WHERE site = $1`),
		b.count(`SELECT count(*) FROM account_mail WHERE site = $1`), b.count(`SELECT count(*) FROM account_session WHERE
			site = $1 AND account <> ''`)} {
		if q != 0 {
			t.Errorf("%d rows are left", q)
		}
	}
	if text := b.verifyAudit(); strings.Contains(text, "Martin") || strings.Contains(text, "m-lea") {
		t.Errorf("audit log: %s", text)
	}
}

// An actor who may change members, but not accounts, cannot remove an owner's or administrator's account by erasing the
// member.
func TestErasureOfATrustedAccountNeedsAnOwner(t *testing.T) {
	for _, role := range []actor.Role{actor.Owner, actor.Administrator} {
		b := open(t)
		b.owner()
		x := b.add(account.Account{Name: "lea", Member: "m-lea", Site: role})
		forget := func(a actor.Actor) error {
			return b.site.Write(
				t.Context(),
				func(tx *store.Tx) error { return b.Registry.Forget(t.Context(), tx, a, "m-lea", nil) },
			)
		}
		scoped := actor.Actor{Account: "o", Site: actor.Owner, Token: "t", Scopes: []actor.Act{actor.EraseMembers}}
		for _, a := range []actor.Actor{{Account: "a", Site: actor.Administrator}, scoped} {
			if err := forget(a); !invalid(err) {
				t.Errorf("%s, erased by %+v: %v", role, a, err)
			}
			if _, err := b.Registry.Get(t.Context(), root, x.ID); err != nil {
				t.Fatalf("%s: the account is gone: %v", role, err)
			}
		}
		if err := forget(actor.Actor{Account: "o", Site: actor.Owner}); err != nil {
			t.Errorf("%s, erased by an owner: %v", role, err)
		}
		x = b.add(account.Account{Name: "lea", Member: "m-lea", Site: role})
		if err := forget(actor.Actor{Account: x.ID, Site: role}); err != nil {
			t.Errorf("%s, erased by themselves: %v", role, err)
		}
	}
}

func TestSubscribersAreNotifiedOfAccountChanges(t *testing.T) {
	b := open(t)
	sub, cancel := b.site.Subscribe(store.Accounts)
	defer cancel()
	b.owner()
	if got := sub.Take(); len(got) != 1 {
		t.Error(got)
	}
}

package account

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// maxMachines bounds the roles at machines that one account is given.
const maxMachines = 500

// Accounts lists those who can sign in, by id.
func (s *Service) Accounts(ctx context.Context, a actor.Actor, p Page) (out []Account, next string, err error) {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return nil, "", err
	}
	limit := min(p.Limit, 500)
	if limit <= 0 {
		limit = 50
	}
	ids, err := s.ids(ctx, p.After, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(ids) > limit {
		ids, next = ids[:limit], ids[limit-1]
	}
	for _, id := range ids {
		x, err := byID(ctx, s.site, id)
		if gone := (*fault.NotFound)(nil); errors.As(err, &gone) {
			continue // removed since the ids were read
		}
		if err != nil {
			return nil, "", err
		}
		x.Earned = s.earned(ctx, x.Member)
		out = append(out, x.Account)
	}
	return out, next, nil
}

func (s *Service) ids(ctx context.Context, after string, n int) ([]string, error) {
	rows, err := s.site.Query(ctx, `SELECT id FROM account WHERE site = $1 AND id > $2 ORDER BY id LIMIT $3`, after, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Account gives one account: one's own, or anyone's to those who may write accounts.
func (s *Service) Account(ctx context.Context, a actor.Actor, id string) (Account, error) {
	if err := mayAccount(a, id); err != nil {
		return Account{}, err
	}
	x, err := byID(ctx, s.site, id)
	x.Earned = s.earned(ctx, x.Member)
	return x.Account, err
}

// Add adds an account from its Name, Member, Site and Machines. Without a password, its owner sets one with a code
// (ResetCode), or signs in by e-mail.
func (s *Service) Add(ctx context.Context, a actor.Actor, given Account, password string) (Account, error) {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return Account{}, err
	}
	faults := checkAccount(given)
	if password != "" {
		faults = append(faults, checkPassword(password, given.Name)...)
	}
	if faults != nil {
		return Account{}, &fault.Invalid{Faults: faults}
	}
	if err := s.memberExists(ctx, given.Member); err != nil {
		return Account{}, err
	}
	x, err := s.fresh(given)
	if err != nil {
		return Account{}, err
	}
	if password != "" {
		if x.password, err = s.hashAlone(ctx, plain(password)); err != nil {
			return Account{}, err
		}
		x.Password = true
	}
	err = s.site.Write(ctx, func(tx *store.Tx) error {
		if err := s.unique(ctx, tx, x); err != nil {
			return err
		}
		return s.insertAudited(ctx, tx, a, x)
	})
	return x.Account, err
}

// fresh is a new account's row.
func (s *Service) fresh(given Account) (row, error) {
	id, err := s.newID("a-")
	return row{Account: Account{ID: id, Version: 1, Name: given.Name, Member: given.Member, Site: given.Site,
		Machines: maps.Clone(given.Machines), Made: at(s.now())}, epoch: 1}, err
}

func (s *Service) insertAudited(ctx context.Context, tx *store.Tx, a actor.Actor, x row) error {
	if err := insert(ctx, tx, x); err != nil {
		return err
	}
	tx.Changed(store.Accounts)
	return s.Audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID, "added "+describe(x.Account))
}

func (s *Service) memberExists(ctx context.Context, m policy.MemberID) error {
	if m == "" || s.o.People.Member == nil {
		return nil
	}
	_, err := s.o.People.Member(ctx, m)
	if gone := (*fault.NotFound)(nil); errors.As(err, &gone) {
		return &fault.Invalid{Faults: []fault.Field{{Field: "member", Given: shorten(string(m), 60), Wrong: "no such member",
			Right: "the id of a member"}}}
	}
	return err
}

// unique refuses a name or a member that another account has.
func (s *Service) unique(ctx context.Context, tx *store.Tx, x row) error {
	var faults []fault.Field
	other, err := byName(ctx, tx, x.Name)
	if err == nil && other.ID != x.ID {
		faults = append(faults, fault.Field{Field: "name", Given: x.Name, Wrong: "another account has this name",
			Right: "a name of its own"})
	}
	gone := (*fault.NotFound)(nil)
	if err != nil && !errors.As(err, &gone) {
		return err
	}
	if other, err = byMember(ctx, tx, x.Member); err == nil && other.ID != x.ID {
		faults = append(faults, fault.Field{Field: "member", Given: string(x.Member), Wrong: "member has an account already",
			Right: "the account " + other.ID})
	}
	if err != nil && !errors.As(err, &gone) {
		return err
	}
	if faults != nil {
		return &fault.Invalid{Faults: faults}
	}
	return nil
}

func checkAccount(x Account) []fault.Field {
	faults := checkName(x.Name)
	add := func(field, given, wrong, right string) {
		faults = append(faults, fault.Field{Field: field, Given: shorten(given, 60), Wrong: wrong, Right: right})
	}
	if !slices.Contains([]actor.Role{actor.Owner, actor.Administrator, actor.Member, ""}, x.Site) {
		add("role", string(x.Site), "not a role of the site", "owner, administrator, member, or empty")
	}
	if x.Site == actor.Member && x.Member == "" {
		add("member", "", "an account with the role member has no member", "the id of a member")
	}
	if len(x.Member) > 100 || !isPrintable(string(x.Member)) {
		add("member", string(x.Member), "not a member's id", "the id of a member")
	}
	if len(x.Machines) > maxMachines {
		add("machine_roles", "", fmt.Sprintf("%d machines", len(x.Machines)), fmt.Sprintf("at most %d", maxMachines))
	}
	for m, r := range x.Machines {
		if m == "" || len(m) > 100 || !isPrintable(string(m)) || !isMachineRole(r) {
			add("machine_roles", string(m)+": "+string(r), "not a role of a machine", "mentor or maintainer, of a machine's id")
		}
	}
	return faults
}

// Change changes Name, Member, Site, Machines and Disabled of an account. A change of rights ends its sessions. The
// last owner who can sign in stays one.
func (s *Service) Change(ctx context.Context, a actor.Actor, id string, version int64,
	change func(*Account) error) (Account, error) {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return Account{}, err
	}
	var x row
	err := s.site.Write(ctx, func(tx *store.Tx) (err error) {
		before, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if before.Version != version {
			return &fault.Conflict{What: "account", ID: id, Have: before.Version, Got: version}
		}
		x = before
		if x.Account, err = changed(before.Account, change); err != nil {
			return err
		}
		return s.store(ctx, tx, a, before, &x)
	})
	return x.Account, err
}

// changed is the account after a change of what may be changed.
func changed(before Account, change func(*Account) error) (Account, error) {
	given := before
	given.Machines = maps.Clone(before.Machines)
	if err := change(&given); err != nil {
		return Account{}, err
	}
	after := before
	after.Name, after.Member, after.Site = given.Name, given.Member, given.Site
	after.Machines, after.Disabled = given.Machines, given.Disabled
	after.Version++
	if faults := checkAccount(after); faults != nil {
		return Account{}, &fault.Invalid{Faults: faults}
	}
	return after, nil
}

func (s *Service) store(ctx context.Context, tx *store.Tx, a actor.Actor, before row, x *row) error {
	if x.Member != before.Member {
		if err := s.memberExists(ctx, x.Member); err != nil {
			return err
		}
	}
	if err := s.unique(ctx, tx, *x); err != nil {
		return err
	}
	if err := keepsAnOwner(ctx, tx, before, *x); err != nil {
		return err
	}
	if err := update(ctx, tx, *x); err != nil {
		return err
	}
	if x.Site != before.Site || x.Member != before.Member || x.Disabled != before.Disabled || !maps.Equal(x.Machines,
		before.Machines) {
		if err := endSessions(ctx, tx, x); err != nil {
			return err
		}
	}
	tx.Changed(store.Accounts)
	return s.Audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID,
		"was "+describe(before.Account)+"; is "+describe(x.Account))
}

// keepsAnOwner refuses a change that leaves nobody who can give roles.
func keepsAnOwner(ctx context.Context, q oneRow, before, after row) error {
	if !before.isOwner() || after.isOwner() {
		return nil
	}
	n, err := otherOwners(ctx, q, before.ID)
	if err == nil && n == 0 {
		err = &fault.Invalid{Faults: []fault.Field{{Field: "role", Given: string(after.Site),
			Wrong: "this is the last owner who can sign in",
			Right: "make somebody else owner first"}}}
	}
	return err
}

// describe is an account for the audit log.
func describe(x Account) string {
	parts := []string{fmt.Sprintf("name %q", x.Name)}
	if x.Member != "" {
		parts = append(parts, fmt.Sprintf("member %q", string(x.Member)))
	}
	if x.Site != "" {
		parts = append(parts, "role "+string(x.Site))
	}
	for _, m := range slices.Sorted(maps.Keys(x.Machines)) {
		parts = append(parts, string(x.Machines[m])+" of "+string(m))
	}
	if x.Disabled {
		parts = append(parts, "disabled")
	}
	return strings.Join(parts, ", ")
}

// SetRole gives an account a role of the site.
func (s *Service) SetRole(ctx context.Context, a actor.Actor, id string, version int64, r actor.Role) (Account, error) {
	return s.Change(ctx, a, id, version, func(x *Account) error { x.Site = r; return nil })
}

// SetMachineRole gives an account a role at a machine, or takes it where r is empty.
func (s *Service) SetMachineRole(ctx context.Context, a actor.Actor, id string, version int64, m policy.MachineID,
	r actor.Role) (Account, error) {
	return s.Change(ctx, a, id, version, func(x *Account) error {
		if r == "" {
			delete(x.Machines, m)
			return nil
		}
		if x.Machines == nil {
			x.Machines = map[policy.MachineID]actor.Role{}
		}
		x.Machines[m] = r
		return nil
	})
}

// Disable keeps an account from signing in and its tokens from working, or lets it again.
func (s *Service) Disable(ctx context.Context, a actor.Actor, id string, version int64, disabled bool) (Account,
	error) {
	return s.Change(ctx, a, id, version, func(x *Account) error { x.Disabled = disabled; return nil })
}

// Remove removes an account with its sessions, tokens and codes.
func (s *Service) Remove(ctx context.Context, a actor.Actor, id string, version int64) error {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return err
	}
	return s.site.Write(ctx, func(tx *store.Tx) error {
		x, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if x.Version != version {
			return &fault.Conflict{What: "account", ID: id, Have: x.Version, Got: version}
		}
		if err := s.remove(ctx, tx, x); err != nil {
			return err
		}
		return s.Audit(ctx, tx, a, actor.WriteAccounts, "account "+id, "removed "+describe(x.Account))
	})
}

func (s *Service) remove(ctx context.Context, tx *store.Tx, x row) error {
	if err := keepsAnOwner(ctx, tx, x, row{}); err != nil {
		return err
	}
	tx.Changed(store.Accounts)
	_, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND account = $2`, x.ID)
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM account_token WHERE site = $1 AND account = $2`, x.ID)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND account = $2`, x.ID)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM account_known WHERE site = $1 AND account = $2`, x.ID)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM account_machine WHERE site = $1 AND account = $2`, x.ID)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM account WHERE site = $1 AND id = $2`, x.ID)
	}
	return err
}

// Forget removes what is known here of a member whom the directory erases, in the directory's transaction: account,
// codes, and the personal part of the audit log. The directory has asked for actor.EraseMembers; Forget asks again. The
// last owner is refused, and so is another owner or administrator where the actor may not write accounts: who writes
// the directory alone removes nobody else's role.
func (s *Service) Forget(ctx context.Context, tx *store.Tx, a actor.Actor, m policy.MemberID,
	addresses []string) error {
	if err := a.May(actor.EraseMembers, actor.Target{Member: m}); err != nil {
		return err
	}
	about, accounts := []string{"member " + string(m)}, []string(nil)
	x, err := byMember(ctx, tx, m)
	switch gone := (*fault.NotFound)(nil); {
	case err == nil:
		about, accounts = append(about, "account "+x.ID), []string{x.ID}
		if x.isTrusted() && x.ID != a.Account && a.May(actor.WriteAccounts, actor.Target{}) != nil {
			return &fault.Invalid{Faults: []fault.Field{{Field: "member", Given: string(m),
				Wrong: "this member is an administrator or an owner",
				Right: "have an owner take the role, or erase the member"}}}
		}
		if err := s.remove(ctx, tx, x); err != nil {
			return err
		}
	case !errors.As(err, &gone):
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND member = $2 AND member <> ''`,
		string(m)); err != nil {
		return err
	}
	for _, address := range addresses {
		if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND address = $2 AND address <> ''`,
			nameKey(address)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM account_mail WHERE site = $1 AND recipient = $2`,
			nameKey(address)); err != nil {
			return err
		}
	}
	if s.o.Audit == nil {
		return nil
	}
	return s.o.Audit.Forget(ctx, tx, a, about, accounts)
}

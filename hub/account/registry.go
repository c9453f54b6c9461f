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

// maxMachines is the maximum number of roles at machines per account.
const maxMachines = 500

// Registry adds, changes and removes accounts, and assigns their roles.
type Registry struct {
	core   *core
	hasher *hasher
	rights *rights
	rows   *accountRows
}

// List lists the accounts, sorted by id, with the roles that follow from badges. next is the cursor of the next page,
// or empty on the last page. The actor needs actor.WriteAccounts.
func (s *Registry) List(ctx context.Context, a actor.Actor, p Page) (out []Account, next string, err error) {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return nil, "", err
	}
	limit := min(p.Limit, 500)
	if limit <= 0 {
		limit = 50
	}
	ids, err := s.listIDs(ctx, p.After, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(ids) > limit {
		ids, next = ids[:limit], ids[limit-1]
	}
	for _, id := range ids {
		x, err := byID(ctx, s.core.site, id)
		if gone := (*fault.NotFound)(nil); errors.As(err, &gone) {
			continue // skip an account that was removed after the ids were read
		}
		if err != nil {
			return nil, "", err
		}
		x.Earned = s.rights.badgeRoles(ctx, x.Member)
		out = append(out, x.Account)
	}
	return out, next, nil
}

// listIDs returns the ids of at most n accounts, sorted, that are greater than the id after.
func (s *Registry) listIDs(ctx context.Context, after string, n int) ([]string, error) {
	rows, err := s.core.site.Query(
		ctx,
		`SELECT id FROM account WHERE site = $1 AND id > $2 ORDER BY id LIMIT $3`,
		after,
		n,
	)
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

// Get returns an account, with the roles that follow from badges. The error is *fault.NotFound if no account has the
// id. The actor needs actor.WriteAccounts for another person's account.
func (s *Registry) Get(ctx context.Context, a actor.Actor, id string) (Account, error) {
	if err := checkAccess(a, id); err != nil {
		return Account{}, err
	}
	x, err := byID(ctx, s.core.site, id)
	x.Earned = s.rights.badgeRoles(ctx, x.Member)
	return x.Account, err
}

// Add adds an account from the fields Name, Member, Site and Machines of given. Without a password, the account's owner
// sets a password with a code (Recovery.ResetCode), or signs in by e-mail. The actor needs actor.WriteAccounts. The
// error is *fault.Invalid for invalid values, a name or member that another account has, or a password that is easy to
// guess.
func (s *Registry) Add(ctx context.Context, a actor.Actor, given Account, password string) (Account, error) {
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
	if err := s.rights.requireMember(ctx, given.Member); err != nil {
		return Account{}, err
	}
	x, err := s.rows.newRow(given)
	if err != nil {
		return Account{}, err
	}
	// Hash the password before the transaction begins, because hashing takes longer than a transaction should.
	if password != "" {
		if x.password, err = s.hasher.enterAndHash(ctx, toNFKC(password)); err != nil {
			return Account{}, err
		}
		x.Password = true
	}
	err = s.core.site.Write(ctx, func(tx *store.Tx) error {
		if err := s.rows.checkUnique(ctx, tx, x); err != nil {
			return err
		}
		return s.rows.insertAudited(ctx, tx, a, x)
	})
	return x.Account, err
}

// checkAccount returns the faults of the name, member and roles of an account. Each fault quotes at most 60 bytes of
// the invalid text.
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

// Change calls the function change with a copy of an account and stores the values that change set in Name, Member,
// Site, Machines and Disabled. A change of rights ends the account's sessions. Change refuses to demote or disable the
// last owner who can sign in. The actor needs actor.WriteAccounts. The error is *fault.Conflict if the account has
// another version, and *fault.Invalid in the same cases as for Add.
func (s *Registry) Change(ctx context.Context, a actor.Actor, id string, version int64,
	change func(*Account) error) (Account, error) {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return Account{}, err
	}
	var x row
	err := s.core.site.Write(ctx, func(tx *store.Tx) (err error) {
		before, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if before.Version != version {
			return &fault.Conflict{What: "account", ID: id, Have: before.Version, Got: version}
		}
		x = before
		if x.Account, err = applyChange(before.Account, change); err != nil {
			return err
		}
		return s.storeChange(ctx, tx, a, before, &x)
	})
	return x.Account, err
}

// applyChange returns the account x as the function change has changed it. applyChange ignores changes of fields that
// are read-only, such as ID and Made.
func applyChange(before Account, change func(*Account) error) (Account, error) {
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

// storeChange writes a changed account and an audit entry. If the role, the member or the state of the account changed,
// storeChange ends the account's sessions, so that each new request has the new rights.
func (s *Registry) storeChange(ctx context.Context, tx *store.Tx, a actor.Actor, before row, x *row) error {
	if x.Member != before.Member {
		if err := s.rights.requireMember(ctx, x.Member); err != nil {
			return err
		}
	}
	if err := s.rows.checkUnique(ctx, tx, *x); err != nil {
		return err
	}
	if err := requireRemainingOwner(ctx, tx, before, *x); err != nil {
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
	return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID,
		"was "+describe(before.Account)+"; is "+describe(x.Account))
}

// requireRemainingOwner refuses a change after which no owner could sign in, because then no account could assign
// roles.
func requireRemainingOwner(ctx context.Context, q rowReader, before, after row) error {
	if !before.isOwner() || after.isOwner() {
		return nil
	}
	n, err := otherOwners(ctx, q, before.ID)
	if err == nil && n == 0 {
		err = &fault.Invalid{Faults: []fault.Field{{Field: "role", Given: string(after.Site),
			Wrong: "the account is the last owner who can sign in",
			Right: "make somebody else owner first"}}}
	}
	return err
}

// describe returns an account's description for the audit log: name, member, roles, and whether the account is
// disabled. When the person is erased, audit.Log.Forget removes the description.
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

// SetRole sets an account's role at the site. SetRole requires the same right and returns the same errors as Change.
func (s *Registry) SetRole(
	ctx context.Context,
	a actor.Actor,
	id string,
	version int64,
	r actor.Role,
) (Account, error) {
	return s.Change(ctx, a, id, version, func(x *Account) error { x.Site = r; return nil })
}

// SetMachineRole sets an account's role at a machine, or removes the role if r is empty. SetMachineRole requires the
// same right and returns the same errors as Change.
func (s *Registry) SetMachineRole(ctx context.Context, a actor.Actor, id string, version int64, m policy.MachineID,
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

// Disable prevents an account from signing in and its tokens from working, or enables the account again. Disable
// requires the same right and returns the same errors as Change.
func (s *Registry) Disable(ctx context.Context, a actor.Actor, id string, version int64, disabled bool) (Account,
	error) {
	return s.Change(ctx, a, id, version, func(x *Account) error { x.Disabled = disabled; return nil })
}

// Remove removes an account with its sessions, tokens and codes. The actor needs actor.WriteAccounts. The error is
// *fault.Conflict if the account has another version, and *fault.Invalid for the last owner who can sign in.
func (s *Registry) Remove(ctx context.Context, a actor.Actor, id string, version int64) error {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		x, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if x.Version != version {
			return &fault.Conflict{What: "account", ID: id, Have: x.Version, Got: version}
		}
		if err := s.rows.remove(ctx, tx, x); err != nil {
			return err
		}
		return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+id, "removed "+describe(x.Account))
	})
}

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

// Registry adds, changes and removes accounts, and gives them their roles.
type Registry struct {
	core   *core
	hasher *hasher
	rights *rights
	rows   *accountRows
}

// List lists those who can sign in, by id.
func (s *Registry) List(ctx context.Context, a actor.Actor, p Page) (out []Account, next string, err error) {
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
		x, err := byID(ctx, s.core.site, id)
		if gone := (*fault.NotFound)(nil); errors.As(err, &gone) {
			continue // removed since the ids were read
		}
		if err != nil {
			return nil, "", err
		}
		x.Earned = s.rights.earned(ctx, x.Member)
		out = append(out, x.Account)
	}
	return out, next, nil
}

func (s *Registry) ids(ctx context.Context, after string, n int) ([]string, error) {
	rows, err := s.core.site.Query(ctx, `SELECT id FROM account WHERE site = $1 AND id > $2 ORDER BY id LIMIT $3`, after, n)
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

// Get gives one account: one's own, or anyone's to those who may write accounts.
func (s *Registry) Get(ctx context.Context, a actor.Actor, id string) (Account, error) {
	if err := mayAccount(a, id); err != nil {
		return Account{}, err
	}
	x, err := byID(ctx, s.core.site, id)
	x.Earned = s.rights.earned(ctx, x.Member)
	return x.Account, err
}

// Add adds an account from its Name, Member, Site and Machines. Without a password, its owner sets one with a code
// (ResetCode), or signs in by e-mail.
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
	if err := s.rights.memberExists(ctx, given.Member); err != nil {
		return Account{}, err
	}
	x, err := s.rows.fresh(given)
	if err != nil {
		return Account{}, err
	}
	if password != "" {
		if x.password, err = s.hasher.hashAlone(ctx, plain(password)); err != nil {
			return Account{}, err
		}
		x.Password = true
	}
	err = s.core.site.Write(ctx, func(tx *store.Tx) error {
		if err := s.rows.unique(ctx, tx, x); err != nil {
			return err
		}
		return s.rows.insertAudited(ctx, tx, a, x)
	})
	return x.Account, err
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

func (s *Registry) store(ctx context.Context, tx *store.Tx, a actor.Actor, before row, x *row) error {
	if x.Member != before.Member {
		if err := s.rights.memberExists(ctx, x.Member); err != nil {
			return err
		}
	}
	if err := s.rows.unique(ctx, tx, *x); err != nil {
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
	return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID,
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
func (s *Registry) SetRole(ctx context.Context, a actor.Actor, id string, version int64, r actor.Role) (Account, error) {
	return s.Change(ctx, a, id, version, func(x *Account) error { x.Site = r; return nil })
}

// SetMachineRole gives an account a role at a machine, or takes it where r is empty.
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

// Disable keeps an account from signing in and its tokens from working, or lets it again.
func (s *Registry) Disable(ctx context.Context, a actor.Actor, id string, version int64, disabled bool) (Account,
	error) {
	return s.Change(ctx, a, id, version, func(x *Account) error { x.Disabled = disabled; return nil })
}

// Remove removes an account with its sessions, tokens and codes.
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

package account

import (
	"context"
	"database/sql"
	"errors"
	"maps"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// reader reads rows of the database. reader is a *store.Site outside of a transaction, or a *store.Tx within a
// transaction.
type reader interface {
	rowReader
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// row is a stored account, with the password's hash and the epoch. password is the argon2id hash in PHC format, or
// empty if the account has no password. epoch increases when all sessions end. A session with an older epoch is
// invalid.
type row struct {
	Account
	password string
	epoch    int64
}

// scanRow scans the columns that byID, byName and byMember select.
func scanRow(r interface{ Scan(...any) error }) (row, error) {
	var x row
	var made, seen int64
	err := r.Scan(&x.ID, &x.Version, &x.Name, &x.Member, &x.Site, &x.password, &x.epoch, &made, &seen, &x.Disabled)
	x.Password, x.Made, x.Seen = x.password != "", timeOf(made), timeOf(seen)
	return x, err
}

// byID reads the account with an id. The error is *fault.NotFound if no account has the id.
func byID(ctx context.Context, q reader, id string) (row, error) {
	x, err := scanRow(q.QueryRow(ctx, `SELECT id, version, name, member, role, password, epoch, made, seen, disabled
		FROM account WHERE site = $1 AND id = $2`, id))
	return addMachineRoles(ctx, q, x, err, id)
}

// byName reads the account with a name, compared by nameKey. The error is *fault.NotFound if no account has the name.
func byName(ctx context.Context, q reader, name string) (row, error) {
	x, err := scanRow(q.QueryRow(ctx, `SELECT id, version, name, member, role, password, epoch, made, seen, disabled
		FROM account WHERE site = $1 AND name_key = $2`, nameKey(name)))
	return addMachineRoles(ctx, q, x, err, name)
}

// byMember reads the account of a member. The error is *fault.NotFound if the member has no account, or if the member's
// id is empty.
func byMember(ctx context.Context, q reader, m policy.MemberID) (row, error) {
	x, err := scanRow(q.QueryRow(ctx, `SELECT id, version, name, member, role, password, epoch, made, seen, disabled
		FROM account WHERE site = $1 AND member = $2 AND member <> ''`, string(m)))
	return addMachineRoles(ctx, q, x, err, string(m))
}

// If err is nil, addMachineRoles reads the account's roles at machines. If err says that the row is missing,
// addMachineRoles returns *fault.NotFound. wanted is the id or name that the caller searched for. The error quotes at
// most 60 bytes of wanted, because people type passwords into the field for names.
func addMachineRoles(ctx context.Context, q reader, x row, err error, wanted string) (row, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, &fault.NotFound{What: "account", ID: shorten(wanted, 60)}
	}
	if err != nil {
		return row{}, err
	}
	rows, err := q.Query(ctx, `SELECT machine, role FROM account_machine WHERE site = $1 AND account = $2`, x.ID)
	if err != nil {
		return row{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var m policy.MachineID
		var r actor.Role
		if err := rows.Scan(&m, &r); err != nil {
			return row{}, err
		}
		if x.Machines == nil {
			x.Machines = map[policy.MachineID]actor.Role{}
		}
		x.Machines[m] = r
	}
	return x, rows.Err()
}

// insert writes a new account, which is enabled and has no time of last use. The time of creation is x.Made.
func insert(ctx context.Context, tx *store.Tx, x row) error {
	_, err := tx.Exec(ctx, `INSERT INTO account (site, id, version, name, name_key, member, role, password, epoch, made,
		seen, disabled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0)`,
		x.ID, x.Version, x.Name, nameKey(x.Name), string(x.Member), string(x.Site), x.password, x.epoch, x.Made.UnixMilli())
	if err != nil {
		return err
	}
	return setMachines(ctx, tx, x)
}

// update overwrites an account's row, except the times of creation and last use.
func update(ctx context.Context, tx *store.Tx, x row) error {
	_, err := tx.Exec(ctx, `UPDATE account SET version = $3, name = $4, name_key = $5, member = $6, role = $7, password =
		$8,
		epoch = $9, disabled = $10 WHERE site = $1 AND id = $2`,
		x.ID, x.Version, x.Name, nameKey(x.Name), string(x.Member), string(x.Site), x.password, x.epoch,
		boolToInt(x.Disabled))
	if err != nil {
		return err
	}
	return setMachines(ctx, tx, x)
}

// boolToInt returns 1 for true and 0 for false, as the database stores booleans.
func boolToInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// setMachines replaces the assigned roles at machines of an account by x.Machines.
func setMachines(ctx context.Context, tx *store.Tx, x row) error {
	if _, err := tx.Exec(ctx, `DELETE FROM account_machine WHERE site = $1 AND account = $2`, x.ID); err != nil {
		return err
	}
	for m, r := range x.Machines {
		_, err := tx.Exec(ctx, `INSERT INTO account_machine (site, account, machine, role) VALUES ($1, $2, $3, $4)`, x.ID,
			string(m), string(r))
		if err != nil {
			return err
		}
	}
	return nil
}

// otherOwners counts the owners who can sign in (enabled, and with a password), except the account id. If id is empty,
// otherOwners counts all of them.
func otherOwners(ctx context.Context, q rowReader, id string) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM account WHERE site = $1 AND id <> $2 AND role = $3 AND disabled = 0 AND
		password <> ''`,
		id, string(actor.Owner)).Scan(&n)
	return n, err
}

// isOwner reports whether an account is an owner who can sign in.
func (x row) isOwner() bool { return x.Site == actor.Owner && !x.Disabled && x.password != "" }

// isTrusted reports whether an account is an administrator's or an owner's. A trusted account can sign in only with a
// password, not with an e-mail link or a printed code.
func (x row) isTrusted() bool { return x.Site == actor.Owner || x.Site == actor.Administrator }

// endSessions ends all sessions of an account and notifies event streams. endSessions increments x.epoch, so that a
// session that a concurrent request writes later is invalid, too.
func endSessions(ctx context.Context, tx *store.Tx, x *row) error {
	x.epoch++
	if _, err := tx.Exec(ctx, `UPDATE account SET epoch = $3 WHERE site = $1 AND id = $2`, x.ID, x.epoch); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND account = $2`, x.ID)
	tx.Changed(store.Accounts)
	return err
}

// accountRows adds, changes and removes accounts within a transaction, and writes an entry in the audit log for each
// change.
type accountRows struct {
	core *core
}

// newRow returns the row of a new account with a new id. The caller checks the values and writes the row.
func (s *accountRows) newRow(given Account) (row, error) {
	id, err := s.core.newID("a-")
	return row{Account: Account{ID: id, Version: 1, Name: given.Name, Member: given.Member, Site: given.Site,
		Machines: maps.Clone(given.Machines), Made: timeOf(s.core.now())}, epoch: 1}, err
}

// insertAudited writes a new account with its entry in the audit log, and notifies subscribers of the change.
func (s *accountRows) insertAudited(ctx context.Context, tx *store.Tx, a actor.Actor, x row) error {
	if err := insert(ctx, tx, x); err != nil {
		return err
	}
	tx.Changed(store.Accounts)
	return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID, "added "+describe(x.Account))
}

// checkUnique returns *fault.Invalid if another account has the name or the member of x.
func (s *accountRows) checkUnique(ctx context.Context, tx *store.Tx, x row) error {
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

// remove deletes an account with its sessions, tokens, codes, known addresses and roles. remove refuses to remove the
// last owner who can sign in. The caller writes the audit entry.
func (s *accountRows) remove(ctx context.Context, tx *store.Tx, x row) error {
	if err := requireRemainingOwner(ctx, tx, x, row{}); err != nil {
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

// accountOfMember returns the account of a member. A member who signs in for the first time gets a new account with the
// role member and without a password. The name of the new account is the member's id.
func (s *accountRows) accountOfMember(ctx context.Context, tx *store.Tx, m policy.MemberID) (row, error) {
	x, err := byMember(ctx, tx, m)
	if gone := (*fault.NotFound)(nil); !errors.As(err, &gone) {
		return x, err
	}
	if x, err = s.newRow(Account{Name: string(m), Member: m, Site: actor.Member}); err != nil {
		return row{}, err
	}
	if err := s.checkUnique(ctx, tx, x); err != nil {
		return row{}, err
	}
	tx.Changed(store.Accounts)
	return x, insert(ctx, tx, x)
}

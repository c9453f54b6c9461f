package account

import (
	"context"
	"database/sql"
	"errors"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// reader is a site or a transaction of it.
type reader interface {
	oneRow
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// row is an account with what nobody is shown.
type row struct {
	Account
	password string
	epoch    int64
}

func scanRow(r interface{ Scan(...any) error }) (row, error) {
	var x row
	var made, seen int64
	err := r.Scan(&x.ID, &x.Version, &x.Name, &x.Member, &x.Site, &x.password, &x.epoch, &made, &seen, &x.Disabled)
	x.Password, x.Made, x.Seen = x.password != "", at(made), at(seen)
	return x, err
}

// byID reads an account; *fault.NotFound where there is none.
func byID(ctx context.Context, q reader, id string) (row, error) {
	x, err := scanRow(q.QueryRow(ctx, `SELECT id, version, name, member, role, password, epoch, made, seen, disabled
		FROM account WHERE site = $1 AND id = $2`, id))
	return filled(ctx, q, x, err, id)
}

func byName(ctx context.Context, q reader, name string) (row, error) {
	x, err := scanRow(q.QueryRow(ctx, `SELECT id, version, name, member, role, password, epoch, made, seen, disabled
		FROM account WHERE site = $1 AND name_key = $2`, nameKey(name)))
	return filled(ctx, q, x, err, name)
}

func byMember(ctx context.Context, q reader, m policy.MemberID) (row, error) {
	x, err := scanRow(q.QueryRow(ctx, `SELECT id, version, name, member, role, password, epoch, made, seen, disabled
		FROM account WHERE site = $1 AND member = $2 AND member <> ''`, string(m)))
	return filled(ctx, q, x, err, string(m))
}

// filled adds the roles at machines.
func filled(ctx context.Context, q reader, x row, err error, wanted string) (row, error) {
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

// insert adds an account.
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

// update writes all of an account but when it was made and seen.
func update(ctx context.Context, tx *store.Tx, x row) error {
	_, err := tx.Exec(ctx, `UPDATE account SET version = $3, name = $4, name_key = $5, member = $6, role = $7, password =
		$8,
		epoch = $9, disabled = $10 WHERE site = $1 AND id = $2`,
		x.ID, x.Version, x.Name, nameKey(x.Name), string(x.Member), string(x.Site), x.password, x.epoch, bit(x.Disabled))
	if err != nil {
		return err
	}
	return setMachines(ctx, tx, x)
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

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

// otherOwners counts the owners besides an account who can sign in.
func otherOwners(ctx context.Context, q oneRow, id string) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM account WHERE site = $1 AND id <> $2 AND role = $3 AND disabled = 0 AND
		password <> ''`,
		id, string(actor.Owner)).Scan(&n)
	return n, err
}

// isOwner reports whether an account is an owner who can sign in.
func (x row) isOwner() bool { return x.Site == actor.Owner && !x.Disabled && x.password != "" }

// isTrusted reports whether an account is an administrator's or an owner's: no link and no printed code signs them in.
func (x row) isTrusted() bool { return x.Site == actor.Owner || x.Site == actor.Administrator }

// endSessions ends all of an account's sessions. The next epoch ends those too that a request is writing meanwhile.
func endSessions(ctx context.Context, tx *store.Tx, x *row) error {
	x.epoch++
	if _, err := tx.Exec(ctx, `UPDATE account SET epoch = $3 WHERE site = $1 AND id = $2`, x.ID, x.epoch); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND account = $2`, x.ID)
	tx.Changed(store.Accounts)
	return err
}

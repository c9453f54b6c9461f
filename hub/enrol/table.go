package enrol

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// machineTable reads and writes the database rows of machines and of their keys. The methods are safe for concurrent
// use, because all state is in the database.
type machineTable struct {
	site  *store.Site
	now   func() time.Time
	fixed func() []Fixed // returns the machines of hub.yaml; nil: hub.yaml names no machines
	// note writes an entry of the audit log in the transaction of the change. If note is nil, no entry is written.
	note func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
}

// slug matches a machine's id, as package yamlfile does. checkID also refuses the ids ack and bundle, because they are
// topics of the site (wire.Topics).
var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// checkID returns *fault.Invalid for a text that cannot be a machine's id.
func checkID(id policy.MachineID) error {
	if slug.MatchString(string(id)) && !wire.Reserved(id) {
		return nil
	}
	return &fault.Invalid{
		Faults: []fault.Field{{Field: "machine", Given: fmt.Sprintf("%.80s", id), Wrong: "this cannot be a machine's id",
			Right: "lower-case letters, digits and hyphens, as in the policy; not ack, not bundle"}},
	}
}

// row is a machine's database row. Times are in milliseconds since 1970, and 0 means that the event did not happen.
type row struct {
	id                                policy.MachineID
	version, added, enrolled, revoked int64
	public, replacing                 string
}

// fixedMachines returns the machines of hub.yaml.
func (t machineTable) fixedMachines() []Fixed {
	if t.fixed == nil {
		return nil
	}
	return t.fixed()
}

// readRow reads a machine's row in a transaction. For a machine of hub.yaml without a row, readRow returns a row with
// version 0. For any other machine without a row the error is *fault.NotFound.
func (t machineTable) readRow(ctx context.Context, tx *store.Tx, id policy.MachineID) (r row, err error) {
	r.id = id
	err = tx.QueryRow(ctx, `SELECT version, added, enrolled, revoked, public, replacing FROM machine WHERE site = $1 AND
		machine = $2`, string(id)).
		Scan(&r.version, &r.added, &r.enrolled, &r.revoked, &r.public, &r.replacing)
	if errors.Is(err, sql.ErrNoRows) {
		for _, f := range t.fixedMachines() {
			if f.ID == id {
				r.public = f.Key
				return r, nil
			}
		}
		return r, &fault.NotFound{What: "machine", ID: fmt.Sprintf("%.80s", id)}
	}
	return r, err
}

// insertIfMissing inserts a machine's row if the row does not exist yet, so that a later UPDATE finds the row.
func (t machineTable) insertIfMissing(ctx context.Context, tx *store.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO machine (site, machine, version, added, public) VALUES ($1, $2, 0, $3, $4)
		ON CONFLICT (site, machine) DO NOTHING`, string(r.id), t.millis(), r.public)
	return err
}

// millis returns the current time in milliseconds since 1970, as the database stores times.
func (t machineTable) millis() int64 { return t.now().UnixMilli() }

// audit writes an entry about a machine to the audit log, in the transaction of the change.
func (t machineTable) audit(
	ctx context.Context,
	tx *store.Tx,
	a actor.Actor,
	act actor.Act,
	on policy.MachineID,
	detail string,
) error {
	if t.note == nil {
		return nil
	}
	return t.note(ctx, tx, a, act, "machine/"+string(on), detail)
}

// changeKey replaces the machine's key, which was before, by the key now. The row of the old key stays, with the
// current time as its end, because the ledger must still verify records that the old key signed.
func (t machineTable) changeKey(ctx context.Context, tx *store.Tx, id policy.MachineID, before, now string) error {
	if before == now {
		before = ""
	}
	if before != "" { // a key from hub.yaml has no row yet
		if err := t.addKey(ctx, tx, id, before); err != nil {
			return err
		}
	}
	if err := t.endKeys(ctx, tx, id); err != nil {
		return err
	}
	if err := t.addKey(ctx, tx, id, now); err != nil {
		return err
	}
	_, err := tx.Exec(
		ctx,
		`UPDATE machine_key SET until = 0 WHERE site = $1 AND machine = $2 AND public = $3`,
		string(id),
		now,
	)
	return err
}

// addKey inserts the row of a machine's key if the row does not exist yet.
func (t machineTable) addKey(ctx context.Context, tx *store.Tx, id policy.MachineID, public string) error {
	_, err := tx.Exec(ctx, `INSERT INTO machine_key (site, machine, public, since) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, machine, public) DO NOTHING`, string(id), public, t.millis())
	return err
}

// endKeys ends all keys of a machine at the current time.
func (t machineTable) endKeys(ctx context.Context, tx *store.Tx, id policy.MachineID) error {
	_, err := tx.Exec(
		ctx,
		`UPDATE machine_key SET until = $3 WHERE site = $1 AND machine = $2 AND until = 0`,
		string(id),
		t.millis(),
	)
	return err
}

// timeOf converts a column in milliseconds to a time. timeOf converts 0 to the zero Time.
func timeOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

package training

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// rows reads the database of a site.
type rows struct{ site *store.Site }

// columns are the columns that scan reads.
const columns = `id, machine, badge, leader, leader_member, checks, opened, closed, awarded, version`

// scan reads a training and the member who leads it from the columns of a row.
func scan(into func(...any) error) (t Training, leader policy.MemberID, err error) {
	var checks string
	var opened, closed, award int64
	err = into(&t.ID, &t.Machine, &t.Badge, &t.Leader, &leader, &checks, &opened, &closed, &award, &t.Version)
	if err != nil {
		return t, "", err
	}
	t.Opened, t.Closed, t.Awarded = fromMillis(opened), fromMillis(closed), fromMillis(award)
	return t, leader, json.Unmarshal([]byte(checks), &t.Checks)
}

// fromMillis returns a time of the database, in UTC; 0 is the zero time.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// read returns a training and the member who leads it.
func (r rows) read(ctx context.Context, id string) (Training, policy.MemberID, error) {
	t, leader, err := scan(r.site.QueryRow(ctx, `SELECT `+columns+` FROM training WHERE site = $1 AND id = $2`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = &fault.NotFound{What: "training", ID: clip(id)}
	}
	return t, leader, err
}

// list returns the trainings at a machine that were opened since a time, the newest first.
func (r rows) list(ctx context.Context, at policy.MachineID, since time.Time) (out []Training, err error) {
	found, err := r.site.Query(ctx, `SELECT `+columns+` FROM training WHERE site = $1 AND machine = $2 AND opened >= $3
		ORDER BY opened DESC LIMIT $4`, at, millis(since), maxListed)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		t, _, err := scan(found.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, found.Err()
}

// insert writes the row of a new training.
func (t Training) insert(ctx context.Context, tx *store.Tx, leader policy.MemberID) error {
	checks, err := json.Marshal(t.Checks)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO training (site, id, machine, badge, leader, leader_member, checks, opened)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, t.ID, t.Machine, t.Badge, t.Leader, leader, string(checks),
		millis(t.Opened))
	return err
}

// entries returns the stored decisions about the people of a training, in the order of their times.
func (r rows) entries(ctx context.Context, id string) (out []entry, err error) {
	found, err := r.site.Query(ctx, `SELECT member, state, at FROM training_person WHERE site = $1 AND training = $2
		ORDER BY at, member`, id)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var e entry
		var at int64
		if err := found.Scan(&e.member, &e.state, &at); err != nil {
			return nil, err
		}
		e.at = fromMillis(at)
		out = append(out, e)
	}
	return out, found.Err()
}

// checks returns the check list of a badge.
func (r rows) checks(ctx context.Context, b policy.BadgeID) (Checks, error) {
	c := Checks{Badge: b}
	var items string
	err := r.site.QueryRow(ctx, `SELECT version, items FROM training_checks WHERE site = $1 AND badge = $2`, b).
		Scan(&c.Version, &items)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal([]byte(items), &c.Items)
}

// saveChecks writes the check list of a badge whose present list has a version; 0: there is none.
func saveChecks(ctx context.Context, tx *store.Tx, b policy.BadgeID, version int64, items []string) error {
	text, err := json.Marshal(items)
	if err != nil {
		return err
	}
	var have int64
	err = tx.QueryRow(ctx, `SELECT version FROM training_checks WHERE site = $1 AND badge = $2`, b).Scan(&have)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if have != version {
		return &fault.Conflict{What: "check list", ID: string(b), Have: have, Got: version}
	}
	_, err = tx.Exec(ctx, `INSERT INTO training_checks (site, badge, version, items) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, badge) DO UPDATE SET version = $3, items = $4`, b, version+1, string(text))
	return err
}

// Forget removes the data of a member whom the directory erases, in the directory's transaction.
func Forget(ctx context.Context, tx *store.Tx, id policy.MemberID) error {
	if _, err := tx.Exec(ctx, `DELETE FROM training_person WHERE site = $1 AND member = $2`, id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE training SET leader = '', leader_member = '' WHERE site = $1 AND leader_member = $2`,
		id)
	return err
}

// Merged moves the trainings of the member drop to the member keep, in the directory's transaction. If both were in a
// training, the entry of keep stays.
func Merged(ctx context.Context, tx *store.Tx, keep, drop policy.MemberID) error {
	_, err := tx.Exec(ctx, `UPDATE training_person SET member = $2 WHERE site = $1 AND member = $3 AND NOT EXISTS
		(SELECT 1 FROM training_person AS k WHERE k.site = $1 AND k.training = training_person.training AND k.member = $2)`,
		keep, drop)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE training SET leader_member = $2 WHERE site = $1 AND leader_member = $3`, keep,
		drop); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM training_person WHERE site = $1 AND member = $2`, drop)
	return err
}

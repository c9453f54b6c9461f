package report

import (
	"context"
	"time"
)

// load reads from the database the sessions of the journal that have no recorded end yet.
func (c *counter) load(ctx context.Context) error {
	rows, err := c.tx.Query(ctx, `SELECT seq, session, member, role, began, untrusted FROM report_uses
		WHERE site = $1 AND machine = $2 AND generation = $3 AND running = 1 ORDER BY seq`, c.journal.Machine,
		c.journal.Generation)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		u := &countedSession{running: true, stored: true}
		var seq, began int64
		if err := rows.Scan(&seq, &u.session, &u.member, &u.role, &began, &u.untrusted); err != nil {
			return err
		}
		u.seq, u.began = uint64(seq), time.UnixMilli(began).UTC()
		c.uses = append(c.uses, u)
	}
	return rows.Err()
}

// store writes the counted sessions, weeks and refusals to the database, within the transaction.
func (c *counter) store(ctx context.Context) error {
	for _, u := range c.uses {
		if u.stored && u.running { // unchanged since load
			continue
		}
		_, err := c.tx.Exec(
			ctx,
			`INSERT INTO report_uses (site, machine, generation, seq, session, member, role, began, seconds, cause, running,
				untrusted)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (site, machine, generation, seq) DO UPDATE SET began = $8, seconds = $9, cause = $10, running = $11,
			untrusted = $12`,
			c.journal.Machine,
			c.journal.Generation,
			int64(u.seq),
			u.session,
			u.member,
			u.role,
			u.began.UnixMilli(),
			u.seconds,
			u.cause,
			boolToInt(u.running),
			boolToInt(u.untrusted),
		)
		if err != nil {
			return err
		}
	}
	for k, sum := range c.weeks {
		if err := c.storeWeek(ctx, k.monday.String(), sum); err != nil {
			return err
		}
	}
	return c.storeRefusals(ctx)
}

// storeWeek adds sum to the machine's row for the week. A member is counted once per week and machine: only a new row
// in report_week_members increases the number of members.
func (c *counter) storeWeek(ctx context.Context, monday string, sum *weekSum) error {
	fresh := int64(0) // number of members who have no earlier session in this week
	for m := range sum.members {
		res, err := c.tx.Exec(ctx, `INSERT INTO report_week_members (site, monday, machine, member) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, monday, machine, member) DO NOTHING`, monday, c.journal.Machine, m)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		fresh += n
	}
	_, err := c.tx.Exec(
		ctx,
		`INSERT INTO report_weeks (site, monday, machine, sessions, members, seconds, untrusted) VALUES ($1, $2, $3, $4,
			$5, $6, $7)
		ON CONFLICT (site, monday, machine) DO UPDATE SET sessions = report_weeks.sessions + $4, members =
		report_weeks.members + $5,
		seconds = report_weeks.seconds + $6, untrusted = report_weeks.untrusted + $7`,
		monday,
		c.journal.Machine,
		sum.sessions,
		fresh,
		sum.seconds,
		sum.untrusted,
	)
	return err
}

// boolToInt returns 1 for true and 0 for false, because both database engines store a boolean in a BIGINT column.
func boolToInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

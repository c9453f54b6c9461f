package report

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
)

// monthKey identifies a row of the table report_refusal_months among the rows of one machine.
type monthKey struct{ month, reason string }

// monthOf returns the month of a day in the format 2026-11.
func monthOf(d policy.Date) string { return d.String()[:len("2026-11")] }

// storeRefusals writes the counted refusals to the daily and the monthly table.
func (c *counter) storeRefusals(ctx context.Context) error {
	months := map[monthKey]*refusalSum{}
	for k, sum := range c.refused {
		// Add the refusals to the daily sums, which name the member.
		_, err := c.tx.Exec(
			ctx,
			`INSERT INTO report_refusals (site, day, machine, reason, member, times, untrusted) VALUES ($1, $2, $3, $4,
				$5, $6, $7)
			ON CONFLICT (site, day, machine, reason, member) DO UPDATE SET times = report_refusals.times + $6,
			untrusted = report_refusals.untrusted + $7`,
			k.day.String(),
			c.journal.Machine,
			k.reason,
			k.member,
			sum.times,
			sum.untrusted,
		)
		if err != nil {
			return err
		}
		// Collect the monthly sums, which contain the set of members.
		m := months[monthKey{monthOf(k.day), k.reason}]
		if m == nil {
			m = &refusalSum{members: memberSet{}}
			months[monthKey{monthOf(k.day), k.reason}] = m
		}
		m.times, m.untrusted = m.times+sum.times, m.untrusted+sum.untrusted
		m.members.add(string(k.member))
	}
	for k, sum := range months {
		if err := c.storeMonth(ctx, k, sum); err != nil {
			return err
		}
	}
	return nil
}

// storeMonth adds sum to the machine's row for one month and reason, and merges the members of sum and row.
func (c *counter) storeMonth(ctx context.Context, k monthKey, sum *refusalSum) error {
	var before string
	err := c.tx.QueryRow(ctx, `SELECT members FROM report_refusal_months WHERE site = $1 AND month = $2 AND machine = $3
		AND reason = $4`,
		k.month, c.journal.Machine, k.reason).
		Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	sum.members.add(before)
	_, err = c.tx.Exec(ctx, `INSERT INTO report_refusal_months (site, month, machine, reason, times, untrusted, members)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (site, month, machine, reason) DO UPDATE SET
		times = report_refusal_months.times + $5, untrusted = report_refusal_months.untrusted + $6, members = $7`,
		k.month, c.journal.Machine, k.reason, sum.times, sum.untrusted, sum.members.String())
	return err
}

// memberSet is a set of member ids.
type memberSet map[string]struct{}

// add adds the members of a list of ids separated by blanks. An id contains no blanks.
func (s memberSet) add(list string) {
	for m := range strings.FieldsSeq(list) {
		s[m] = struct{}{}
	}
}

// String returns the sorted ids, separated by blanks, as the column members contains them.
func (s memberSet) String() string {
	all := make([]string, 0, len(s))
	for m := range s {
		all = append(all, m)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// Refusals returns the refusals in a range, ordered by machine, then by falling frequency. A refusal with several
// reasons is counted once for each reason.
func (s *Service) Refusals(ctx context.Context, a actor.Actor, r Range) ([]Refusals, error) {
	v, err := s.newView(ctx, a, r)
	if err != nil {
		return nil, err
	}
	sums := refusalSums{}
	days, from, to := split(r)
	if !to.Before(from) {
		if err := s.addMonths(ctx, sums, from, to, v.onlyMachine()); err != nil {
			return nil, err
		}
	}
	for _, d := range days {
		rows, err := s.o.Site.Query(ctx, `SELECT machine, reason, times, untrusted, member FROM report_refusals
			WHERE site = $1 AND day >= $2 AND day <= $3 AND ($4 = '' OR machine = $4)`,
			d.From.String(), d.To.String(), v.onlyMachine())
		if err := s.addDays(sums, rows, err); err != nil {
			return nil, err
		}
	}
	return sums.list(v), nil
}

// addDays adds the sums of rows with the columns machine, reason, times, untrusted and member, and closes the rows.
func (s *Service) addDays(sums refusalSums, rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	return scanRows(rows, func(rows *sql.Rows) error {
		var k Refusals
		var times, untrusted int
		var member string
		if err := rows.Scan(&k.Machine, &k.Reason, &times, &untrusted, &member); err != nil {
			return err
		}
		if member == "" { // unknown card
			sums.add(k, times, untrusted)
		} else {
			sums.add(k, times, untrusted, s.months.number(member))
		}
		return nil
	})
}

// addMonths adds the sums of the months between the days from and to, which are the first and last day of a month. If
// machine is empty, addMonths adds the sums of all machines.
func (s *Service) addMonths(
	ctx context.Context,
	sums refusalSums,
	from, to policy.Date,
	machine policy.MachineID,
) error {
	for m := from; !to.Before(m); m = monthAfter(m, 1) {
		rows, err := s.months.rowsOf(ctx, s.o.Site, monthOf(m))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if machine == "" || r.machine == machine {
				sums.add(Refusals{Machine: r.machine, Reason: r.reason}, r.times, r.untrusted, r.members...)
			}
		}
	}
	return nil
}

// scanRows calls scan for each row, and closes the rows.
func scanRows(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// refusalSums contains the sums of refusals by machine and reason.
type refusalSums map[Refusals]*refusedSum

// refusedSum is the sum of refusals of one machine for one reason.
type refusedSum struct {
	times, untrusted int
	members          numberSet
}

// add adds refusals to the sum for the machine and the reason of k.
func (x refusalSums) add(k Refusals, times, untrusted int, members ...int32) {
	sum := x[k]
	if sum == nil {
		sum = &refusedSum{}
		x[k] = sum
	}
	sum.times, sum.untrusted = sum.times+times, sum.untrusted+untrusted
	for _, m := range members {
		sum.members.add(m)
	}
}

// list returns the sums of the machines in the view, sorted as the result of Refusals.
func (x refusalSums) list(v view) []Refusals {
	out := []Refusals{}
	for k, sum := range x {
		if v.includes(k.Machine) {
			k.Times, k.Untrusted, k.Members = sum.times, sum.untrusted, sum.members.size
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(x, y Refusals) int {
		return cmp.Or(cmp.Compare(x.Machine, y.Machine), y.Times-x.Times, cmp.Compare(x.Reason, y.Reason))
	})
	return out
}

// split divides a range into complete months and remaining days. The complete months begin with the day from and end
// with the day to. If the range contains no complete month, the result to is before the result from. days contains the
// ranges before and after the complete months.
func split(r Range) (days []Range, from, to policy.Date) {
	first := r.From
	if first.Day > 1 {
		first = monthAfter(first, 1)
	}
	end := monthAfter(dayAfter(r.To, 1), 0) // the first day of the first month that is not complete
	if !first.Before(end) {
		return []Range{r}, r.To, policy.Date{}
	}
	if r.From.Before(first) {
		days = append(days, Range{From: r.From, To: dayAfter(first, -1)})
	}
	if !r.To.Before(end) {
		days = append(days, Range{From: end, To: r.To})
	}
	return days, first, dayAfter(end, -1)
}

// monthAfter returns the first day of the month that is the given number of months after the month of d.
func monthAfter(d policy.Date, months int) policy.Date {
	return policy.DateOf(time.Date(d.Year, d.Month+time.Month(months), 1, 12, 0, 0, 0, time.UTC), time.UTC)
}

package report

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// Practice returns each member's practice on some machines, counted in the same way as by the machines. Practice does
// not check permissions, because only the hub calls it. The result known contains the machines of which the hub has
// records. The hub cannot know the practice on all other machines.
//
// The logged time is the sum of all sessions. The last use is the latest end of a session whose end time is reliable.
// Sessions with an untrusted clock, and sessions that were closed at the machine's next start, do not affect the last
// use.
func (s *Service) Practice(ctx context.Context, machines []policy.MachineID) (
	of map[policy.MemberID][]policy.Practice, known map[policy.MachineID]bool, err error) {
	of, known = map[policy.MemberID][]policy.Practice{}, map[policy.MachineID]bool{}
	for _, m := range machines {
		held, err := s.addPractice(ctx, m, of)
		if err != nil {
			return nil, nil, err
		}
		known[m] = held
	}
	return of, known, nil
}

// addPractice adds the members' practice on one machine to the map named of. addPractice returns false if no record of
// the machine was ever counted.
func (s *Service) addPractice(ctx context.Context, m policy.MachineID, of map[policy.MemberID][]policy.Practice) (bool,
	error) {
	var held int
	err := s.o.Site.QueryRow(ctx, "SELECT COUNT(*) FROM report_marks WHERE site = $1 AND machine = $2", m).Scan(&held)
	if err != nil || held == 0 {
		return false, err
	}
	rows, err := s.o.Site.Query(ctx, `SELECT member, SUM(seconds),
		COALESCE(MAX(CASE WHEN untrusted = 0 AND seconds > 0 AND cause NOT IN ($3, $4) THEN began + 1000 * seconds END), 0)
		FROM report_uses WHERE site = $1 AND machine = $2 AND running = 0 AND member <> '' GROUP BY member`,
		m, string(wire.CausePowerLost), string(wire.CauseDaemonLost))
	if err != nil {
		return false, err
	}
	return true, errors.Join(scanPractice(rows, m, of), rows.Close())
}

// scanPractice adds one entry per row to the map named of. A row contains the member, the seconds and the last use in
// milliseconds since 1970.
func scanPractice(rows *sql.Rows, m policy.MachineID, of map[policy.MemberID][]policy.Practice) error {
	for rows.Next() {
		var id policy.MemberID
		var seconds, last int64
		if err := rows.Scan(&id, &seconds, &last); err != nil {
			return err
		}
		p := policy.Practice{Machine: m, Logged: time.Duration(seconds) * time.Second}
		if last > 0 {
			p.Last = time.UnixMilli(last).UTC()
		}
		of[id] = append(of[id], p)
	}
	return rows.Err()
}

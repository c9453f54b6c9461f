package report

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Month is an actor's own use of one machine in one month.
type Month struct {
	Month    string           `json:"month"` // such as 2026-11, in the site's time zone
	Machine  policy.MachineID `json:"machine"`
	Sessions int              `json:"sessions"`
	Seconds  int64            `json:"seconds"`
}

// OwnUses returns all sessions of the actor's own member, the earliest first. The actor needs actor.ReadOwn, which
// every member has. The error is *fault.NotFound for an account without a member.
func (s *Service) OwnUses(ctx context.Context, a actor.Actor) ([]Use, error) {
	if err := a.May(actor.ReadOwn, actor.Target{Member: a.Member}); err != nil {
		return nil, err
	}
	// Sessions without a known member have an empty member in the database, and belong to nobody.
	if a.Member == "" {
		return nil, &fault.NotFound{What: "member", ID: ""}
	}
	all, err := usesOfMember(ctx, s.o.Site, a.Member)
	if err != nil {
		return nil, err
	}
	out := make([]Use, len(all))
	for i, f := range all {
		out[i] = s.visible(f, view{names: true})
	}
	return out, nil
}

// OwnMonths returns the hours of the actor's own member by month and machine, for this month and the months before: the
// number of months is the parameter n. A session counts in the month of its start. The result is sorted by month, then
// by machine. The actor needs actor.ReadOwn.
func (s *Service) OwnMonths(ctx context.Context, a actor.Actor, n int) ([]Month, error) {
	uses, err := s.OwnUses(ctx, a)
	if err != nil {
		return nil, err
	}
	zone, err := s.o.Zone(ctx)
	if err != nil {
		return nil, err
	}
	now := s.o.Now().In(zone)
	first := monthOf(policy.DateOf(time.Date(now.Year(), now.Month()-time.Month(n-1), 1, 12, 0, 0, 0, zone), zone))
	out := []Month{}
	for _, u := range uses {
		month := monthOf(policy.DateOf(u.From, zone))
		if month < first {
			continue
		}
		at := slices.IndexFunc(out, func(m Month) bool { return m.Month == month && m.Machine == u.Machine })
		if at < 0 {
			at, out = len(out), append(out, Month{Month: month, Machine: u.Machine})
		}
		out[at].Sessions++
		out[at].Seconds += u.Seconds
	}
	slices.SortFunc(out, func(x, y Month) int {
		return cmp.Or(cmp.Compare(x.Month, y.Month), cmp.Compare(x.Machine, y.Machine))
	})
	return out, nil
}

// usesOfMember reads all sessions of a member, the earliest first.
func usesOfMember(ctx context.Context, site *store.Site, id policy.MemberID) ([]placedUse, error) {
	rows, err := site.Query(
		ctx,
		`SELECT machine, generation, seq, member, role, began, seconds, cause, running, untrusted FROM report_uses
		WHERE site = $1 AND member = $2 ORDER BY began, machine, generation, seq`,
		string(id),
	)
	return scanUses(rows, err)
}

// PracticeOf returns the practice of one member at all machines, counted in the same way as by the machines, including
// the time used on the day and in the week of the last use. A session that is still running does not count. PracticeOf
// does not check permissions, because only the hub calls it. The result known contains the machines of which the hub
// has records.
func (s *Service) PracticeOf(ctx context.Context, id policy.MemberID) (of []policy.Practice,
	known map[policy.MachineID]bool, err error) {
	zone, err := s.o.Zone(ctx)
	if err != nil {
		return nil, nil, err
	}
	if known, err = knownMachines(ctx, s.o.Site); err != nil || id == "" {
		return nil, known, err
	}
	all, err := usesOfMember(ctx, s.o.Site, id)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range all {
		if f.To.IsZero() {
			continue
		}
		at := slices.IndexFunc(of, func(p policy.Practice) bool { return p.Machine == f.Machine })
		if at < 0 {
			at, of = len(of), append(of, policy.Practice{Machine: f.Machine})
		}
		took := time.Duration(f.Seconds) * time.Second
		if f.Untrusted || took == 0 || f.End == string(wire.CausePowerLost) || f.End == string(wire.CauseDaemonLost) {
			of[at].Logged += took // the end of the session is uncertain, so the session does not affect the last use
			continue
		}
		of[at] = of[at].Used(f.To.In(zone), took)
	}
	return of, known, nil
}

// knownMachines returns the machines of which at least one record was counted.
func knownMachines(ctx context.Context, site *store.Site) (map[policy.MachineID]bool, error) {
	rows, err := site.Query(ctx, `SELECT DISTINCT machine FROM report_marks WHERE site = $1`)
	if err != nil {
		return nil, err
	}
	out := map[policy.MachineID]bool{}
	for rows.Next() {
		var m policy.MachineID
		if err := rows.Scan(&m); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out[m] = true
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

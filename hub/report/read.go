package report

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// maxDays is the maximum length of a Range: about ten years.
const maxDays = 3700

// instants checks a range, and returns the first instant of the range and the first instant after the range.
func (r Range) instants(zone *time.Location) (from, to time.Time, err error) {
	wrong := func(field, given, what, right string) (time.Time, time.Time, error) {
		return from, to, &fault.Invalid{Faults: []fault.Field{{Field: field, Given: given, Wrong: what, Right: right}}}
	}
	const day = "a day with its year, as 2026-11-23"
	switch {
	case r.From.Year < 1 || r.From.Year > 9999:
		return wrong("from", r.From.String(), "no day", day)
	case r.To.Year < 1 || r.To.Year > 9999:
		return wrong("to", r.To.String(), "no day", day)
	case r.To.Before(r.From):
		return wrong("to", r.To.String(), "before the first day", "a day from "+r.From.String())
	case dayAfter(r.From, maxDays).Before(r.To):
		return wrong("to", r.To.String(), fmt.Sprintf("more than %d days", maxDays), "a shorter time")
	}
	return startOfDay(r.From, zone), startOfDay(dayAfter(r.To, 1), zone), nil
}

// view is the part of a range that an actor may see.
type view struct {
	machines []policy.MachineID // nil: all machines
	names    bool
	zone     *time.Location
	from, to time.Time
}

// newView checks the range and the actor's permissions. If the actor may read only the reports of certain machines, the
// view is limited to these machines.
func (s *Service) newView(ctx context.Context, a actor.Actor, r Range) (v view, err error) {
	v.names = a.May(actor.ReadNames, actor.Target{}) == nil
	everywhere := a.May(actor.ReadReports, actor.Target{})
	switch {
	// The view of an actor with a role at some machines is limited to these machines.
	case r.Machine != "":
		if err := a.May(actor.ReadReports, actor.Target{Machine: r.Machine}); err != nil {
			return v, err
		}
		v.machines = []policy.MachineID{r.Machine}
	case everywhere != nil:
		for m := range a.Machines {
			if a.May(actor.ReadReports, actor.Target{Machine: m}) == nil {
				v.machines = append(v.machines, m)
			}
		}
		if len(v.machines) == 0 {
			return v, everywhere
		}
		slices.Sort(v.machines)
	}
	// Convert the days of the range to instants in the site's time zone.
	if v.zone, err = s.o.Zone(ctx); err != nil {
		return v, err
	}
	v.from, v.to, err = r.instants(v.zone)
	return v, err
}

// includes reports whether the view includes a machine.
func (v view) includes(m policy.MachineID) bool {
	return v.machines == nil || slices.Contains(v.machines, m)
}

// onlyMachine returns the machine of a view with exactly one machine, or the empty id for any other view.
func (v view) onlyMachine() policy.MachineID {
	if len(v.machines) == 1 {
		return v.machines[0]
	}
	return ""
}

// Weeks returns the use of each machine in each week, ordered by week and machine. The result contains the sums of a
// whole week if at least one day of the week is in the range.
func (s *Service) Weeks(ctx context.Context, a actor.Actor, r Range) ([]Week, error) {
	v, err := s.newView(ctx, a, r)
	if err != nil {
		return nil, err
	}
	rows, err := s.o.Site.Query(ctx, `SELECT monday, machine, sessions, members, seconds, untrusted FROM report_weeks
		WHERE site = $1 AND monday >= $2 AND monday <= $3 AND ($4 = '' OR machine = $4) ORDER BY monday, machine`,
		mondayOf(r.From).String(), r.To.String(), v.onlyMachine())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Week{}
	for rows.Next() {
		var w Week
		var monday string
		if err := rows.Scan(&monday, &w.Machine, &w.Sessions, &w.Members, &w.Seconds, &w.Untrusted); err != nil {
			return nil, err
		}
		if w.Monday, err = policy.ParseDate(monday); err != nil {
			return nil, err
		}
		if v.includes(w.Machine) {
			out = append(out, w)
		}
	}
	return out, rows.Err()
}

package maintenance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// maxHours is the largest number of initial hours: about 50 years without a pause.
const maxHours = 400_000

// invalid returns the error for one wrong field.
func invalid(field, given, wrong, right string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: field, Given: given, Wrong: wrong, Right: right}}}
}

// SetInitial states that a machine had run for a number of hours at the beginning of a day. 0 hours remove the
// statement. Only actors who may enrol machines may state this.
func (s *Service) SetInitial(ctx context.Context, a actor.Actor, id policy.MachineID, hours int64,
	day policy.Date) error {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return err
	}
	p, err := s.o.Policy(ctx)
	if err != nil {
		return err
	}
	if err := s.exists(ctx, id, machineOf(p, id)); err != nil {
		return err
	}
	today := policy.DateOf(s.o.Now(), zoned(p))
	switch {
	case hours < 0 || hours > maxHours:
		return invalid("hours", strconv.FormatInt(hours, 10), "not a number of hours", fmt.Sprintf("0 to %d", maxHours))
	case day.Year < 1950 || day.Year > 9999 || today.Before(day):
		return invalid("day", day.String(), "not a past day", "a day from 1950-01-01 to today")
	}
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO maintenance_initial (site, machine, day, hours) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, machine) DO UPDATE SET day = $3, hours = $4`, id, day.String(), hours)
		if err != nil {
			return err
		}
		return s.o.Audit(ctx, tx, a, actor.EnrolMachines, "machine/"+string(id),
			fmt.Sprintf("%d hours on %s", hours, day))
	})
}

// initial returns the initial hours of a machine; nil: nobody has stated any.
func (s *Service) initial(ctx context.Context, id policy.MachineID) (*Initial, error) {
	var x Initial
	err := s.o.Site.QueryRow(ctx, `SELECT day, hours FROM maintenance_initial
		WHERE site = $1 AND machine = $2 AND hours > 0`, id).Scan(&x.On, &x.Hours)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		x.Day, err = policy.ParseDate(x.On)
	}
	return &x, err
}

// CloseReport closes an open report with a reason. Maintainers of the machine and administrators may close reports.
func (s *Service) CloseReport(ctx context.Context, a actor.Actor, id policy.MachineID, report, words string) error {
	if err := a.May(actor.TagMachine, actor.Target{Machine: id}); err != nil {
		return err
	}
	if words = strings.TrimSpace(words); wire.OneLine(words, maxWords) == "" || len(words) > maxWords {
		return invalid("words", "", "no reason, or too long", fmt.Sprintf("1 to %d bytes", maxWords))
	}
	words = wire.OneLine(words, maxWords)
	p, err := s.o.Policy(ctx)
	if err != nil {
		return err
	}
	m, err := s.readMachine(ctx, id, machineOf(p, id), s.o.Now())
	if err != nil {
		return err
	}
	generation, seq, err := findOpen(m.history, report)
	if err != nil {
		return err
	}
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO maintenance_closed (site, machine, generation, seq, at, member, words)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (site, machine, generation, seq) DO NOTHING`, id, generation, seq,
			s.o.Now().Truncate(time.Millisecond).UnixMilli(), a.Member, words)
		if err != nil {
			return err
		}
		return s.o.Audit(ctx, tx, a, actor.TagMachine, "machine/"+string(id), "report closed: "+words)
	})
}

// findOpen returns the generation and the sequence number of an open report. The error is *fault.NotFound if the
// machine has no open report with this id.
func findOpen(h history, report string) (generation string, seq int64, err error) {
	for _, r := range h.reports {
		if r.ID == report && r.Closed == nil {
			generation, number, _ := strings.Cut(report, "-")
			seq, err := strconv.ParseInt(number, 10, 64)
			return generation, seq, err
		}
	}
	return "", 0, &fault.NotFound{What: "open report", ID: report}
}

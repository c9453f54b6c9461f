package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// readSources returns the states of the lists that have had a run, by name.
func readSources(ctx context.Context, r reader) (map[string]SourceState, error) {
	out := map[string]SourceState{}
	rows, err := r.Query(ctx, `SELECT name, outcome, why, ended, since, day, added, changed, gone, same, losing
		FROM member_source WHERE site = $1`)
	return out, forEachRow(rows, err, func(rows *sql.Rows) error {
		var s SourceState
		var day string
		var ended, since int64
		err := rows.Scan(&s.Name, &s.Outcome, &s.Why, &ended, &since, &day, &s.Added, &s.Changed, &s.Gone, &s.Same,
			&s.Losing)
		if err != nil {
			return err
		}
		if day != "" {
			if s.day, err = policy.ParseDate(day); err != nil {
				return err
			}
		}
		s.Ended, s.Since = fromMillis(ended), fromMillis(since)
		out[s.Name] = s
		return nil
	})
}

// writeSource stores the state of a list.
func writeSource(ctx context.Context, tx *store.Tx, s *SourceState) error {
	day := ""
	if s.day != (policy.Date{}) {
		day = s.day.String()
	}
	_, err := tx.Exec(ctx, `INSERT INTO member_source (site, name, outcome, why, ended, since, day, added, changed, gone,
			same, losing)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (site, name) DO UPDATE SET outcome = excluded.outcome, why = excluded.why, ended = excluded.ended,
		since = excluded.since, day = excluded.day, added = excluded.added, changed = excluded.changed,
		gone = excluded.gone, same = excluded.same, losing = excluded.losing WHERE member_source.site = $1`,
		s.Name, string(s.Outcome), s.Why, millis(s.Ended), millis(s.Since), day, s.Added, s.Changed, s.Gone, s.Same,
		s.Losing)
	return err
}

// finish stores how a run of a list ended. day is the day of a nightly run, or the zero date. If an administrator must
// do something, and did not have to before, finish tells them; a message that cannot be sent is only logged, because
// the pages show the state too.
func (s *Sources) finish(ctx context.Context, l *ListSource, o Outcome, c RunCounts, why string,
	day policy.Date) error {
	var now SourceState
	isNew := false
	err := s.core.site.Write(ctx, func(tx *store.Tx) (err error) {
		now, isNew, err = s.core.setSource(ctx, tx, l.Name, o, c, why, day)
		return err
	})
	if err != nil || !isNew || !o.NeedsPerson() || s.tell == nil {
		return err
	}
	now.Program = l.Program
	if err := s.tell(ctx, now); err != nil {
		s.core.log.Warn("administrators were not told about a list", "list", l.Name, "err", err)
	}
	return nil
}

// setSource stores the outcome of a run, and keeps the time since when the outcome has been the same. isNew reports
// that the outcome was another one before.
func (s *core) setSource(ctx context.Context, tx *store.Tx, name string, o Outcome, c RunCounts, why string,
	day policy.Date) (now SourceState, isNew bool, err error) {
	states, err := readSources(ctx, tx)
	if err != nil {
		return now, false, err
	}
	was := states[name]
	now = SourceState{Name: name, Outcome: o, Ended: s.now().UTC(), Since: s.now().UTC(), Why: clip(why, maxWhy),
		RunCounts: c, day: day}
	if was.Outcome == o {
		now.Since = was.Since
	}
	if now.day == (policy.Date{}) {
		now.day = was.day
	}
	return now, was.Outcome != o, writeSource(ctx, tx, &now)
}

// maxWhy limits the failure that is stored, in bytes.
const maxWhy = 300

// whyFailed returns the failure of a run in words that contain no personal data: of a list with faults, the row and the
// kind of the first fault.
func whyFailed(err error) string {
	var bad *fault.Invalid
	if !errors.As(err, &bad) || len(bad.Faults) == 0 {
		return err.Error()
	}
	f := bad.Faults[0]
	if f.Row == 0 {
		return f.Wrong
	}
	return fmt.Sprintf("row %d: %s", f.Row, f.Wrong)
}

// markApplied stores that an administrator applied the changes of a list, in the transaction of the import. Imports of
// files under another name change nothing here.
func (s *Imports) markApplied(ctx context.Context, tx *store.Tx, pl *plan) error {
	if !s.isFetched(pl.source) {
		return nil
	}
	_, _, err := s.core.setSource(ctx, tx, pl.source, Applied, countsOf(&pl.Preview), "", policy.Date{})
	return err
}

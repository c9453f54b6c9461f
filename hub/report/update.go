package report

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// batch is the maximum number of records that Update counts in one transaction. The limit bounds the time that other
// writers wait.
const batch = 2000

// kinds returns the kinds of records that reports count.
func kinds() []wire.Kind { return []wire.Kind{wire.SessionStart, wire.SessionEnd, wire.Refused} }

// errAgain is the error of Update if another process counted the same records at the same time.
var errAgain = errors.New("report: another process has counted these records at the same time")

// Update counts the new records of all journals. If a journal cannot be read, Update counts the other journals and
// returns the errors of all journals together.
func (s *Service) Update(ctx context.Context) error {
	s.update.Lock()
	defer s.update.Unlock()
	zone, err := s.o.Zone(ctx)
	if err != nil {
		return err
	}
	if err := s.setZone(ctx, zone); err != nil {
		return err
	}
	journals, err := s.o.Records.Journals(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(journals, func(a, b Journal) int { return cmp.Or(cmp.Compare(a.Machine, b.Machine), a.Epoch-b.Epoch) })
	marks, err := s.marks(ctx)
	if err != nil {
		return err
	}
	// Count each journal from the position where the previous update ended. A newer journal of the same machine ends the
	// running sessions of the older journal.
	var errs []error
	for i, j := range journals {
		replaced := i+1 < len(journals) && journals[i+1].Machine == j.Machine
		if err := s.countJournal(ctx, j, marks[journalKey{j.Machine, j.Generation}], replaced, zone); err != nil {
			errs = append(errs, fmt.Errorf("report: cannot count the records of machine %s: %w", j.Machine, err))
		}
	}
	return errors.Join(errs...)
}

// journalKey identifies a journal.
type journalKey struct {
	machine    policy.MachineID
	generation wire.Generation
}

// marks returns the sequence number of the last counted record, by journal.
func (s *Service) marks(ctx context.Context) (map[journalKey]uint64, error) {
	rows, err := s.o.Site.Query(ctx, "SELECT machine, generation, seq FROM report_marks WHERE site = $1")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[journalKey]uint64{}
	for rows.Next() {
		var k journalKey
		var seq int64
		if err := rows.Scan(&k.machine, &k.generation, &seq); err != nil {
			return nil, err
		}
		out[k] = uint64(seq)
	}
	return out, rows.Err()
}

// setZone stores the time zone. If the sums were counted in another time zone, setZone deletes the sums, so that Update
// counts all records again.
func (s *Service) setZone(ctx context.Context, zone *time.Location) error {
	var was string
	err := s.o.Site.QueryRow(ctx, "SELECT COALESCE((SELECT zone FROM report_zone WHERE site = $1), '')").Scan(&was)
	if err != nil || was == zone.String() {
		return err
	}
	defer s.months.invalidateAll() // empty the cache only after the transaction has deleted the rows
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO report_zone (site, zone) VALUES ($1, $2) ON CONFLICT (site) DO UPDATE SET
			zone = $2`,
			zone.String()); err != nil ||
			was == "" {
			return err
		}
		s.o.Log.Info("site's time zone changed, all records will be counted again", "zone", zone.String())
		return deleteSums(ctx, tx)
	})
}

// deleteSums deletes all sums and positions of the site.
func deleteSums(ctx context.Context, tx *store.Tx) error {
	_, err1 := tx.Exec(ctx, "DELETE FROM report_marks WHERE site = $1")
	_, err2 := tx.Exec(ctx, "DELETE FROM report_uses WHERE site = $1")
	_, err3 := tx.Exec(ctx, "DELETE FROM report_weeks WHERE site = $1")
	_, err4 := tx.Exec(ctx, "DELETE FROM report_week_members WHERE site = $1")
	_, err5 := tx.Exec(ctx, "DELETE FROM report_refusals WHERE site = $1")
	_, err6 := tx.Exec(ctx, "DELETE FROM report_refusal_months WHERE site = $1")
	return errors.Join(err1, err2, err3, err4, err5, err6)
}

// countJournal counts the records of a journal after the sequence number mark. replaced means that the machine has
// begun a newer journal, so that a session without an end is no longer running.
func (s *Service) countJournal(ctx context.Context, j Journal, mark uint64, replaced bool, zone *time.Location) error {
	for mark < j.Records {
		records := make([]wire.Record, 0, min(batch, int(j.Records-mark)))
		err := s.o.Records.Read(ctx, j, mark, kinds(), batch, func(r wire.Record) error {
			records = append(records, r)
			return nil
		})
		if err != nil {
			return err
		}
		next := j.Records // the journal has no more records of these kinds
		if n := len(records); n > 0 && (n == batch || records[n-1].Seq > next) {
			next = records[n-1].Seq
		}
		if err := s.count(ctx, j, mark, next, records, replaced && next >= j.Records, zone); err != nil {
			return err
		}
		mark = next
	}
	if replaced {
		return s.closeReplaced(ctx, j, zone)
	}
	return nil
}

// closeReplaced ends the running sessions of a journal that was replaced after its records had been counted.
func (s *Service) closeReplaced(ctx context.Context, j Journal, zone *time.Location) error {
	var running bool
	err := s.o.Site.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM report_uses WHERE site = $1 AND machine = $2 AND
		generation = $3 AND running = 1)`,
		j.Machine, j.Generation).
		Scan(&running)
	if err != nil || !running {
		return err
	}
	return s.count(ctx, j, j.Records, j.Records, nil, true, zone)
}

// count adds records to the sums and sets the journal's position to next, in one transaction. If over is true, count
// ends all running sessions. If the stored position is not mark, count returns errAgain.
func (s *Service) count(
	ctx context.Context,
	j Journal,
	mark, next uint64,
	records []wire.Record,
	over bool,
	zone *time.Location,
) error {
	var c *counter
	err := s.o.Site.Write(ctx, func(tx *store.Tx) error {
		// Stop if another process has counted these records in the meantime.
		var seq int64
		err := tx.QueryRow(ctx, "SELECT COALESCE((SELECT seq FROM report_marks WHERE site = $1 AND machine = $2 AND "+
			"generation = $3), 0)",
			j.Machine, j.Generation).
			Scan(&seq)
		if err != nil {
			return err
		}
		if uint64(seq) != mark {
			return errAgain
		}
		c = &counter{tx: tx, journal: j, zone: zone, weeks: map[weekKey]*weekSum{}, refused: map[refusalKey]*refusalSum{}}
		// Load the running sessions, because records may end these sessions, and count the records.
		if err := c.load(ctx); err != nil {
			return err
		}
		for _, r := range records {
			c.countRecord(r)
		}
		if over {
			c.endAll()
		}
		// Store the sums and the new position in the same transaction.
		if err := c.store(ctx); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO report_marks (site, machine, generation, seq) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, machine, generation) DO UPDATE SET seq = $4`, j.Machine, j.Generation, int64(next))
		return err
	})
	// Remove the months that the transaction changed from the cache.
	if c != nil {
		for k := range c.refused {
			s.months.invalidate(monthOf(k.day))
		}
	}
	return err
}

// unknownEnd is the cause of a session whose end was not recorded.
const unknownEnd = "unknown"

// countedSession is the state of a session while the counter processes the session's records.
type countedSession struct {
	seq       uint64
	session   string
	member    policy.MemberID
	role      string
	began     time.Time
	seconds   int64
	cause     string
	running   bool
	untrusted bool
	stored    bool // the database has a row for the session
}

// weekKey identifies a week by its Monday.
type weekKey struct{ monday policy.Date }

// weekSum is the sum of a machine's sessions in a week.
type weekSum struct {
	sessions, untrusted int
	seconds             int64
	members             map[policy.MemberID]bool
}

// refusalKey identifies a daily sum of refusals.
type refusalKey struct {
	day    policy.Date
	reason string
	member policy.MemberID
}

// refusalSum contains the number of all refusals and, in untrusted, the number of refusals whose time is uncertain.
type refusalSum struct {
	times, untrusted int
	members          memberSet // members whom the machine refused; nil for a daily sum, whose key contains the member
}

// counter counts the records of one journal in one transaction.
type counter struct {
	tx      *store.Tx
	journal Journal
	zone    *time.Location
	// sessions that were running at the start of the transaction, and sessions that began in the counted records
	uses    []*countedSession
	weeks   map[weekKey]*weekSum
	refused map[refusalKey]*refusalSum
}

// Limits for the texts in a record: bytes of one text, and reasons of one refusal. A stolen machine can sign records
// with any content.
const (
	maxWord    = 64
	maxReasons = 32
)

// limitLength returns s, or "other" if s is longer than maxWord, which no correct machine exceeds.
func limitLength(s string) string {
	if len(s) > maxWord {
		return "other"
	}
	return s
}

// countRecord counts one record. If the body of a record cannot be parsed, countRecord uses an empty body.
func (c *counter) countRecord(r wire.Record) {
	switch r.Kind {
	case wire.SessionStart:
		var b struct {
			Role string `json:"role"`
		}
		_ = json.Unmarshal(r.Body, &b) // if the body cannot be parsed, the role stays empty
		// A new session ends the previous session, because a machine has at most one session at a time.
		c.endAll()
		c.uses = append(
			c.uses,
			&countedSession{seq: r.Seq, session: r.Session, member: r.Member, role: limitLength(b.Role), began: r.Wall,
				running:   true,
				untrusted: !r.Clock.Believed()},
		)
	case wire.SessionEnd:
		var b wire.EndBody
		_ = json.Unmarshal(r.Body, &b) // if the body cannot be parsed, the session has 0 seconds
		for _, u := range c.uses {
			if u.running && u.session == r.Session {
				c.endSession(u, r, b)
			}
		}
	case wire.Refused:
		c.countRefusal(r)
	}
}

// countRefusal counts one refusal, once for each distinct reason.
func (c *counter) countRefusal(r wire.Record) {
	var b struct {
		Reasons []string `json:"reasons"`
	}
	_ = json.Unmarshal(r.Body, &b) // unreadable: no reason
	day := policy.DateOf(r.Wall, c.zone)
	seen := map[string]bool{}
	for _, reason := range b.Reasons[:min(len(b.Reasons), maxReasons)] {
		if reason = limitLength(reason); seen[reason] {
			continue
		}
		seen[reason] = true
		k := refusalKey{day, reason, r.Member}
		sum := c.refused[k]
		if sum == nil {
			sum = &refusalSum{}
			c.refused[k] = sum
		}
		sum.times++
		if !r.Clock.Believed() {
			sum.untrusted++
		}
	}
}

// maxSeconds is the maximum length of a session: ten years, in seconds.
const maxSeconds = 10 * 366 * 24 * 3600

// endSession ends a session with the record of the session's end. If only the end has a trusted time, endSession
// calculates the start from the end.
func (c *counter) endSession(u *countedSession, r wire.Record, b wire.EndBody) {
	u.seconds, u.cause, u.running = min(max(b.Seconds, 0), maxSeconds), limitLength(string(b.Cause)), false
	// late is true if the machine recorded the end only at its next start, so that the time of the record is not the end.
	late := b.Cause == wire.CausePowerLost || b.Cause == wire.CauseDaemonLost
	if u.untrusted && r.Clock.Believed() && u.seconds > 0 && !late {
		u.began, u.untrusted = r.Wall.Add(-time.Duration(u.seconds)*time.Second), false
	}
	c.addToWeeks(u)
}

// endAll ends the running sessions with the cause unknownEnd.
func (c *counter) endAll() {
	for _, u := range c.uses {
		if u.running {
			u.seconds, u.cause, u.running = 0, unknownEnd, false
			c.addToWeeks(u)
		}
	}
}

// addToWeeks adds an ended session to the sums of the session's weeks.
func (c *counter) addToWeeks(u *countedSession) {
	for i, x := range divideIntoWeeks(u.began, u.seconds, c.zone) {
		sum := c.weeks[weekKey{x.monday}]
		if sum == nil {
			sum = &weekSum{members: map[policy.MemberID]bool{}}
			c.weeks[weekKey{x.monday}] = sum
		}
		if i == 0 {
			sum.sessions++
			if u.untrusted {
				sum.untrusted++
			}
		}
		sum.seconds += x.seconds
		if u.member != "" {
			sum.members[u.member] = true
		}
	}
}

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

// batch is how many records Update counts in a transaction: other writers wait no longer than that takes.
const batch = 2000

// kinds are the kinds of records that reports count.
func kinds() []wire.Kind { return []wire.Kind{wire.SessionStart, wire.SessionEnd, wire.Refused} }

// errAgain says that somebody else counted the same records meanwhile.
var errAgain = errors.New("report: another update is running")

// Update counts the records that are new. A journal that cannot be read keeps no other from being counted.
func (s *Service) Update(ctx context.Context) error {
	s.update.Lock()
	defer s.update.Unlock()
	zone, err := s.o.Zone(ctx)
	if err != nil {
		return err
	}
	if err := s.inZone(ctx, zone); err != nil {
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
	var errs []error
	for i, j := range journals {
		replaced := i+1 < len(journals) && journals[i+1].Machine == j.Machine
		if err := s.journal(ctx, j, marks[journalKey{j.Machine, j.Generation}], replaced, zone); err != nil {
			errs = append(errs, fmt.Errorf("report: records of %s: %w", j.Machine, err))
		}
	}
	return errors.Join(errs...)
}

// journalKey names a journal.
type journalKey struct {
	machine    policy.MachineID
	generation wire.Generation
}

// marks are the records up to which the journals are counted.
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

// inZone forgets all that was counted in another time zone.
func (s *Service) inZone(ctx context.Context, zone *time.Location) error {
	var was string
	err := s.o.Site.QueryRow(ctx, "SELECT COALESCE((SELECT zone FROM report_zone WHERE site = $1), '')").Scan(&was)
	if err != nil || was == zone.String() {
		return err
	}
	defer s.months.forget() // when the rows are gone
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO report_zone (site, zone) VALUES ($1, $2) ON CONFLICT (site) DO UPDATE SET
			zone = $2`,
			zone.String()); err != nil ||
			was == "" {
			return err
		}
		s.o.Log.Info("the site's time zone changed: all reports are counted again", "zone", zone.String())
		return forget(ctx, tx)
	})
}

// forget deletes all sums of the site; the next update makes them again from the first record.
func forget(ctx context.Context, tx *store.Tx) error {
	_, err1 := tx.Exec(ctx, "DELETE FROM report_marks WHERE site = $1")
	_, err2 := tx.Exec(ctx, "DELETE FROM report_uses WHERE site = $1")
	_, err3 := tx.Exec(ctx, "DELETE FROM report_weeks WHERE site = $1")
	_, err4 := tx.Exec(ctx, "DELETE FROM report_week_members WHERE site = $1")
	_, err5 := tx.Exec(ctx, "DELETE FROM report_refusals WHERE site = $1")
	_, err6 := tx.Exec(ctx, "DELETE FROM report_refusal_months WHERE site = $1")
	return errors.Join(err1, err2, err3, err4, err5, err6)
}

// journal counts what is new in a journal. replaced says that the machine has begun another one.
func (s *Service) journal(ctx context.Context, j Journal, mark uint64, replaced bool, zone *time.Location) error {
	for mark < j.Records {
		records := make([]wire.Record, 0, min(batch, int(j.Records-mark)))
		err := s.o.Records.Read(ctx, j, mark, kinds(), batch, func(r wire.Record) error {
			records = append(records, r)
			return nil
		})
		if err != nil {
			return err
		}
		next := j.Records // no record of these kinds is left
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

// closeReplaced ends what runs in a journal that was replaced after its records were counted.
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

// count writes what records say, and that the journal is counted up to next.
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
		var seq int64
		err := tx.QueryRow(ctx, "SELECT COALESCE((SELECT seq FROM report_marks WHERE site = $1 AND machine = $2 AND "+
			"generation = $3), 0)",
			j.Machine, j.Generation).
			Scan(&seq)
		if err != nil {
			return err
		}
		// Another update has counted these records meanwhile.
		if uint64(seq) != mark {
			return errAgain
		}
		// Load the running sessions, count the records, and store the sums.
		c = &counter{tx: tx, journal: j, zone: zone, weeks: map[weekKey]*weekSum{}, refused: map[refusalKey]*refusalSum{}}
		if err := c.load(ctx); err != nil {
			return err
		}
		for _, r := range records {
			c.record(r)
		}
		// A journal that was replaced gets no more records: its running sessions end.
		if over {
			c.endAll()
		}
		if err := c.store(ctx); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO report_marks (site, machine, generation, seq) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, machine, generation) DO UPDATE SET seq = $4`, j.Machine, j.Generation, int64(next))
		return err
	})
	// The cache must read these months again, even after an error: the commit may have happened.
	if c != nil {
		for k := range c.refused {
			s.months.written(monthOf(k.day))
		}
	}
	return err
}

// unknownEnd is the end of a session of which no record says how it ended.
const unknownEnd = "unknown"

// use is a session as it is counted.
type use struct {
	seq       uint64
	session   string
	member    policy.MemberID
	role      string
	began     time.Time
	seconds   int64
	cause     string
	running   bool
	untrusted bool
	stored    bool // its row is there
}

// weekKey names a week by its Monday.
type weekKey struct{ monday policy.Date }

// weekSum is what one journal adds to a week.
type weekSum struct {
	sessions, untrusted int
	seconds             int64
	members             map[policy.MemberID]bool
}

// refusalKey names the refusals of one day, reason and member; member is empty in the sums that no longer name members.
type refusalKey struct {
	day    policy.Date
	reason string
	member policy.MemberID
}

// refusalSum is what one journal adds to the refusals of a key.
type refusalSum struct {
	times, untrusted int
	members          memberSet // nil where the key names the member
}

// counter counts records of a journal within a transaction.
type counter struct {
	tx      *store.Tx
	journal Journal
	zone    *time.Location
	uses    []*use // those that ran when the transaction began, and those that began since
	weeks   map[weekKey]*weekSum
	refused map[refusalKey]*refusalSum
}

// Bounds on words of a record, in bytes. A machine signs its records, and may be a stolen one.
const (
	maxWord    = 64
	maxReasons = 32
)

// word is a word of a record that is short enough to be one.
func word(s string) string {
	if len(s) > maxWord {
		return "other"
	}
	return s
}

// record counts one record. A record whose body cannot be read still counts.
func (c *counter) record(r wire.Record) {
	switch r.Kind {
	case wire.SessionStart:
		var b struct {
			Role string `json:"role"`
		}
		_ = json.Unmarshal(r.Body, &b) // an empty role
		c.endAll()                     // a machine has one session at a time
		c.uses = append(
			c.uses,
			&use{seq: r.Seq, session: r.Session, member: r.Member, role: word(b.Role), began: r.Wall, running: true,
				untrusted: !r.Clock.Believed()},
		)
	case wire.SessionEnd:
		var b wire.EndBody
		_ = json.Unmarshal(r.Body, &b) // of 0 seconds
		for _, u := range c.uses {
			if u.running && u.session == r.Session {
				c.end(u, r, b)
			}
		}
	case wire.Refused:
		c.refusal(r)
	}
}

// refusal counts a refused start under each of its reasons once, at most maxReasons of them.
func (c *counter) refusal(r wire.Record) {
	var b struct {
		Reasons []string `json:"reasons"`
	}
	_ = json.Unmarshal(r.Body, &b) // without a reason
	day := policy.DateOf(r.Wall, c.zone)
	seen := map[string]bool{}
	for _, reason := range b.Reasons[:min(len(b.Reasons), maxReasons)] {
		if reason = word(reason); seen[reason] {
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

// maxSeconds bounds the length of a session: ten years.
const maxSeconds = 10 * 366 * 24 * 3600

// end ends a session with its record.
func (c *counter) end(u *use, r wire.Record, b wire.EndBody) {
	u.seconds, u.cause, u.running = min(max(b.Seconds, 0), maxSeconds), word(string(b.Cause)), false
	late := b.Cause == wire.CausePowerLost || b.Cause == wire.CauseDaemonLost // recorded at the next start
	if u.untrusted && r.Clock.Believed() && u.seconds > 0 && !late {
		u.began, u.untrusted = r.Wall.Add(-time.Duration(u.seconds)*time.Second), false
	}
	c.week(u)
}

// endAll ends the sessions of which no record says how they ended.
func (c *counter) endAll() {
	for _, u := range c.uses {
		if u.running {
			u.seconds, u.cause, u.running = 0, unknownEnd, false
			c.week(u)
		}
	}
}

// week adds a session that has ended to its weeks.
func (c *counter) week(u *use) {
	for i, x := range shares(u.began, u.seconds, c.zone) {
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

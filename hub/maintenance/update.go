package maintenance

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

// batch is the maximum number of records that Update reads in one transaction. The limit bounds the time that other
// writers wait.
const batch = 2000

// errAgain is the error of Update if another process read the same records at the same time.
var errAgain = errors.New("maintenance: another process has read these records at the same time")

// eventKinds are the kinds of records that the table of events stores. The table also stores the end of a session in
// which an intervention was logged, because an intervention can be attested for a short time after this end.
var eventKinds = []wire.Kind{wire.Reported, wire.Intervened, wire.Attested, wire.Tagged, wire.Untagged, wire.Faulted,
	wire.FaultCleared, wire.Booted, wire.Restored}

// Update reads the new records of all journals. If a journal cannot be read, Update reads the other journals and
// returns the errors of all journals together.
func (s *Service) Update(ctx context.Context) error {
	s.update.Lock()
	defer s.update.Unlock()
	journals, err := s.o.Records.Journals(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(journals, func(a, b Position) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), a.Epoch-b.Epoch)
	})
	var errs []error
	for _, j := range journals {
		if err := s.readJournal(ctx, j); err != nil {
			errs = append(errs, fmt.Errorf("maintenance: cannot read the records of machine %s: %w", j.Machine, err))
		}
	}
	return errors.Join(errs...)
}

// readJournal reads the new records of one journal, in batches.
func (s *Service) readJournal(ctx context.Context, j Position) error {
	var mark int64
	err := s.o.Site.QueryRow(ctx, "SELECT COALESCE((SELECT seq FROM maintenance_journals WHERE site = $1 AND "+
		"machine = $2 AND generation = $3), 0)", j.Machine, j.Generation).Scan(&mark)
	if err != nil {
		return err
	}
	for uint64(mark) < j.Records {
		var records []wire.Record
		err := s.o.Records.Read(ctx, j, uint64(mark), batch, func(r wire.Record) error {
			if r.Seq <= j.Records {
				records = append(records, r)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return fmt.Errorf("no record follows record %d, want %d records", mark, j.Records)
		}
		if err := s.store(ctx, j, mark, records); err != nil {
			return err
		}
		mark = int64(records[len(records)-1].Seq)
	}
	return nil
}

// store adds records to the tables and stores the journal's position, in one transaction.
func (s *Service) store(ctx context.Context, j Position, mark int64, records []wire.Record) error {
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		c := counter{days: map[policy.Date]int64{}}
		if err := c.load(ctx, tx, j); err != nil {
			return err
		}
		if c.seq != mark {
			return errAgain
		}
		for _, r := range records {
			c.add(r)
		}
		return c.store(ctx, tx, j)
	})
}

// counter follows the sessions of one journal, and selects the records about maintenance.
type counter struct {
	seq     int64
	began   int64 // time of the first record with a trusted clock, in milliseconds since 1970; 0: none yet
	used    int64
	running running
	events  []event
	days    map[policy.Date]int64 // seconds of use in the added records
}

// running is the session that runs; the zero value means that no session runs.
type running struct {
	id     string
	began  int64 // milliseconds since 1970; 0: the clock was not trusted
	counts bool  // false: the session is maintenance
	worked bool  // true: an intervention was logged in the session
}

// event is a record about maintenance.
type event struct {
	seq     uint64
	kind    wire.Kind
	at      time.Time
	trusted bool
	session string
	member  policy.MemberID
	body    []byte
	used    int64 // seconds of use in the journal before the record
}

// maxSession is the largest length of a session in seconds. A longer session is a fault of the machine.
const maxSession = 30 * 24 * 3600

// add adds one record. Where a body cannot be parsed, add uses an empty body.
func (c *counter) add(r wire.Record) {
	c.seq = int64(r.Seq)
	if c.began == 0 && r.Clock.Believed() {
		c.began = r.Wall.UnixMilli()
	}
	switch r.Kind {
	case wire.SessionStart:
		var b struct {
			Role string `json:"role"`
		}
		_ = json.Unmarshal(r.Body, &b)
		c.running = running{id: r.Session, counts: b.Role != policy.Maintainer.String()}
		if r.Clock.Believed() {
			c.running.began = r.Wall.UnixMilli()
		}
	case wire.SessionEnd:
		c.end(r)
	default:
		if slices.Contains(eventKinds, r.Kind) {
			c.keep(r)
		}
	}
}

// end ends the running session. The seconds of a session count on the day on which the session began.
func (c *counter) end(r wire.Record) {
	if c.running.id == "" || c.running.id != r.Session {
		return
	}
	var b wire.EndBody
	_ = json.Unmarshal(r.Body, &b)
	seconds := min(max(b.Seconds, 0), maxSession)
	if c.running.counts && seconds > 0 {
		c.used += seconds
		began := time.UnixMilli(c.running.began)
		if c.running.began == 0 {
			began = r.Wall.Add(-time.Duration(seconds) * time.Second)
		}
		c.days[policy.DateOf(began, time.UTC)] += seconds
	}
	if c.running.worked {
		c.keep(r)
	}
	c.running = running{}
}

// keep appends a record to the events. The use before the record includes the part of the running session that has
// passed.
func (c *counter) keep(r wire.Record) {
	used := c.used
	if c.running.id != "" && c.running.counts && c.running.began != 0 && r.Clock.Believed() && r.Kind != wire.SessionEnd {
		used += min(max(r.Wall.UnixMilli()-c.running.began, 0)/1000, maxSession)
	}
	if r.Kind == wire.Intervened && r.Session == c.running.id {
		c.running.worked = true
	}
	c.events = append(c.events, event{seq: r.Seq, kind: r.Kind, at: r.Wall, trusted: r.Clock.Believed(),
		session: r.Session, member: r.Member, body: r.Body, used: used})
}

// load reads the state of a journal.
func (c *counter) load(ctx context.Context, tx *store.Tx, j Position) error {
	rows, err := tx.Query(ctx, `SELECT seq, began, used, session, session_began, session_counts, session_worked
		FROM maintenance_journals WHERE site = $1 AND machine = $2 AND generation = $3`, j.Machine, j.Generation)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		x := &c.running
		if err := rows.Scan(&c.seq, &c.began, &c.used, &x.id, &x.began, &x.counts, &x.worked); err != nil {
			return err
		}
	}
	return rows.Err()
}

// store writes the events, the days and the journal's state.
func (c *counter) store(ctx context.Context, tx *store.Tx, j Position) error {
	for _, e := range c.events {
		_, err := tx.Exec(ctx, `INSERT INTO maintenance_events (site, machine, generation, seq, kind, at, untrusted, session,
			member, body, used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, j.Machine, j.Generation, int64(e.seq),
			string(e.kind), e.at.UnixMilli(), toInt(!e.trusted), e.session, e.member, string(e.body), e.used)
		if err != nil {
			return err
		}
	}
	for day, seconds := range c.days {
		_, err := tx.Exec(ctx, `INSERT INTO maintenance_days (site, machine, day, seconds) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, machine, day) DO UPDATE SET seconds = maintenance_days.seconds + $4`, j.Machine, day.String(),
			seconds)
		if err != nil {
			return err
		}
	}
	x := c.running
	_, err := tx.Exec(ctx, `INSERT INTO maintenance_journals (site, machine, generation, epoch, seq, began, used, session,
		session_began, session_counts, session_worked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (site, machine, generation) DO UPDATE SET seq = $5, began = $6, used = $7, session = $8,
		session_began = $9, session_counts = $10, session_worked = $11`, j.Machine, j.Generation, j.Epoch, c.seq, c.began,
		c.used, x.id, x.began, toInt(x.counts), toInt(x.worked))
	return err
}

// toInt returns 1 for true and 0 for false, because both database engines store a boolean in a BIGINT column.
func toInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

package maintenance

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
	"portillon/wire"
)

// maxEvents is the maximum number of records about maintenance from which the history of a journal is made. A machine
// writes some hundred in a year. With more records, the oldest are left out.
const maxEvents = 20000

// historyCache keeps the journals of machines between two changes, because a page of all machines needs all of them.
type historyCache struct {
	mu sync.Mutex
	of map[policy.MachineID]cached
}

// cached is the journals of one machine, up to the positions in key.
type cached struct {
	key      string
	journals []journal
}

// zoned returns the time zone of a policy; UTC if there is none.
func zoned(p *policy.Policy) *time.Location {
	if p == nil || p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// visible returns the machines whose maintenance an actor may see: machines of the policy, and without a policy the
// machines with records.
func (s *Service) visible(ctx context.Context, a actor.Actor, p *policy.Policy) (out []policy.MachineID, err error) {
	everywhere := a.May(actor.ReadReports, actor.Target{})
	may := func(m policy.MachineID) bool {
		return everywhere == nil || a.May(actor.ReadReports, actor.Target{Machine: m}) == nil
	}
	if everywhere != nil {
		some := false
		for m := range a.Machines {
			some = some || may(m)
		}
		if !some {
			return nil, everywhere
		}
	}
	all, err := s.known(ctx, p)
	for _, m := range all {
		if may(m) {
			out = append(out, m)
		}
	}
	return out, err
}

// known returns the machines of the policy; without a policy, the machines with records.
func (s *Service) known(ctx context.Context, p *policy.Policy) (out []policy.MachineID, err error) {
	if p != nil {
		for _, m := range p.Machines {
			out = append(out, m.ID)
		}
		slices.Sort(out)
		return out, nil
	}
	rows, err := s.o.Site.Query(ctx, "SELECT DISTINCT machine FROM maintenance_journals WHERE site = $1 ORDER BY machine")
	err = scanRows(rows, err, func(rows *sql.Rows) error {
		var m policy.MachineID
		err := rows.Scan(&m)
		out = append(out, m)
		return err
	})
	return out, err
}

// scanRows calls scan for each row, and closes the rows.
func scanRows(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// journals returns the journals of a machine, the oldest first.
func (s *Service) journals(ctx context.Context, m policy.MachineID) ([]journal, error) {
	var out []journal
	key := ""
	rows, err := s.o.Site.Query(ctx, `SELECT generation, seq, began, used FROM maintenance_journals
		WHERE site = $1 AND machine = $2 ORDER BY epoch`, m)
	err = scanRows(rows, err, func(rows *sql.Rows) error {
		var j journal
		var seq, began int64
		if err := rows.Scan(&j.generation, &seq, &began, &j.used); err != nil {
			return err
		}
		if began != 0 {
			j.began = time.UnixMilli(began).UTC()
		}
		key += fmt.Sprintf("%s %d ", j.generation, seq)
		out = append(out, j)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if c, ok := s.cache.of[m]; ok {
		return c.journals, nil
	}
	for i := range out {
		if err := s.readEvents(ctx, m, &out[i]); err != nil {
			return nil, err
		}
	}
	if s.cache.of == nil {
		s.cache.of = map[policy.MachineID]cached{}
	}
	s.cache.of[m] = cached{key, out}
	return out, nil
}

// readEvents reads the newest events of a journal.
func (s *Service) readEvents(ctx context.Context, m policy.MachineID, j *journal) error {
	rows, err := s.o.Site.Query(ctx, `SELECT seq, kind, at, untrusted, session, member, body, used FROM maintenance_events
		WHERE site = $1 AND machine = $2 AND generation = $3 ORDER BY seq DESC LIMIT $4`, m, j.generation, maxEvents)
	err = scanRows(rows, err, func(rows *sql.Rows) error {
		var e event
		var seq, at int64
		var untrusted bool
		var body string
		err := rows.Scan(&seq, &e.kind, &at, &untrusted, &e.session, &e.member, &body, &e.used)
		e.seq, e.at, e.trusted, e.body = uint64(seq), time.UnixMilli(at).UTC(), !untrusted, []byte(body)
		j.events = append(j.events, e)
		return err
	})
	slices.Reverse(j.events)
	return err
}

// daily returns the use of a machine by day.
func (s *Service) daily(ctx context.Context, m policy.MachineID) (dailyUse, error) {
	out := dailyUse{}
	rows, err := s.o.Site.Query(ctx, "SELECT day, seconds FROM maintenance_days WHERE site = $1 AND machine = $2", m)
	return out, scanRows(rows, err, func(rows *sql.Rows) error {
		var text string
		var seconds int64
		if err := rows.Scan(&text, &seconds); err != nil {
			return err
		}
		day, err := policy.ParseDate(text)
		out[day] += seconds
		return err
	})
}

// closings returns the reports of a machine that persons closed at the hub, by the id of the report.
func (s *Service) closings(ctx context.Context, m policy.MachineID) (map[string]Closing, error) {
	out := map[string]Closing{}
	rows, err := s.o.Site.Query(ctx, `SELECT generation, seq, at, member, words FROM maintenance_closed
		WHERE site = $1 AND machine = $2`, m)
	return out, scanRows(rows, err, func(rows *sql.Rows) error {
		c := Closing{How: "person"}
		var g wire.Generation
		var seq, at int64
		err := rows.Scan(&g, &seq, &at, &c.By.Member, &c.Words)
		c.At = time.UnixMilli(at).UTC()
		out[reportID(g, uint64(seq))] = c
		return err
	})
}

// machine is everything that the service knows of one machine.
type machine struct {
	history
	due   []Due
	daily dailyUse
}

// readMachine reads one machine. of is the machine in the policy; nil: the policy does not name the machine.
func (s *Service) readMachine(ctx context.Context, id policy.MachineID, of *policy.Machine, now time.Time) (out machine,
	err error) {
	journals, err := s.journals(ctx, id)
	if err != nil {
		return out, err
	}
	closed, err := s.closings(ctx, id)
	if err != nil {
		return out, err
	}
	if out.daily, err = s.daily(ctx, id); err != nil {
		return out, err
	}
	out.history = read(journals, now)
	closeByHand(&out.history, closed)
	labelKinds(&out.history, of)
	if of != nil {
		out.due = dues(of, out.history, out.daily.perDay(out.began, now), now)
	}
	return out, nil
}

// Overview returns what the machines need that the actor may see.
func (s *Service) Overview(ctx context.Context, a actor.Actor) (Overview, error) {
	out := Overview{Items: []Item{}, Calendar: []Planned{}, Machines: []policy.MachineID{}}
	p, err := s.o.Policy(ctx)
	if err != nil {
		return out, err
	}
	visible, err := s.visible(ctx, a, p)
	if err != nil {
		return out, err
	}
	out.Machines = append(out.Machines, visible...)
	for _, id := range visible {
		m, err := s.readMachine(ctx, id, machineOf(p, id), s.o.Now())
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, items(id, m.history, m.due)...)
		for _, d := range m.due {
			out.Calendar = append(out.Calendar, Planned{id, d})
		}
	}
	sortItems(out.Items)
	out.Calendar = sortCalendar(out.Calendar)
	n := s.naming(a)
	for i := range out.Items {
		n.item(&out.Items[i])
	}
	return out, n.fill(ctx)
}

// machineOf returns a machine of the policy; nil: the policy does not name the machine.
func machineOf(p *policy.Policy, id policy.MachineID) *policy.Machine {
	if p != nil {
		if m, ok := p.Machine(id); ok {
			return m
		}
	}
	return nil
}

// Machine returns the maintenance of one machine.
func (s *Service) Machine(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	if err := a.May(actor.ReadReports, actor.Target{Machine: id}); err != nil {
		return Machine{}, err
	}
	p, err := s.o.Policy(ctx)
	if err != nil {
		return Machine{}, err
	}
	of := machineOf(p, id)
	if err := s.exists(ctx, id, of); err != nil {
		return Machine{}, err
	}
	now := s.o.Now()
	m, err := s.readMachine(ctx, id, of, now)
	if err != nil {
		return Machine{}, err
	}
	out := Machine{ID: id, Due: nonNil(m.due), Reports: newest(m.reports), Works: newest(m.works), Tags: newest(m.tags),
		Months: months(m.outs, now, zoned(p)), MayTag: a.May(actor.TagMachine, actor.Target{Machine: id}) == nil}
	for i := range out.Works {
		out.Works[i].Machine = id
	}
	out.Figures = reliability(m.history, now)
	out.Figures.PerDay = m.daily.perDay(m.began, now)
	out.Figures.Total = out.Figures.Used
	if out.Figures.Initial, err = s.initial(ctx, id); err != nil {
		return Machine{}, err
	}
	if x := out.Figures.Initial; x != nil {
		out.Figures.Total = x.Hours*3600 + m.daily.since(x.Day)
	}
	n := s.naming(a)
	for i := range out.Reports {
		n.report(&out.Reports[i])
	}
	for i := range out.Works {
		n.work(&out.Works[i])
	}
	for i := range out.Tags {
		n.tag(&out.Tags[i])
	}
	return out, n.fill(ctx)
}

// exists returns *fault.NotFound if the site has no such machine.
func (s *Service) exists(ctx context.Context, id policy.MachineID, of *policy.Machine) error {
	if of != nil {
		return nil
	}
	var n int
	err := s.o.Site.QueryRow(ctx, "SELECT COUNT(*) FROM maintenance_journals WHERE site = $1 AND machine = $2", id).
		Scan(&n)
	switch {
	case err != nil || n > 0:
		return err
	case s.o.Exists != nil:
		return s.o.Exists(ctx, id)
	}
	return &fault.NotFound{What: "machine", ID: string(id)}
}

// newest returns a copy of a list in the opposite order.
func newest[T any](list []T) []T {
	out := nonNil(slices.Clone(list))
	slices.Reverse(out)
	return out
}

// nonNil returns the list, which is [] and not null in JSON.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Own returns the interventions of the actor's own member, and the progress towards badges.
func (s *Service) Own(ctx context.Context, a actor.Actor) (Own, error) {
	if err := a.May(actor.ReadOwn, actor.Target{Member: a.Member}); err != nil || a.Member == "" {
		return Own{}, err
	}
	p, err := s.o.Policy(ctx)
	if err != nil {
		return Own{}, err
	}
	all, err := s.known(ctx, p)
	if err != nil {
		return Own{}, err
	}
	var out Own
	for _, id := range all {
		journals, err := s.journals(ctx, id)
		if err != nil {
			return Own{}, err
		}
		h := read(journals, s.o.Now())
		labelKinds(&h, machineOf(p, id))
		for _, w := range h.works {
			if w.By.Member == a.Member {
				w.Machine, w.By, w.Endorser = id, Person{}, Person{}
				out.add(w)
			}
		}
	}
	slices.SortStableFunc(out.Works, func(x, y Work) int { return y.At.Compare(x.At) })
	if s.o.Progress != nil && len(out.Works) > 0 {
		out.Progress, err = s.o.Progress(ctx, a.Member)
	}
	return out, err
}

// add appends one intervention.
func (o *Own) add(w Work) {
	o.Works = append(o.Works, w)
	if w.Attest != NotAsked {
		o.Asked++
	}
	if w.Attest == Attested {
		o.Attested++
	}
}

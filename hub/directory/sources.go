package directory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/memberlist"
	"portillon/policy"
)

// ListFetcher fetches a whole list of members from another program. Fetch returns an error unless the list is complete.
// The text of the error is a sentence of package fault, and contains no secret and no personal data.
type ListFetcher interface {
	Fetch(context.Context) (memberlist.Table, error)
}

// ListSource is a list of members that the hub fetches from another program every night.
type ListSource struct {
	Name         string // name of the list, as Import.Source
	Program      memberlist.Program
	From         ListFetcher
	Hour, Minute int         // local time of the nightly run
	Until        policy.Date // last day of membership of all rows, for a program without one; zero: none
	// MayLose is the number of members who may lose a right at a machine in one night without an administrator.
	MayLose int
}

// on returns the time of the run of a day. If the clock skips that time, the run is an hour earlier or later; if the
// clock shows that time twice, the run is at one of both.
func (l *ListSource) on(day policy.Date, zone *time.Location) time.Time {
	return time.Date(day.Year, day.Month, day.Day, l.Hour, l.Minute, 0, 0, zone)
}

// isDue reports whether a nightly run must begin. last is the day of the last run. A hub that was off at the time of
// the run makes up for it on the same day.
func (l *ListSource) isDue(last policy.Date, now time.Time, zone *time.Location) bool {
	today := policy.DateOf(now, zone)
	return last.Before(today) && !now.Before(l.on(today, zone))
}

// next returns the time of the next nightly run; a time before now means that the run is due.
func (l *ListSource) next(last policy.Date, now time.Time, zone *time.Location) time.Time {
	day := policy.DateOf(now, zone)
	if !last.Before(day) {
		day = policy.DateOf(time.Date(day.Year, day.Month, day.Day+1, 12, 0, 0, 0, zone), zone)
	}
	return l.on(day, zone)
}

// firstDay returns the day that counts as the last run of a list without a run: the day on which the hub started, if
// the hub started after the time of the run. A new list is first fetched at its time of the night.
func (l *ListSource) firstDay(started time.Time, zone *time.Location) policy.Date {
	day := policy.DateOf(started, zone)
	if started.Before(l.on(day, zone)) {
		return policy.Date{}
	}
	return day
}

// Outcome is how a run of a list ended.
type Outcome string

// The outcomes. A list that waits has changed nothing: an administrator must look at its changes and apply them.
const (
	Applied   Outcome = "applied"
	Unchanged Outcome = "unchanged" // the list changes no member
	Waiting   Outcome = "waiting"
	Failed    Outcome = "failed" // the list could not be fetched or read, and nothing was changed
)

// NeedsPerson reports whether an administrator must do something.
func (o Outcome) NeedsPerson() bool { return o == Waiting || o == Failed }

// SourceState is a list that the hub fetches, and how its last run ended.
type SourceState struct {
	Name    string             `json:"name"`
	Program memberlist.Program `json:"program"`
	Next    time.Time          `json:"next"`              // next nightly run
	Outcome Outcome            `json:"outcome,omitempty"` // empty: there was no run yet
	Ended   time.Time          `json:"ended"`             // end of the last run
	Since   time.Time          `json:"since"`             // since when the list waits, or fails, without a break
	Why     string             `json:"why,omitempty"`     // the failure in words
	RunCounts

	day policy.Date // day of the last nightly run
}

// RunCounts are the changes of a run. For a list that waits, they are the changes that wait.
type RunCounts struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Gone    int `json:"gone"`
	Same    int `json:"unchanged"`
	Losing  int `json:"losing"` // members who lose a right at a machine
}

// countsOf returns the counts of a preview.
func countsOf(p *Preview) RunCounts {
	losing := map[policy.MemberID]bool{}
	for _, r := range p.Loses {
		losing[r.Member] = true
	}
	return RunCounts{Added: len(p.Added), Changed: len(p.Changed), Gone: len(p.Gone), Same: p.Unchanged,
		Losing: len(losing)}
}

// isSame reports whether the run changes no member.
func (c RunCounts) isSame() bool { return c.Added+c.Changed+c.Gone == 0 }

// Sources fetches lists of members from other programs, at night and when an administrator asks.
type Sources struct {
	core    *core
	imports *Imports
	lists   []*ListSource
	busy    map[string]*sync.Mutex // by the name of the list: locked while the list is fetched
	started time.Time
	tell    func(context.Context, SourceState) error
}

// Time limits of one run: a page waits for a person, the night does not.
const (
	personTime = 90 * time.Second
	nightTime  = 30 * time.Minute
)

// newSources returns the service for these lists.
func newSources(c *core, imports *Imports, o Options) *Sources {
	s := &Sources{core: c, imports: imports, busy: map[string]*sync.Mutex{}, started: o.Now(), tell: o.Tell}
	for i := range o.Lists {
		s.lists = append(s.lists, &o.Lists[i])
		s.busy[o.Lists[i].Name] = &sync.Mutex{}
	}
	return s
}

// zone returns the time zone of the site.
func (s *Sources) zone(ctx context.Context) (*time.Location, error) {
	p, err := s.core.policy(ctx)
	return zoneOf(p), err
}

// FetchedLists returns the lists that the hub fetches, in the order of hub.yaml. The actor needs actor.WriteMembers.
func (s *Sources) FetchedLists(ctx context.Context, a actor.Actor) ([]SourceState, error) {
	if err := a.May(actor.WriteMembers, about("")); err != nil {
		return nil, err
	}
	zone, err := s.zone(ctx)
	if err != nil {
		return nil, err
	}
	states, err := readSources(ctx, s.core.site)
	if err != nil {
		return nil, err
	}
	out := make([]SourceState, 0, len(s.lists))
	for _, l := range s.lists {
		x := s.stateOf(l, states, zone)
		x.Next = l.next(x.day, s.core.now(), zone).UTC()
		out = append(out, x)
	}
	return out, nil
}

// stateOf returns the state of a list, from the rows of all lists.
func (s *Sources) stateOf(l *ListSource, states map[string]SourceState, zone *time.Location) SourceState {
	x := states[l.Name]
	x.Name, x.Program = l.Name, l.Program
	if x.day == (policy.Date{}) {
		x.day = l.firstDay(s.started, zone)
	}
	return x
}

// FetchList fetches a list now, and returns the changes that an import of the list would make, as Imports.Preview does.
// The error is *fault.NotFound for an unknown list, and *fault.Invalid if the list is being fetched already, cannot be
// fetched, or cannot be read. The actor needs actor.WriteMembers and the rights that Imports.Preview needs.
func (s *Sources) FetchList(ctx context.Context, a actor.Actor, name string) (Preview, error) {
	if err := mayImport(a, []actor.Act{actor.WriteMembers, actor.ReadMembers}); err != nil {
		return Preview{}, err
	}
	at := slices.IndexFunc(s.lists, func(l *ListSource) bool { return l.Name == name })
	if at < 0 {
		return Preview{}, &fault.NotFound{What: "source", ID: clip(name, 64)}
	}
	if !s.busy[name].TryLock() {
		return Preview{}, &fault.Invalid{Faults: []fault.Field{{Field: "source", Given: name,
			Wrong: "the hub is fetching this list now", Right: "try again in a minute"}}}
	}
	defer s.busy[name].Unlock()
	ctx, cancel := context.WithTimeout(ctx, personTime)
	defer cancel()
	in, err := s.lists[at].fetch(ctx)
	if err != nil {
		return Preview{}, &fault.Invalid{Faults: []fault.Field{{Field: "source", Given: name, Wrong: err.Error()}}}
	}
	p, err := s.imports.Preview(ctx, a, in)
	if err == nil && countsOf(&p).isSame() {
		err = s.finish(ctx, s.lists[at], Unchanged, countsOf(&p), "", policy.Date{})
	}
	return p, err
}

// fetch fetches the list in the form of an import.
func (l *ListSource) fetch(ctx context.Context) (Import, error) {
	t, err := l.From.Fetch(ctx)
	if err != nil {
		return Import{}, err
	}
	return Import{Name: l.Name + ".csv", Data: tableCSV(t), Source: l.Name, Until: l.Until, program: l.Program}, nil
}

// tableCSV writes a table as a CSV in which each cell is quoted.
func tableCSV(t memberlist.Table) []byte {
	var b []byte
	line := func(cells []string) {
		for i, c := range cells {
			if i > 0 {
				b = append(b, ';')
			}
			b = append(append(append(b, '"'), strings.ReplaceAll(c, `"`, `""`)...), '"')
		}
		b = append(b, '\n')
	}
	line(t.Header)
	for _, r := range t.Rows {
		line(r.Cells)
	}
	return b
}

// Run fetches each list at its time of the night, until ctx ends. Run looks at the clock every minute, because the
// clock of a small computer may jump after its start.
func (s *Sources) Run(ctx context.Context) error {
	if len(s.lists) == 0 {
		return nil
	}
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		if err := s.RunDue(ctx); err != nil && ctx.Err() == nil {
			s.core.log.Warn("lists of members were not fetched", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// RunDue fetches the lists whose nightly run is due, one after the other.
func (s *Sources) RunDue(ctx context.Context) error {
	zone, err := s.zone(ctx)
	if err != nil {
		return err
	}
	states, err := readSources(ctx, s.core.site)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range s.lists {
		if l.isDue(s.stateOf(l, states, zone).day, s.core.now(), zone) && s.busy[l.Name].TryLock() {
			errs = append(errs, s.runNight(ctx, l, zone))
			s.busy[l.Name].Unlock()
		}
	}
	return errors.Join(errs...)
}

// runNight fetches a list, and applies its changes if they need no person. If the hub stops in the meantime, nothing is
// stored, and the run begins again after the start.
func (s *Sources) runNight(ctx context.Context, l *ListSource, zone *time.Location) error {
	day := policy.DateOf(s.core.now(), zone)
	limited, cancel := context.WithTimeout(ctx, nightTime)
	defer cancel()
	var outcome Outcome
	var counts RunCounts
	in, err := l.fetch(limited)
	if err == nil {
		outcome, counts, err = s.applyAlone(ctx, l, in)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	why := ""
	if err != nil {
		outcome, why = Failed, whyFailed(err)
	}
	s.core.log.Info("list of members fetched", "list", l.Name, "outcome", outcome, "added", counts.Added,
		"changed", counts.Changed, "gone", counts.Gone, "losing", counts.Losing, "err", err)
	return s.finish(ctx, l, outcome, counts, why, day)
}

// maxRaces limits the attempts to apply a list while other changes are made to the directory.
const maxRaces = 5

// applyAlone applies the changes of a list, unless a person must confirm them: more than gonePercent of the members are
// gone, or more members than the source may take rights from lose one.
func (s *Sources) applyAlone(ctx context.Context, l *ListSource, in Import) (Outcome, RunCounts, error) {
	by := actor.System("list " + l.Name)
	for range maxRaces {
		p, err := s.imports.Preview(ctx, by, in)
		if err != nil {
			return "", RunCounts{}, err
		}
		counts := countsOf(&p)
		if counts.isSame() || p.Confirm || counts.Losing > l.MayLose {
			s.imports.previews.remove(p.ID)
			if counts.isSame() {
				return Unchanged, counts, nil
			}
			return Waiting, counts, nil
		}
		_, err = s.imports.Apply(ctx, by, p.ID)
		var changed *fault.Conflict
		if !errors.As(err, &changed) {
			return Applied, counts, err
		}
		s.imports.previews.remove(p.ID)
	}
	return "", RunCounts{}, errors.New("the members changed while the list was compared with them")
}

package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/memberlist"
	"portillon/policy"
)

// fetched is a program in memory: its list of subscriptions, or the error that it returns.
type fetched struct {
	list  map[string]string // address → end of the subscription
	err   error
	times atomic.Int64 // number of calls of Fetch
	then  func()       // called before the list is returned
}

func (f *fetched) Fetch(ctx context.Context) (memberlist.Table, error) {
	f.times.Add(1)
	if f.then != nil {
		f.then()
	}
	t := memberlist.Table{Program: memberlist.FabManager, Header: []string{"ID", "Surname", "First name", "Email",
		"Subscription end date"}}
	for address, until := range f.list {
		t.Rows = append(t.Rows, memberlist.Row{Number: len(t.Rows) + 1, Cells: []string{"n" + address, "\"Le\" Gall;",
			"=" + address, address, until}})
	}
	return t, errors.Join(f.err, ctx.Err())
}

// withSource returns a world with a list of 13 members that is fetched at 3:30, and the states that were told.
func withSource(t testing.TB, mayLose int) (*world, *fetched, *[]SourceState) {
	t.Helper()
	w, told := newWorld(t), &[]SourceState{}
	from := &fetched{list: map[string]string{"karim@example.org": "2027-12-31"}}
	for i := range 12 {
		from.list[fmt.Sprintf("m%d@example.org", i)] = "2027-12-31"
	}
	w.remake(func(o *Options) {
		o.Lists = []ListSource{{Name: "fab", Program: memberlist.FabManager, From: from, Hour: 3, Minute: 30,
			MayLose: mayLose}}
		o.Tell = func(_ context.Context, s SourceState) error { *told = append(*told, s); return nil }
	})
	return w, from, told
}

// nextNight moves the clock to the next night, and runs what is due.
func (w *world) nextNight() SourceState {
	w.t.Helper()
	w.now = time.Date(w.now.Year(), w.now.Month(), w.now.Day()+1, 2, 31, 0, 0, time.UTC) // 3:31 in Paris
	if err := w.Sources.RunDue(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return w.source()
}

// source returns the state of the only list.
func (w *world) source() SourceState {
	w.t.Helper()
	all := must[[]SourceState](w.t)(w.Sources.FetchedLists(w.t.Context(), owner))
	if len(all) != 1 {
		w.t.Fatalf("%d lists", len(all))
	}
	return all[0]
}

// count returns the number of members who are not suspended.
func (w *world) count() (n int) {
	w.t.Helper()
	for _, m := range must2(w.Members.List(w.t.Context(), owner, Filter{}, Page{Limit: 500})) {
		if !m.Gone {
			n++
		}
	}
	return n
}

func TestNightlyRunAppliesWhatNeedsNoPerson(t *testing.T) {
	end := func(address string) func(*fetched) {
		return func(f *fetched) { f.list[address] = "2026-01-01" }
	}
	gone := func(n int) func(*fetched) {
		return func(f *fetched) {
			for i := range n {
				delete(f.list, fmt.Sprintf("m%d@example.org", i))
			}
		}
	}
	for name, c := range map[string]struct {
		change  func(*fetched)
		mayLose int
		want    Outcome
		counts  RunCounts
		members int
	}{
		"the same list": {func(*fetched) {}, 0, Unchanged, RunCounts{Same: 13}, 13},
		"a new member": {func(f *fetched) { f.list["new@example.org"] = "2027-12-31" },
			0, Applied, RunCounts{Added: 1, Same: 13}, 14},
		"one of 13 is gone":  {gone(1), 0, Applied, RunCounts{Gone: 1, Same: 12}, 12},
		"two of 13 are gone": {gone(2), 9, Waiting, RunCounts{Gone: 2, Same: 11}, 13},
		"all are others": {func(f *fetched) { f.list = map[string]string{"x@example.org": "2027-12-31"} },
			99, Waiting, RunCounts{Added: 1, Gone: 13, Losing: 1}, 13},
		"a membership ends":     {end("m1@example.org"), 0, Applied, RunCounts{Changed: 1, Same: 12}, 13},
		"a mentor loses rights": {end("karim@example.org"), 0, Waiting, RunCounts{Changed: 1, Same: 12, Losing: 1}, 13},
		"one may lose rights":   {end("karim@example.org"), 1, Applied, RunCounts{Changed: 1, Same: 12, Losing: 1}, 13},
		"the program fails": {func(f *fetched) { f.err = errors.New("the program cannot be reached") },
			0, Failed, RunCounts{}, 13},
		"a row cannot be read": {func(f *fetched) { f.list["new@example.org"] = "soon" }, 0, Failed, RunCounts{}, 13},
		"nobody has a membership": {func(f *fetched) { clear(f.list); f.list["a@example.org"] = "" },
			99, Waiting, RunCounts{Gone: 13, Losing: 1}, 13},
		"an address has no member": {func(f *fetched) { f.list["not an address"] = "2027-12-31" },
			0, Failed, RunCounts{}, 13},
	} {
		t.Run(name, func(t *testing.T) {
			w, from, told := withSource(t, c.mayLose)
			if s := w.nextNight(); s.Outcome != Applied || s.Added != 13 || w.count() != 13 {
				t.Fatalf("first night: %+v, %d members", s, w.count())
			}
			must[[]Badge](t)(w.Badges.AddBadges(t.Context(), owner, "", "site.zip", zipOf(t, example, "badges", "status")))
			c.change(from)
			began := w.now.AddDate(0, 0, 1)
			s := w.nextNight()
			if s.Outcome != c.want || s.RunCounts != c.counts || w.count() != c.members {
				t.Errorf("%+v, %d members\nwant %s %+v, %d members", s, w.count(), c.want, c.counts, c.members)
			}
			if (s.Why != "") != (c.want == Failed) || strings.Contains(s.Why, "example.org") || !s.Ended.Equal(began) {
				t.Errorf("%+v", s)
			}
			if c.want.NeedsPerson() != (len(*told) == 1) || len(*told) == 1 && (*told)[0].Outcome != c.want {
				t.Errorf("told %+v", *told)
			}
		})
	}
}

// A member who is gone from the list is suspended, as by a list in a file, and returns with the list.
func TestMemberIsSuspendedWhileTheListLacksThem(t *testing.T) {
	w, from, _ := withSource(t, 0)
	w.nextNight()
	delete(from.list, "m1@example.org")
	w.nextNight()
	m := must2(w.Members.List(t.Context(), owner, Filter{Text: "m1@example.org"}, Page{}))[0]
	if !m.Gone || m.Source != "fab" || m.External != "fab-manager:nm1@example.org" {
		t.Errorf("%+v", m)
	}
	from.list["m1@example.org"] = "2027-12-31"
	w.nextNight()
	if m = w.member(m.ID); m.Gone {
		t.Errorf("%+v", m)
	}
}

func TestAdministratorsAreToldOncePerEpisode(t *testing.T) {
	w, from, told := withSource(t, 0)
	w.nextNight()
	from.err = errors.New("the program cannot be reached")
	first := w.nextNight()
	second := w.nextNight()
	if len(*told) != 1 || !second.Since.Equal(first.Ended) || !second.Ended.After(first.Ended) ||
		(*told)[0].Program != memberlist.FabManager || (*told)[0].Name != "fab" {
		t.Errorf("told %+v\n%+v\n%+v", *told, first, second)
	}
	from.err = nil
	if s := w.nextNight(); s.Outcome != Unchanged || s.Why != "" || s.Since != s.Ended {
		t.Errorf("%+v", s)
	}
	clear(from.list)
	from.list["x@example.org"] = "2027-12-31"
	w.nextNight()
	if w.nextNight(); len(*told) != 2 || (*told)[1].Outcome != Waiting {
		t.Errorf("told %+v", *told)
	}
}

// A list that waits is fetched again for the administrator, who confirms and applies the preview.
func TestWaitingListIsAppliedByAnAdministrator(t *testing.T) {
	w, from, _ := withSource(t, 0)
	w.nextNight()
	clear(from.list)
	from.list["x@example.org"] = "2027-12-31"
	if s := w.nextNight(); s.Outcome != Waiting {
		t.Fatalf("%+v", s)
	}
	p := must[Preview](t)(w.Sources.FetchList(t.Context(), owner, "fab"))
	if !p.Confirm || len(p.Gone) != 13 || p.Program != memberlist.FabManager || p.Why[0].What != "api" {
		t.Fatalf("%+v", p)
	}
	if s := w.source(); s.Outcome != Waiting {
		t.Errorf("a look changed the state: %+v", s)
	}
	must[Preview](t)(w.Imports.Confirm(t.Context(), owner, p.ID))
	must[Preview](t)(w.Imports.Apply(t.Context(), owner, p.ID))
	if s := w.source(); s.Outcome != Applied || s.Gone != 13 || w.count() != 1 {
		t.Errorf("%+v, %d members", s, w.count())
	}
	if s := w.nextNight(); s.Outcome != Unchanged {
		t.Errorf("%+v", s)
	}
	// An import of a file under another name is no run of the list.
	w.importList(Import{Name: "a.csv", Data: []byte("name;email\nA;a@example.org\n")})
	if s := w.source(); s.Outcome != Unchanged {
		t.Errorf("%+v", s)
	}
}

// A look that finds no change ends an episode: the list has become what the hub knows.
func TestLookThatFindsNoChangeEndsAnEpisode(t *testing.T) {
	w, from, _ := withSource(t, 0)
	w.nextNight()
	from.err = errors.New("the program cannot be reached")
	failed := w.nextNight()
	if _, err := w.Sources.FetchList(t.Context(), owner, "fab"); len(invalid(err)) != 1 ||
		invalid(err)[0].Wrong != "the program cannot be reached" {
		t.Errorf("%v", err)
	}
	from.err = nil
	must[Preview](t)(w.Sources.FetchList(t.Context(), owner, "fab"))
	if s := w.source(); s.Outcome != Unchanged || s.day != failed.day {
		t.Errorf("%+v", s)
	}
}

func TestRunThatTheHubStoppedBeginsAgain(t *testing.T) {
	w, from, told := withSource(t, 0)
	w.nextNight()
	ctx, stop := context.WithCancel(t.Context())
	from.list["new@example.org"], from.then = "2027-12-31", stop
	w.now = w.now.AddDate(0, 0, 1)
	if err := w.Sources.RunDue(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s := w.source(); s.Outcome != Applied || s.Added != 13 || w.count() != 13 || len(*told) != 0 ||
		s.Next.After(w.now) {
		t.Errorf("%+v, %d members, told %+v", s, w.count(), *told)
	}
	from.then = nil
	w.remake(func(*Options) {}) // the hub starts again
	if err := w.Sources.RunDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.source(); s.Outcome != Applied || s.Added != 1 || w.count() != 14 {
		t.Errorf("%+v, %d members", s, w.count())
	}
	times := from.times.Load()
	if err := w.Sources.RunDue(t.Context()); err != nil || from.times.Load() != times {
		t.Errorf("the list was fetched twice in one night: %v", err)
	}
}

// The directory may change between the comparison and the write.
func TestRunComparesAgainAfterAnotherChange(t *testing.T) {
	w, _, _ := withSource(t, 0)
	left := 2
	w.remake(func(o *Options) {
		o.Practice = func(context.Context, []policy.MachineID) (Practised, error) {
			if left--; left >= 0 {
				w.add(fmt.Sprintf("Other %d", left))
			}
			return Practised{}, nil
		}
	})
	w.policy = w.practisedPolicy()
	if s := w.nextNight(); s.Outcome != Applied || s.Added != 13 || left >= 0 {
		t.Errorf("%+v, %d", s, left)
	}
}

func TestOnlyAdministratorsSeeAndFetchLists(t *testing.T) {
	w, from, _ := withSource(t, 0)
	for _, a := range []actor.Actor{{}, {Account: "a", Site: actor.Member},
		{Account: "a", Machines: map[policy.MachineID]actor.Role{"laser": actor.Maintainer}},
		{Account: "a", Site: actor.Owner, Scopes: []actor.Act{actor.ReadMembers}}} {
		var denied *actor.Denied
		if _, err := w.Sources.FetchedLists(t.Context(), a); !errors.As(err, &denied) {
			t.Errorf("%+v sees: %v", a, err)
		}
		if _, err := w.Sources.FetchList(t.Context(), a, "fab"); !errors.As(err, &denied) || from.times.Load() > 0 {
			t.Errorf("%+v fetches: %v", a, err)
		}
	}
	var none *fault.NotFound
	if _, err := w.Sources.FetchList(t.Context(), owner, "galette"); !errors.As(err, &none) {
		t.Error(err)
	}
}

// A program that is asked by two people at once may refuse both.
func TestListIsFetchedOnceAtATime(t *testing.T) {
	w, from, _ := withSource(t, 0)
	var inner error
	from.then = func() {
		from.then = nil
		_, inner = w.Sources.FetchList(t.Context(), owner, "fab")
		w.now = w.now.AddDate(0, 0, 1)
		if err := w.Sources.RunDue(t.Context()); err != nil || from.times.Load() != 1 {
			t.Errorf("%d, %v", from.times.Load(), err)
		}
	}
	must[Preview](t)(w.Sources.FetchList(t.Context(), owner, "fab"))
	if f := invalid(inner); len(f) != 1 || f[0].Wrong != "the hub is fetching this list now" {
		t.Error(inner)
	}
}

func TestTimeOfTheNightFollowsTheClockOfTheSite(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	l := ListSource{Hour: 2, Minute: 30}
	for name, c := range map[string]struct {
		last, now string
		due       bool
		next      string // empty: not compared
	}{
		"before the time":            {"2026-11-29", "2026-11-30T02:29:59+01:00", false, "2026-11-30T02:30:00+01:00"},
		"at the time":                {"2026-11-29", "2026-11-30T02:30:00+01:00", true, "2026-11-30T02:30:00+01:00"},
		"after the run":              {"2026-11-30", "2026-11-30T02:31:00+01:00", false, "2026-12-01T02:30:00+01:00"},
		"off during the night":       {"2026-11-28", "2026-11-30T17:00:00+01:00", true, ""},
		"never before":               {"", "2026-11-30T03:00:00+01:00", true, ""},
		"clock far back":             {"2026-11-30", "1970-01-01T12:00:00+01:00", false, ""},
		"the hour is skipped":        {"2026-03-28", "2026-03-29T04:00:00+02:00", true, ""},
		"early on that day":          {"2026-03-28", "2026-03-29T00:30:00+01:00", false, ""},
		"once on that day":           {"2026-03-29", "2026-03-29T04:30:00+02:00", false, "2026-03-30T02:30:00+02:00"},
		"the hour is twice, before":  {"2026-10-24", "2026-10-25T01:30:00+02:00", false, ""},
		"the hour is twice, after":   {"2026-10-24", "2026-10-25T03:00:00+01:00", true, ""},
		"the hour is twice, ran":     {"2026-10-25", "2026-10-25T02:30:00+01:00", false, "2026-10-26T02:30:00+01:00"},
		"the last day of the month":  {"2026-12-31", "2026-12-31T12:00:00+01:00", false, "2027-01-01T02:30:00+01:00"},
		"another day in other zones": {"2026-11-29", "2026-11-29T23:59:00+01:00", false, "2026-11-30T02:30:00+01:00"},
	} {
		var last policy.Date
		if c.last != "" {
			last, err = policy.ParseDate(c.last)
		}
		if got := l.isDue(last, at(c.now), paris); got != c.due || err != nil {
			t.Errorf("%s: due %v, %v", name, got, err)
		}
		if got := l.next(last, at(c.now), paris); c.next != "" && !got.Equal(at(c.next)) {
			t.Errorf("%s: next %v, want %s", name, got, c.next)
		}
	}
	// A new list is first fetched at its time of the night.
	if d := l.firstDay(at("2026-11-30T14:00:00+01:00"), paris); l.isDue(d, at("2026-11-30T15:00:00+01:00"), paris) ||
		!l.isDue(d, at("2026-12-01T02:30:00+01:00"), paris) {
		t.Errorf("first day %v", d)
	}
	if d := l.firstDay(at("2026-11-30T01:00:00+01:00"), paris); !l.isDue(d, at("2026-11-30T02:30:00+01:00"), paris) {
		t.Errorf("first day %v", d)
	}
}

func TestRunLooksAtTheClockEveryMinute(t *testing.T) {
	w, from, _ := withSource(t, 0)
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		start := time.Date(2026, 11, 24, 2, 27, 30, 0, time.UTC) // 3:27:30 in Paris
		w.remake(func(o *Options) { o.Now = func() time.Time { return start.Add(time.Since(begin)) } })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Sources.Run(ctx) }()
		time.Sleep(150 * time.Second) // the clock of the bubble
		synctest.Wait()
		if from.times.Load() != 0 {
			t.Errorf("fetched %d times before the time", from.times.Load())
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		stop()
		if err := <-done; err != nil || from.times.Load() != 1 {
			t.Errorf("fetched %d times, %v", from.times.Load(), err)
		}
	})
}

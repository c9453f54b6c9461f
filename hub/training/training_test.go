package training

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
)

var start = time.Date(2026, 11, 30, 14, 0, 0, 0, time.UTC)

// bench has a service with two machines and invented people.
type bench struct {
	t       *testing.T
	rows    *store.Site
	s       *Service
	now     time.Time
	policy  *policy.Policy
	issued  []policy.BadgeID
	taps    []Tap
	members map[policy.MemberID]Member
	cards   map[string]policy.MemberID // assigned cards, by tap
	awards  []Award
	audit   []string
	fail    error // error of an award; nil: awards succeed
}

func need(id policy.BadgeID) policy.Need { return policy.Need{Badge: id} }

func newBench(t *testing.T) *bench {
	b := &bench{t: t, rows: storetest.Open(t).Site("biklab"), now: start,
		issued: []policy.BadgeID{"laser-user", "laser-mentor", "safety", "steps"},
		cards:  map[string]policy.MemberID{},
		members: map[policy.MemberID]Member{
			"m-lea": {ID: "m-lea", Name: "Léa", CanHold: true}, "m-tom": {ID: "m-tom", Name: "Tom", CanHold: true},
			"m-karim": {ID: "m-karim", Name: "Karim", CanHold: true}, "m-mute": {ID: "m-mute", Name: "Mute"},
			"m-has":  {ID: "m-has", Name: "Has", HasBadge: true, CanHold: true},
			"m-gone": {ID: "m-gone", Name: "Gone", Suspended: true, CanHold: true}}}
	b.setPolicy(policy.Grant{Role: policy.Mentor, Needs: need("laser-mentor")})
	s, err := New(Options{Site: b.rows,
		Policy: func(context.Context) (*policy.Policy, error) { return b.policy, nil },
		Issued: func(context.Context) ([]policy.BadgeID, error) { return b.issued, nil },
		Taps: func(_ context.Context, at policy.MachineID, since time.Time) (out []Tap, _ error) {
			if at != "laser" {
				return nil, nil
			}
			return b.taps, nil
		},
		Member: func(_ context.Context, id policy.MemberID, _ policy.BadgeID) (Member, error) {
			m, ok := b.members[id]
			if !ok {
				return m, &fault.NotFound{What: "member", ID: string(id)}
			}
			return m, nil
		},
		Find: func(_ context.Context, text string, limit int) (out []Member, _ error) {
			for i := range limit + 5 {
				out = append(out, Member{ID: policy.MemberID(fmt.Sprint("m-", i)), Name: text})
			}
			return out, nil
		},
		Assign: func(_ context.Context, _ actor.Actor, tap string, to policy.MemberID) error {
			b.cards[tap] = to
			return nil
		},
		AddMember: func(_ context.Context, _ actor.Actor, name, _ string) (policy.MemberID, error) {
			b.members["m-new"] = Member{ID: "m-new", Name: name, CanHold: true}
			return "m-new", nil
		},
		Award: func(_ context.Context, _ actor.Actor, w Award) error {
			if b.fail == nil {
				b.awards = append(b.awards, w)
			}
			return b.fail
		},
		Audit: func(_ context.Context, _ *store.Tx, a actor.Actor, _ actor.Act, on, detail string) error {
			b.audit = append(b.audit, a.Name+" "+detail)
			return nil
		},
		Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	b.s = s
	return b
}

// setPolicy puts a policy into force in which the laser cutter has more grants than those of users and learners.
func (b *bench) setPolicy(more ...policy.Grant) {
	b.t.Helper()
	var badges []policy.Badge
	for _, id := range b.issued {
		badges = append(badges, policy.Badge{ID: id, Issuer: "lab", Achievement: "https://lab.example/" + string(id),
			Name: policy.Text{FR: string(id), EN: string(id)}})
	}
	supervisor := need("laser-mentor")
	grants := append([]policy.Grant{{Role: policy.User, Needs: policy.Need{All: []policy.Need{need("laser-user"),
		need("safety")}}}, {Role: policy.Learner, Needs: need("steps"), Supervisor: &supervisor}}, more...)
	p, err := policy.New(policy.Model{Site: "biklab", Language: policy.English,
		Issuers: []policy.Issuer{{ID: "lab", Name: "Lab", Profile: "did:web:lab", Keys: []string{"did:web:lab"}}},
		Badges:  badges, Machines: []policy.Machine{
			{ID: "laser", Name: policy.Text{FR: "Laser", EN: "Laser"}, Grants: grants},
			{ID: "saw", Name: policy.Text{FR: "Scie", EN: "Saw"}, Grants: []policy.Grant{{Role: policy.User,
				Needs: need("safety")}}}}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.policy = p
}

func mentor(at ...policy.MachineID) actor.Actor {
	a := actor.Actor{Account: "a-karim", Name: "karim", Member: "m-karim", Site: actor.Member,
		Machines: map[policy.MachineID]actor.Role{}}
	for _, id := range at {
		a.Machines[id] = actor.Mentor
	}
	return a
}

// open opens a training at the laser cutter, or fails.
func (b *bench) open() Training {
	b.t.Helper()
	t, err := b.s.Open(b.t.Context(), mentor("laser"), "laser", "laser-user")
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

func (b *bench) tap(m policy.MemberID, after time.Duration) {
	b.taps = append(b.taps, Tap{Member: m, At: start.Add(after)})
}

func names(all []Person) string {
	var out []string
	for _, x := range all {
		out = append(out, x.Name+" "+string(x.Standing))
	}
	return strings.Join(out, ", ")
}

func (b *bench) view(id string) View {
	b.t.Helper()
	v, err := b.s.Get(b.t.Context(), mentor("laser"), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// wrong returns the first fault of an error, and fails if the error is no *fault.Invalid.
func wrong(t *testing.T, err error) string {
	t.Helper()
	var x *fault.Invalid
	if !errors.As(err, &x) {
		t.Fatalf("error %v, want a fault of the form", err)
	}
	return x.Faults[0].Wrong
}

func TestPeopleWhoTapDuringTheTrainingReceiveItsBadge(t *testing.T) {
	b := newBench(t)
	if err := b.s.SetChecks(t.Context(), actor.System("x"), Checks{Badge: "laser-user",
		Items: []string{" fire ", "", "focus"}}); err != nil {
		t.Fatal(err)
	}
	b.tap("m-has", -time.Second)
	x := b.open()
	b.tap("m-tom", 2*time.Minute)
	b.tap("m-lea", time.Minute)
	b.tap("m-tom", 3*time.Minute)
	b.tap("m-karim", time.Minute)
	b.tap("m-erased", time.Minute)
	b.now = start.Add(time.Hour)
	v := b.view(x.ID)
	if got := names(v.People); got != "Léa ready, Tom ready" || !v.Open || !v.MayAward {
		t.Fatalf("people %q, open %v, may award %v", got, v.Open, v.MayAward)
	}
	if err := b.s.Close(t.Context(), mentor("laser"), x.ID); err != nil {
		t.Fatal(err)
	}
	b.tap("m-gone", 2*time.Hour)
	b.now = start.Add(3 * time.Hour)
	if v := b.view(x.ID); v.Open || len(v.People) != 2 {
		t.Errorf("closed training: open %v, people %v", v.Open, v.People)
	}
	err := b.s.Award(t.Context(), mentor("laser"), x.ID, []policy.MemberID{"m-lea"}, 1)
	if got := wrong(t, err); !strings.Contains(got, "check list") {
		t.Errorf("award without the whole check list: %s", got)
	}
	if err := b.s.Award(t.Context(), mentor("laser"), x.ID, []policy.MemberID{"m-tom", "m-lea", "m-tom"}, 2); err != nil {
		t.Fatal(err)
	}
	w := b.awards[0]
	if !slices.Equal(w.Members, []policy.MemberID{"m-lea", "m-tom"}) || w.Badge != "laser-user" || w.Machine != "laser" ||
		!slices.Equal(w.Checks, []string{"fire", "focus"}) || !w.On.Equal(start) ||
		w.Why != "training "+x.ID+", led by karim" {
		t.Errorf("award %+v", w)
	}
	// A change that began before the award and is stored after it does not undo the award.
	if err := b.s.set(t.Context(), mentor("laser"), x, "m-lea", removed); err != nil {
		t.Fatal(err)
	}
	b.audit = b.audit[:len(b.audit)-1]
	v = b.view(x.ID)
	if got := names(v.People); got != "Léa awarded, Tom awarded" || v.MayAward || !v.Awarded.Equal(b.now) {
		t.Errorf("after the award: people %q, %+v", got, v.Training)
	}
	err = b.s.Award(t.Context(), mentor("laser"), x.ID, []policy.MemberID{"m-lea"}, 2)
	if got := wrong(t, err); got != "the training has ended" || len(b.awards) != 1 {
		t.Errorf("second award: %s, %d awards", got, len(b.awards))
	}
	if got := strings.Join(b.audit, "; "); !strings.HasSuffix(got, "karim training for badge laser-user opened; "+
		"karim training closed; karim badge laser-user issued to 2 people") {
		t.Errorf("audit %s", got)
	}
}

func TestOnlyPeopleOnTheListReceiveTheBadge(t *testing.T) {
	b := newBench(t)
	x := b.open()
	for _, m := range []policy.MemberID{"m-lea", "m-mute", "m-has", "m-gone"} {
		b.tap(m, time.Minute)
	}
	b.now = start.Add(time.Hour)
	if got := names(b.view(x.ID).People); got != "Léa ready, Mute no-address, Has holder, Gone suspended" {
		t.Fatalf("people %s", got)
	}
	for _, c := range []struct {
		members []policy.MemberID
		wrong   string
	}{
		{nil, "nobody is on the list"},
		{[]policy.MemberID{"m-lea", "m-tom"}, "this person is not on the list of the training"},
		{[]policy.MemberID{"m-lea", "m-mute"}, "this person cannot receive the badge: no-address"},
		{[]policy.MemberID{"m-has"}, "this person cannot receive the badge: holder"},
		{[]policy.MemberID{"m-gone"}, "this person cannot receive the badge: suspended"},
	} {
		if got := wrong(t, b.s.Award(t.Context(), mentor("laser"), x.ID, c.members, 0)); got != c.wrong {
			t.Errorf("award to %v: %s, want %s", c.members, got, c.wrong)
		}
	}
	b.fail = errors.New("disk full")
	if err := b.s.Award(t.Context(), mentor("laser"), x.ID, []policy.MemberID{"m-lea"}, 0); err != b.fail ||
		!b.view(x.ID).MayAward {
		t.Errorf("failed award: %v", err)
	}
}

func TestTheLeaderDecidesWhoIsOnTheList(t *testing.T) {
	b := newBench(t)
	x := b.open()
	b.tap("m-lea", time.Minute)
	b.tap("m-tom", 2*time.Minute)
	b.now = start.Add(3 * time.Minute)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(b.s.Remove(t.Context(), mentor("laser"), x.ID, "m-lea"))
	do(b.s.Join(t.Context(), mentor("laser"), x.ID, "m-gone", ""))
	if v := b.view(x.ID); names(v.People) != "Tom ready, Gone suspended" || names(v.Removed) != "Léa ready" {
		t.Errorf("people %s, removed %s", names(v.People), names(v.Removed))
	}
	do(b.s.Join(t.Context(), mentor("laser"), x.ID, "m-lea", ""))
	if v := b.view(x.ID); len(v.Removed) != 0 || len(v.People) != 3 {
		t.Errorf("put back: people %s, removed %s", names(v.People), names(v.Removed))
	}
	var missing *fault.NotFound
	if err := b.s.Join(t.Context(), mentor("laser"), x.ID, "m-nobody", ""); !errors.As(err, &missing) {
		t.Errorf("an unknown member joins: %v", err)
	}
	if err := b.s.Remove(t.Context(), mentor("laser"), x.ID, "m-nobody"); !errors.As(err, &missing) {
		t.Errorf("an unknown member is removed: %v", err)
	}
	err := b.s.Join(t.Context(), mentor("laser"), x.ID, "m-karim", "")
	if got := wrong(t, err); got != "this person leads the training" {
		t.Errorf("the leader joins: %s", got)
	}
}

func TestUnknownCardsOfTheTrainingAreAssigned(t *testing.T) {
	b := newBench(t)
	x := b.open()
	b.now = start.Add(time.Hour)
	card := func(tap string, after time.Duration, ok bool) {
		at := start.Add(after)
		b.taps = append(b.taps, Tap{At: at, Card: Card{Tap: tap, Code: "CODE", At: at, Assignable: ok}})
	}
	card("before", -time.Minute, true)
	card("early", time.Minute, true)
	card("late", 2*time.Minute, true)
	card("sealed", 3*time.Minute, false)
	v := b.view(x.ID)
	if len(v.Cards) != 3 || v.Cards[0].Tap != "sealed" || v.Cards[2].Tap != "early" {
		t.Fatalf("cards %+v", v.Cards)
	}
	for _, tap := range []string{"before", "sealed", "other"} {
		err := b.s.Join(t.Context(), mentor("laser"), x.ID, "m-lea", tap)
		if got := wrong(t, err); !strings.Contains(got, "not tapped") {
			t.Errorf("card %s: %s", tap, got)
		}
		err = b.s.JoinNew(t.Context(), mentor("laser"), x.ID, "Zoé", "z@example.org", tap)
		if got := wrong(t, err); !strings.Contains(got, "not tapped") || b.members["m-new"].ID != "" {
			t.Errorf("card %s of a new person: %s, member %v", tap, got, b.members["m-new"])
		}
	}
	for _, c := range [][3]string{{"", "z@example.org", "name"}, {"Zoé", " ", "email"},
		{strings.Repeat("x", 201), "z@example.org", "name"}, {"Zoé", strings.Repeat("x", 201), "email"}} {
		var x2 *fault.Invalid
		err := b.s.JoinNew(t.Context(), mentor("laser"), x.ID, c[0], c[1], "early")
		if !errors.As(err, &x2) || len(x2.Faults) != 1 || x2.Faults[0].Field != c[2] {
			t.Errorf("new person %.20q %.20q: %v", c[0], c[1], err)
		}
	}
	if err := b.s.JoinNew(t.Context(), mentor("laser"), x.ID, " Zoé ", "z@example.org", "early"); err != nil {
		t.Fatal(err)
	}
	if err := b.s.Join(t.Context(), mentor("laser"), x.ID, "m-lea", "late"); err != nil {
		t.Fatal(err)
	}
	if b.cards["early"] != "m-new" || b.cards["late"] != "m-lea" || len(b.cards) != 2 ||
		b.members["m-new"].Name != "Zoé" {
		t.Errorf("cards %v", b.cards)
	}
}

func TestOnlyMentorsOfTheMachineLeadItsTrainings(t *testing.T) {
	b := newBench(t)
	x := b.open()
	ctx := t.Context()
	maintainer := mentor()
	maintainer.Machines["laser"] = actor.Maintainer
	token := mentor("laser")
	token.Scopes = []actor.Act{actor.ReadMachines}
	for name, a := range map[string]actor.Actor{"nobody": {}, "member": mentor(), "maintainer": maintainer,
		"token":            token,
		"mentor elsewhere": mentor("saw")} {
		calls := map[string]error{}
		_, calls["open"] = b.s.Open(ctx, a, "laser", "laser-user")
		_, calls["get"] = b.s.Get(ctx, a, x.ID)
		_, calls["find"] = b.s.Find(ctx, a, x.ID, "lea")
		calls["join"] = b.s.Join(ctx, a, x.ID, "m-lea", "")
		calls["new"] = b.s.JoinNew(ctx, a, x.ID, "Zoé", "z@example.org", "")
		calls["remove"] = b.s.Remove(ctx, a, x.ID, "m-lea")
		calls["close"] = b.s.Close(ctx, a, x.ID)
		calls["award"] = b.s.Award(ctx, a, x.ID, []policy.MemberID{"m-lea"}, 0)
		calls["set checks"] = b.s.SetChecks(ctx, a, Checks{Badge: "laser-user"})
		_, calls["checks"] = b.s.CheckLists(ctx, a)
		list, err := b.s.List(ctx, a)
		if calls["list"] = err; len(list) > 0 {
			t.Errorf("%s reads the list", name)
		}
		for call, err := range calls {
			var denied *actor.Denied
			var missing *fault.NotFound
			elsewhere := name == "mentor elsewhere" && (call == "list" && err == nil || errors.As(err, &missing))
			if !errors.As(err, &denied) && !elsewhere {
				t.Errorf("%s: %s: %v", name, call, err)
			}
		}
	}
	if v := b.view(x.ID); len(v.People)+len(v.Removed) > 0 || !v.Closed.IsZero() || len(b.members) != 6 {
		t.Errorf("the training was changed: %+v", v)
	}
	if v, err := b.s.Get(ctx, actor.System("x"), x.ID); err != nil || v.Leader != "karim" {
		t.Errorf("an administrator: %v", err)
	}
	if got := wrong(t, b.s.Award(ctx, mentor("laser", "saw"), x.ID, nil, 0)); got != "nobody is on the list" {
		t.Errorf("another mentor of the machine: %s", got)
	}
	var missing *fault.NotFound
	_, err := b.s.Get(ctx, mentor("laser"), strings.Repeat("x", 500))
	if !errors.As(err, &missing) || len(missing.ID) > 100 {
		t.Errorf("an unknown training: %v", err)
	}
}

func TestBadgesForMoreThanUsersOfTheMachineNeedAnAdministrator(t *testing.T) {
	leads := func(at ...policy.MachineID) func(policy.MachineID) bool {
		return func(id policy.MachineID) bool { return slices.Contains(at, id) }
	}
	badge := func(role policy.Role, n policy.Need) policy.Grant { return policy.Grant{Role: role, Needs: n} }
	mentors := badge(policy.Mentor, need("laser-mentor"))
	any := policy.Need{Any: []policy.Need{need("laser-mentor"), need("laser-user")}}
	all := policy.Need{All: []policy.Need{need("laser-mentor"), need("laser-user")}}
	supervisor := need("laser-user")
	for _, c := range []struct {
		name  string
		more  policy.Grant
		leads func(policy.MachineID) bool
		at    policy.MachineID
		want  string
	}{
		{"mentor of one machine", mentors, leads("laser"), "laser", "[laser-user steps]"},
		{"mentor of both", mentors, leads("laser", "saw"), "laser", "[laser-user safety steps]"},
		{"another machine", badge(policy.Mentor, need("laser-mentor")), leads("laser", "saw"), "saw", "[safety]"},
		{"unknown machine", badge(policy.Mentor, need("laser-mentor")), leads("laser"), "cnc", "[]"},
		{"the badge makes mentors", badge(policy.Mentor, any), leads("laser"), "laser", "[steps]"},
		{"a part of what makes mentors", badge(policy.Mentor, all), leads("laser"), "laser", "[laser-user steps]"},
		{"the badge makes hosts", badge(policy.Host, need("laser-user")), leads("laser"), "laser", "[steps]"},
		{"the badge makes maintainers", badge(policy.Maintainer, need("laser-user")), leads("laser"), "laser", "[steps]"},
		{"the badge supervises", policy.Grant{Role: policy.Learner, Needs: need("steps"), Supervisor: &supervisor},
			leads("laser"), "laser", "[steps]"},
	} {
		b := newBench(t)
		b.setPolicy(c.more)
		if got := fmt.Sprint(awardable(b.policy, b.issued, c.leads, c.at)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRightsAreCheckedAgainWhenBadgesAreIssued(t *testing.T) {
	b := newBench(t)
	x := b.open()
	b.tap("m-lea", time.Minute)
	b.now = start.Add(time.Hour)
	b.setPolicy(policy.Grant{Role: policy.Mentor, Needs: need("laser-user")})
	err := b.s.Award(t.Context(), mentor("laser"), x.ID, []policy.MemberID{"m-lea"}, 0)
	if got := wrong(t, err); !strings.Contains(got, "cannot be issued") || len(b.awards) > 0 {
		t.Errorf("award after a change of the policy: %s", got)
	}
	b.policy = nil
	var denied *actor.Denied
	if _, err := b.s.Choices(t.Context(), mentor("laser")); !errors.As(err, &denied) {
		t.Errorf("without a policy: %v", err)
	}
}

func TestAMachineHasOneOpenTraining(t *testing.T) {
	b := newBench(t)
	x := b.open()
	_, err := b.s.Open(t.Context(), mentor("laser"), "laser", "laser-user")
	if got := wrong(t, err); got != "a training is open at this machine already" {
		t.Errorf("second training: %s", got)
	}
	if err := b.s.Close(t.Context(), mentor("laser"), x.ID); err != nil {
		t.Fatal(err)
	}
	b.now = start.Add(time.Minute)
	y := b.open()
	if y.ID == x.ID {
		t.Error("two trainings have one id")
	}
	list, err := b.s.List(t.Context(), mentor("laser"))
	if err != nil || len(list) != 2 || list[0].ID != y.ID {
		t.Errorf("list %+v, %v", list, err)
	}
	// An open training ends by itself, and its badges can be issued until the next day.
	for _, c := range []struct {
		after         time.Duration
		open, mayAdd  bool
		opensAnother  bool
		listed        int
		beforeOpening bool
	}{{12*time.Hour - time.Second, true, true, false, 2, false}, {12 * time.Hour, false, true, true, 3, false},
		{36*time.Hour - time.Second, false, true, true, 3, false}, {36 * time.Hour, false, false, true, 3, false}} {
		b.now = y.Opened.Add(c.after)
		if v := b.view(y.ID); v.Open != c.open || v.MayAward != c.mayAdd {
			t.Errorf("after %s: open %v, may award %v", c.after, v.Open, v.MayAward)
		}
	}
	if got := wrong(t, b.s.Join(t.Context(), mentor("laser"), y.ID, "m-lea", "")); got != "the training has ended" {
		t.Errorf("join after the end: %s", got)
	}
	b.now = y.Opened.Add(keepListed + time.Second)
	if list, err := b.s.List(t.Context(), mentor("laser")); err != nil || len(list) != 0 {
		t.Errorf("old trainings are listed: %v, %v", list, err)
	}
	b.now = y.Opened.Add(-time.Minute)
	if v := b.view(y.ID); v.Open || v.MayAward {
		t.Error("a training is open before its beginning")
	}
}

func TestSearchShowsFewNames(t *testing.T) {
	b := newBench(t)
	x := b.open()
	for text, want := range map[string]int{"": 0, " l ": 0, "é": 0, "lé": 10} {
		if got, err := b.s.Find(t.Context(), mentor("laser"), x.ID, text); err != nil || len(got) != want {
			t.Errorf("search for %q finds %d, want %d (%v)", text, len(got), want, err)
		}
	}
	b.now = start.Add(awardFor)
	if got, err := b.s.Find(t.Context(), mentor("laser"), x.ID, "lea"); err != nil || len(got) != 0 {
		t.Errorf("search after the end finds %v, %v", got, err)
	}
}

func TestCheckListsAreBoundedAndVersioned(t *testing.T) {
	b := newBench(t)
	root := actor.System("x")
	set := func(version int64, badge policy.BadgeID, items ...string) error {
		return b.s.SetChecks(t.Context(), root, Checks{Badge: badge, Items: items, Version: version})
	}
	if err := set(0, "laser-user", " one\ttwo ", "\x00", "three"); err != nil {
		t.Fatal(err)
	}
	lists, err := b.s.CheckLists(t.Context(), root)
	if err != nil || len(lists) != 4 || !slices.Equal(lists[0].Items, []string{"one two", "three"}) ||
		lists[0].Version != 1 || lists[1].Version != 0 {
		t.Errorf("lists %+v, %v", lists, err)
	}
	var conflict *fault.Conflict
	if err := set(0, "laser-user", "x"); !errors.As(err, &conflict) || conflict.Have != 1 {
		t.Errorf("stale change: %v", err)
	}
	if err := set(1, "laser-user"); err != nil {
		t.Errorf("second change: %v", err)
	}
	var missing *fault.NotFound
	if err := set(0, "unknown", "x"); !errors.As(err, &missing) {
		t.Errorf("unknown badge: %v", err)
	}
	if got := wrong(t, set(2, "laser-user", strings.Repeat("x", 201))); got != "an item has 201 bytes" {
		t.Errorf("long item: %s", got)
	}
	if got := wrong(t, set(2, "laser-user", strings.Fields(strings.Repeat("x ", 21))...)); got != "21 items" {
		t.Errorf("long list: %s", got)
	}
	longest := append(strings.Fields(strings.Repeat("x ", 19)), strings.Repeat("y", 200))
	if err := set(2, "laser-user", longest...); err != nil {
		t.Errorf("longest list: %v", err)
	}
}

func TestErasedAndMergedMembersLeaveTrainings(t *testing.T) {
	b := newBench(t)
	x := b.open()
	for _, m := range []policy.MemberID{"m-lea", "m-tom"} {
		if err := b.s.Join(t.Context(), mentor("laser"), x.ID, m, ""); err != nil {
			t.Fatal(err)
		}
	}
	in := func(do func(tx *store.Tx) error) {
		t.Helper()
		if err := b.rows.Write(t.Context(), do); err != nil {
			t.Fatal(err)
		}
	}
	in(func(tx *store.Tx) error { return Merged(t.Context(), tx, "m-has", "m-lea") })
	in(func(tx *store.Tx) error { return Merged(t.Context(), tx, "m-has", "m-tom") })
	if got := names(b.view(x.ID).People); got != "Has holder" {
		t.Errorf("after the merge: %s", got)
	}
	in(func(tx *store.Tx) error { return Merged(t.Context(), tx, "m-tom", "m-karim") })
	b.tap("m-tom", time.Minute)
	b.now = start.Add(time.Hour)
	if got := names(b.view(x.ID).People); got != "Has holder" {
		t.Errorf("the merged leader is in the training: %s", got)
	}
	in(func(tx *store.Tx) error { return Forget(t.Context(), tx, "m-has") })
	in(func(tx *store.Tx) error { return Forget(t.Context(), tx, "m-tom") })
	if v := b.view(x.ID); names(v.People) != "Tom ready" || v.Leader != "" {
		t.Errorf("after the erasure: %s, leader %q", names(v.People), v.Leader)
	}
}

func TestATrainingHasAtMostAHundredPeople(t *testing.T) {
	b := newBench(t)
	x := b.open()
	for i := range maxPeople {
		id := policy.MemberID(fmt.Sprint("m-", i))
		b.members[id] = Member{ID: id, Name: "x", CanHold: true}
		if err := b.s.Join(t.Context(), mentor("laser"), x.ID, id, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := wrong(t, b.s.Join(t.Context(), mentor("laser"), x.ID, "m-lea", "")); got != "the training has 100 people" {
		t.Errorf("member 101: %s", got)
	}
	if err := b.s.Remove(t.Context(), mentor("laser"), x.ID, "m-0"); err != nil {
		t.Errorf("a member of a full training cannot be removed: %v", err)
	}
	b.tap("m-tom", time.Minute)
	if got := len(b.view(x.ID).People); got != maxPeople-1 && got != maxPeople {
		t.Errorf("%d people", got)
	}
}

func TestOptionsAreRequired(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a service without options is accepted")
	}
}

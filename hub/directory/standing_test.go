package directory

import (
	"context"
	"maps"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
)

func TestStandingChangesWithTheDirectoryAndThePolicyAtOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	m, err := w.Members.Add(ctx, owner, Member{Name: "Ada", Emails: []string{"ada@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	today := policy.DateOf(w.now, w.policy.Zone)
	set := func(change func(*Member)) {
		t.Helper()
		m, err = w.Members.Change(ctx, owner, m.ID, m.Version, func(x *Member) error { change(x); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	day := func(n int) policy.Date { return policy.DateOf(w.now.AddDate(0, 0, n), w.policy.Zone) }
	for _, c := range []struct {
		name   string
		change func(*Member)
		want   Standing
	}{
		{"endless", func(x *Member) {}, Standing{Known: true}},
		{"last day", func(x *Member) { x.Until = today }, Standing{Known: true}},
		{"day after", func(x *Member) { x.Until = day(-1) }, Standing{Known: true, Lapsed: true}},
		{"blocked", func(x *Member) { x.Until, x.Blocked = policy.Date{}, true }, Standing{Known: true, Blocked: true}},
		{"unblocked", func(x *Member) { x.Blocked = false }, Standing{Known: true}},
	} {
		set(c.change)
		got, err := w.Lookup.Standing(ctx, m.ID)
		if err != nil || got.Known != c.want.Known || got.Blocked != c.want.Blocked || got.Lapsed != c.want.Lapsed {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	if got, err := w.Lookup.Standing(ctx, "m-nobody"); err != nil || got.Known || got.Roles != nil {
		t.Errorf("nobody: %+v, %v", got, err)
	}
}

// withRole returns a member of the crowd who has a role at some machine.
func withRole(t testing.TB, w *world) (policy.MemberID, map[policy.MachineID]actor.Role) {
	t.Helper()
	x, err := w.Members.core.index.current(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range x.entries {
		if got, err := w.Lookup.Standing(context.Background(), e.ID); err == nil && len(got.Roles) > 0 {
			return e.ID, got.Roles
		}
	}
	t.Fatal("nobody has a role")
	return "", nil
}

func TestRolesFromBadgesEndWithTheMembershipAndTheirBadge(t *testing.T) {
	w := newCrowd(t, 20)
	id, before := withRole(t, w)
	m, err := w.Members.Get(t.Context(), owner, id)
	if err != nil {
		t.Fatal(err)
	}
	roles := func() map[policy.MachineID]actor.Role {
		got, err := w.Lookup.Standing(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return got.Roles
	}
	block := func(blocked bool) {
		t.Helper()
		m, err = w.Members.Change(
			t.Context(),
			owner,
			id,
			m.Version,
			func(x *Member) error { x.Blocked = blocked; return nil },
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	block(true)
	if got := roles(); got != nil {
		t.Errorf("blocked: %v", got)
	}
	block(false)
	if got := roles(); !maps.Equal(got, before) {
		t.Errorf("unblocked: %v, was %v", got, before)
	}
	for _, b := range m.Badges {
		if err := w.Badges.RemoveBadge(t.Context(), owner, id, b.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := roles(); len(got) != 0 {
		t.Errorf("without badges: %v", got)
	}
}

// Roles are cached for at most a minute, because a role may end at any time of the day.
func TestRolesAreRecalculatedAfterAMinute(t *testing.T) {
	w := newCrowd(t, 20)
	id, before := withRole(t, w)
	x, err := w.Members.core.index.current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := x.byID[id]
	e.earned.Store(&earnedRoles{w.policy, w.now, map[policy.MachineID]actor.Role{"mark": actor.Mentor}})
	for _, c := range []struct {
		p     *policy.Policy
		after time.Duration
		kept  bool
	}{{w.policy, 59 * time.Second, true}, {w.policy, time.Minute, false}, {w.policy, -time.Minute, false}} {
		e.earned.Store(&earnedRoles{w.policy, w.now, map[policy.MachineID]actor.Role{"mark": actor.Mentor}})
		got := e.rolesOf(c.p, w.now.Add(c.after))
		if (got["mark"] != "") != c.kept || !c.kept && !maps.Equal(got, before) {
			t.Errorf("after %v: %v", c.after, got)
		}
	}
	e.earned.Store(&earnedRoles{w.policy, w.now, map[policy.MachineID]actor.Role{"mark": actor.Mentor}})
	other := *w.policy
	if got := e.rolesOf(&other, w.now); got["mark"] != "" {
		t.Errorf("under another policy: %v", got)
	}
}

// BenchmarkStanding measures Lookup.Standing, which each request of a member calls, and compares it with reading one
// row by its key.
func BenchmarkStanding(b *testing.B) {
	w := newCrowd(b, 2000)
	ctx := context.Background()
	id, _ := withRole(b, w)
	x, err := w.Members.core.index.current(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bare row", func(b *testing.B) {
		for b.Loop() {
			var name string
			row := w.Members.core.site.QueryRow(ctx, `SELECT name FROM member WHERE site = $1 AND id = $2`, string(id))
			if err := row.Scan(&name); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, kept := range []bool{true, false} {
		b.Run(map[bool]string{true: "kept", false: "worked out"}[kept], func(b *testing.B) {
			for b.Loop() {
				if !kept {
					x.byID[id].earned.Store(nil)
				}
				if _, err := w.Lookup.Standing(ctx, id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

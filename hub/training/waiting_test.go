package training

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// member returns the actor of a member without a role.
func member(id policy.MemberID) actor.Actor {
	return actor.Actor{Account: "a-" + string(id), Name: string(id), Member: id, Site: actor.Member}
}

// ask puts a member on the list of those who wait for a training, or fails.
func (b *bench) ask(w *Waiting, id policy.MemberID, at policy.MachineID, badge policy.BadgeID) {
	b.t.Helper()
	if err := w.Ask(b.t.Context(), member(id), at, badge); err != nil {
		b.t.Fatalf("%s asks: %v", id, err)
	}
}

// waiters returns who waits, as a mentor of machines reads it.
func (b *bench) waiters(w *Waiting, at ...policy.MachineID) (out []string) {
	b.t.Helper()
	list, err := w.List(b.t.Context(), mentor(at...))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, x := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s", x.Name, x.Machine, x.Badge, x.Since.Sub(start)))
	}
	return out
}

func TestMembersWaitUntilTheyReceiveTheBadge(t *testing.T) {
	b := newBench(t)
	w := NewWaiting(b.s)
	b.now = start.Add(time.Second)
	b.ask(w, "m-tom", "laser", "laser-user")
	b.now = start.Add(2 * time.Second)
	b.ask(w, "m-lea", "laser", "laser-user")
	b.ask(w, "m-tom", "laser", "laser-user") // keeps the place
	b.ask(w, "m-gone", "laser", "laser-user")
	b.now = start.Add(3 * time.Second)
	b.ask(w, "m-lea", "saw", "safety")
	if got := b.waiters(w, "laser"); !slices.Equal(got, []string{"Tom laser laser-user 1s", "Léa laser laser-user 2s"}) {
		t.Fatalf("a mentor of the laser reads %q", got)
	}
	if got := b.waiters(w, "saw", "laser"); len(got) != 3 || got[2] != "Léa saw safety 3s" {
		t.Errorf("a mentor of both machines reads %q", got)
	}
	own, err := w.Own(t.Context(), member("m-lea"))
	if got := fmt.Sprint(len(own), own[0], own[len(own)-1]); err != nil || len(own) != 4 ||
		own[0] != (Wish{"laser", "laser-user", start.Add(2 * time.Second)}) || !own[2].Since.IsZero() {
		t.Errorf("Léa's own list: %s, %v", got, err)
	}
	x := b.open()
	b.tap("m-tom", time.Minute)
	b.now = start.Add(time.Hour)
	if err := b.s.Award(t.Context(), mentor("laser"), x.ID, []policy.MemberID{"m-tom"}, 0); err != nil {
		t.Fatal(err)
	}
	if got := b.waiters(w, "laser"); !slices.Equal(got, []string{"Léa laser laser-user 2s"}) {
		t.Errorf("after the training: %q", got)
	}
	if err := w.Withdraw(t.Context(), member("m-lea"), "laser", "laser-user"); err != nil {
		t.Fatal(err)
	}
	if got := b.waiters(w, "saw", "laser"); !slices.Equal(got, []string{"Léa saw safety 3s"}) {
		t.Errorf("after Léa withdrew one of two: %q", got)
	}
}

func TestHoldersOfTheBadgeDoNotWait(t *testing.T) {
	b := newBench(t)
	w := NewWaiting(b.s)
	if got := wrong(t, w.Ask(t.Context(), member("m-has"), "laser", "laser-user")); got !=
		"this member has the badge already" {
		t.Errorf("a holder asks: %s", got)
	}
	if own, err := w.Own(t.Context(), member("m-has")); err != nil || len(own) != 0 {
		t.Errorf("a holder of all badges can ask for %v, %v", own, err)
	}
	// A member who receives the badge in another way leaves the list, and so does one who is erased.
	b.ask(w, "m-lea", "laser", "laser-user")
	b.ask(w, "m-tom", "laser", "laser-user")
	lea := b.members["m-lea"]
	lea.HasBadge = true
	b.members["m-lea"] = lea
	delete(b.members, "m-tom")
	if got := b.waiters(w, "laser"); len(got) != 0 {
		t.Errorf("a holder and an erased member wait: %q", got)
	}
}

func TestMembersAskOnlyForTrainingsThatMentorsCanLead(t *testing.T) {
	b := newBench(t)
	w := NewWaiting(b.s)
	for _, c := range []struct {
		at    policy.MachineID
		badge policy.BadgeID
	}{{"laser", "laser-mentor"}, {"saw", "laser-user"}, {"cnc", "laser-user"}, {"laser", ""}, {"", ""}} {
		if got := wrong(t, w.Ask(t.Context(), member("m-lea"), c.at, c.badge)); got !=
			"no training leads to this badge at this machine" {
			t.Errorf("%s at %s: %s", c.badge, c.at, got)
		}
	}
	b.policy = nil
	if own, err := w.Own(t.Context(), member("m-lea")); err != nil || len(own) != 0 {
		t.Errorf("without a policy: %v, %v", own, err)
	}
}

func TestOnlyMembersWaitAndOnlyMentorsReadWho(t *testing.T) {
	b := newBench(t)
	w := NewWaiting(b.s)
	ctx := t.Context()
	token := member("m-lea")
	token.Scopes = []actor.Act{actor.ReadOwn}
	other := member("m-lea")
	other.Scopes = []actor.Act{actor.AskTraining}
	calls := func(a actor.Actor) (own, ask, withdraw error) {
		_, own = w.Own(ctx, a)
		return own, w.Ask(ctx, a, "laser", "laser-user"), w.Withdraw(ctx, a, "laser", "laser-user")
	}
	var denied *actor.Denied
	if own, ask, withdraw := calls(actor.Actor{}); !errors.As(own, &denied) || !errors.As(ask, &denied) ||
		!errors.As(withdraw, &denied) {
		t.Errorf("nobody: %v, %v, %v", own, ask, withdraw)
	}
	if own, ask, withdraw := calls(token); own != nil || !errors.As(ask, &denied) || !errors.As(withdraw, &denied) {
		t.Errorf("a token that reads: %v, %v, %v", own, ask, withdraw)
	}
	if own, ask, withdraw := calls(other); !errors.As(own, &denied) || ask != nil || withdraw != nil {
		t.Errorf("a token that asks: %v, %v, %v", own, ask, withdraw)
	}
	var missing *fault.NotFound
	if own, ask, _ := calls(actor.Local("root")); !errors.As(own, &missing) || !errors.As(ask, &missing) {
		t.Errorf("an administrator who is no member: %v, %v", own, ask)
	}
	was := b.policy
	b.policy = nil // nobody can wait for anything, and still the answer is that there is no such member
	if _, err := w.Own(ctx, actor.Local("root")); !errors.As(err, &missing) {
		t.Errorf("an administrator who is no member, without a policy: %v", err)
	}
	b.policy = was
	if _, err := w.List(ctx, member("m-lea")); !errors.As(err, &denied) {
		t.Errorf("a member reads who waits: %v", err)
	}
	b.ask(w, "m-lea", "saw", "safety")
	if got := b.waiters(w, "laser"); len(got) != 0 {
		t.Errorf("a mentor of the laser reads who waits for the saw: %q", got)
	}
}

func TestAMemberWaitsForAtMostTwentyTrainings(t *testing.T) {
	b := newBench(t)
	w := NewWaiting(b.s)
	err := b.rows.Write(t.Context(), func(tx *store.Tx) error {
		for i := range maxWishes - 1 {
			if _, err := tx.Exec(t.Context(), `INSERT INTO training_wait (site, machine, badge, member, since)
				VALUES ($1, $2, 'old', 'm-lea', 1)`, fmt.Sprint("machine", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.ask(w, "m-lea", "laser", "laser-user")
	if got := wrong(t, w.Ask(t.Context(), member("m-lea"), "saw", "safety")); got != "the member waits for 20 trainings" {
		t.Errorf("training 21: %s", got)
	}
	b.ask(w, "m-tom", "saw", "safety")
}

func TestErasedAndMergedMembersLeaveTheListOfWaiters(t *testing.T) {
	b := newBench(t)
	w := NewWaiting(b.s)
	b.ask(w, "m-lea", "laser", "laser-user")
	b.now = start.Add(time.Second)
	b.ask(w, "m-tom", "laser", "laser-user")
	b.ask(w, "m-tom", "saw", "safety")
	in := func(do func(tx *store.Tx) error) {
		t.Helper()
		if err := b.rows.Write(t.Context(), do); err != nil {
			t.Fatal(err)
		}
	}
	in(func(tx *store.Tx) error { return Merged(t.Context(), tx, "m-lea", "m-tom") })
	if got := b.waiters(w, "laser", "saw"); !slices.Equal(got, []string{"Léa laser laser-user 0s", "Léa saw safety 1s"}) {
		t.Errorf("after the merge: %q", got)
	}
	b.ask(w, "m-tom", "laser", "steps")
	in(func(tx *store.Tx) error { return Forget(t.Context(), tx, "m-lea") })
	if got := b.waiters(w, "laser", "saw"); !slices.Equal(got, []string{"Tom laser steps 1s"}) {
		t.Errorf("after the erasure: %q", got)
	}
}

func TestTheLongestWaitingMemberComesFirstAtAllMachines(t *testing.T) {
	b := newBench(t)
	w := NewWaiting(b.s)
	b.ask(w, "m-tom", "saw", "safety")
	b.now = start.Add(time.Second)
	b.ask(w, "m-lea", "laser", "laser-user")
	if got := b.waiters(w, "laser", "saw"); !slices.Equal(got, []string{"Tom saw safety 0s", "Léa laser laser-user 1s"}) {
		t.Errorf("waiters %q", got)
	}
}

func TestMembersReadTheTrainingsInWhichTheyAreStored(t *testing.T) {
	b := newBench(t)
	x := b.open()
	lea := actor.Actor{Account: "a-lea", Member: "m-lea", Site: actor.Member}
	tom := actor.Actor{Account: "a-tom", Member: "m-tom", Site: actor.Member}
	w := NewWaiting(b.s)
	states := func(a actor.Actor) (out string) {
		t.Helper()
		all, err := w.Attended(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		for _, y := range all {
			out += string(y.Machine) + " " + string(y.Badge) + " " + y.State + " " + y.Opened.Format(time.DateOnly) + ";"
		}
		return out
	}
	for _, m := range []policy.MemberID{"m-lea", "m-tom"} {
		if err := b.s.Join(t.Context(), mentor("laser"), x.ID, m, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.s.Remove(t.Context(), mentor("laser"), x.ID, "m-tom"); err != nil {
		t.Fatal(err)
	}
	if err := b.s.Award(t.Context(), mentor("laser"), x.ID, []policy.MemberID{"m-lea"}, 0); err != nil {
		t.Fatal(err)
	}
	if got := states(lea); got != "laser laser-user awarded 2026-11-30;" {
		t.Errorf("Léa: %s", got)
	}
	if got := states(tom); got != "laser laser-user out 2026-11-30;" {
		t.Errorf("Tom: %s", got)
	}
	var denied *actor.Denied
	for _, a := range []actor.Actor{{}, {Account: "x", Member: "m-lea", Scopes: []actor.Act{actor.ReadMachines}}} {
		if _, err := w.Attended(t.Context(), a); !errors.As(err, &denied) {
			t.Errorf("%+v reads trainings: %v", a, err)
		}
	}
}

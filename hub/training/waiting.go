package training

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// Waiting is the list of members who wait for a training. Members join and leave the list by themselves.
type Waiting struct{ s *Service }

// NewWaiting returns the list of members who wait for a training of a service.
func NewWaiting(s *Service) *Waiting { return &Waiting{s} }

// Wish is a training for which a member can wait.
type Wish struct {
	Machine policy.MachineID `json:"machine"`
	Badge   policy.BadgeID   `json:"badge"`
	Since   time.Time        `json:"since,omitzero"` // zero: the member does not wait
}

// Waiter is a member who waits for a training.
type Waiter struct {
	Machine policy.MachineID `json:"machine"`
	Badge   policy.BadgeID   `json:"badge"`
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name"`
	Since   time.Time        `json:"since"`
}

// Limits of the list.
const (
	maxWishes  = 20  // trainings for which one member waits
	maxWaiters = 200 // members who wait for trainings at one machine, as a mentor reads them
)

// everywhere is the machines of somebody who leads trainings at all machines.
func everywhere(policy.MachineID) bool { return true }

// wishes returns the trainings for which somebody can wait: those that lead to a badge that a mentor can issue.
func wishes(p *policy.Policy, issued []policy.BadgeID) (out []Wish) {
	if p == nil {
		return nil
	}
	for i := range p.Machines {
		at := p.Machines[i].ID
		for _, b := range awardable(p, issued, everywhere, at) {
			out = append(out, Wish{Machine: at, Badge: b})
		}
	}
	return out
}

// possible returns the trainings for which the actor's own member can wait. The error is *actor.Denied for an actor who
// is no member, and for a token without the scope.
func (w *Waiting) possible(ctx context.Context, a actor.Actor, act actor.Act) ([]Wish, error) {
	if err := a.May(act, actor.Target{Member: a.Member}); err != nil {
		return nil, err
	}
	if a.Member == "" {
		return nil, &fault.NotFound{What: "member"}
	}
	p, err := w.s.o.Policy(ctx)
	if err != nil {
		return nil, err
	}
	issued, err := w.s.o.Issued(ctx)
	return wishes(p, issued), err
}

// Own returns the trainings for which the actor's own member waits or can wait. Trainings for badges that the member
// has are left out. The actor needs actor.ReadOwn.
func (w *Waiting) Own(ctx context.Context, a actor.Actor) (out []Wish, err error) {
	all, err := w.possible(ctx, a, actor.ReadOwn)
	if err != nil {
		return nil, err
	}
	rows, err := w.s.o.Site.Query(ctx, `SELECT machine, badge, since FROM training_wait WHERE site = $1 AND member = $2`,
		a.Member)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	since := map[Wish]time.Time{}
	for rows.Next() {
		var x Wish
		var ms int64
		if err := rows.Scan(&x.Machine, &x.Badge, &ms); err != nil {
			return nil, err
		}
		since[x] = fromMillis(ms)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, x := range all {
		m, err := w.s.o.Member(ctx, a.Member, x.Badge)
		if err != nil {
			return nil, err
		}
		if !m.HasBadge {
			x.Since = since[x]
			out = append(out, x)
		}
	}
	return out, nil
}

// Attended is a training in whose list the hub stores a member.
type Attended struct {
	Machine policy.MachineID `json:"machine"`
	Badge   policy.BadgeID   `json:"badge"`
	Opened  time.Time        `json:"opened"`
	State   string           `json:"state"` // in, out (the leader took the member off the list), or awarded
}

// Attended returns the trainings in whose lists the actor's own member is stored, the newest first, for the file with
// everything that the hub stores about a member. The actor needs actor.ReadOwn.
func (w *Waiting) Attended(ctx context.Context, a actor.Actor) (out []Attended, err error) {
	if err := a.May(actor.ReadOwn, actor.Target{Member: a.Member}); err != nil {
		return nil, err
	}
	rows, err := w.s.o.Site.Query(ctx, `SELECT t.machine, t.badge, t.opened, p.state FROM training_person AS p
		JOIN training AS t ON t.site = $1 AND t.id = p.training WHERE p.site = $1 AND p.member = $2
		ORDER BY t.opened DESC, t.id`, a.Member)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var x Attended
		var ms int64
		if err := rows.Scan(&x.Machine, &x.Badge, &ms, &x.State); err != nil {
			return nil, err
		}
		x.Opened = fromMillis(ms)
		out = append(out, x)
	}
	return out, rows.Err()
}

// Ask puts the actor's own member on the list. A member who waits already keeps the place. The actor needs
// actor.AskTraining. The error is *fault.Invalid if there is no such training.
func (w *Waiting) Ask(ctx context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) error {
	all, err := w.possible(ctx, a, actor.AskTraining)
	if err != nil {
		return err
	}
	if !slices.Contains(all, Wish{Machine: at, Badge: b}) {
		return invalid("badge", string(b), "no training leads to this badge at this machine", "a training of the list")
	}
	m, err := w.s.o.Member(ctx, a.Member, b)
	if err != nil {
		return err
	}
	if m.HasBadge {
		return invalid("badge", string(b), "this member has the badge already", "a badge that the member does not have")
	}
	return w.s.o.Site.Write(ctx, func(tx *store.Tx) error {
		var count int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM training_wait WHERE site = $1 AND member = $2`,
			a.Member).Scan(&count); err != nil {
			return err
		}
		if count >= maxWishes {
			return invalid("badge", string(b), fmt.Sprintf("the member waits for %d trainings", count),
				fmt.Sprintf("at most %d", maxWishes))
		}
		_, err := tx.Exec(ctx, `INSERT INTO training_wait (site, machine, badge, member, since)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, at, b, a.Member, millis(w.s.o.Now()))
		return err
	})
}

// Withdraw takes the actor's own member off the list. The actor needs actor.AskTraining.
func (w *Waiting) Withdraw(ctx context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) error {
	if err := a.May(actor.AskTraining, actor.Target{Member: a.Member}); err != nil {
		return err
	}
	return w.s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM training_wait WHERE site = $1 AND machine = $2 AND badge = $3
			AND member = $4`, at, b, a.Member)
		return err
	})
}

// List returns who waits for trainings at the machines at which the actor may lead them, the longest waiting first.
// Members who meanwhile have the badge, left the site or may not use machines are left out.
func (w *Waiting) List(ctx context.Context, a actor.Actor) (out []Waiter, err error) {
	choices, err := w.s.Choices(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, c := range choices {
		list, err := w.at(ctx, c.Machine)
		if err != nil {
			return nil, err
		}
		for _, x := range list {
			m, err := w.s.o.Member(ctx, x.Member, x.Badge)
			var missing *fault.NotFound
			if errors.As(err, &missing) || err == nil && (m.HasBadge || m.Suspended) {
				continue
			}
			if err != nil {
				return nil, err
			}
			x.Name = m.Name
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b Waiter) int { return a.Since.Compare(b.Since) })
	return out, nil
}

// at returns who waits at a machine, without names.
func (w *Waiting) at(ctx context.Context, at policy.MachineID) (out []Waiter, err error) {
	rows, err := w.s.o.Site.Query(ctx, `SELECT badge, member, since FROM training_wait WHERE site = $1 AND machine = $2
		ORDER BY since, member LIMIT $3`, at, maxWaiters)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		x := Waiter{Machine: at}
		var since int64
		if err := rows.Scan(&x.Badge, &x.Member, &since); err != nil {
			return nil, err
		}
		x.Since = fromMillis(since)
		out = append(out, x)
	}
	return out, rows.Err()
}

// trained takes a member who received the badge of a training off the list.
func trained(ctx context.Context, tx *store.Tx, t Training, m policy.MemberID) error {
	_, err := tx.Exec(ctx, `DELETE FROM training_wait WHERE site = $1 AND machine = $2 AND badge = $3 AND member = $4`,
		t.Machine, t.Badge, m)
	return err
}

// forgetWaiting takes an erased member off the list.
func forgetWaiting(ctx context.Context, tx *store.Tx, id policy.MemberID) error {
	_, err := tx.Exec(ctx, `DELETE FROM training_wait WHERE site = $1 AND member = $2`, id)
	return err
}

// mergeWaiting moves the place of the member drop to the member keep. A place that keep has already stays.
func mergeWaiting(ctx context.Context, tx *store.Tx, keep, drop policy.MemberID) error {
	_, err := tx.Exec(ctx, `UPDATE training_wait SET member = $2 WHERE site = $1 AND member = $3 AND NOT EXISTS (SELECT 1
		FROM training_wait AS k WHERE k.site = $1 AND k.machine = training_wait.machine AND k.badge = training_wait.badge
		AND k.member = $2)`, keep, drop)
	if err != nil {
		return err
	}
	return forgetWaiting(ctx, tx, drop)
}

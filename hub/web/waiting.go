package web

import (
	"context"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/training"
	"portillon/policy"
)

// Waiting are the methods of training.Waiting that the pages call.
type Waiting interface {
	Own(ctx context.Context, a actor.Actor) ([]training.Wish, error)
	Ask(ctx context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) error
	Withdraw(ctx context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) error
	List(ctx context.Context, a actor.Actor) ([]training.Waiter, error)
	// Attended returns the trainings in whose lists the actor's own member is stored.
	Attended(ctx context.Context, a actor.Actor) ([]training.Attended, error)
}

// waitingPages serves the page on which members ask for a training.
type waitingPages struct{ waiting Waiting }

// routes returns the page and its forms.
func (p *waitingPages) routes() []route {
	return []route{{"GET /me/trainings", p.own}, {"POST /me/trainings", p.ask},
		{"POST /me/trainings/withdraw", p.withdraw}}
}

// own answers GET /me/trainings.
func (p *waitingPages) own(q *request) error {
	all, err := p.waiting.Own(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	return q.render(200, "metrainings", "me", "nav.trainings", all)
}

// ask answers POST /me/trainings.
func (p *waitingPages) ask(q *request) error { return p.change(q, "training-asked", p.waiting.Ask) }

// withdraw answers POST /me/trainings/withdraw.
func (p *waitingPages) withdraw(q *request) error {
	return p.change(q, "training-withdrawn", p.waiting.Withdraw)
}

// change calls the service with the machine and the badge of the form.
func (p *waitingPages) change(q *request, done string,
	do func(context.Context, actor.Actor, policy.MachineID, policy.BadgeID) error) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	at, badge, _ := strings.Cut(v.Get("what"), " ")
	if err := do(ctxOf(q), q.actor, policy.MachineID(at), policy.BadgeID(badge)); err != nil {
		return err
	}
	return q.redirect("/me/trainings", done)
}

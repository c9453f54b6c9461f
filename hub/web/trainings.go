package web

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/training"
	"portillon/policy"
)

// Trainings are the methods of training.Service that the pages call.
type Trainings interface {
	Choices(ctx context.Context, a actor.Actor) ([]training.Choice, error)
	List(ctx context.Context, a actor.Actor) ([]training.Training, error)
	Open(ctx context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) (training.Training, error)
	Get(ctx context.Context, a actor.Actor, id string) (training.View, error)
	Find(ctx context.Context, a actor.Actor, id, text string) ([]training.Person, error)
	// Join, JoinNew and Remove change the list of people. tap is the tap of an unknown card, or empty.
	Join(ctx context.Context, a actor.Actor, id string, m policy.MemberID, tap string) error
	JoinNew(ctx context.Context, a actor.Actor, id, name, email, tap string) error
	Remove(ctx context.Context, a actor.Actor, id string, m policy.MemberID) error
	Close(ctx context.Context, a actor.Actor, id string) error
	Award(ctx context.Context, a actor.Actor, id string, members []policy.MemberID, ticked int) error
	CheckLists(ctx context.Context, a actor.Actor) ([]training.Checks, error)
	SetChecks(ctx context.Context, a actor.Actor, c training.Checks) error
}

// trainingPages serves the trainings at machines.
type trainingPages struct {
	trainings   Trainings
	waiting     Waiting // nil: there is no list of members who wait
	machineName func(tongue, policy.MachineID) string
	badgeName   func(tongue, policy.BadgeID) string
}

// routes returns the pages and forms.
func (p *trainingPages) routes() []route {
	return []route{
		{"GET /trainings", p.list}, {"POST /trainings", p.open}, {"GET /trainings/{training}", p.training},
		{"POST /trainings/{training}/join", p.join}, {"POST /trainings/{training}/new", p.joinNew},
		{"POST /trainings/{training}/remove", p.remove}, {"POST /trainings/{training}/close", p.close},
		{"POST /trainings/{training}/award", p.award}, {"POST /badge-classes/{class}/checks", p.setChecks},
	}
}

// mayTrain returns true for users who may lead trainings at a machine.
func mayTrain(a actor.Actor) bool {
	if a.May(actor.LeadTraining, actor.Target{}) == nil {
		return true
	}
	for m := range a.Machines {
		if a.May(actor.LeadTraining, actor.Target{Machine: m}) == nil {
			return true
		}
	}
	return false
}

// trainingsPage is the data of the list of trainings.
type trainingsPage struct {
	List    []training.Training
	Form    form // opens a training
	Choices int  // number of machines and badges in the form
	Checks  []checksForm
	Waiting []training.Waiter
}

// checksForm is the form of the check list of a badge.
type checksForm struct {
	Badge policy.BadgeID
	Form  form
}

// list answers GET /trainings.
func (p *trainingPages) list(q *request) error { return p.showList(q, 200, nil, nil) }

// showList renders the list of trainings. faults are those of a rejected training; checks is a rejected check list.
func (p *trainingPages) showList(q *request, status int, faults []fault.Field, checks *checksForm) error {
	choices, err := p.trainings.Choices(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	var d trainingsPage
	if d.List, err = p.trainings.List(ctxOf(q), q.actor); err != nil {
		return err
	}
	if d.Waiting, err = p.waiters(q); err != nil {
		return err
	}
	f := field{Name: "what", Kind: "pick", Label: "training.what", Required: true}
	for _, c := range choices {
		for _, b := range c.Badges {
			f.Choices = append(f.Choices, choice{string(c.Machine) + " " + string(b),
				p.badgeName(q.tongue(), b) + " (" + p.machineName(q.tongue(), c.Machine) + ")"})
		}
	}
	d.Choices = len(f.Choices)
	d.Form = form{ID: "training", Action: "/trainings", Submit: "training.open", Fields: []field{f}}.refuse(faults)
	lists, err := p.trainings.CheckLists(ctxOf(q), q.actor)
	if ignoreDenied(err) != nil {
		return err
	}
	for _, c := range lists {
		x := checksFormOf(c)
		if checks != nil && checks.Badge == c.Badge {
			x = *checks
		}
		d.Checks = append(d.Checks, x)
	}
	return q.render(status, "trainings", "trainings", "trainings.title", d)
}

// checksFormOf returns the form of a check list.
func checksFormOf(c training.Checks) checksForm {
	id := string(c.Badge)
	items := field{Name: "items", Kind: "area", Label: "training.checks", Hint: "training.checks.hint",
		Value: strings.Join(c.Items, "\n"), Rows: 5}
	return checksForm{c.Badge, form{ID: "checks-" + id, Action: "/badge-classes/" + url.PathEscape(id) + "/checks",
		Submit: "save", Version: c.Version, Fields: []field{items}}}
}

// waiters returns who waits for trainings at the machines of the user.
func (p *trainingPages) waiters(q *request) ([]training.Waiter, error) {
	if p.waiting == nil {
		return nil, nil
	}
	return p.waiting.List(ctxOf(q), q.actor)
}

// open answers POST /trainings.
func (p *trainingPages) open(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	at, badge, _ := strings.Cut(v.Get("what"), " ")
	t, err := p.trainings.Open(ctxOf(q), q.actor, policy.MachineID(at), policy.BadgeID(badge))
	if faults := invalid(err); faults != nil {
		return p.showList(q, 422, faults, nil)
	}
	if err != nil {
		return err
	}
	return q.redirect(trainingPath(t.ID), "training-opened")
}

// trainingPath returns the address of a training.
func trainingPath(id string) string { return "/trainings/" + url.PathEscape(id) }

// trainingPage is the data of the page of a training.
type trainingPage struct {
	training.View
	Path  string
	Ready int            // people who receive the badge
	Tap   *training.Card // the unknown card that is being assigned; nil: none
	Text  string         // text of the search
	Found []training.Person
	// Waiting are members who wait for this training and are not on its list.
	Waiting []training.Waiter
	Form    form // faults of the award or of a change
	New     form // adds a new person
}

// training answers GET /trainings/{training}.
func (p *trainingPages) training(q *request) error {
	return p.show(q, 200, q.r.URL.Query(), nil, false)
}

// show renders the page of a training. faults are those of a rejected form, which is the form of a new person if isNew.
func (p *trainingPages) show(q *request, status int, v url.Values, faults []fault.Field, isNew bool) error {
	view, err := p.trainings.Get(ctxOf(q), q.actor, q.r.PathValue("training"))
	if err != nil {
		return err
	}
	d := trainingPage{View: view, Path: trainingPath(view.ID), Text: strings.TrimSpace(v.Get("q")),
		Form: form{ID: "award"}}
	for _, x := range d.People {
		if x.Standing == training.Ready {
			d.Ready++
		}
	}
	for i := range d.Cards {
		if d.Cards[i].Tap == v.Get("tap") && d.Cards[i].Assignable {
			d.Tap = &d.Cards[i]
		}
	}
	waiters, err := p.waiters(q)
	if err != nil {
		return err
	}
	for _, x := range waiters {
		in := slices.ContainsFunc(d.People, func(p training.Person) bool { return p.Member == x.Member })
		if x.Machine == d.Machine && x.Badge == d.Badge && !in {
			d.Waiting = append(d.Waiting, x)
		}
	}
	if d.Found, err = p.trainings.Find(ctxOf(q), q.actor, view.ID, d.Text); err != nil {
		return err
	}
	d.New = form{ID: "new", Action: d.Path + "/new", Submit: "add", Fields: []field{
		{Name: "name", Kind: "text", Label: "member.name", Required: true, Auto: "off"},
		{Name: "email", Kind: "email", Label: "training.email", Hint: "training.email.hint", Required: true, Auto: "off"}}}
	if isNew {
		d.New = d.New.withValues(v).refuse(faults)
	} else {
		d.Form = d.Form.refuse(faults)
	}
	return q.render(status, "training", "trainings", "training.title", d)
}

// change calls the service with the values of a form, and answers with the training's page. isNew is true for the form
// of a new person.
func (p *trainingPages) change(q *request, done string, isNew bool, do func(id string, v url.Values) error) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	id := q.r.PathValue("training")
	err = do(id, v)
	if faults := invalid(err); faults != nil {
		return p.show(q, 422, v, faults, isNew)
	}
	if err != nil {
		return err
	}
	return q.redirect(trainingPath(id), done)
}

// join answers POST /trainings/{training}/join.
func (p *trainingPages) join(q *request) error {
	return p.change(q, "training-joined", false, func(id string, v url.Values) error {
		return p.trainings.Join(ctxOf(q), q.actor, id, policy.MemberID(v.Get("member")), v.Get("tap"))
	})
}

// joinNew answers POST /trainings/{training}/new.
func (p *trainingPages) joinNew(q *request) error {
	return p.change(q, "training-joined", true, func(id string, v url.Values) error {
		return p.trainings.JoinNew(ctxOf(q), q.actor, id, v.Get("name"), v.Get("email"), v.Get("tap"))
	})
}

// remove answers POST /trainings/{training}/remove.
func (p *trainingPages) remove(q *request) error {
	return p.change(q, "training-removed", false, func(id string, v url.Values) error {
		return p.trainings.Remove(ctxOf(q), q.actor, id, policy.MemberID(v.Get("member")))
	})
}

// close answers POST /trainings/{training}/close.
func (p *trainingPages) close(q *request) error {
	return p.change(q, "training-closed", false, func(id string, _ url.Values) error {
		return p.trainings.Close(ctxOf(q), q.actor, id)
	})
}

// award answers POST /trainings/{training}/award.
func (p *trainingPages) award(q *request) error {
	return p.change(q, "training-awarded", false, func(id string, v url.Values) error {
		var members []policy.MemberID
		for _, m := range v["member"] {
			members = append(members, policy.MemberID(m))
		}
		return p.trainings.Award(ctxOf(q), q.actor, id, members, len(distinct(v["check"])))
	})
}

// distinct returns the different values of a list.
func distinct(list []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range list {
		out[s] = true
	}
	return out
}

// setChecks answers POST /badge-classes/{class}/checks.
func (p *trainingPages) setChecks(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	c := training.Checks{Badge: policy.BadgeID(q.r.PathValue("class")), Items: lines(v.Get("items")), Version: version(v)}
	err = p.trainings.SetChecks(ctxOf(q), q.actor, c)
	if faults := invalid(err); faults != nil {
		x := checksFormOf(c)
		x.Form = x.Form.withValues(v).refuse(faults)
		return p.showList(q, 422, nil, &x)
	}
	if err != nil {
		return err
	}
	return q.redirect("/trainings", "checks-saved")
}

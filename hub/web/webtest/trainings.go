package webtest

import (
	"context"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/training"
	"portillon/policy"
)

// Trainings implements web.Trainings. A new training at the laser cutter finds the taps of twelve members and of an
// unknown card.
type Trainings struct{ Site *Site }

// trainings is the state of the trainings.
type trainings struct {
	list   []training.View // the newest first
	checks []string
	waits  map[policy.MemberID]time.Time // since when members wait
}

// enter locks the site for one call, and checks the permission to lead a training at a machine.
func (t Trainings) enter(a actor.Actor, at policy.MachineID) (leave func(), err error) {
	return t.Site.enter(a, actor.LeadTraining, actor.Target{Machine: at})
}

// find returns a training. The site is locked until the caller calls leave.
func (t Trainings) find(a actor.Actor, id string) (v *training.View, leave func(), err error) {
	leave, err = t.enter(a, "laser")
	if err != nil {
		return nil, nil, err
	}
	all := t.Site.awards.trainings.list
	for i := range all {
		if all[i].ID == id && a.May(actor.LeadTraining, actor.Target{Machine: all[i].Machine}) == nil {
			return &all[i], leave, nil
		}
	}
	leave()
	return nil, nil, missing("training", id)
}

// Choices implements web.Trainings.
func (t Trainings) Choices(_ context.Context, a actor.Actor) ([]training.Choice, error) {
	leave, err := t.enter(a, "laser")
	if err != nil {
		return nil, err
	}
	defer leave()
	return []training.Choice{{Machine: "laser", Badges: []policy.BadgeID{"laser-user", "laser-first-steps"}}}, nil
}

// List implements web.Trainings.
func (t Trainings) List(_ context.Context, a actor.Actor) (out []training.Training, err error) {
	leave, err := t.enter(a, "laser")
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, v := range t.Site.awards.trainings.list {
		out = append(out, v.Training)
	}
	return out, nil
}

// Open implements web.Trainings.
func (t Trainings) Open(_ context.Context, a actor.Actor, at policy.MachineID,
	b policy.BadgeID) (training.Training, error) {
	leave, err := t.enter(a, at)
	if err != nil {
		return training.Training{}, err
	}
	defer leave()
	if !slices.Contains([]policy.BadgeID{"laser-user", "laser-first-steps"}, b) {
		return training.Training{}, bad("badge", string(b),
			"this badge cannot be issued after a training at this machine", "")
	}
	v := t.Site.newTraining(t.Site.next("t-"), at, b)
	v.Leader = a.Name
	t.Site.awards.trainings.list = append([]training.View{v}, t.Site.awards.trainings.list...)
	return v.Training, nil
}

// newTraining returns a training with the taps of thirteen members, of whom one has the badge, and of unknown cards.
func (s *Site) newTraining(id string, at policy.MachineID, b policy.BadgeID) training.View {
	v := training.View{Training: training.Training{ID: id, Machine: at, Badge: b, Leader: "karim@lab.example",
		Checks: s.checkList(), Opened: s.now.Add(-time.Hour), Version: 1}, Open: true, MayAward: true}
	for i, m := range s.directory.members {
		if m.ID == "m-karim" || len(v.People) == 13 {
			continue
		}
		x := training.Person{Member: m.ID, Name: m.Name, Standing: training.Ready,
			At: v.Opened.Add(time.Duration(i) * time.Minute)}
		if len(v.People) == 0 {
			x.Standing = training.Holder
		}
		v.People = append(v.People, x)
	}
	for _, x := range s.directory.taps {
		v.Cards = append(v.Cards, training.Card{Tap: x.ID, Code: x.Code, At: x.At, Assignable: x.Assignable})
	}
	return v
}

// addTrainings adds a training that is open, and one whose badges were issued.
func (s *Site) addTrainings() {
	open := s.newTraining("t-open", "laser", "laser-user")
	open.Removed, open.People = open.People[12:], open.People[:12]
	done := s.newTraining("t-done", "laser", "laser-first-steps")
	done.Open, done.MayAward, done.Awarded, done.People = false, false, s.now, done.People[1:5]
	for i := range done.People {
		done.People[i].Standing = training.Awarded
	}
	s.awards.trainings.list = []training.View{open, done}
}

// checkList returns the check list of the badges.
func (s *Site) checkList() []string {
	if s.awards.trainings.checks == nil {
		return []string{"Extinction d'un feu, arrêt d'urgence", "Réglage du foyer", "Matières interdites"}
	}
	return s.awards.trainings.checks
}

// Get implements web.Trainings.
func (t Trainings) Get(_ context.Context, a actor.Actor, id string) (training.View, error) {
	v, leave, err := t.find(a, id)
	if err != nil {
		return training.View{}, err
	}
	defer leave()
	out := *v
	out.People, out.Removed, out.Cards = slices.Clone(v.People), slices.Clone(v.Removed), slices.Clone(v.Cards)
	return out, nil
}

// Find implements web.Trainings.
func (t Trainings) Find(_ context.Context, a actor.Actor, id, text string) (out []training.Person, err error) {
	_, leave, err := t.find(a, id)
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, m := range t.Site.directory.members {
		if len(text) > 1 && strings.Contains(strings.ToLower(m.Name), strings.ToLower(text)) && len(out) < 10 {
			out = append(out, training.Person{Member: m.ID, Name: m.Name})
		}
	}
	return out, nil
}

// Join implements web.Trainings.
func (t Trainings) Join(_ context.Context, a actor.Actor, id string, m policy.MemberID, tap string) error {
	v, leave, err := t.find(a, id)
	if err != nil {
		return err
	}
	defer leave()
	for _, x := range t.Site.directory.members {
		if x.ID == m {
			join(v, training.Person{Member: m, Name: x.Name, Standing: training.Ready, At: t.Site.now}, tap)
			return nil
		}
	}
	return missing("member", string(m))
}

// join adds a person to a training, and removes the card of a tap from the unknown cards.
func join(v *training.View, p training.Person, tap string) {
	same := func(x training.Person) bool { return x.Member == p.Member }
	v.Removed = slices.DeleteFunc(v.Removed, same)
	v.People = append(slices.DeleteFunc(v.People, same), p)
	v.Cards = slices.DeleteFunc(v.Cards, func(c training.Card) bool { return c.Tap == tap })
}

// JoinNew implements web.Trainings.
func (t Trainings) JoinNew(_ context.Context, a actor.Actor, id, name, email, tap string) error {
	v, leave, err := t.find(a, id)
	if err != nil {
		return err
	}
	defer leave()
	if !strings.Contains(email, "@") {
		return bad("email", email, "an e-mail address is needed, to which the badge is issued", "name@example.org")
	}
	join(v, training.Person{Member: policy.MemberID(t.Site.next("m-")), Name: name, Standing: training.Ready,
		At: t.Site.now}, tap)
	return nil
}

// Remove implements web.Trainings.
func (t Trainings) Remove(_ context.Context, a actor.Actor, id string, m policy.MemberID) error {
	v, leave, err := t.find(a, id)
	if err != nil {
		return err
	}
	defer leave()
	if i := slices.IndexFunc(v.People, func(p training.Person) bool { return p.Member == m }); i >= 0 {
		v.Removed, v.People = append(v.Removed, v.People[i]), slices.Delete(v.People, i, i+1)
	}
	return nil
}

// Close implements web.Trainings.
func (t Trainings) Close(_ context.Context, a actor.Actor, id string) error {
	v, leave, err := t.find(a, id)
	if err != nil {
		return err
	}
	defer leave()
	v.Open, v.Closed = false, t.Site.now
	return nil
}

// Award implements web.Trainings.
func (t Trainings) Award(_ context.Context, a actor.Actor, id string, members []policy.MemberID, ticked int) error {
	v, leave, err := t.find(a, id)
	if err != nil {
		return err
	}
	defer leave()
	switch {
	case !v.MayAward:
		return bad("training", "", "the training has ended", "a new training")
	case ticked < len(v.Checks):
		return bad("checks", "", "a part of the check list is not confirmed", "confirm each line, or issue no badge")
	case len(members) == 0:
		return bad("members", "", "nobody is on the list", "at least one person")
	}
	for i := range v.People {
		if slices.Contains(members, v.People[i].Member) {
			v.People[i].Standing = training.Awarded
		}
	}
	v.Open, v.MayAward, v.Awarded = false, false, t.Site.now
	return nil
}

// CheckLists implements web.Trainings.
func (t Trainings) CheckLists(_ context.Context, a actor.Actor) ([]training.Checks, error) {
	leave, err := t.Site.enter(a, actor.AwardBadges, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	return []training.Checks{{Badge: "laser-user", Items: t.Site.checkList()}, {Badge: "laser-first-steps"}}, nil
}

// SetChecks implements web.Trainings.
func (t Trainings) SetChecks(_ context.Context, a actor.Actor, c training.Checks) error {
	leave, err := t.Site.enter(a, actor.AwardBadges, actor.Target{})
	if err != nil {
		return err
	}
	defer leave()
	if c.Version != 0 {
		return &fault.Conflict{What: "check list", ID: string(c.Badge), Got: c.Version}
	}
	if len(c.Items) > 20 {
		return bad("items", "", "21 items", "at most 20")
	}
	t.Site.awards.trainings.checks = c.Items
	return nil
}

// Waiting implements web.Waiting. Two members wait for a training at the laser cutter.
type Waiting struct{ Site *Site }

// Own implements web.Waiting.
func (w Waiting) Own(_ context.Context, a actor.Actor) ([]training.Wish, error) {
	leave, err := Own(w).enterOwn(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	return []training.Wish{{Machine: "laser", Badge: "laser-user", Since: w.Site.awards.trainings.waits[a.Member]},
		{Machine: "laser", Badge: "laser-first-steps", Since: w.Site.now.AddDate(0, 0, -3)}}, nil
}

// Attended implements web.Waiting.
func (w Waiting) Attended(_ context.Context, a actor.Actor) (out []training.Attended, err error) {
	leave, err := w.Site.enter(a, actor.ReadOwn, actor.Target{Member: a.Member})
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, v := range w.Site.awards.trainings.list {
		for _, p := range v.People {
			state := "in"
			if p.Standing == training.Awarded {
				state = "awarded"
			}
			if p.Member == a.Member {
				out = append(out, training.Attended{Machine: v.Machine, Badge: v.Badge, Opened: v.Opened, State: state})
			}
		}
	}
	return out, nil
}

// Ask implements web.Waiting.
func (w Waiting) Ask(_ context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) error {
	return w.change(a, at, b, w.Site.now)
}

// Withdraw implements web.Waiting.
func (w Waiting) Withdraw(_ context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) error {
	return w.change(a, at, b, time.Time{})
}

// change stores since when a member waits.
func (w Waiting) change(a actor.Actor, at policy.MachineID, b policy.BadgeID, since time.Time) error {
	leave, err := w.Site.enter(a, actor.AskTraining, actor.Target{Member: a.Member})
	if err != nil {
		return err
	}
	defer leave()
	if at != "laser" || b == "" {
		return bad("badge", string(b), "no training leads to this badge at this machine", "a training of the list")
	}
	if w.Site.awards.trainings.waits == nil {
		w.Site.awards.trainings.waits = map[policy.MemberID]time.Time{}
	}
	w.Site.awards.trainings.waits[a.Member] = since
	return nil
}

// List implements web.Waiting.
func (w Waiting) List(_ context.Context, a actor.Actor) (out []training.Waiter, err error) {
	leave, err := Trainings(w).enter(a, "laser")
	if err != nil {
		return nil, err
	}
	defer leave()
	for i, m := range w.Site.directory.members {
		if i >= len(w.Site.directory.members)-2 {
			out = append(out, training.Waiter{Machine: "laser", Badge: "laser-user", Member: m.ID, Name: m.Name,
				Since: w.Site.now.AddDate(0, 0, i-30)})
		}
	}
	return out, nil
}

package api

import (
	"net/http"

	"portillon/hub/actor"
	"portillon/hub/training"
	"portillon/policy"
)

// trainingAPI serves the routes of the trainings at machines.
type trainingAPI struct {
	trainings Trainings
}

// routes returns the routes of trainings.
func (s *trainingAPI) routes() []Route {
	const act = actor.LeadTraining
	return []Route{
		{Method: "GET", Path: "/training-choices", Act: act, Answer: list[training.Choice]{}, handle: s.listChoices},
		{Method: "GET", Path: "/trainings", Act: act, Answer: list[training.Training]{}, handle: s.listTrainings},
		{Method: "POST", Path: "/trainings", Act: act, Body: trainingInput{}, Answer: training.Training{}, handle: s.open},
		{Method: "GET", Path: "/trainings/{training}", Act: act, Answer: training.View{}, handle: s.getTraining},
		{Method: "GET", Path: "/trainings/{training}/found", Act: act, Query: []string{"text"}, Answer: list[found]{},
			handle: s.find},
		{Method: "POST", Path: "/trainings/{training}/people", Act: act, Body: joinInput{}, handle: s.join},
		{Method: "DELETE", Path: "/trainings/{training}/people/{member}", Act: act, handle: s.remove},
		{Method: "POST", Path: "/trainings/{training}/close", Act: act, handle: s.close},
		{Method: "POST", Path: "/trainings/{training}/award", Act: act, Body: trainingAward{}, handle: s.award},
		{Method: "GET", Path: "/check-lists", Act: actor.AwardBadges, Answer: list[training.Checks]{},
			handle: s.listChecks},
		{Method: "PUT", Path: "/check-lists/{class}", Act: actor.AwardBadges, Body: checksInput{}, IfMatch: true,
			handle: s.setChecks},
	}
}

// trainingInput is the body with which a training is opened.
type trainingInput struct {
	Machine policy.MachineID `json:"machine"`
	Badge   policy.BadgeID   `json:"badge"`
}

// joinInput is the body with which a person joins a training: a member, or a new person with name and address.
type joinInput struct {
	Member policy.MemberID `json:"member,omitempty"`
	Name   string          `json:"name,omitempty"`
	Email  string          `json:"email,omitempty"`
	Tap    string          `json:"tap,omitempty"` // the unknown card of this tap is assigned to the person
}

// trainingAward is the body with which the badge is issued.
type trainingAward struct {
	Members   []policy.MemberID `json:"members"`
	Confirmed int               `json:"confirmed"` // number of items of the check list that the leader confirms
}

// checksInput is the body with a check list.
type checksInput struct {
	Items []string `json:"items"`
}

// found is a member whom a search finds.
type found struct {
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
}

// filledList returns a list that is [] in JSON, not null, if it is empty.
func filledList[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// listChoices returns the machines at which the user may lead trainings.
func (s *trainingAPI) listChoices(c *call) (answer, error) {
	all, err := s.trainings.Choices(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	for i := range all {
		all[i].Badges = filledList(all[i].Badges)
	}
	return listAnswer(all), nil
}

// listTrainings returns the trainings of the last 90 days at the machines of the user.
func (s *trainingAPI) listTrainings(c *call) (answer, error) {
	all, err := s.trainings.List(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	for i := range all {
		all[i].Checks = filledList(all[i].Checks)
	}
	return listAnswer(all), nil
}

// open opens a training.
func (s *trainingAPI) open(c *call) (answer, error) {
	var in trainingInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	t, err := s.trainings.Open(c.ctx(), c.actor, in.Machine, in.Badge)
	if err != nil {
		return answer{}, err
	}
	t.Checks = filledList(t.Checks)
	return answer{status: http.StatusCreated, body: t, location: pathFor("trainings", t.ID)}, nil
}

// getTraining returns a training with its people.
func (s *trainingAPI) getTraining(c *call) (answer, error) {
	v, err := s.trainings.Get(c.ctx(), c.actor, c.id("training"))
	if err != nil {
		return answer{}, err
	}
	v.Checks, v.Cards = filledList(v.Checks), filledList(v.Cards)
	v.People, v.Removed = filledList(v.People), filledList(v.Removed)
	return answer{body: v}, nil
}

// find returns members whose name contains a text, who can join a training.
func (s *trainingAPI) find(c *call) (answer, error) {
	people, err := s.trainings.Find(c.ctx(), c.actor, c.id("training"), c.query.Get("text"))
	if err != nil {
		return answer{}, err
	}
	out := make([]found, 0, len(people))
	for _, p := range people {
		out = append(out, found{p.Member, p.Name})
	}
	return listAnswer(out), nil
}

// join adds the member that the body names to a training, or a new person.
func (s *trainingAPI) join(c *call) (answer, error) {
	var in joinInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	if in.Member != "" {
		return answer{}, s.trainings.Join(c.ctx(), c.actor, c.id("training"), in.Member, in.Tap)
	}
	return answer{}, s.trainings.JoinNew(c.ctx(), c.actor, c.id("training"), in.Name, in.Email, in.Tap)
}

// remove takes a member off the list of a training.
func (s *trainingAPI) remove(c *call) (answer, error) {
	return answer{}, s.trainings.Remove(c.ctx(), c.actor, c.id("training"), c.member())
}

// close ends the collection of taps.
func (s *trainingAPI) close(c *call) (answer, error) {
	return answer{}, s.trainings.Close(c.ctx(), c.actor, c.id("training"))
}

// award issues the badge of a training to the members that the body names, or to none of them.
func (s *trainingAPI) award(c *call) (answer, error) {
	var in trainingAward
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	return answer{}, s.trainings.Award(c.ctx(), c.actor, c.id("training"), in.Members, in.Confirmed)
}

// listChecks returns the check lists of the badges.
func (s *trainingAPI) listChecks(c *call) (answer, error) {
	all, err := s.trainings.CheckLists(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	for i := range all {
		all[i].Items = filledList(all[i].Items)
	}
	return listAnswer(all), nil
}

// setChecks writes the check list of a badge.
func (s *trainingAPI) setChecks(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in checksInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	return answer{}, s.trainings.SetChecks(c.ctx(), c.actor,
		training.Checks{Badge: policy.BadgeID(c.id("class")), Items: in.Items, Version: version})
}

// Package training lets mentors train several people at a machine at once. A mentor opens a training, the people tap
// their cards at the machine one after the other, the mentor confirms a check list, and all of them receive the badge.
//
// Only somebody who may lead trainings at the machine (actor.LeadTraining) opens a training and issues its badge, and
// only badges that open no other machine and give no higher role than user (function awardable). The rights are checked
// again at each act, because a mentor can lose the role during a training.
//
// The service stores who was added or taken off. The taps come from the ledger, so that a tap that a machine reports
// late, because it was offline, still counts.
package training

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// Options are the dependencies of a Service. All fields except Now are required.
type Options struct {
	Site *store.Site
	// Policy returns the policy in force; nil: there is no policy.
	Policy func(context.Context) (*policy.Policy, error)
	// Issued returns the badges of the policy that the hub can issue.
	Issued func(context.Context) ([]policy.BadgeID, error)
	// Taps returns the taps at a machine since a time: of members, and of unknown cards of the last 24 hours.
	Taps func(ctx context.Context, at policy.MachineID, since time.Time) ([]Tap, error)
	// Member returns a member, with regard to a badge. The error is *fault.NotFound for an unknown member.
	Member func(ctx context.Context, id policy.MemberID, b policy.BadgeID) (Member, error)
	// Find returns the members whose name contains a text.
	Find func(ctx context.Context, text string, limit int) ([]Member, error)
	// Assign assigns the unknown card of a tap to a member. AddMember adds a member.
	Assign    func(ctx context.Context, a actor.Actor, tap string, to policy.MemberID) error
	AddMember func(ctx context.Context, a actor.Actor, name, email string) (policy.MemberID, error)
	// Award issues a badge to members, to all or with an error to none.
	Award func(ctx context.Context, a actor.Actor, w Award) error
	// Audit writes an entry of the audit log.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	Now   func() time.Time // nil: time.Now
}

// Award is the badge for the people of a training.
type Award struct {
	Badge   policy.BadgeID
	Members []policy.MemberID
	Why     string // reason of the decision, which stays at the hub
	Checks  []string
	Machine policy.MachineID
	On      time.Time // when the training was opened
}

// Service keeps the trainings of one site. The methods may be called by many goroutines.
type Service struct {
	o        Options
	rows     rows
	awarding sync.Mutex // held while a training issues its badges
}

// Limits.
const (
	maxPeople  = 100 // people of one training, as many as one award of package issue may have
	maxListed  = 50  // trainings in a list
	maxFound   = 10  // members that a search shows
	minText    = 2   // characters of a search
	maxChecks  = 20  // items of a check list
	maxItem    = 200 // bytes of an item
	maxName    = 200 // bytes of a new member's name or address
	keepListed = 90 * 24 * time.Hour
)

// New returns a Service, or an error if an option is missing.
func New(o Options) (*Service, error) {
	if o.Site == nil || o.Policy == nil || o.Issued == nil || o.Taps == nil || o.Member == nil || o.Find == nil ||
		o.Assign == nil || o.AddMember == nil || o.Award == nil || o.Audit == nil {
		return nil, errors.New("training: options are incomplete, only Now may be missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o, rows: rows{o.Site}}, nil
}

// Choice is a machine at which an actor may lead trainings, with the badges that trainings there can lead to.
type Choice struct {
	Machine policy.MachineID `json:"machine"`
	Badges  []policy.BadgeID `json:"badges"`
}

// Choices returns the machines at which the actor may lead trainings. The error is *actor.Denied if there is none.
func (s *Service) Choices(ctx context.Context, a actor.Actor) ([]Choice, error) {
	p, err := s.o.Policy(ctx)
	if err != nil {
		return nil, err
	}
	issued, err := s.o.Issued(ctx)
	if err != nil {
		return nil, err
	}
	var out []Choice
	denied := a.May(actor.LeadTraining, actor.Target{})
	if p == nil {
		return nil, denied
	}
	for i := range p.Machines {
		if id := p.Machines[i].ID; leads(a)(id) {
			out, denied = append(out, Choice{id, awardable(p, issued, leads(a), id)}), nil
		}
	}
	return out, denied
}

// leads returns a function that reports whether an actor may lead trainings at a machine.
func leads(a actor.Actor) func(policy.MachineID) bool {
	return func(id policy.MachineID) bool { return a.May(actor.LeadTraining, actor.Target{Machine: id}) == nil }
}

// List returns the trainings of the last 90 days at the machines at which the actor may lead trainings, the newest
// first.
func (s *Service) List(ctx context.Context, a actor.Actor) ([]Training, error) {
	choices, err := s.Choices(ctx, a)
	if err != nil {
		return nil, err
	}
	var out []Training
	for _, c := range choices {
		list, err := s.rows.list(ctx, c.Machine, s.o.Now().Add(-keepListed))
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	slices.SortStableFunc(out, func(a, b Training) int { return b.Opened.Compare(a.Opened) })
	return out[:min(len(out), maxListed)], nil
}

// Open opens a training. The error is *fault.Invalid if the actor may not issue the badge there, or if another training
// is open at the machine, because the taps at the machine belong to one training.
func (s *Service) Open(ctx context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) (Training, error) {
	if err := a.May(actor.LeadTraining, actor.Target{Machine: at}); err != nil {
		return Training{}, err
	}
	if err := s.mayIssue(ctx, a, at, b); err != nil {
		return Training{}, err
	}
	now := s.o.Now().UTC().Truncate(time.Millisecond)
	list, err := s.rows.list(ctx, at, now.Add(-openFor))
	if err != nil {
		return Training{}, err
	}
	if i := slices.IndexFunc(list, func(t Training) bool { return t.IsOpen(now) }); i >= 0 {
		return Training{}, invalid("machine", string(at), "a training is open at this machine already",
			"close the training of "+list[i].Leader)
	}
	checks, err := s.rows.checks(ctx, b)
	if err != nil {
		return Training{}, err
	}
	t := Training{ID: "t-" + strings.ToLower(rand.Text()[:16]), Machine: at, Badge: b, Leader: a.Name,
		Checks: checks.Items, Opened: now, Version: 1}
	return t, s.o.Site.Write(ctx, func(tx *store.Tx) error {
		if err := t.insert(ctx, tx, a.Member); err != nil {
			return err
		}
		return s.audit(ctx, tx, a, t, "training for badge "+string(b)+" opened")
	})
}

// mayIssue returns *fault.Invalid if the actor may not issue a badge after a training at a machine.
func (s *Service) mayIssue(ctx context.Context, a actor.Actor, at policy.MachineID, b policy.BadgeID) error {
	choices, err := s.Choices(ctx, a)
	if err != nil {
		return err
	}
	for _, c := range choices {
		if c.Machine == at && slices.Contains(c.Badges, b) {
			return nil
		}
	}
	return invalid("badge", string(b), "this badge cannot be issued after a training at this machine",
		"a badge for users of this machine alone; an administrator issues all others")
}

// View is a training with its people.
type View struct {
	Training
	Open     bool     `json:"open"`
	MayAward bool     `json:"may_award"` // badges can still be issued
	People   []Person `json:"people"`
	Removed  []Person `json:"removed"` // people whom the leader took off the list
	Cards    []Card   `json:"cards"`   // unknown cards that were tapped
}

// Get returns a training with its people. The actor needs actor.LeadTraining at the training's machine.
func (s *Service) Get(ctx context.Context, a actor.Actor, id string) (View, error) {
	t, leader, err := s.find(ctx, a, id)
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, t, leader)
}

// find returns a training and the member who leads it. For a training at a machine at which the actor may not lead, the
// error is that of an unknown training, so that nobody can try out ids.
func (s *Service) find(ctx context.Context, a actor.Actor, id string) (Training, policy.MemberID, error) {
	if _, err := s.Choices(ctx, a); err != nil {
		return Training{}, "", err
	}
	t, leader, err := s.rows.read(ctx, id)
	if err == nil && !leads(a)(t.Machine) {
		err = &fault.NotFound{What: "training", ID: clip(id)}
	}
	return t, leader, err
}

// view returns a training with its people.
func (s *Service) view(ctx context.Context, t Training, leader policy.MemberID) (View, error) {
	now := s.o.Now()
	v := View{Training: t, Open: t.IsOpen(now), MayAward: t.MayAward(now)}
	var taps []Tap
	if t.Awarded.IsZero() { // afterwards, the people are those who were stored
		var err error
		if taps, err = s.o.Taps(ctx, t.Machine, t.Opened); err != nil {
			return v, err
		}
	}
	entries, err := s.rows.entries(ctx, t.ID)
	if err != nil {
		return v, err
	}
	members, out, cards := gather(t, leader, taps, entries)
	v.Cards = cards
	if v.People, err = s.people(ctx, t, members); err != nil {
		return v, err
	}
	v.Removed, err = s.people(ctx, t, out)
	return v, err
}

// people returns the persons of entries. Members who were erased in the meantime are left out.
func (s *Service) people(ctx context.Context, t Training, of []entry) (out []Person, err error) {
	for _, e := range of[:min(len(of), maxPeople)] {
		m, err := s.o.Member(ctx, e.member, t.Badge)
		var missing *fault.NotFound
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		x := Person{Member: m.ID, Name: m.Name, Standing: m.standing(), At: e.at}
		if e.state == awarded {
			x.Standing = Awarded
		}
		out = append(out, x)
	}
	return out, nil
}

// Find returns members whose name contains a text of at least two characters, so that the leader can add them: at most
// 10, with their names only. A shorter text finds nobody.
func (s *Service) Find(ctx context.Context, a actor.Actor, id, text string) ([]Person, error) {
	t, _, err := s.find(ctx, a, id)
	if err != nil {
		return nil, err
	}
	if text = strings.TrimSpace(text); len([]rune(text)) < minText || !t.MayAward(s.o.Now()) {
		return nil, nil
	}
	list, err := s.o.Find(ctx, clip(text), maxFound)
	out := make([]Person, 0, len(list))
	for _, m := range list[:min(len(list), maxFound)] {
		out = append(out, Person{Member: m.ID, Name: m.Name})
	}
	return out, err
}

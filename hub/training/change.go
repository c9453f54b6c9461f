package training

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// invalid returns the error for one wrong field.
func invalid(field, given, wrong, right string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: field, Given: clip(given), Wrong: wrong, Right: right}}}
}

// clip returns at most the first 100 bytes of a text, without a part of a character.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 100)], "") }

// findLive returns a training whose list of people can still change. The error is *fault.Invalid if it cannot.
func (s *Service) findLive(ctx context.Context, a actor.Actor, id string) (Training, policy.MemberID, error) {
	t, leader, err := s.find(ctx, a, id)
	if err == nil && !t.MayAward(s.o.Now()) {
		err = invalid("training", "", "the training has ended", "a new training")
	}
	return t, leader, err
}

// Join adds a member to a training, also one who was taken off the list. If tap is not empty, the unknown card of this
// tap is assigned to the member.
func (s *Service) Join(ctx context.Context, a actor.Actor, id string, m policy.MemberID, tap string) error {
	t, leader, err := s.findLive(ctx, a, id)
	if err != nil {
		return err
	}
	if _, err := s.o.Member(ctx, m, t.Badge); err != nil {
		return err
	}
	return s.join(ctx, a, t, leader, m, tap)
}

// JoinNew adds a person whom the site does not know yet to its members and to a training. If tap is not empty, the
// unknown card of this tap is assigned to the person.
func (s *Service) JoinNew(ctx context.Context, a actor.Actor, id, name, email, tap string) error {
	t, leader, err := s.findLive(ctx, a, id)
	if err != nil {
		return err
	}
	name, email = strings.TrimSpace(name), strings.TrimSpace(email)
	var faults []fault.Field
	if name == "" || len(name) > maxName {
		faults = append(faults, fault.Field{Field: "name", Wrong: "a name is needed", Right: "1 to 200 bytes"})
	}
	if email == "" || len(email) > maxName {
		faults = append(faults, fault.Field{Field: "email",
			Wrong: "an e-mail address is needed, to which the badge is issued",
			Right: "name@example.org"})
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	// Check the card before the person is added, so that a person is not added without the card.
	if tap != "" {
		if err := s.checkCard(ctx, t, leader, tap); err != nil {
			return err
		}
	}
	m, err := s.o.AddMember(ctx, a, name, email)
	if err != nil {
		return err
	}
	return s.join(ctx, a, t, leader, m, tap)
}

// checkCard returns *fault.Invalid if a tap is not one of an assignable card of the training.
func (s *Service) checkCard(ctx context.Context, t Training, leader policy.MemberID, tap string) error {
	taps, err := s.o.Taps(ctx, t.Machine, t.Opened)
	if err != nil {
		return err
	}
	_, _, cards := gather(t, leader, taps, nil)
	if !slices.ContainsFunc(cards, func(c Card) bool { return c.Tap == tap && c.Assignable }) {
		return invalid("tap", "", "this card was not tapped during the training, or the hub cannot read it",
			"tap the card again at the machine")
	}
	return nil
}

// join stores that a member was added, and assigns the card of a tap of this training.
func (s *Service) join(ctx context.Context, a actor.Actor, t Training, leader, m policy.MemberID, tap string) error {
	if m == leader {
		return invalid("member", string(m), "this person leads the training", "somebody else")
	}
	if tap != "" {
		if err := s.checkCard(ctx, t, leader, tap); err != nil {
			return err
		}
		if err := s.o.Assign(ctx, a, tap, m); err != nil {
			return err
		}
	}
	return s.set(ctx, a, t, m, added)
}

// Remove takes a member off the list of a training: the member does not receive the badge.
func (s *Service) Remove(ctx context.Context, a actor.Actor, id string, m policy.MemberID) error {
	t, _, err := s.findLive(ctx, a, id)
	if err != nil {
		return err
	}
	if _, err := s.o.Member(ctx, m, t.Badge); err != nil {
		return err
	}
	return s.set(ctx, a, t, m, removed)
}

// set stores the leader's decision about a member. A decision of an awarded training does not change.
func (s *Service) set(ctx context.Context, a actor.Actor, t Training, m policy.MemberID, to state) error {
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		var count int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM training_person WHERE site = $1 AND training = $2
			AND member <> $3`, t.ID, m).Scan(&count); err != nil {
			return err
		}
		if count >= maxPeople {
			return invalid("member", "", fmt.Sprintf("the training has %d people", count),
				fmt.Sprintf("at most %d", maxPeople))
		}
		_, err := tx.Exec(ctx, `INSERT INTO training_person (site, training, member, state, at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (site, training, member) DO UPDATE SET state = $4
			WHERE training_person.state <> 'awarded'`, t.ID, m, string(to), millis(s.o.Now()))
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, a, t, "member/"+string(m)+" "+string(to))
	})
}

// Close ends the collection of taps. Badges can still be issued.
func (s *Service) Close(ctx context.Context, a actor.Actor, id string) error {
	t, _, err := s.find(ctx, a, id)
	if err != nil || !t.IsOpen(s.o.Now()) {
		return err
	}
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE training SET closed = $3, version = version + 1 WHERE site = $1 AND id = $2
			AND closed = 0`, t.ID, millis(s.o.Now()))
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, a, t, "training closed")
	})
}

// Award issues the training's badge to members: to all or, with an error, to none. members are those whom the leader
// saw on the list, so that a card that is tapped at the last moment receives nothing unseen. ticked is the number of
// items of the check list that the leader confirmed: all are needed. Award closes the training.
func (s *Service) Award(ctx context.Context, a actor.Actor, id string, members []policy.MemberID, ticked int) error {
	s.awarding.Lock()
	defer s.awarding.Unlock()
	t, leader, err := s.findLive(ctx, a, id)
	if err != nil {
		return err
	}
	// The policy, the badges of the hub and the actor's machines may have changed since the training was opened.
	if err := s.mayIssue(ctx, a, t.Machine, t.Badge); err != nil {
		return err
	}
	if ticked < len(t.Checks) {
		return invalid("checks", "", "a part of the check list is not confirmed", "confirm each line, or issue no badge")
	}
	v, err := s.view(ctx, t, leader)
	if err != nil {
		return err
	}
	if members, err = ready(v.People, members); err != nil {
		return err
	}
	w := Award{Badge: t.Badge, Members: members, Checks: t.Checks, Machine: t.Machine, On: t.Opened,
		Why: fmt.Sprintf("training %s, led by %s", t.ID, t.Leader)}
	if err := s.o.Award(ctx, a, w); err != nil {
		return err
	}
	return s.recordAward(ctx, a, t, members)
}

// ready returns the members who receive the badge. The error is *fault.Invalid with a fault for each member who is not
// on the list or cannot receive the badge.
func ready(people []Person, members []policy.MemberID) ([]policy.MemberID, error) {
	members = slices.Clone(members)
	slices.Sort(members)
	members = slices.Compact(members)
	faults := &fault.Invalid{}
	for _, id := range members {
		i := slices.IndexFunc(people, func(p Person) bool { return p.Member == id })
		if i < 0 {
			faults.Faults = append(faults.Faults, fault.Field{Field: "members", Given: clip(string(id)),
				Wrong: "this person is not on the list of the training", Right: "somebody on the list"})
		} else if people[i].Standing != Ready {
			faults.Faults = append(faults.Faults, fault.Field{Field: "members", Given: people[i].Name,
				Wrong: "this person cannot receive the badge: " + string(people[i].Standing),
				Right: "take the person off the list"})
		}
	}
	if len(members) == 0 {
		faults.Faults = []fault.Field{{Field: "members", Wrong: "nobody is on the list", Right: "at least one person"}}
	}
	if len(faults.Faults) > 0 {
		return nil, faults
	}
	return members, nil
}

// recordAward stores who received the badge, and ends the training. If the hub stops between the award and this, the
// training stays open, and its people are shown as holders.
func (s *Service) recordAward(ctx context.Context, a actor.Actor, t Training, members []policy.MemberID) error {
	now := millis(s.o.Now())
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		for _, m := range members {
			_, err := tx.Exec(ctx, `INSERT INTO training_person (site, training, member, state, at)
				VALUES ($1, $2, $3, 'awarded', $4) ON CONFLICT (site, training, member) DO UPDATE SET state = 'awarded'`,
				t.ID, m, now)
			if err != nil {
				return err
			}
			if err := trained(ctx, tx, t, m); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE training SET awarded = $3, closed = CASE closed WHEN 0 THEN $3 ELSE closed END,
			version = version + 1 WHERE site = $1 AND id = $2`, t.ID, now)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, a, t, fmt.Sprintf("badge %s issued to %d people", t.Badge, len(members)))
	})
}

// audit writes an entry of the audit log about a training.
func (s *Service) audit(ctx context.Context, tx *store.Tx, a actor.Actor, t Training, detail string) error {
	return s.o.Audit(ctx, tx, a, actor.LeadTraining, "training/"+t.ID, detail)
}

// Checks is the check list of a badge.
type Checks struct {
	Badge   policy.BadgeID `json:"badge"`
	Items   []string       `json:"items"`
	Version int64          `json:"version"` // 0: nobody has written a list
}

// CheckLists returns the check lists of the badges that the hub issues. The actor needs actor.AwardBadges.
func (s *Service) CheckLists(ctx context.Context, a actor.Actor) ([]Checks, error) {
	if err := a.May(actor.AwardBadges, actor.Target{}); err != nil {
		return nil, err
	}
	issued, err := s.o.Issued(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Checks, 0, len(issued))
	for _, b := range issued {
		c, err := s.rows.checks(ctx, b)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// SetChecks changes the check list of a badge. A training that is open keeps the list with which it was opened. The
// actor needs actor.AwardBadges. The error is *fault.Conflict if the list was changed meanwhile.
func (s *Service) SetChecks(ctx context.Context, a actor.Actor, c Checks) error {
	if err := a.May(actor.AwardBadges, actor.Target{}); err != nil {
		return err
	}
	issued, err := s.o.Issued(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(issued, c.Badge) {
		return &fault.NotFound{What: "badge", ID: clip(string(c.Badge))}
	}
	items, err := tidyChecks(c.Items)
	if err != nil {
		return err
	}
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		if err := saveChecks(ctx, tx, c.Badge, c.Version, items); err != nil {
			return err
		}
		return s.o.Audit(ctx, tx, a, actor.AwardBadges, "badge/"+string(c.Badge),
			fmt.Sprintf("check list of %d items", len(items)))
	})
}

// tidyChecks removes spaces and empty items, and returns *fault.Invalid for a list that is too long.
func tidyChecks(items []string) (out []string, err error) {
	for _, x := range items {
		words := strings.FieldsFunc(strings.ToValidUTF8(x, ""), func(r rune) bool { return r <= ' ' })
		x = strings.Join(words, " ")
		if len(x) > maxItem {
			return nil, invalid("items", x, fmt.Sprintf("an item has %d bytes", len(x)), fmt.Sprintf("at most %d", maxItem))
		}
		if x != "" {
			out = append(out, x)
		}
	}
	if len(out) > maxChecks {
		return nil, invalid("items", "", fmt.Sprintf("%d items", len(out)), fmt.Sprintf("at most %d", maxChecks))
	}
	return out, nil
}

// millis returns a time as the database stores it.
func millis(t time.Time) int64 { return t.UnixMilli() }

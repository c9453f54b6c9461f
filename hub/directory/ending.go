package directory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
)

// Endings look 30 days ahead and a year back, and list at most maxEndings, those nearest to today.
const (
	endedDays  = 365
	maxEndings = 1000
)

// Endings are memberships and badges that end within 30 days or ended within the last year, the soonest first. A badge
// that the member holds again with a later end is left out; so are suspended members.
func (s *Service) Endings(ctx context.Context, a actor.Actor) ([]Ending, error) {
	if err := a.May(actor.ReadMembers, about("")); err != nil {
		return nil, err
	}
	p, err := s.o.Policy(ctx)
	if err != nil {
		return nil, err
	}
	x, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	now, zone := s.o.Now(), zoneOf(p)
	from, to := now.AddDate(0, 0, -endedDays), now.AddDate(0, 0, endingDays)
	first, final := policy.DateOf(from, zone), policy.DateOf(to, zone)
	var out []Ending
	for _, e := range x.entries {
		if e.Blocked || e.Gone {
			continue
		}
		if d := e.Until; !d.Before(first) && !final.Before(d) {
			last := time.Date(d.Year, d.Month, d.Day, 23, 59, 59, 0, zone)
			out = append(out, Ending{Member: e.ID, Name: e.Name, What: "membership", At: last})
		}
		out = append(out, e.badgeEndings(p)...)
	}
	out = slices.DeleteFunc(out, func(x Ending) bool { return x.At.Before(from) || x.At.After(to) })
	byTime := func(a, b Ending) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Member, b.Member),
			cmp.Compare(a.What, b.What))
	}
	if len(out) > maxEndings {
		slices.SortFunc(out, func(a, b Ending) int {
			return cmp.Or(cmp.Compare(a.At.Sub(now).Abs(), b.At.Sub(now).Abs()), byTime(a, b))
		})
		out = out[:maxEndings]
	}
	slices.SortFunc(out, byTime)
	return out, nil
}

// badgeEndings are the ends of the badges that count: of each of the policy's badges the last end.
func (e *entry) badgeEndings(p *policy.Policy) (out []Ending) {
	if p == nil || !slices.ContainsFunc(e.Badges, func(b Badge) bool { return !b.Expires.IsZero() }) {
		return nil
	}
	last := map[policy.BadgeID]time.Time{}
	var ids []policy.BadgeID
	for _, h := range e.as(p).Holdings {
		if h.Standing == policy.Revoked {
			continue
		}
		old, seen := last[h.Badge]
		if !seen {
			ids = append(ids, h.Badge)
		}
		if !seen || !old.IsZero() && (h.Until.IsZero() || h.Until.After(old)) {
			last[h.Badge] = h.Until
		}
	}
	for _, id := range ids {
		if end := last[id]; !end.IsZero() {
			name := string(id)
			if b, ok := p.Badge(id); ok {
				name = b.Name.In(p.Language)
			}
			out = append(out, Ending{Member: e.ID, Name: e.Name, What: name, Badge: id, At: end})
		}
	}
	return out
}

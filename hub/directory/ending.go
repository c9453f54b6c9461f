package directory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
)

// Endings lists the memberships and badges that end in the next 30 days or ended in the last year: at most the
// maxEndings nearest to today.
const (
	endedDays  = 365
	maxEndings = 1000
)

// Endings returns the memberships and badges that end within 30 days or ended within the last year, in the order of
// their end dates, at most maxEndings. Endings leaves out suspended members, and a badge that the member also has with
// a later end. The actor needs actor.ReadMembers.
func (s *Members) Endings(ctx context.Context, a actor.Actor) ([]Ending, error) {
	if err := a.May(actor.ReadMembers, about("")); err != nil {
		return nil, err
	}
	p, err := s.core.policy(ctx)
	if err != nil {
		return nil, err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	now, zone := s.core.now(), zoneOf(p)
	from, to := now.AddDate(0, 0, -endedDays), now.AddDate(0, 0, endingDays)
	all := nearest(x.endings(p, from, to, zone), now)
	slices.SortFunc(all, func(a, b ending) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.entry.Name, b.entry.Name), cmp.Compare(a.entry.ID, b.entry.ID),
			cmp.Compare(a.badge, b.badge))
	})
	out := make([]Ending, min(len(all), maxEndings))
	for i := range out {
		out[i] = all[i].shown(p)
	}
	return out, nil
}

// ending is an Ending in the index.
type ending struct {
	entry *entry
	badge policy.BadgeID // badge that ends; empty: the membership ends
	at    time.Time
}

// shown returns an ending for people, with the name of the badge in the site's language.
func (e ending) shown(p *policy.Policy) Ending {
	out := Ending{Member: e.entry.ID, Name: e.entry.Name, What: "membership", Badge: e.badge, At: e.at}
	if e.badge != "" {
		out.What = string(e.badge)
		if b, ok := p.Badge(e.badge); ok {
			out.What = b.Name.In(p.Language)
		}
	}
	return out
}

// endings returns the endings between two times, unordered. endings calculates all endings once an hour, for a range
// that is three hours wider, so that the result stays complete for the rest of the hour.
func (x *index) endings(p *policy.Policy, from, to time.Time, zone *time.Location) []ending {
	hour := to.Unix() / 3600
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.soon.by != p || x.soon.hour != hour || x.soon.zone != zone {
		x.soon = hourEndings{p, hour, zone, x.allEndings(p, from.Add(-3*time.Hour), to.Add(3*time.Hour), zone)}
	}
	out := make([]ending, 0, len(x.soon.list))
	for _, e := range x.soon.list {
		if !e.at.Before(from) && !e.at.After(to) {
			out = append(out, e)
		}
	}
	return out
}

// hourEndings are the endings that were calculated in one hour, under one policy and time zone.
type hourEndings struct {
	by   *policy.Policy
	hour int64 // number of the hour since 1970
	zone *time.Location
	list []ending
}

// allEndings calculates the endings between two times. A membership ends after its last day, a badge at its expiry
// time.
func (x *index) allEndings(p *policy.Policy, from, to time.Time, zone *time.Location) (out []ending) {
	first, final := policy.DateOf(from, zone), policy.DateOf(to, zone)
	take := func(e ending) {
		if !e.at.Before(from) && !e.at.After(to) {
			out = append(out, e)
		}
	}
	for _, e := range x.entries {
		if e.Blocked || e.Gone {
			continue
		}
		if d := e.Until; !d.Before(first) && !final.Before(d) {
			take(ending{e, "", time.Date(d.Year, d.Month, d.Day, 23, 59, 59, 0, zone)})
		}
		for _, b := range e.badgeEnds(p) {
			take(ending{e, b.badge, b.at})
		}
	}
	return out
}

// nearest returns the endings nearest to now, at most maxEndings. nearest reorders the slice all. nearest first
// counts the endings of each day, so that it sorts few more endings than it returns.
func nearest(all []ending, now time.Time) []ending {
	if len(all) <= maxEndings {
		return all
	}
	days := func(e ending) int { return int(e.at.Sub(now).Abs() / (24 * time.Hour)) }
	var of [endedDays + 2]int
	for _, e := range all {
		of[min(days(e), len(of)-1)]++
	}
	most, n := 0, 0
	for n < maxEndings {
		n += of[most]
		most++
	}
	near := slices.DeleteFunc(all, func(e ending) bool { return days(e) >= most })
	slices.SortFunc(near, func(a, b ending) int { return cmp.Compare(a.at.Sub(now).Abs(), b.at.Sub(now).Abs()) })
	return near[:maxEndings]
}

// badgeEnd is the latest end among those badges of a member that satisfy the same badge of the policy.
type badgeEnd struct {
	badge policy.BadgeID
	at    time.Time
}

// judgedEnds caches the times at which a member's badges end, calculated under one policy.
type judgedEnds struct {
	by   *policy.Policy
	ends []badgeEnd
}

// badgeEnds returns, for each badge of the policy, the latest end among the member's badges that satisfy that badge.
// badgeEnds leaves out revoked badges.
func (e *entry) badgeEnds(p *policy.Policy) []badgeEnd {
	if p == nil || !slices.ContainsFunc(e.Badges, func(b Badge) bool { return !b.Expires.IsZero() }) {
		return nil
	}
	if j := e.ends.Load(); j != nil && j.by == p {
		return j.ends
	}
	var last []badgeEnd
	for _, h := range e.as(p).Holdings {
		if h.Standing == policy.Revoked {
			continue
		}
		i := slices.IndexFunc(last, func(b badgeEnd) bool { return b.badge == h.Badge })
		switch {
		case i < 0:
			last = append(last, badgeEnd{h.Badge, h.Until})
		case !last[i].at.IsZero() && (h.Until.IsZero() || h.Until.After(last[i].at)):
			last[i].at = h.Until
		}
	}
	last = slices.DeleteFunc(last, func(b badgeEnd) bool { return b.at.IsZero() })
	e.ends.Store(&judgedEnds{p, last})
	return last
}

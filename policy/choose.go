package policy

import "time"

// choose selects the grant whose result becomes the decision. The least powerful role that the member may have alone is
// preferred, then the least powerful role that a mentor has confirmed, then the least powerful role that waits for a
// mentor. Of several grants of that role, choose takes the grant with the longest session, so another badge never
// shortens a session.
func (j *evaluator) choose(d *Decision, p *Policy, m *machine, badges []BadgeID) {
	var alone, answered, waiting uint // sets of roles
	for i := range d.Outcomes {
		switch o := &d.Outcomes[i]; {
		case o.Verdict == Allow && m.Grants[i].Supervisor == nil:
			alone |= 1 << o.Role
		case o.Verdict == Allow:
			answered |= 1 << o.Role
		case o.Verdict == Await:
			waiting |= 1 << o.Role
		}
	}
	all := alone
	if as := j.q.As; as != NoRole {
		alone, answered, waiting = alone&(1<<as), answered&(1<<as), waiting&(1<<as)
	}
	switch {
	case alone != 0:
		j.give(d, m, Allow, leastPowerful(alone), true, badges)
	case answered != 0:
		j.give(d, m, Allow, leastPowerful(answered), false, badges)
	case waiting != 0:
		j.give(d, m, Await, leastPowerful(waiting), false, badges)
	default:
		d.Grant = j.nearest(d.Outcomes)
	}
	d.Would = d.Verdict
	if j.warns() {
		all |= 1 << User
		j.warn(d, m)
	}
	d.Others = p.roleSets[all&^(1<<d.Role)]
}

func leastPowerful(set uint) Role {
	r := Learner
	for set&(1<<r) == 0 {
		r++
	}
	return r
}

// give completes the decision from one grant: of the grants with this role and this verdict, the grant with the longest
// session.
func (j *evaluator) give(d *Decision, m *machine, v Verdict, r Role, alone bool, badges []BadgeID) {
	d.Verdict, d.Role, d.Grant = v, r, -1
	for i := range d.Outcomes {
		g := &m.Grants[i]
		if d.Outcomes[i].Verdict != v || g.Role != r || (g.Supervisor == nil) != alone {
			continue
		}
		if l := j.limits(g); d.Grant < 0 || l.LongerThan(d.Limits) {
			d.Grant, d.Limits = i, l
		}
	}
	d.Badges = j.badgesFor(badges, &m.grants[d.Grant].needs)
	if j.member.prepared.others {
		d.Accepted = j.acceptedFor(nil, &m.grants[d.Grant].needs)
	}
}

// limits returns the grant's own limits, shortened by its hours, quotas and bookings. The field Most of the result also
// bounds extensions.
func (j *evaluator) limits(g *Grant) Limits {
	l := g.Session
	// while the clock is not trusted, the evaluator has not judged the rules that could shorten the session
	if j.q.Clock != Trusted {
		return l
	}
	l.Most = j.leaves(g)
	if Outlasts(l.Max, l.Most) {
		l.Max = l.Most
	}
	return l
}

// leaves returns how much longer the grant's hours, quotas and bookings permit a session. Zero means no limit.
func (j *evaluator) leaves(g *Grant) (most time.Duration) {
	atMost := func(left time.Duration) {
		if Outlasts(most, left) {
			most = left
		}
	}
	if g.Hours != nil {
		j.onWall()
		if end, ok := g.Hours.Closes(j.local); ok {
			atMost(end.Sub(j.q.At))
		}
	}
	if g.Quota != (Quota{}) {
		day, week, _ := j.used()
		if g.Quota.Day > 0 {
			atMost(g.Quota.Day - day)
		}
		if g.Quota.Week > 0 {
			atMost(g.Quota.Week - week)
		}
	}
	if end, ok := j.bookedUntil(g); ok {
		atMost(end.Sub(j.q.At))
	}
	return most
}

// LongerThan reports whether a session with these limits lasts longer than a session with the other limits. LongerThan
// compares Max first, then Idle, then Most. A zero duration (no limit) is the longest.
func (l Limits) LongerThan(other Limits) bool {
	if l.Max != other.Max {
		return Outlasts(l.Max, other.Max)
	}
	if l.Idle != other.Idle {
		return Outlasts(l.Idle, other.Idle)
	}
	return Outlasts(l.Most, other.Most)
}

// Outlasts reports whether the limit a is longer than the limit b. Zero means no limit, which is longer than any limit.
func Outlasts(a, b time.Duration) bool { return b != 0 && (a == 0 || a > b) }

// badgesFor appends the member's badges that meet a need. The caller must know that the member meets the need.
func (j *evaluator) badgesFor(out []BadgeID, n *need) []BadgeID {
	if n.leaf > 0 {
		return append(out, n.ask.Badge)
	}
	for i := range n.all {
		out = j.badgesFor(out, &n.all[i])
	}
	for i := range n.any {
		if j.meets(&n.any[i], &j.member) {
			return j.badgesFor(out, &n.any[i])
		}
	}
	return out
}

// nearest returns the index of the grant that is the easiest for the member to get (the nearest grant). The nearest
// grant is the grant whose hardest reason is easiest to remedy, and among equal grants the grant of the least powerful
// role. If the question requests a role, nearest considers only the grants of that role, if any of these grants misses
// something. The index is -1 if the member lacks nothing for the existing grants, but no grant gives the requested
// role.
func (j *evaluator) nearest(all []Outcome) int {
	best, bestEase, bestAsked := -1, 0, false
	for i := range all {
		o := &all[i]
		if o.from == o.to {
			continue
		}
		asked, e := o.Role == j.q.As, ease(j.found.list[o.from:o.to])
		if best < 0 || asked && !bestAsked || asked == bestAsked &&
			(e > bestEase || e == bestEase && all[i].Role < all[best].Role) {
			best, bestEase, bestAsked = i, e, asked
		}
	}
	return best
}

// warns reports whether mode warn admits this member as a user without the badges and the membership. A tag, a fault, a
// refused card, or a card that proved less than the machine requires still stops the member.
func (j *evaluator) warns() bool {
	q := &j.q
	return j.m.Mode == Warn && q.Member != nil && !q.Member.Blocked && q.CardState == ActiveCard &&
		!q.Fault && !q.Tagged && q.Card >= j.m.Card
}

// warn makes the member a user in mode warn, except if the question requests another role by name. The session has the
// longest limits that any grant of the machine gives a user, also for members who hold the badge of a shorter grant,
// because a badge never shortens a session. The field d.Grant keeps the index of the grant that Decide would choose in
// mode enforce.
func (j *evaluator) warn(d *Decision, m *machine) {
	if j.q.As != NoRole && j.q.As != User {
		return
	}
	if d.Verdict != Allow || d.Role != User || m.Grants[d.Grant].Supervisor != nil {
		d.Verdict, d.Role, d.Badges, d.Accepted = Allow, User, nil, nil
	}
	first := true
	d.Limits = Limits{}
	for i := range m.Grants {
		if g := &m.Grants[i]; g.Role == User && (first || g.Session.LongerThan(d.Limits)) {
			d.Limits, first = g.Session, false
		}
	}
}

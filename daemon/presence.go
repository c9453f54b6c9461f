package daemon

import (
	"time"

	"portillon/daemon/session"
	"portillon/policy"
)

// presence is who stands at the machine: whoever tapped last, for session.ChooseFor. The zero presence is nobody.
type presence struct {
	last  policy.MemberID // who tapped last; empty: nobody that the machine knows
	since time.Time       // when they did
	// generation counts arrivals: what was offered to one person is no offer to the next.
	generation uint64

	visitorsToday map[policy.MemberID]bool // since midnight in the site's zone
	day           time.Time                // a moment of that day

	askedUntil time.Time // until then the next card says who reports a problem, and nothing else
	reporter   uint64    // the generation of whoever's card was asked for that
}

// member is who stands at the machine; empty: nobody.
func (p *presence) member(now time.Time) policy.MemberID {
	if p.last == "" || now.Sub(p.since) >= session.ChooseFor {
		return ""
	}
	return p.last
}

// arrive notes whose card was accepted as theirs. Zone is the site's: visitors are counted by its days.
func (p *presence) arrive(id policy.MemberID, now time.Time, zone *time.Location) {
	if p.last != id || p.member(now) == "" {
		p.generation++
	}
	p.last, p.since = id, now
	if p.visitorsToday == nil || !sameDay(p.day, now, zone) {
		p.visitorsToday, p.day = map[policy.MemberID]bool{}, now
	}
	p.visitorsToday[id] = true
}

// leave notes that a card was presented that counts for nobody: whoever stood there does not any more.
func (p *presence) leave() {
	p.last, p.since = "", time.Time{}
	p.generation++
}

// ask has the next card within identify say who reports a problem. It starts nothing, and ends no more than it would
// anyway.
func (p *presence) ask(now time.Time) { p.askedUntil = now.Add(identify) }

// answers reports whether a card at this moment is the one that was asked for, and notes whose report it is.
func (p *presence) answers(now time.Time) bool {
	asked := now.Before(p.askedUntil)
	if asked {
		p.askedUntil, p.reporter = time.Time{}, p.generation
	}
	return asked
}

func sameDay(a, b time.Time, zone *time.Location) bool {
	return a.In(zone).Format(time.DateOnly) == b.In(zone).Format(time.DateOnly)
}

// identify is how long a card that was asked for only says who is there.
const identify = 15 * time.Second

package daemon

import (
	"time"

	"portillon/daemon/session"
	"portillon/policy"
)

// presence is the person at the machine, which is the member who tapped last within session.ChooseFor. The zero
// presence means that nobody is present.
type presence struct {
	last  policy.MemberID // member who tapped last; empty: the machine knows no such member
	since time.Time       // time of that tap
	// generation counts arrivals, so that a button offered to one person is not valid for the next person.
	generation uint64

	visitorsToday map[policy.MemberID]bool // members who tapped since midnight in the site's zone
	day           time.Time                // any time on the day to which visitorsToday belongs

	askedUntil time.Time // time until which the next card only identifies the reporter of a problem
	reporter   uint64    // generation of the person who tapped in answer to the request for a reporter's card
}

// member returns the member at the machine; empty: nobody.
func (p *presence) member(now time.Time) policy.MemberID {
	if p.last == "" || now.Sub(p.since) >= session.ChooseFor {
		return ""
	}
	return p.last
}

// arrive records the member whose card was accepted. zone is the site's time zone, which determines the day of the
// visit.
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

// leave ends the presence of the member at the machine, after a card that the machine does not accept.
func (p *presence) leave() {
	p.last, p.since = "", time.Time{}
	p.generation++
}

// expectReporter makes the next card that is presented within the time identify name the reporter of a problem. The tap
// of that card starts no session, but ends a session if it would do so without the report.
func (p *presence) expectReporter(now time.Time) { p.askedUntil = now.Add(identify) }

// acceptReporter reports whether a tap at this moment identifies the reporter of a problem, and records that reporter.
func (p *presence) acceptReporter(now time.Time) bool {
	asked := now.Before(p.askedUntil)
	if asked {
		p.askedUntil, p.reporter = time.Time{}, p.generation
	}
	return asked
}

func sameDay(a, b time.Time, zone *time.Location) bool {
	return a.In(zone).Format(time.DateOnly) == b.In(zone).Format(time.DateOnly)
}

// identify is how long, after a request for the reporter's card, a tap only identifies its member.
const identify = 15 * time.Second

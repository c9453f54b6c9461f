package policy

import (
	"slices"
	"sort"
	"time"
)

// booked asks that the machine is not kept for someone else and, where the grant says so, that it is kept for the
// member.
func (j *evaluator) booked(g *Grant) {
	if g.Role == Maintainer || !g.Booked && !j.kept() || !j.judges(PassHours) {
		return
	}
	b, now, _ := j.booking()
	switch mine := now && j.mine(b); {
	case now && !mine:
		j.found.add(finding{code: outsideHours, kind: Booked, held: uint32(slices.Index(j.m.Bookings, *b))})
	case g.Booked && !mine:
		j.found.add(finding{code: outsideHours, kind: NotBooked})
	}
}

// kept reports whether the machine may be kept for anybody now. While the clock is not trusted, what it shows says
// nothing, but it is later than the moment when the bundle was made: what had ended by then is over. So one old booking
// does not close a machine.
func (j *evaluator) kept() bool {
	n := len(j.m.Bookings)
	return n > 0 && (j.q.Clock == Trusted || j.m.Bookings[n-1].To.After(j.q.Issued))
}

// booking is the one under way, or else the next; ok is false where there is none.
func (j *evaluator) booking() (b *Booking, now, ok bool) {
	all := j.m.Bookings
	i := sort.Search(len(all), func(i int) bool { return all[i].To.After(j.q.At) })
	if i == len(all) {
		return nil, false, false
	}
	return &all[i], !all[i].From.After(j.q.At), true
}

func (j *evaluator) mine(b *Booking) bool { return b.For != "" && b.For == j.q.Member.ID }

// bookedUntil is when a booking ends the session: the next one of somebody else's, or the end of the member's own where
// the grant asks for one.
func (j *evaluator) bookedUntil(g *Grant) (end time.Time, ok bool) {
	if g.Role == Maintainer {
		return end, false
	}
	for _, b := range j.m.Bookings {
		switch mine := j.mine(&b); {
		case !b.To.After(j.q.At):
		case mine && g.Booked && !b.From.After(j.q.At):
			return b.To, true
		case !mine && b.From.After(j.q.At):
			return b.From, true
		}
	}
	return end, false
}

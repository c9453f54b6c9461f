package policy

import (
	"slices"
	"sort"
	"time"
)

// booked notes a reason if the machine is booked for somebody else or, for a grant with booked:, if the machine is not
// booked for the member.
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

// kept reports whether a booking can be in force. While the clock is not trusted, the evaluator knows only that the
// present time is later than the time at which the bundle was made. Therefore kept returns false for a booking that had
// ended when the bundle was made, and such a booking never closes a machine.
func (j *evaluator) kept() bool {
	n := len(j.m.Bookings)
	return n > 0 && (j.q.Clock == Trusted || j.m.Bookings[n-1].To.After(j.q.Issued))
}

// booking returns the booking in force, or else the next booking. The result ok is false if the machine has neither.
func (j *evaluator) booking() (b *Booking, now, ok bool) {
	all := j.m.Bookings
	i := sort.Search(len(all), func(i int) bool { return all[i].To.After(j.q.At) })
	if i == len(all) {
		return nil, false, false
	}
	return &all[i], !all[i].From.After(j.q.At), true
}

func (j *evaluator) mine(b *Booking) bool { return b.For != "" && b.For == j.q.Member.ID }

// bookedUntil returns the time at which a booking ends the session: the start of the next booking of somebody else or,
// if the grant needs a booking, the end of the member's own booking.
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

package policy

import "time"

// finding is a Reason in 8 bytes: indices instead of names. A finding does not contain the index of its grant, which
// the Outcome has.
type finding struct {
	code uint8 // index in codeList
	kind ReasonKind
	leaf uint16 // number of the need in machine.leaves, from 1; 0 for no need
	held uint32 // index of the holding, if the reason is about a holding
}

// findings lists everything that a decision found missing for all grants of a machine, in the order of the grants, with
// the data that is needed to write the findings as Reasons.
type findings struct {
	machine *machine
	member  *Member
	zone    *time.Location
	list    []finding
	given   *[]Reason // the reasons that the caller gave to NewOutcome; nil if Decide made the outcome
}

func (x *findings) add(l finding) { x.list = append(x.list, l) }

func (x *findings) len() uint32 { return uint32(len(x.list)) }

func (x *findings) since(mark uint32) []finding { return x.list[mark:] }

// cutTo removes the findings since the mark.
func (x *findings) cutTo(mark uint32) { x.list = x.list[:mark] }

// cut removes the findings between two marks.
func (x *findings) cut(from, to uint32) {
	x.list = append(x.list[:from], x.list[to:]...)
}

// reasons converts the findings between two marks, which belong to one grant of the machine, to Reasons.
func (x *findings) reasons(grant int, from, to uint32) []Reason {
	if x.given != nil {
		return (*x.given)[from:to]
	}
	out := make([]Reason, to-from)
	for i := range out {
		l := &x.list[int(from)+i]
		out[i].Code, out[i].Kind = codeList[l.code], l.kind
		share(x.machine, grant, x.member, l, &out[i])
		if l.code == membershipLapsed {
			out[i].At = x.member.Until.Noon(x.zone)
		}
		if l.leaf > 0 {
			detail(x.machine, x.member, l, &out[i])
		}
	}
	return out
}

// share fills in the amounts of a reason about quotas.
func share(m *machine, grant int, who *Member, l *finding, r *Reason) {
	q := m.grants[grant].Quota
	switch l.kind {
	case OfDay:
		r.Want, r.Have = q.Day, who.used(m.ID).Day
	case OfWeek:
		r.Want, r.Have = q.Week, who.used(m.ID).Week
	case OfSessions:
		r.WantSessions, r.HaveSessions = q.Sessions, who.used(m.ID).Sessions
	case Booked:
		r.At = m.Bookings[l.held].To
	}
}

// detail fills in the dates and names of a reason about a badge.
func detail(m *machine, who *Member, l *finding, r *Reason) {
	ask := m.leaves[l.leaf-1]
	r.Badge = ask.Badge
	switch {
	case l.code == badgeExpired, l.code == badgeRevoked, l.code == badgeUnverified, l.kind == OfAge:
		r.Other = who.Holdings[l.held].Other
	}
	switch {
	case l.code == badgeExpired:
		r.At = who.Holdings[l.held].Until
	case l.kind == NotYet:
		r.At = who.Holdings[l.held].From
	case l.kind == OldStatus:
		r.At = who.Holdings[l.held].Checked
	case l.code == notRecent && l.kind == OfAge:
		r.At, r.Want = who.Holdings[l.held].From, ask.Within
	case l.code == notRecent:
		r.Want = ask.UsedWithin
		r.At = who.used(m.ID).Last
	case l.code == notEnoughHours:
		r.Want = ask.Hours
		r.Have = who.used(m.ID).Logged
	}
}

package policy

import "time"

// finding is a Reason in 12 bytes: indices instead of names.
type finding struct {
	code  uint8 // index in codeList
	kind  ReasonKind
	grant uint16 // index of the grant
	leaf  uint16 // number of the need in machine.leaves, from 1; 0: none
	held  uint32 // index of the holding, if code or kind is about one
}

// findings is what a decision found missing for all grants of a machine, in the order of the grants, with what is
// needed to write it as Reasons.
type findings struct {
	machine *machine
	member  *Member
	zone    *time.Location
	list    []finding
	given   []Reason // the reasons of an outcome that NewOutcome made, instead of all others
}

func (x *findings) add(l finding) { x.list = append(x.list, l) }

func (x *findings) len() uint32 { return uint32(len(x.list)) }

func (x *findings) since(mark uint32) []finding { return x.list[mark:] }

// cutTo drops what was found since the mark.
func (x *findings) cutTo(mark uint32) { x.list = x.list[:mark] }

// cut drops what was found between two marks.
func (x *findings) cut(from, to uint32) {
	x.list = append(x.list[:from], x.list[to:]...)
}

func (x *findings) reasons(from, to uint32) []Reason {
	if x.given != nil {
		return x.given[from:to]
	}
	out := make([]Reason, to-from)
	write(x.machine, x.member, x.zone, x.list[from:to], out)
	return out
}

func write(m *machine, who *Member, zone *time.Location, run []finding, out []Reason) {
	for i := range run {
		out[i].Code, out[i].Kind = codeList[run[i].code], run[i].kind
		share(m, who, &run[i], &out[i])
		if run[i].code == membershipLapsed {
			out[i].At = who.Until.Noon(zone)
		}
		if run[i].leaf > 0 {
			detail(m, who, &run[i], &out[i])
		}
	}
}

// runOf is the part of the list that belongs to its first grant.
func runOf(found []finding) []finding {
	n := 1
	for n < len(found) && found[n].grant == found[0].grant {
		n++
	}
	return found[:n]
}

// share fills in the amounts of a reason about quotas.
func share(m *machine, who *Member, l *finding, r *Reason) {
	q := m.grants[l.grant].Quota
	switch l.kind {
	case OfDay:
		r.Want, r.Have = q.Day, who.used(m.ID).Day
	case OfWeek:
		r.Want, r.Have = q.Week, who.used(m.ID).Week
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

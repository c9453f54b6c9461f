package policy

import "time"

// lack is a Reason in few bytes.
type lack struct {
	code  uint8 // its place in codeList
	kind  ReasonKind
	grant uint16 // whose it is
	leaf  uint16 // which need of the machine, from 1; 0: none
	held  uint32 // which holding, where code or kind is about one
}

// lacks is a list whose first entries need no allocation.
type lacks struct {
	room  [32]lack
	spill []lack // all of them, once room is full
	n     int
}

func (x *lacks) add(l lack) {
	switch {
	case x.n < len(x.room) && x.spill == nil:
		x.room[x.n] = l
	case x.spill == nil:
		x.spill = append(append(make([]lack, 0, 4*len(x.room)), x.room[:]...), l)
	default:
		x.spill = append(x.spill[:x.n], l)
	}
	x.n++
}

func (x *lacks) since(mark int) []lack {
	if x.spill != nil {
		return x.spill[mark:x.n]
	}
	return x.room[mark:x.n]
}

// cut drops what lies between two marks.
func (x *lacks) cut(from, to int) {
	x.n = from + copy(x.since(from), x.since(to))
}

// tell writes the reasons out. Where a grant wants one badge and the member does not hold it, they are written already.
func tell(m *machine, who *Member, zone *time.Location, all []Outcome, lacks []lack) {
	rest := 0
	for list := lacks; len(list) > 0; {
		run := runOf(list)
		list = list[len(run):]
		if g := &m.grants[run[0].grant]; len(run) == len(g.unheld) && run[0].code == noBadge {
			// the second can be but needs-supervisor
			all[run[0].grant].Missing = g.unheld
		} else {
			rest += len(run)
		}
	}
	if rest == 0 {
		return
	}
	reasons := make([]Reason, rest)
	for list := lacks; len(list) > 0; {
		run := runOf(list)
		list = list[len(run):]
		if o := &all[run[0].grant]; o.Missing == nil {
			o.Missing = reasons[:len(run):len(run)]
			reasons = reasons[len(run):]
			write(m, who, zone, run, o.Missing)
		}
	}
}

func write(m *machine, who *Member, zone *time.Location, run []lack, out []Reason) {
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

// runOf is the first grant's part of lacks.
func runOf(lacks []lack) []lack {
	n := 1
	for n < len(lacks) && lacks[n].grant == lacks[0].grant {
		n++
	}
	return lacks[:n]
}

// share fills in what a reason says of a member's share of the machine.
func share(m *machine, who *Member, l *lack, r *Reason) {
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

// detail fills in what a reason says of a badge.
func detail(m *machine, who *Member, l *lack, r *Reason) {
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

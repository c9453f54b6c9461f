package policy

import (
	"slices"
	"time"
)

// Twin is one person under two policies: a badge that the one believes may be nothing to the other.
type Twin struct{ Before, After *Member }

// MemberChange is what one member gains or loses at a machine.
type MemberChange struct {
	Member  int       `json:"-"` // its place among the twins
	Machine MachineID `json:"machine"`
	Role    Role      `json:"role"`
	Alone   bool      `json:"alone"` // false: while a supervisor answers
	Gained  bool      `json:"gained"`
	When    []string  `json:"when,omitempty"` // at these times; none: at any but Except
	Except  []string  `json:"except,omitempty"`
	Hours   int       `json:"hours"` // of the 168 that begin with the first day
}

// CompareMembers says which members gain and lose what between two policies, in the year that follows from, with a card
// that proves itself, a trusted clock, a bundle of the day, and memberships as they stand on the first day. Compare
// tells what may be; this tells of those who are there.
func CompareMembers(before, after *Policy, all []Twin, from time.Time) []MemberChange {
	var old, young []*Member
	for _, t := range all {
		old, young = append(old, refreshed(t.Before, from, after.Zone)), append(young, refreshed(t.After, from, after.Zone))
	}
	var out []MemberChange
	for _, id := range machinesOf(before, after) {
		a, b := before.only(id, NoRole), after.only(id, NoRole)
		y := year(slotsOf(after.Zone, from, distinctHours(a, b), bookingsOf(a), bookingsOf(b)))
		y = slices.DeleteFunc(y, func(s slot) bool { return s.beyond }) // what they hold by then, nobody knows
		had, has := y.who(before, id, old, from), y.who(after, id, young, from)
		for m := range all {
			for _, r := range Roles() {
				for _, alone := range []bool{true, false} {
					x, z := y.having(had, m, r, alone), y.having(has, m, r, alone)
					change := func(gained bool, t times) {
						if t.count() > 0 {
							in, except := y.when(t)
							out = append(out, MemberChange{m, id, r, alone, gained, in, except, y.hours(t, onWall(from.In(after.Zone)).Date)})
						}
					}
					change(true, z.without(x))
					change(false, x.without(z))
				}
			}
		}
	}
	return out
}

// refreshed is a member whose badges' statuses were just read, as with a bundle of the day. A badge that began today
// counts from midnight: today stands for all days of its kind.
func refreshed(m *Member, now time.Time, zone *time.Location) *Member {
	year, month, day := now.In(zone).Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, zone)
	out := *m
	out.Holdings = slices.Clone(m.Holdings)
	for i := range out.Holdings {
		h := &out.Holdings[i]
		h.Checked = time.Time{}
		if h.From.After(midnight) && !h.From.After(now) {
			h.From = midnight
		}
	}
	return &out
}

// who are the members' places in each slot; none at a machine that the policy has not.
func (y year) who(p *Policy, id MachineID, members []*Member, from time.Time) (out [][]Place) {
	for _, s := range y {
		out = append(out, p.who(id, members, s.at, from))
	}
	return out
}

// having is when a member has a role.
func (y year) having(places [][]Place, member int, r Role, alone bool) times {
	out := y.none()
	for i, all := range places {
		if all == nil {
			continue
		}
		if p := all[member]; alone && p.Alone.Has(r) || !alone && p.Supervised.Has(r) {
			out.set(i)
		}
	}
	return out
}

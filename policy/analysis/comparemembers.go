package analysis

import (
	"slices"
	"time"

	"portillon/policy"
)

// Twin is one person under two policies: a badge that the one believes may be nothing to the other.
type Twin struct{ Before, After *policy.Member }

// MemberChange is what one member gains or loses at a machine.
type MemberChange struct {
	Member  int              `json:"-"` // its place among the twins
	Machine policy.MachineID `json:"machine"`
	Role    policy.Role      `json:"role"`
	Alone   bool             `json:"alone"` // false: while a supervisor answers
	Gained  bool             `json:"gained"`
	When    []string         `json:"when,omitempty"` // at these times; none: at any but Except
	Except  []string         `json:"except,omitempty"`
	Hours   int              `json:"hours"` // of the 168 that begin with the first day
}

// CompareMembers says which members gain and lose what between two policies, in the year that follows from, with a card
// that proves itself, a trusted clock, a bundle of the day, and memberships as they stand on the first day. Compare
// tells what may be; this tells of those who are there.
func CompareMembers(before, after *policy.Policy, all []Twin, from time.Time) []MemberChange {
	var old, young []*policy.Member
	for _, t := range all {
		old = append(old, refreshed(t.Before, before, from, after.Zone))
		young = append(young, refreshed(t.After, after, from, after.Zone))
	}
	var out []MemberChange
	for _, id := range machinesOf(before, after) {
		a, b := onlyRole(before, id, policy.NoRole), onlyRole(after, id, policy.NoRole)
		y := year(timeslotsOf(after.Zone, from, distinctHours(a, b), bookingsOf(a), bookingsOf(b)))
		y = slices.DeleteFunc(y, func(s timeslot) bool { return s.beyond }) // what they hold by then, nobody knows
		had, has := y.who(before, id, old), y.who(after, id, young)
		for m := range all {
			for _, r := range policy.Roles() {
				for _, alone := range []bool{true, false} {
					x, z := y.having(had, m, r, alone), y.having(has, m, r, alone)
					change := func(gained bool, t times) {
						if t.count() > 0 {
							in, except := y.when(t)
							out = append(out, MemberChange{m, id, r, alone, gained, in, except, y.hours(t, policy.DateOf(from, after.Zone))})
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
// counts from midnight: today stands for all days of its kind. The membership stays as it stands today all year.
func refreshed(m *policy.Member, p *policy.Policy, now time.Time, zone *time.Location) *policy.Member {
	year, month, day := now.In(zone).Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, zone)
	out := *m
	if p.Membership.On(policy.DateOf(now, p.Zone), m.Until) == policy.HasLapsed {
		out.Until = longAgo
	} else {
		out.Until = policy.Date{}
	}
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

// longAgo is the last day of a membership that has lapsed on any day that is compared.
var longAgo = policy.Date{Year: 1, Month: time.January, Day: 1}

// who is what the members may be in each slot; nothing at a machine that the policy has not.
func (y year) who(p *policy.Policy, id policy.MachineID, members []*policy.Member) (out [][]MemberRoles) {
	for _, s := range y {
		out = append(out, Who(p, id, members, s.at))
	}
	return out
}

// having is when a member has a role.
func (y year) having(places [][]MemberRoles, member int, r policy.Role, alone bool) times {
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

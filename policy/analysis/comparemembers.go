package analysis

import (
	"slices"
	"time"

	"portillon/policy"
)

// Twin contains one person twice, once with the badges that each policy accepts, because the two policies may accept
// different badges.
type Twin struct{ Before, After *policy.Member }

// MemberChange is a role that one member gains or loses at a machine.
type MemberChange struct {
	Member  int              `json:"-"` // index among the twins given to CompareMembers
	Machine policy.MachineID `json:"machine"`
	Role    policy.Role      `json:"role"`
	Alone   bool             `json:"alone"` // true if the role needs no mentor
	Gained  bool             `json:"gained"`
	// the times of the change; if empty, the change applies at all times except those in Except
	When   []string `json:"when,omitempty"`
	Except []string `json:"except,omitempty"`
	Hours  int      `json:"hours"` // number of the 168 hours of the first seven days
}

// CompareMembers lists what each member gains and loses between two policies in the year from the time from on. It
// assumes a card that authenticates itself, a trusted clock, a bundle of the day, and memberships as they are on the
// first day. Compare covers every possible member, while CompareMembers covers the given members.
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
		// Remove the time slots of later years, because nobody knows which badges the members will then hold.
		y = slices.DeleteFunc(y, func(s timeslot) bool { return s.beyond })
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

// refreshed returns a copy of the member whose badge statuses were read at the given moment, as in a bundle of the day.
// A badge that was issued today counts from midnight on, because today's slots represent all days of their kind. The
// membership keeps today's state all year.
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

// longAgo is the last day of a membership that had lapsed before every compared day.
var longAgo = policy.Date{Year: 1, Month: time.January, Day: 1}

// who returns, for each slot, the roles of each member. An entry is nil if the policy has no such machine.
func (y year) who(p *policy.Policy, id policy.MachineID, members []*policy.Member) (out [][]MemberRoles) {
	for _, s := range y {
		out = append(out, Who(p, id, members, s.at))
	}
	return out
}

// having returns the slots in which a member has a role. roles is the result of who.
func (y year) having(roles [][]MemberRoles, member int, r policy.Role, alone bool) times {
	out := y.none()
	for i, all := range roles {
		if all == nil {
			continue
		}
		if p := all[member]; alone && p.Alone.Has(r) || !alone && p.Supervised.Has(r) {
			out.set(i)
		}
	}
	return out
}

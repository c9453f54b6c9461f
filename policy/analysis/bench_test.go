package analysis

import (
	"fmt"
	"testing"

	"portillon/policy"
)

// BenchmarkWho calls Who for all members at all machines. One round should take at most 10 ms.
func BenchmarkWho(b *testing.B) {
	p, members := crowd(b)
	for b.Loop() {
		n := 0
		for i := range p.Machines {
			for _, s := range Who(p, p.Machines[i].ID, members, monday) {
				if s.Alone|s.Supervised != 0 {
					n++
				}
			}
		}
		if n < 1000 {
			b.Fatal(n)
		}
	}
}

func BenchmarkCompareTwentyMachinesOfFiveBadges(b *testing.B) {
	build := func(change bool) *policy.Policy {
		m := policy.Model{
			Site:    "s",
			Zone:    paris(),
			Issuers: []policy.Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}}},
		}
		for i := range 20 {
			id := func(s string) policy.BadgeID { return policy.BadgeID(fmt.Sprintf("%s-%d", s, i)) }
			for _, s := range []string{"first", "user", "host", "mentor", "maintainer"} {
				m.Badges = append(
					m.Badges,
					policy.Badge{ID: id(s), Name: policy.Text{FR: s}, Issuer: "i", Achievement: "urn:" + string(id(s))},
				)
			}
			h, _ := policy.ParseHours("Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off", french)
			x := policy.Machine{ID: policy.MachineID(fmt.Sprint("m", i)), Name: policy.Text{FR: "m"}, Grants: []policy.Grant{
				{
					Role:  policy.Maintainer,
					Needs: policy.Need{Badge: id("maintainer")},
				}, {Role: policy.Mentor, Needs: policy.Need{Badge: id("mentor")}},
				{Role: policy.Host, Needs: policy.Need{Badge: id("host")}, Hours: h},
				{
					Role:  policy.User,
					Needs: policy.Need{Badge: id("user"), UsedWithin: 180 * days},
					Hours: h,
				}, {Role: policy.Learner, Needs: policy.Need{Badge: id("first")}, Supervisor: &policy.Need{Badge: id("mentor")}}}}
			if change {
				x.Grants[3].Needs = policy.Need{Any: []policy.Need{{Badge: id("user")}, {Badge: id("host")}}}
			}
			m.Never = append(
				m.Never,
				policy.Invariant{
					Roles:   []policy.Role{policy.User},
					Without: []policy.BadgeID{id("user")},
					On:      []policy.MachineID{x.ID},
				},
			)
			m.Machines = append(m.Machines, x)
		}
		p, err := policy.New(m)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	before, after := build(false), build(true)
	b.Run("diff", func(b *testing.B) {
		for b.Loop() {
			if changes, err := Compare(before, after, monday); err != nil || len(changes) < 20 {
				b.Fatal(err, len(changes))
			}
		}
	})
	b.Run("never", func(b *testing.B) {
		for b.Loop() {
			if len(Breaches(before, monday)) != 0 || len(Breaches(after, monday)) != 20 {
				b.Fatal("breaches")
			}
		}
	})
}

// Package policytest contains models, members and random questions for the tests of package policy and of
// policy/analysis. Only tests import this package.
package policytest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"portillon/policy"
)

const Days = 24 * time.Hour

// Monday is a Monday at 10:00 in Paris.
var Monday = time.Date(2026, 11, 23, 10, 0, 0, 0, Paris())

// Paris is the time zone of the tests. Paris has clock changes.
func Paris() *time.Location {
	z, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return z
}

// MustHours parses hours without holidays, and panics on an error.
func MustHours(s string) *policy.Hours {
	h, err := policy.ParseHours(s, nil)
	if err != nil {
		panic(err)
	}
	return h
}

func At(t testing.TB, s string) time.Time {
	t.Helper()
	out, err := time.ParseInLocation("2006-01-02 15:04", s, Paris())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func MustNew(t testing.TB, m policy.Model) *policy.Policy {
	t.Helper()
	p, err := policy.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Ruled returns a policy with one machine, whose users need one badge. The function change adds the rule under test.
func Ruled(t *testing.T, change func(*policy.Machine)) *policy.Policy {
	t.Helper()
	m := policy.Model{
		Site:     "s",
		Zone:     Paris(),
		Issuers:  []policy.Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}}},
		Machines: []policy.Machine{{ID: "m", Name: policy.Text{FR: "m"}}},
	}
	for _, id := range []policy.BadgeID{"user", "mentor", "first", "maintainer"} {
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: id, Name: policy.Text{FR: string(id)}, Issuer: "i", Achievement: "urn:" + string(id)},
		)
	}
	m.Machines[0].Grants = []policy.Grant{
		{Role: policy.User, Needs: policy.Need{Badge: "user"}, Session: policy.Limits{Max: 2 * time.Hour}},
		{
			Role:       policy.Learner,
			Needs:      policy.Need{Badge: "first"},
			Supervisor: &policy.Need{Badge: "mentor"},
		},
		{Role: policy.Maintainer, Needs: policy.Need{Badge: "maintainer"}},
	}
	change(&m.Machines[0])
	return MustNew(t, m)
}

// SmallModel returns the model of Ruled.
func SmallModel(change func(*policy.Machine)) policy.Model {
	m := policy.Model{
		Site:     "s",
		Issuers:  []policy.Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}}},
		Badges:   []policy.Badge{{ID: "user", Name: policy.Text{FR: "u"}, Issuer: "i", Achievement: "urn:u"}},
		Machines: []policy.Machine{{ID: "m", Grants: []policy.Grant{{Role: policy.User, Needs: policy.Need{Badge: "user"}}}}},
	}
	change(&m.Machines[0])
	return m
}

// Bearer returns a member who holds these badges, verified and new.
func Bearer(b ...policy.BadgeID) *policy.Member {
	m := &policy.Member{ID: "m-1"}
	for _, id := range b {
		m.Holdings = append(m.Holdings, policy.Holding{Badge: id, Standing: policy.Verified, From: Monday.AddDate(-1, 0, 0)})
	}
	return m
}

const (
	TheirUser = "https://other.example/a/user"
	TheirAll  = "https://other.example/a/all"
)

// AcceptingModel returns the model of Ruled with a further badge «induction». The badge of accepts one badge of the
// issuer «other».
func AcceptingModel(t *testing.T, of policy.BadgeID, with policy.BadgeID, roles ...policy.Role) policy.Model {
	t.Helper()
	m := Ruled(t, func(*policy.Machine) {}).Model
	m.Issuers = append(m.Issuers, policy.Issuer{ID: "other", Name: "Autre Lab", Profile: "did:y", Keys: []string{"k2"}})
	m.Badges = append(
		m.Badges,
		policy.Badge{ID: "induction", Name: policy.Text{FR: "Accueil"}, Issuer: "i", Achievement: "urn:induction"},
	)
	return WithAccepts(
		m,
		of,
		policy.Accept{
			OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: TheirUser + "?cid=1"},
			With:       with,
			Roles:      roles,
		},
	)
}

func WithAccepts(m policy.Model, of policy.BadgeID, a ...policy.Accept) policy.Model {
	i := slices.IndexFunc(m.Badges, func(b policy.Badge) bool { return b.ID == of })
	m.Badges[i].Accepts = append(m.Badges[i].Accepts, a...)
	return m
}

func BookedDecember(t *testing.T, who policy.MemberID) []policy.Booking {
	return []policy.Booking{{From: At(t, "2026-12-01 00:00"), To: At(t, "2026-12-05 00:00"), For: who}}
}

var FrenchHolidays = policy.NewHolidays(
	policy.Date{Year: 0, Month: 1, Day: 1},
	policy.Date{Year: 0, Month: 5, Day: 1},
	policy.Date{Year: 0, Month: 12, Day: 25},
	policy.Date{Year: 2026, Month: 4, Day: 6},
) // Easter Monday has a different date each year

// Crowd returns a policy of 20 machines with five grants each, one of them with nested needs, and 1,000 members with 15
// badges each.
func Crowd(tb testing.TB) (*policy.Policy, []*policy.Member) {
	m := policy.Model{Site: "s", Zone: Paris(), Issuers: []policy.Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}}}}
	var all []policy.BadgeID
	for i := range 20 {
		var own [5]policy.BadgeID
		for k := range own {
			own[k] = policy.BadgeID(fmt.Sprintf("machine-%02d-%v", i, policy.Roles()[k]))
			m.Badges = append(
				m.Badges,
				policy.Badge{ID: own[k], Name: policy.Text{FR: string(own[k])}, Issuer: "i", Achievement: "urn:" + string(own[k])},
			)
		}
		all = append(all, own[:]...)
		m.Machines = append(
			m.Machines,
			policy.Machine{ID: policy.MachineID(fmt.Sprintf("machine-%02d", i)), Grants: []policy.Grant{
				{Role: policy.Maintainer, Needs: policy.Need{Badge: own[4]}},
				{
					Role: policy.Mentor,
					Needs: policy.Need{
						All: []policy.Need{
							{Badge: own[3], Within: 365 * Days},
							{Any: []policy.Need{{Badge: own[4]}, {Badge: own[1], UsedWithin: 180 * Days}}},
						},
					},
				},
				{Role: policy.Host, Needs: policy.Need{Badge: own[2]}, Hours: MustHours("Mo-Fr 09:00-22:00")},
				{
					Role:    policy.User,
					Needs:   policy.Need{Badge: own[1]},
					Hours:   MustHours("Mo-Fr 09:00-21:00; Sa 10:00-18:00"),
					Session: policy.Limits{Max: 1 << 40},
				},
				{Role: policy.Learner, Needs: policy.Need{Badge: own[0]}, Supervisor: &policy.Need{Badge: own[3]}},
			}},
		)
	}
	r := rand.New(rand.NewPCG(3, 4))
	members := make([]*policy.Member, 1000)
	for i := range members {
		x := &policy.Member{ID: policy.MemberID(fmt.Sprintf("m-%04d", i))}
		for _, k := range r.Perm(len(all))[:15] {
			h := policy.Holding{
				Badge:    all[k],
				Standing: policy.Verified,
				From:     Monday.AddDate(0, -r.IntN(20), 0),
				Checked:  Monday.AddDate(0, 0, -r.IntN(8)),
			}
			if r.IntN(3) == 0 {
				h.Until = Monday.AddDate(0, r.IntN(24)-6, 0)
			}
			x.Holdings = append(x.Holdings, h)
		}
		x.Practice = []policy.Practice{{Machine: m.Machines[i%20].ID, Last: Monday.AddDate(0, -i%12, 0), Logged: 0}}
		members[i] = x
	}
	return MustNew(tb, m), members
}

// Fortnight has 14 days of grace. Maintainers keep their role after the grace.
var Fortnight = policy.Membership{Grace: 14 * Days, Warn: 30 * Days, After: []policy.Role{policy.Maintainer}}

// ParseDate reads a day such as 2026-12-31.
func ParseDate(t testing.TB, s string) policy.Date {
	t.Helper()
	d, err := policy.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

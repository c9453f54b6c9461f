package policytest

import (
	"math/rand/v2"
	"slices"
	"time"

	"portillon/policy"
)

var Badges = []policy.BadgeID{"a", "b", "c", "d", "e", "f"}

// Gen generates random models, members and questions.
type Gen struct{ *rand.Rand }

// Model returns a random model with one machine «m».
func (g Gen) Model() policy.Model {
	m := policy.Model{Site: "s", Zone: Paris(), Issuers: []policy.Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}}}}
	for _, id := range Badges {
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: id, Name: policy.Text{FR: string(id)}, Issuer: "i", Achievement: "urn:" + string(id)},
		)
	}
	x := policy.Machine{ID: "m", Mode: policy.Mode(g.IntN(8) / 7)}
	for range 1 + g.IntN(6) {
		x.Grants = append(x.Grants, g.Grant())
	}
	m.Machines = []policy.Machine{x}
	return m
}

// Grant returns a random grant.
func (g Gen) Grant() policy.Grant {
	out := policy.Grant{
		Role:    policy.Role(1 + g.IntN(5)),
		Needs:   g.Need(0),
		Session: policy.Limits{Max: time.Duration(g.IntN(4)) * time.Hour, Idle: time.Duration(g.IntN(3)) * time.Minute},
	}
	if out.Role == policy.Learner || g.IntN(4) == 0 {
		n := g.Need(1)
		out.Supervisor = &n
	}
	if g.IntN(3) == 0 {
		out.Hours = MustHours([]string{"Mo-Fr 09:00-21:00", "24/7", "Sa 20:00-02:00; Su 10:00-12:00"}[g.IntN(3)])
	}
	return out
}

// Need returns a random need. depth is the nesting depth. At depths below 2 the need is a single badge.
func (g Gen) Need(depth int) policy.Need {
	if depth > 2 || g.IntN(2) == 0 {
		n := policy.Need{Badge: Badges[g.IntN(len(Badges))]}
		if g.IntN(3) == 0 {
			n.Within = time.Duration(1+g.IntN(400)) * Days
		}
		if g.IntN(3) == 0 {
			n.UsedWithin = time.Duration(1+g.IntN(400)) * Days
		}
		if g.IntN(4) == 0 {
			n.Hours = time.Duration(g.IntN(12)) * time.Hour
		}
		return n
	}
	var list []policy.Need
	for range 1 + g.IntN(3) {
		list = append(list, g.Need(depth+1))
	}
	if g.IntN(2) == 0 {
		return policy.Need{All: list}
	}
	return policy.Need{Any: list}
}

// Bookings returns random bookings in the same fortnight as the taps of Question.
func (g Gen) Bookings() (out []policy.Booking) {
	at := Monday.Add(-time.Hour)
	for range g.IntN(4) {
		from := at.Add(time.Duration(g.IntN(100)) * time.Hour)
		at = from.Add(time.Duration(1+g.IntN(60)) * time.Hour)
		out = append(out, policy.Booking{From: from, To: at, For: []policy.MemberID{"m-1", "m-9"}[g.IntN(2)]})
	}
	return out
}

// Holding returns a random badge, valid or not, relative to the time at.
func (g Gen) Holding(at time.Time) policy.Holding {
	h := policy.Holding{
		Badge:    Badges[g.IntN(len(Badges))],
		Standing: policy.Verified,
		From:     at.Add(time.Duration(20-g.IntN(500)) * Days),
	}
	switch g.IntN(8) {
	case 0:
		h.Standing = policy.Standing(g.IntN(4))
	case 1, 2:
		h.Until = at.Add(time.Duration(200-g.IntN(400)) * Days)
	case 3:
		h.Checked = at.Add(-time.Duration(g.IntN(14)) * Days)
	}
	return h
}

// Member returns a member with up to four random badges, and with practice at «m» in half of the cases.
func (g Gen) Member(id policy.MemberID, at time.Time) *policy.Member {
	m := &policy.Member{ID: id, Blocked: g.IntN(20) == 0}
	for range g.IntN(5) {
		m.Holdings = append(m.Holdings, g.Holding(at))
	}
	if g.IntN(2) == 0 {
		m.Practice = []policy.Practice{
			{Machine: "m", Last: at.Add(-time.Duration(g.IntN(500)) * Days), Logged: time.Duration(g.IntN(12)) * time.Hour},
		}
	}
	return m
}

// Question returns a random tap at «m» within a fortnight from Monday.
func (g Gen) Question() policy.Question {
	at := Monday.Add(time.Duration(g.IntN(14*24*60)) * time.Minute)
	q := policy.Question{At: at, Clock: policy.Trusted, Machine: "m", Tagged: g.IntN(6) == 0, Fault: g.IntN(12) == 0}
	if g.IntN(8) == 0 {
		q.Clock = policy.Untrusted
	}
	if g.IntN(20) != 0 {
		q.Member = g.Member("m-1", at)
	}
	if g.IntN(2) == 0 {
		q.Supervisor = g.Member("m-2", at)
	}
	return q
}

var OtherBadges = []string{"urn:f0", "urn:f1"}

// Accepting returns a random model in which some badges accept badges of another issuer.
func (g Gen) Accepting() policy.Model {
	m := g.Model()
	m.Issuers = append(m.Issuers, policy.Issuer{ID: "other", Profile: "did:y", Keys: []string{"k"}})
	g.GiveAccepts(&m)
	return m
}

// GiveAccepts gives badges of the model random entries under accepts:.
func (g Gen) GiveAccepts(m *policy.Model) {
	m.Badges = slices.Clone(m.Badges)
	for i := range m.Badges {
		b := &m.Badges[i]
		b.Accepts = nil
		for _, url := range OtherBadges {
			a := policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: url}}
			if g.IntN(2) == 0 {
				if a.With = Badges[g.IntN(len(Badges))]; a.With == b.ID {
					a.With = ""
				}
			}
			for _, r := range policy.Roles() {
				if g.IntN(3) > 0 {
					a.Roles = append(a.Roles, r)
				}
			}
			if g.IntN(3) == 0 {
				a.Roles = nil
			}
			if g.IntN(3) == 0 {
				b.Accepts = append(b.Accepts, a)
			}
		}
	}
}

// Foreign returns one random badge of the other issuer, as a holding for each badge that accepts it in the policies.
func (g Gen) Foreign(at time.Time, policies ...*policy.Policy) (out []policy.Holding) {
	h, url := g.Holding(at), OtherBadges[g.IntN(len(OtherBadges))]
	h.Assurance = policy.Assurance(g.IntN(6) / 5)
	for _, p := range policies {
		for _, m := range p.Matches("other", url) {
			if h.Badge, h.Other = m.Badge, m.Other; !slices.ContainsFunc(
				out,
				func(x policy.Holding) bool { return x.Badge == h.Badge },
			) {
				out = append(out, h)
			}
		}
	}
	return out
}

// WithForeign adds badges of the other issuer to the people of a question.
func (g Gen) WithForeign(q policy.Question, policies ...*policy.Policy) policy.Question {
	for _, m := range []*policy.Member{q.Member, q.Supervisor} {
		for range g.IntN(3) {
			if m != nil {
				m.Holdings = append(g.Foreign(q.At, policies...), m.Holdings...)
			}
		}
	}
	return q
}

// PlainModel returns a model with badges and issuers, but no machine.
func (Gen) PlainModel() policy.Model {
	m := policy.Model{
		Site: "s",
		Zone: Paris(),
		Issuers: []policy.Issuer{
			{ID: "i", Profile: "did:x", Keys: []string{"k"}},
			{ID: "other", Profile: "did:y", Name: "Le Labo d’à côté", Keys: []string{"k"}},
		},
	}
	for _, id := range Badges {
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: id, Name: policy.Text{FR: string(id)}, Issuer: "i", Achievement: "urn:" + string(id)},
		)
	}
	return m
}

// WithCircumstances fills the fields that Question leaves empty.
func (g Gen) WithCircumstances(q policy.Question) policy.Question {
	q.Card, q.CardState = policy.CardStrength(g.IntN(2)), policy.CardState(max(0, g.IntN(12)-8))
	q.As, q.Answering = policy.Role(max(0, g.IntN(10)-4)), g.IntN(3)
	q.Issued, q.LastTrusted = q.At.Add(-time.Duration(g.IntN(50))*Days/2), q.At.Add(-time.Duration(g.IntN(50))*Days/3)
	for _, m := range []*policy.Member{q.Member, q.Supervisor} {
		if m == nil {
			continue
		}
		if g.IntN(3) == 0 {
			m.Until = policy.DateOf(q.At.AddDate(0, 0, g.IntN(60)-40), time.UTC)
		}
		for i := range m.Practice { // add a second practice at this machine, and practice at another machine
			m.Practice[i].Day, m.Practice[i].Week = time.Duration(g.IntN(9))*time.Minute+1, time.Duration(g.IntN(9))*time.Hour
			m.Practice[i].Last = q.At.Add(-time.Duration(g.IntN(80))*time.Hour + 1)
			m.Practice[i].Sessions = g.IntN(3)
		}
		m.Practice = append(m.Practice, m.Practice...)
		for i := range m.Practice {
			m.Practice[i].Logged += time.Duration(i) * time.Nanosecond
		}
		m.Practice = append(m.Practice, policy.Practice{Machine: "other", Last: q.At, Logged: 9999 * time.Hour})
	}
	return q
}

// NewGen returns a generator that generates the same models for the same seed.
func NewGen(seed, stream uint64) Gen { return Gen{rand.New(rand.NewPCG(seed, stream))} }

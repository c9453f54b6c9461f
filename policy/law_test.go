package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The laws of a decision, on random policies and members. They are few thousand of each, from a fixed seed.

var ids = []BadgeID{"a", "b", "c", "d", "e", "f"}

type gen struct{ *rand.Rand }

func (g gen) model() Model {
	m := Model{Site: "s", Zone: paris(), Issuers: []Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}}}}
	for _, id := range ids {
		m.Badges = append(m.Badges, Badge{ID: id, Name: Text{FR: string(id)}, Issuer: "i", Achievement: "urn:" + string(id)})
	}
	x := Machine{ID: "m", Mode: Mode(g.IntN(8) / 7)}
	for range 1 + g.IntN(6) {
		x.Grants = append(x.Grants, g.grant())
	}
	m.Machines = []Machine{x}
	return m
}

func (g gen) grant() Grant {
	out := Grant{
		Role:    Role(1 + g.IntN(5)),
		Needs:   g.need(0),
		Session: Limits{Max: time.Duration(g.IntN(4)) * time.Hour, Idle: time.Duration(g.IntN(3)) * time.Minute},
	}
	if out.Role == Learner || g.IntN(4) == 0 {
		n := g.need(1)
		out.Supervisor = &n
	}
	if g.IntN(3) == 0 {
		out.Hours = mustHours([]string{"Mo-Fr 09:00-21:00", "24/7", "Sa 20:00-02:00; Su 10:00-12:00"}[g.IntN(3)])
	}
	return out
}

func (g gen) need(depth int) Need {
	if depth > 2 || g.IntN(2) == 0 {
		n := Need{Badge: ids[g.IntN(len(ids))]}
		if g.IntN(3) == 0 {
			n.Within = time.Duration(1+g.IntN(400)) * days
		}
		if g.IntN(3) == 0 {
			n.UsedWithin = time.Duration(1+g.IntN(400)) * days
		}
		if g.IntN(4) == 0 {
			n.Hours = time.Duration(g.IntN(12)) * time.Hour
		}
		return n
	}
	var list []Need
	for range 1 + g.IntN(3) {
		list = append(list, g.need(depth+1))
	}
	if g.IntN(2) == 0 {
		return Need{All: list}
	}
	return Need{Any: list}
}

// bookings are of the fortnight that questions are about.
func (g gen) bookings() (out []Booking) {
	at := monday.Add(-time.Hour)
	for range g.IntN(4) {
		from := at.Add(time.Duration(g.IntN(100)) * time.Hour)
		at = from.Add(time.Duration(1+g.IntN(60)) * time.Hour)
		out = append(out, Booking{from, at, []MemberID{"m-1", "m-9"}[g.IntN(2)]})
	}
	return out
}

func (g gen) holding(at time.Time) Holding {
	h := Holding{Badge: ids[g.IntN(len(ids))], Standing: Verified, From: at.Add(time.Duration(20-g.IntN(500)) * days)}
	switch g.IntN(8) {
	case 0:
		h.Standing = Standing(g.IntN(4))
	case 1, 2:
		h.Until = at.Add(time.Duration(200-g.IntN(400)) * days)
	case 3:
		h.Checked = at.Add(-time.Duration(g.IntN(14)) * days)
	}
	return h
}

func (g gen) member(id MemberID, at time.Time) *Member {
	m := &Member{ID: id, Blocked: g.IntN(20) == 0}
	for range g.IntN(5) {
		m.Holdings = append(m.Holdings, g.holding(at))
	}
	if g.IntN(2) == 0 {
		m.Practice = []Practice{
			{Machine: "m", Last: at.Add(-time.Duration(g.IntN(500)) * days), Logged: time.Duration(g.IntN(12)) * time.Hour},
		}
	}
	return m
}

func (g gen) question() Question {
	at := monday.Add(time.Duration(g.IntN(14*24*60)) * time.Minute)
	q := Question{At: at, Clock: Trusted, Machine: "m", Tagged: g.IntN(6) == 0, Fault: g.IntN(12) == 0}
	if g.IntN(8) == 0 {
		q.Clock = Untrusted
	}
	if g.IntN(20) != 0 {
		q.Member = g.member("m-1", at)
	}
	if g.IntN(2) == 0 {
		q.Supervisor = g.member("m-2", at)
	}
	return q
}

func random(t *testing.T, check func(g gen, p *Policy, q Question) error) {
	t.Helper()
	g := gen{rand.New(rand.NewPCG(1, 2))}
	for range 2000 {
		p := mustNew(t, g.model())
		for range 20 {
			q := g.question()
			if err := check(g, p, q); err != nil {
				t.Fatalf("%v\ngrants %+v\nquestion %+v\nmember %+v", err, p.Machines[0].Grants, q, q.Member)
			}
		}
	}
}

func TestAnotherBadgeNeverTakesAccessAway(t *testing.T) {
	gained := 0
	random(t, func(g gen, p *Policy, q Question) error {
		if q.Member == nil {
			return nil
		}
		more := *q.Member
		more.Holdings = append(append([]Holding{}, g.holding(q.At)), q.Member.Holdings...)
		richer := q
		richer.Member = &more
		before, after := p.Decide(q), p.Decide(richer)
		if after.Verdict < before.Verdict || after.Would < before.Would {
			return fmt.Errorf("%v became %v with %+v", before.Verdict, after.Verdict, more.Holdings[0])
		}
		if after.Verdict > before.Verdict {
			gained++
		}
		for i := range before.Outcomes {
			if after.Outcomes[i].Verdict < before.Outcomes[i].Verdict {
				return fmt.Errorf(
					"grant %d: %v became %v with %+v",
					i,
					before.Outcomes[i].Verdict,
					after.Outcomes[i].Verdict,
					more.Holdings[0],
				)
			}
		}
		if had, has := alone(p, before), alone(p, after); had&^has != 0 {
			return fmt.Errorf("alone as %v became as %v with %+v", p.roleSets[had], p.roleSets[has], more.Holdings[0])
		}
		return eachRoleLastsAsLong(p, q, richer)
	})
	if gained < 100 {
		t.Errorf("a badge gave access only %d times: the law was judged on next to nothing", gained)
	}
}

// alone is the set of roles that a decision lets the member have or choose without a supervisor.
func alone(p *Policy, d Decision) (set uint) {
	for _, r := range d.Others {
		set |= 1 << r
	}
	if d.Verdict == Allow &&
		(p.Machines[0].Mode == Warn && d.Role == User || p.Machines[0].Grants[d.Grant].Supervisor == nil) {
		set |= 1 << d.Role
	}
	return set
}

// eachRoleLastsAsLong asks for every role by name: who had it has it still, for as long.
func eachRoleLastsAsLong(p *Policy, q, richer Question) error {
	for _, r := range Roles() {
		q.As, richer.As = r, r
		before, after := p.Decide(q), p.Decide(richer)
		if after.Verdict < before.Verdict {
			return fmt.Errorf("as %v: %v became %v", r, before.Verdict, after.Verdict)
		}
		same := alone(p, before)&(1<<before.Role) == alone(p, after)&(1<<after.Role)
		if before.Verdict == after.Verdict && before.Verdict != Deny && same && longer(before.Limits, after.Limits) {
			return fmt.Errorf("as %v: %v became %v", r, before.Limits, after.Limits)
		}
	}
	return nil
}

func TestTagLeavesNobodyButMaintainers(t *testing.T) {
	passed := 0
	random(t, func(_ gen, p *Policy, q Question) error {
		q.Tagged = true
		d := p.Decide(q)
		if d.Verdict != Deny && d.Role != Maintainer {
			return fmt.Errorf("%v as %v", d.Verdict, d.Role)
		}
		if d.Verdict == Allow {
			passed++
		}
		for _, r := range d.Others {
			if r != Maintainer {
				return fmt.Errorf("offers %v", r)
			}
		}
		return nil
	})
	if passed == 0 {
		t.Error("not even a maintainer passed")
	}
}

func TestDecisionIsOfOnePiece(t *testing.T) {
	seen := map[Verdict]int{}
	random(t, func(_ gen, p *Policy, q Question) error {
		d := p.Decide(q)
		seen[d.Verdict]++
		s := Explain(p, q, d)
		switch {
		case d.Verdict == Deny && (d.Role != NoRole || d.Badges != nil || d.Limits != Limits{} || len(d.Codes()) == 0):
			return fmt.Errorf("a refusal without a reason, or with a role: %+v", d)
		case d.Verdict != Deny && d.Role == NoRole:
			return fmt.Errorf("%v without a role", d.Verdict)
		case d.Verdict == Allow && d.Would == Allow && (len(d.Codes()) != 0 || p.Machines[0].Mode == Enforce && (len(d.Badges) == 0 || d.Outcomes[d.Grant].Role != d.Role)):
			return fmt.Errorf("allowed, and %+v", d)
		case d.Verdict == Allow && len(d.Badges) > 0 && d.Outcomes[d.Grant].Role != d.Role:
			return fmt.Errorf("%v rests on the badges of %v", d.Role, d.Outcomes[d.Grant].Role)
		case d.Verdict == Allow && (q.Member == nil || q.Member.Blocked || q.Fault):
			return fmt.Errorf("allowed: %+v", d)
		case d.Limits.Max < 0:
			return fmt.Errorf("a session of %v", d.Limits.Max)
		case s.Fact.FR == "" || s.Fact.EN == "" || s.Next.FR == "" || s.Next.EN == "":
			return fmt.Errorf("no words: %+v", s)
		}
		for _, o := range d.Outcomes {
			if (o.Verdict == Allow) != (len(o.Missing) == 0) ||
				o.Verdict == Await && (len(o.Missing) != 1 || o.Missing[0].Code != NeedsSupervisor) {
				return fmt.Errorf("outcome %+v", o)
			}
			for _, r := range o.Missing {
				if !r.Code.Known() {
					return fmt.Errorf("code %q", r.Code)
				}
			}
		}
		return nil
	})
	if seen[Deny] < 100 || seen[Await] < 100 || seen[Allow] < 100 {
		t.Errorf("too few of one kind: %v", seen)
	}
}

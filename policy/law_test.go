package policy_test

import (
	"fmt"
	"testing"

	"portillon/internal/sample"
	. "portillon/policy"
)

// These tests check the laws of a decision on a few thousand random policies and members, from a fixed seed.

func random(t *testing.T, check func(g gen, p *Policy, q Question) error) {
	t.Helper()
	g := newGen(1, 2)
	for range sample.Count(2000) {
		p := mustNew(t, g.Model())
		for range 20 {
			q := g.Question()
			if err := check(g, p, q); err != nil {
				t.Fatalf("%v\ngrants %+v\nquestion %+v\nmember %+v", err, p.Machines[0].Grants, q, q.Member)
			}
		}
	}
}

func TestAnotherBadgeNeverTakesAccessAway(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	gained := 0
	random(t, func(g gen, p *Policy, q Question) error {
		if q.Member == nil {
			return nil
		}
		more := *q.Member
		more.Holdings = append(append([]Holding{}, g.Holding(q.At)), q.Member.Holdings...)
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
			return fmt.Errorf("alone as %b became as %b with %+v", had, has, more.Holdings[0])
		}
		return eachRoleLastsAsLong(p, q, richer)
	})
	if gained < 100 {
		t.Errorf("a badge gave access only %d times: the law was judged on next to nothing", gained)
	}
}

// alone returns the set of roles that a decision lets the member have or choose without a supervisor.
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

// eachRoleLastsAsLong asks for every role by name. A member who had the role must still have it, for at least as long.
func eachRoleLastsAsLong(p *Policy, q, richer Question) error {
	for _, r := range Roles() {
		q.As, richer.As = r, r
		before, after := p.Decide(q), p.Decide(richer)
		if after.Verdict < before.Verdict {
			return fmt.Errorf("as %v: %v became %v", r, before.Verdict, after.Verdict)
		}
		same := alone(p, before)&(1<<before.Role) == alone(p, after)&(1<<after.Role)
		if before.Verdict == after.Verdict && before.Verdict != Deny && same && before.Limits.LongerThan(after.Limits) {
			return fmt.Errorf("as %v: %v became %v", r, before.Limits, after.Limits)
		}
	}
	return nil
}

func TestTagStopsEveryoneButMaintainers(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
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

func TestDecideDependsOnItsQuestionOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
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
		case d.Verdict == Allow && d.Would == Allow &&
			(len(d.Codes()) != 0 || p.Machines[0].Mode == Enforce && (len(d.Badges) == 0 || d.Outcomes[d.Grant].Role != d.Role)):
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
			if (o.Verdict == Allow) != (len(o.Missing()) == 0) ||
				o.Verdict == Await && (len(o.Missing()) != 1 || o.Missing()[0].Code != NeedsSupervisor) {
				return fmt.Errorf("outcome %+v", o)
			}
			for _, r := range o.Missing() {
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

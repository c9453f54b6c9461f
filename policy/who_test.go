package policy

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Who and Decide are one judge: on random policies and members they say the same.
func TestWhoSaysWhatDecideSays(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(9, 10))}
	some := 0
	for range 500 {
		p := mustNew(t, g.model())
		q := g.question()
		q.Clock, q.Tagged, q.Fault, q.Supervisor, q.Card, q.Issued = Trusted, false, false, nil, AES, q.At
		d := p.Decide(q)
		var alone, supervised RoleSet
		for i, o := range d.Outcomes {
			switch {
			case o.Verdict == Allow:
				alone |= 1 << o.Role
			case o.Verdict == Await && p.Machines[0].Grants[i].Supervisor != nil:
				supervised |= 1 << o.Role
			}
		}
		if p.Machines[0].Mode == Warn && q.Member != nil && !q.Member.Blocked {
			alone |= 1 << User
		}
		got := p.Who("m", []*Member{nil, q.Member}, q.At)
		if len(got) != 2 || got[0].Alone|got[0].Supervised != 0 || got[1].Alone != alone || got[1].Supervised != supervised ||
			got[1].Member != q.Member {
			t.Fatalf("%+v, but decided %v %v\n%+v", got, alone.Roles(), supervised.Roles(), p.Machines[0].Grants)
		}
		if alone|supervised != 0 {
			some++
		}
	}
	if some < 100 {
		t.Errorf("only %d may anything", some)
	}
	if new(Policy).Who("m", nil, monday) != nil {
		t.Error("somebody at a machine that is none")
	}
	if s := RoleSet(1<<User | 1<<Learner); !slices.Equal(s.Roles(), []Role{Learner, User}) || s.Has(Host) {
		t.Error(s.Roles())
	}
}

package roster

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"portillon/policy"
	"portillon/policy/policytest"
)

// rosterOf returns the roster of machine "m" with these members, as Load would return the roster after it has verified
// all badges.
func rosterOf(p *policy.Policy, machine policy.MachineID, list ...*policy.Member) *Roster {
	l := &loader{
		r:     &Roster{Policy: p, machine: machine, members: members{ids: map[policy.MemberID]int32{}}},
		kinds: map[policy.Holding]int32{},
	}
	for _, m := range list {
		at := int32(len(l.r.members.people))
		who := person{id: m.ID, blocked: m.Blocked, until: m.Until, first: int32(len(l.r.members.holdings))}
		for _, h := range m.Holdings {
			l.addHolding(h)
		}
		who.last = int32(len(l.r.members.holdings))
		l.r.members.people, l.r.members.ids[m.ID] = append(l.r.members.people, who), at
	}
	l.r.prepare()
	return l.r
}

// withoutPrepared returns a copy of a member without prepared data.
func withoutPrepared(m *policy.Member) *policy.Member {
	return &policy.Member{
		ID: m.ID, Blocked: m.Blocked, Until: m.Until, Holdings: slices.Clone(m.Holdings), Practice: m.Practice,
	}
}

func said(t *testing.T, d policy.Decision) string {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The test prepares a member once, and then decides about the member in many situations: before and after a badge
// becomes valid, expires or was last checked, inside and outside the machine's hours, with and without a clock, after
// more practice, and under a new bundle that revokes a badge. Each decision must equal the decision about an unprepared
// member.
func TestDecisionsAreTheSameForPreparedAndUnpreparedMembers(t *testing.T) {
	g := policytest.NewGen(81, 82)
	verdicts := map[policy.Verdict]int{}
	for range 25 {
		p := policytest.MustNew(t, g.Accepting())
		asked := g.WithForeign(g.Question(), p)
		m, s := g.Member("m-1", asked.At), g.Member("m-2", asked.At)
		if asked.Member != nil {
			m.Holdings = append(m.Holdings, asked.Member.Holdings...)
		}
		revoking := *m
		revoking.Holdings = slices.Clone(m.Holdings)
		for i := range revoking.Holdings {
			if g.IntN(2) == 0 {
				revoking.Holdings[i].Standing = policy.Revoked
			}
		}
		for _, r := range []*Roster{rosterOf(p, "m", m, s), rosterOf(p, "m", &revoking, s)} {
			for range 20 {
				q := g.WithCircumstances(g.Question())
				q.At = asked.At.Add(time.Duration(g.IntN(800)-400) * 24 * time.Hour)
				member, _ := r.Person("m-1")
				supervisor, _ := r.Person("m-2")
				tapped := *member.Member // the daemon adds the member's practice to a copy
				tapped.Practice = g.Member("m-1", q.At).Practice
				q.Member = &tapped
				if q.Supervisor != nil {
					q.Supervisor = supervisor.Member
				}
				unprepared := q
				unprepared.Member = withoutPrepared(q.Member)
				if q.Supervisor != nil {
					unprepared.Supervisor = withoutPrepared(supervisor.Member)
				}
				d := p.Decide(q)
				verdicts[d.Verdict]++
				if got, want := said(t, d), said(t, p.Decide(unprepared)); got != want {
					t.Fatalf("at %v, prepared:\n%s\nnot prepared:\n%s", q.At, got, want)
				}
			}
		}
	}
	if len(verdicts) < 3 {
		t.Errorf("the questions were answered with %v, want each verdict", verdicts)
	}
}

// A decision about a prepared member needs one allocation. If a roster has no machine, no member is prepared, and each
// caller gets a separate Person.
func TestMembersArePreparedOnlyForTheRostersMachine(t *testing.T) {
	p, crowd := policytest.Crowd(t)
	machine := p.Machines[0].ID
	long := slices.Clone(crowd)
	for i := range preparedAhead {
		m := *crowd[i%len(crowd)]
		m.ID = policy.MemberID(fmt.Sprint("more-", i))
		long = append(long, &m)
	}
	r, tapless := rosterOf(p, machine, long...), rosterOf(p, "", crowd...)
	last := len(long) - 1
	if r.members.prepared[preparedAhead-1].Load() == nil || r.members.prepared[last].Load() != nil {
		t.Errorf("want the first %d of %d members prepared at load", preparedAhead, len(long))
	}
	for _, i := range []int{0, last} {
		a, _ := r.Person(long[i].ID)
		b, _ := r.Person(long[i].ID)
		q := policy.Question{At: policytest.Monday, Clock: policy.Trusted, Machine: machine, Member: a.Member}
		if n := testing.AllocsPerRun(20, func() { p.Decide(q) }); a.Member != b.Member || n > 1 {
			t.Errorf("member %d: %v allocations, want 1 and the same member twice", i, n)
		}
	}
	a, _ := tapless.Person(crowd[0].ID)
	if b, _ := tapless.Person(crowd[0].ID); a.Member == b.Member {
		t.Error("a roster that answers no taps shares its members")
	}
}

func TestManyGoroutinesMayLookUpTheSameMember(t *testing.T) {
	p, crowd := policytest.Crowd(t)
	r := rosterOf(p, p.Machines[0].ID, crowd...)
	clear(r.members.prepared)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, m := range crowd {
				if got, ok := r.Person(m.ID); !ok || got.Member.ID != m.ID {
					t.Errorf("looked up %s, got %v", m.ID, got.Member)
				}
			}
		})
	}
	all.Wait()
}

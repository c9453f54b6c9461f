package policy_test

import (
	"testing"

	"portillon/internal/sample"
	. "portillon/policy"
)

// preparedFor returns copies of the members for each machine, prepared like the members in the roster of the machine.
func preparedFor(p *Policy, members []*Member) [][]*Member {
	out := make([][]*Member, len(p.Machines))
	for k := range p.Machines {
		for _, m := range members {
			own := *m
			p.Prepare(p.Machines[k].ID, &own)
			out[k] = append(out[k], &own)
		}
	}
	return out
}

// BenchmarkDecide measures how long Decide takes for one tap. The benchmark prepares the members first, as a machine
// does after it loads a bundle, and does not convert the reasons to text.
func BenchmarkDecide(b *testing.B) {
	p, members := crowd(b)
	prepared := preparedFor(p, members)
	verdicts := [3]int{}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		d := p.Decide(Question{At: monday, Clock: Trusted, Machine: p.Machines[i%20].ID, Member: prepared[i%20][i*7%1000]})
		verdicts[d.Verdict]++
		i++
	}
	if n := i; n > 20000 && (verdicts[Deny] < n/50 || verdicts[Await] < n/50 || verdicts[Allow] < n/50) {
		b.Errorf("the questions have too few kinds of answers: %v of %d", verdicts, n)
	}
}

// BenchmarkDecideUnprepared decides about unprepared members, as the hub and the command line do.
func BenchmarkDecideUnprepared(b *testing.B) {
	p, members := crowd(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		p.Decide(Question{At: monday, Clock: Trusted, Machine: p.Machines[i%20].ID, Member: members[i*7%1000]})
		i++
	}
}

func TestDecideAllocatesOnceForPreparedMembers(t *testing.T) {
	p, members := crowd(t)
	prepared := preparedFor(p, members[:100])
	worst, unprepared := 0.0, 0.0
	allocations := func(q Question) float64 {
		least := testing.AllocsPerRun(1, func() { p.Decide(q) })
		for range 3 { // repeat the measurement, because it sometimes includes allocations of the Go runtime
			least = min(least, testing.AllocsPerRun(1, func() { p.Decide(q) }))
		}
		return least
	}
	for i := range 1000 {
		k := i % 20
		q := Question{At: monday, Clock: Trusted, Machine: p.Machines[k].ID}
		q.Member, q.Supervisor = prepared[k][i%100], prepared[k][(i+1)%100]
		worst = max(worst, allocations(q))
		q.Member, q.Supervisor = members[i%100], members[(i+1)%100]
		unprepared = max(unprepared, allocations(q))
	}
	if worst > 1 || unprepared > 5 {
		t.Errorf("%v allocations, want 1; %v for members that are not prepared, want 5", worst, unprepared)
	}
}

// Decide must use a prepared result only for the machine, the policy and the list of badges from which the result was
// computed.
func TestPreparedMembersGetTheSameDecisions(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	g := newGen(31, 32)
	for range sample.Count(300) {
		p, other := mustNew(t, g.Accepting()), mustNew(t, g.Accepting())
		for range 20 {
			q := g.WithCircumstances(g.WithForeign(g.Question(), p))
			want, elsewhere := inUTC(p.Decide(q)), inUTC(other.Decide(q))
			for _, m := range []*Member{q.Member, q.Supervisor} {
				p.Prepare("m", m)
			}
			if got := inUTC(p.Decide(q)); got != want {
				t.Fatalf("prepared:\n%s\nnot prepared:\n%s", got, want)
			}
			if got := inUTC(other.Decide(q)); got != elsewhere {
				t.Fatalf("prepared for another policy:\n%s\nnot prepared:\n%s", got, elsewhere)
			}
			if q.Member == nil {
				continue
			}
			swapped := make([]Holding, len(q.Member.Holdings)) // the same number of badges, but other badges
			for i := range swapped {
				swapped[i] = g.Holding(q.At)
			}
			more := append([]Holding{g.Holding(q.At)}, q.Member.Holdings...)
			for _, list := range [][]Holding{swapped, more} {
				stale, plain := *q.Member, Member{
					ID: q.Member.ID, Blocked: q.Member.Blocked, Until: q.Member.Until, Practice: q.Member.Practice,
				}
				stale.Holdings, plain.Holdings = list, list
				a, b := q, q
				a.Member, b.Member = &stale, &plain
				if got, want := inUTC(p.Decide(a)), inUTC(p.Decide(b)); got != want {
					t.Fatalf("prepared with other badges:\n%s\nnot prepared:\n%s", got, want)
				}
			}
		}
	}
	mustNew(t, lab()).Prepare("nowhere", holder())
}

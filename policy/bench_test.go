package policy_test

import (
	"testing"

	. "portillon/policy"
)

// BenchmarkDecide must stay within 1 µs and 2 allocations, all reasons told (issue of part 1).
func BenchmarkDecide(b *testing.B) {
	p, members := crowd(b)
	verdicts := [3]int{}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		d := p.Decide(Question{At: monday, Clock: Trusted, Machine: p.Machines[i%20].ID, Member: members[i*7%1000]})
		verdicts[d.Verdict]++
		i++
	}
	if n := i; n > 20000 && (verdicts[Deny] < n/50 || verdicts[Await] < n/50 || verdicts[Allow] < n/50) {
		b.Errorf("the mix of answers is not one: %v of %d", verdicts, n)
	}
}

func TestDecideAllocatesTwiceAtMost(t *testing.T) {
	p, members := crowd(t)
	worst := 0.0
	for i := range 1000 {
		q := Question{
			At:         monday,
			Clock:      Trusted,
			Machine:    p.Machines[i%20].ID,
			Member:     members[i],
			Supervisor: members[(i+1)%1000],
		}
		least := testing.AllocsPerRun(1, func() { p.Decide(q) })
		for range 3 { // the runtime allocates now and then, and is counted with us
			if least > 2 {
				least = min(least, testing.AllocsPerRun(1, func() { p.Decide(q) }))
			}
		}
		worst = max(worst, least)
	}
	if worst > 2 {
		t.Errorf("%v allocations", worst)
	}
}

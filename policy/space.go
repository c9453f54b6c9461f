package policy

import (
	"fmt"
	"slices"
	"time"
)

// space is everything that decisions on one machine, by one policy or two, can depend on besides time: a product of chains, each
// ordered from what opens least to what opens most.
type space struct {
	id     MachineID
	chains []chain
}

// chain is one thing about the member or the circumstances, in levels that some rule tells apart.
type chain struct {
	words []string // of each level; empty: nothing is worth saying
	apply []func(*Question)
}

// maxStates bounds a space: what has more is not compared rather than compared in part.
const maxStates = 1 << 17

func (s *space) states() int {
	n := 1
	for _, c := range s.chains {
		if n *= len(c.apply); n > maxStates {
			return n
		}
	}
	return n
}

// state is the level in each chain of the n-th state.
func (s *space) state(n int) []int {
	out := make([]int, len(s.chains))
	for i, c := range s.chains {
		out[i], n = n%len(c.apply), n/len(c.apply)
	}
	return out
}

// below reports whether a opens no more than b in any chain.
func below(a, b []int) bool {
	for i := range a {
		if a[i] > b[i] {
			return false
		}
	}
	return true
}

// question is the state as it taps at a moment.
func (s *space) question(state []int, at time.Time, clock Clock) Question {
	q := Question{At: at, Clock: clock, Machine: s.id, Member: &Member{ID: "member", Practice: []Practice{{Machine: s.id, Last: at.AddDate(-100, 0, 0)}}},
		Supervisor: &Member{ID: "supervisor", Practice: []Practice{{Machine: s.id, Last: at, Logged: 1 << 62}}}, Card: NumberOnly, Issued: at}
	for i, level := range state {
		s.chains[i].apply[level](&q)
	}
	if len(q.Supervisor.Holdings) == 0 {
		q.Supervisor = nil
	}
	return q
}

// words are what is worth saying of a state.
func (s *space) words(state []int) []string {
	var out []string
	for i, level := range state {
		if w := s.chains[i].words[level]; w != "" {
			out = append(out, w)
		}
	}
	return out
}

// spaceOf spans what the machines, the same one under two policies, tell apart.
func spaceOf(id MachineID, machines ...*Machine) space {
	s := space{id: id}
	var member, supervisor []Need
	var quotas []Quota
	var fresh, answering []time.Duration
	aes := false
	for _, m := range machines {
		if m == nil {
			continue
		}
		for _, g := range m.Grants {
			member = append(member, leaves(g.Needs)...)
			if g.Supervisor != nil {
				supervisor = append(supervisor, leaves(*g.Supervisor)...)
				answering = append(answering, time.Duration(g.Learners))
			}
			quotas = append(quotas, g.Quota)
		}
		fresh = append(fresh, m.Fresh)
		aes = aes || m.Card == AES
	}
	s.badges(member)
	s.practice(member)
	s.supervisor(supervisor)
	s.quotas(quotas)
	s.circumstances(aes, cutsOf(fresh), cutsOf(answering))
	return s
}

func leaves(n Need) []Need {
	if n.Badge != "" {
		return []Need{n}
	}
	var out []Need
	for _, x := range append(slices.Clone(n.All), n.Any...) {
		out = append(out, leaves(x)...)
	}
	return out
}

// cutsOf are the distinct lengths above zero, longest first.
func cutsOf(all []time.Duration) []time.Duration {
	out := slices.DeleteFunc(slices.Clone(all), func(d time.Duration) bool { return d <= 0 })
	slices.Sort(out)
	out = slices.Compact(out)
	slices.Reverse(out)
	return out
}

func (c *chain) add(word string, apply func(*Question)) {
	c.words, c.apply = append(c.words, word), append(c.apply, apply)
}

func nothing(*Question) {}

// badges adds a chain for each badge: not held, held in each age and assurance that a rule tells apart.
func (s *space) badges(needs []Need) {
	byBadge := map[BadgeID][]Need{}
	var order []BadgeID
	for _, n := range needs {
		if byBadge[n.Badge] == nil {
			order = append(order, n.Badge)
		}
		byBadge[n.Badge] = append(byBadge[n.Badge], n)
	}
	slices.Sort(order)
	for _, b := range order {
		s.chains = append(s.chains, badgeChain(b, byBadge[b]))
	}
}

func badgeChain(b BadgeID, needs []Need) chain {
	var ages []time.Duration
	weakest := Signed
	for _, n := range needs {
		ages, weakest = append(ages, n.Within, n.UsedWithin), max(weakest, n.Assurance)
	}
	cuts := cutsOf(ages)
	if len(cuts) > 0 {
		cuts = append([]time.Duration{cuts[0] + 24*time.Hour}, cuts...)
	} else {
		cuts = []time.Duration{0}
	}
	c := chain{}
	c.add("", nothing)
	for i, age := range cuts {
		for a := int(weakest); a >= 0; a-- {
			word := string(b)
			if len(cuts) > 1 {
				word += map[bool]string{true: " issued more than " + short24(cuts[min(i+1, len(cuts)-1)]) + " ago", false: " issued at most " + short24(age) + " ago"}[i == 0]
			}
			if weakest > Signed {
				word += " (" + Assurance(a).String() + ")"
			}
			c.add(word, func(q *Question) {
				q.Member.Holdings = append(q.Member.Holdings, Holding{Badge: b, Standing: Verified, From: q.At.Add(-age), Assurance: Assurance(a)})
			})
		}
	}
	return c
}

// short24 is a length as a policy file writes it: 180d, 1h30m.
func short24(d time.Duration) string {
	out := ""
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / unit.is; n > 0 {
			out += fmt.Sprint(int64(n), unit.name)
			d %= unit.is
		}
	}
	return out
}

// practice adds chains for the last use of the machine, and for the hours logged on it.
func (s *space) practice(needs []Need) {
	var used, logged []time.Duration
	for _, n := range needs {
		used, logged = append(used, n.UsedWithin), append(logged, n.Hours)
	}
	if cuts := cutsOf(used); len(cuts) > 0 {
		c := chain{}
		c.add("", nothing)
		for _, d := range cuts {
			c.add("used at most "+short24(d)+" ago", func(q *Question) { q.Member.Practice[0].Last = q.At.Add(-d) })
		}
		s.chains = append(s.chains, c)
	}
	if cuts := cutsOf(logged); len(cuts) > 0 {
		c := chain{}
		c.add("", nothing)
		for _, d := range slices.Backward(cuts) {
			c.add(short24(d)+" logged", func(q *Question) { q.Member.Practice[0].Logged = d })
		}
		s.chains = append(s.chains, c)
	}
}

// supervisor adds a chain for each badge that a supervisor may be asked for, held lately or not at all.
func (s *space) supervisor(needs []Need) {
	var all []BadgeID
	for _, n := range needs {
		all = append(all, n.Badge)
	}
	slices.Sort(all)
	for _, b := range slices.Compact(all) {
		c := chain{}
		c.add("", nothing)
		c.add("a supervisor with "+string(b), func(q *Question) {
			q.Supervisor.Holdings = append(q.Supervisor.Holdings, Holding{Badge: b, Standing: Verified, From: q.At})
		})
		s.chains = append(s.chains, c)
	}
}

// quotas adds chains for the time used: as much as each quota, the greatest first, then none.
func (s *space) quotas(all []Quota) {
	var day, week []time.Duration
	for _, q := range all {
		day, week = append(day, q.Day), append(week, q.Week)
	}
	add := func(cuts []time.Duration, of string, set func(*Practice, time.Duration)) {
		if len(cuts) == 0 {
			return
		}
		c := chain{}
		for _, d := range cuts {
			c.add(short24(d)+" used this "+of, func(q *Question) { q.Member.Practice[0].Last = q.At; set(&q.Member.Practice[0], d) })
		}
		c.add("", nothing)
		s.chains = append(s.chains, c)
	}
	add(cutsOf(day), "day", func(p *Practice, d time.Duration) { p.Day = d })
	add(cutsOf(week), "week", func(p *Practice, d time.Duration) { p.Week = d })
}

func (s *space) circumstances(aes bool, fresh, answering []time.Duration) {
	if aes {
		c := chain{}
		c.add("a card of which only the number is known", nothing)
		c.add("", func(q *Question) { q.Card = AES })
		s.chains = append(s.chains, c)
	}
	if len(fresh) > 0 {
		c := chain{}
		c.add("a bundle older than "+short24(fresh[0]), func(q *Question) { q.Issued = q.At.Add(-fresh[0] - time.Second) })
		for _, d := range fresh[1:] {
			c.add("a bundle older than "+short24(d), func(q *Question) { q.Issued = q.At.Add(-d - time.Second) })
		}
		c.add("", nothing)
		s.chains = append(s.chains, c)
	}
	if len(answering) > 0 {
		c := chain{}
		for _, n := range answering {
			c.add(fmt.Sprintf("a supervisor who answers for %d already", n), func(q *Question) { q.Answering = int(n) })
		}
		c.add("", nothing)
		s.chains = append(s.chains, c)
	}
}

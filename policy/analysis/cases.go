package analysis

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"portillon/policy"
)

// cases is everything that decisions on one machine, by one policy or two, can depend on besides time: a product of
// chains. Each begins with what is plain: a badge not held, no share used, a card that proves itself, a bundle of the
// day. What follows is told of a case only where it makes a difference to it.
type cases struct {
	id     policy.MachineID
	chains []chain
}

// chain is one thing about the member or the circumstances, in levels that some rule tells apart. Most are each worth
// more than the one before; of badges that are old or attested, neither is.
type chain struct {
	words []policy.Text // of each level; empty: nothing is worth saying
	apply []func(*policy.Question)
	under [][]int // of each level: those next below it
	kind  chainKind
	whole policy.Text // of a badge: what is said where any level but the first will do
}

type chainKind uint8

const (
	ofCircumstance chainKind = iota
	ofBadge                  // of the member's or a supervisor's: each level is worth more than those below it
	ofUse
	ofShare
)

// maxCases bounds the states of a machine times the slots of a year: what has more is not tried rather than tried in
// part.
const maxCases = 1 << 18

func (s *cases) states() int {
	n := 1
	for _, c := range s.chains {
		if n *= len(c.apply); n > maxCases {
			return n
		}
	}
	return n
}

// state is the level in each chain of the n-th state.
func (s *cases) state(n int) []int {
	out := make([]int, len(s.chains))
	for i, c := range s.chains {
		out[i], n = n%len(c.apply), n/len(c.apply)
	}
	return out
}

// under are the states that are next below the n-th, each with the place of the chain in which it stands lower. They
// have lesser numbers.
func (s *cases) under(n int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		step, rest := 1, n
		for i := range s.chains {
			size := len(s.chains[i].apply)
			level := rest % size
			for _, lower := range s.chains[i].under[level] {
				if !yield(i, n-(level-lower)*step) {
					return
				}
			}
			step, rest = step*size, rest/size
		}
	}
}

// question is the state as it taps at a moment.
func (s *cases) question(state []int, at time.Time, clock policy.Clock) policy.Question {
	q := policy.Question{
		At:      at,
		Clock:   clock,
		Machine: s.id,
		Member:  &policy.Member{ID: nobodyBooked, Practice: []policy.Practice{{Machine: s.id, Last: at.AddDate(-100, 0, 0)}}},
		Supervisor: &policy.Member{
			ID:       somebodyBeside,
			Practice: []policy.Practice{{Machine: s.id, Last: at.AddDate(-100, 0, 0)}},
		},
		Card:   policy.NumberOnly,
		Issued: at,
	}
	q.Member.Holdings = make([]policy.Holding, 0, len(state))
	for i, level := range state {
		s.chains[i].apply[level](&q)
	}
	if len(q.Supervisor.Holdings) == 0 {
		q.Supervisor = nil
	}
	return q
}

// words are what is worth saying of a state: what would be otherwise on another level. same reports whether what is
// said of the state holds of another, by its number, too.
func (s *cases) words(state []int, same func(n int) bool) []policy.Text {
	var out []policy.Text
	alike := [][]int{state} // all that the words that are left out leave open
	for i, level := range state {
		c := &s.chains[i]
		if c.words[level] == (policy.Text{}) {
			continue
		}
		first := 0
		if c.kind == ofBadge {
			first = 1
		}
		var open [][]int
		for _, a := range alike {
			for other := first; other < len(c.apply); other++ {
				b := slices.Clone(a)
				b[i] = other
				open = append(open, b)
			}
		}
		if slices.ContainsFunc(open, func(b []int) bool { return !same(s.number(b)) }) {
			out = append(out, c.words[level])
			continue
		}
		if alike = open; first == 1 {
			out = append(out, c.whole)
		}
	}
	return out
}

// number is the reverse of state.
func (s *cases) number(state []int) (n int) {
	for i, level := range slices.Backward(state) {
		n = n*len(s.chains[i].apply) + level
	}
	return n
}

// possible reports whether a state can be: whoever has used the machine today has used it lately.
func (s *cases) possible(state []int) bool {
	shares, lately := false, true
	for i, c := range s.chains {
		switch c.kind {
		case ofShare:
			shares = shares || state[i] > 0
		case ofUse:
			lately = state[i] == len(c.apply)-1
		}
	}
	return lately || !shares
}

// casesOf spans what the sides, a machine under one policy or two, tell apart.
func casesOf(id policy.MachineID, sides ...side) cases {
	s := cases{id: id}
	var member, supervisor []policy.Need
	var accepted, answers foreignBadges // the badges of other issuers, of the member and of a supervisor
	var machines []*policy.Machine
	var quotas []policy.Quota
	var fresh, answering []time.Duration
	aes := false
	for at, side := range sides {
		m := side.m
		if m == nil {
			continue
		}
		machines = append(machines, m)
		for _, g := range m.Grants {
			member = append(member, leaves(g.Needs)...)
			accepted.add(at, side.policy, leaves(g.Needs), g.Role)
			if g.Supervisor != nil {
				supervisor = append(supervisor, leaves(*g.Supervisor)...)
				answers.add(at, side.policy, leaves(*g.Supervisor), policy.Mentor)
				answering = append(answering, time.Duration(g.Learners))
			}
			quotas = append(quotas, g.Quota)
		}
		fresh = append(fresh, m.Fresh)
		aes = aes || m.Card == policy.AES
	}
	s.badges(append(member, accepted.with...), theMember)
	s.accepted(accepted, theMember)
	s.practice(member, theMember)
	s.badges(append(supervisor, answers.with...), theSupervisor)
	s.accepted(answers, theSupervisor)
	s.practice(supervisor, theSupervisor)
	s.quotas(quotas)
	s.circumstances(aes, cutsOf(fresh), cutsOf(answering))
	s.ends(machines)
	s.bookings(machines)
	return s
}

func leaves(n policy.Need) []policy.Need {
	if n.Badge != "" {
		return []policy.Need{n}
	}
	var out []policy.Need
	for _, x := range append(slices.Clone(n.All), n.Any...) {
		out = append(out, leaves(x)...)
	}
	return out
}

// cutsOf are the distinct lengths above zero, shortest first.
func cutsOf(all []time.Duration) []time.Duration {
	out := slices.DeleteFunc(slices.Clone(all), func(d time.Duration) bool { return d <= 0 })
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *chain) add(word policy.Text, apply func(*policy.Question)) {
	n := len(c.apply)
	c.addOver(word, apply, n-1)
}

// addOver adds a level that is worth more than those levels; less than zero: none.
func (c *chain) addOver(word policy.Text, apply func(*policy.Question), lower ...int) {
	lower = slices.DeleteFunc(lower, func(l int) bool { return l < 0 })
	c.words, c.apply, c.under = append(c.words, word), append(c.apply, apply), append(c.under, lower)
}

func nothing(*policy.Question) {}

// someone is who a chain is about.
type someone struct {
	of        func(*policy.Question) *policy.Member
	has, does policy.Text // stand before a badge, and before what is done
	use       chainKind
}

var (
	theMember     = someone{of: func(q *policy.Question) *policy.Member { return q.Member }, use: ofUse}
	theSupervisor = someone{of: func(q *policy.Question) *policy.Member { return q.Supervisor },
		has: policy.Text{
			FR: "un superviseur qui a ",
			EN: "a supervisor with ",
		}, does: policy.Text{FR: "un superviseur : ", EN: "a supervisor: "}}
)

// badges adds a chain for each badge: not held, held in each age and assurance that a rule tells apart.
func (s *cases) badges(needs []policy.Need, who someone) {
	byBadge := map[policy.BadgeID][]policy.Need{}
	var order []policy.BadgeID
	for _, n := range needs {
		if byBadge[n.Badge] == nil {
			order = append(order, n.Badge)
		}
		byBadge[n.Badge] = append(byBadge[n.Badge], n)
	}
	slices.Sort(order)
	for _, b := range order {
		s.chains = append(s.chains, badgeChain(b, byBadge[b], who))
	}
}

func badgeChain(b policy.BadgeID, needs []policy.Need, who someone) chain {
	return heldChain(
		policy.Text{FR: who.has.FR + string(b), EN: who.has.EN + string(b)},
		needs,
		func(q *policy.Question, age time.Duration, a policy.Assurance) {
			m := who.of(q)
			m.Holdings = append(
				m.Holdings,
				policy.Holding{Badge: b, Standing: policy.Verified, From: q.At.Add(-age), Assurance: a},
			)
		},
	)
}

// heldChain is of what is held in each age and assurance that the needs tell apart.
func heldChain(
	name policy.Text,
	needs []policy.Need,
	hold func(*policy.Question, time.Duration, policy.Assurance),
) chain {
	var ages []time.Duration
	weakest := policy.Signed
	for _, n := range needs {
		ages, weakest = append(ages, n.Within, n.UsedWithin), max(weakest, n.Assurance)
	}
	c := chain{kind: ofBadge, whole: name}
	c.add(policy.Text{}, nothing)
	assurances := int(weakest) + 1
	add := func(word policy.Text, age time.Duration) {
		for a := int(weakest); a >= 0; a-- {
			full := word
			if weakest > policy.Signed {
				full = policy.Text{
					FR: word.FR + " (" + policy.Assurance(a).String() + ")",
					EN: word.EN + " (" + policy.Assurance(a).String() + ")",
				}
			}
			n := len(c.apply)
			lower := []int{max(n-assurances, 0)} // the same, but older
			if a < int(weakest) {
				lower = append(lower, n-1) // the same, but weaker
			}
			c.addOver(full, func(q *policy.Question) { hold(q, age, policy.Assurance(a)) }, lower...)
		}
	}
	cuts := cutsOf(ages)
	if len(cuts) == 0 {
		add(name, 0)
		return c
	}
	longest := cuts[len(cuts)-1]
	add(
		policy.Text{
			FR: name.FR + " émis il y a plus de " + policy.FormatDuration(longest),
			EN: name.EN + " issued more than " + policy.FormatDuration(longest) + " ago",
		},
		longest+24*time.Hour,
	)
	for _, age := range slices.Backward(cuts) {
		add(
			policy.Text{
				FR: name.FR + " émis il y a au plus " + policy.FormatDuration(age),
				EN: name.EN + " issued at most " + policy.FormatDuration(age) + " ago",
			},
			age,
		)
	}
	return c
}

// practice adds chains for the last use of the machine, and for the hours logged on it.
func (s *cases) practice(needs []policy.Need, who someone) {
	var used, logged []time.Duration
	for _, n := range needs {
		used, logged = append(used, n.UsedWithin), append(logged, n.Hours)
	}
	if cuts := cutsOf(used); len(cuts) > 0 {
		c := chain{kind: who.use}
		c.add(policy.Text{}, nothing)
		for _, d := range slices.Backward(cuts) {
			c.add(
				policy.Text{
					FR: who.does.FR + "machine utilisée il y a au plus " + policy.FormatDuration(d),
					EN: who.does.EN + "used at most " + policy.FormatDuration(d) + " ago",
				},
				func(q *policy.Question) { who.of(q).Practice[0].Last = q.At.Add(-d) },
			)
		}
		s.chains = append(s.chains, c)
	}
	if cuts := cutsOf(logged); len(cuts) > 0 {
		c := chain{}
		c.add(policy.Text{}, nothing)
		for _, d := range cuts {
			c.add(
				policy.Text{
					FR: who.does.FR + policy.FormatDuration(d) + " de pratique",
					EN: who.does.EN + policy.FormatDuration(d) + " logged",
				},
				func(q *policy.Question) { who.of(q).Practice[0].Logged = d },
			)
		}
		s.chains = append(s.chains, c)
	}
}

// quotas adds chains for the time used: none, then as much as each quota. Whoever has used the machine today did so
// just now: that is practice as well.
func (s *cases) quotas(all []policy.Quota) {
	var day, week []time.Duration
	for _, q := range all {
		day, week = append(day, q.Day), append(week, q.Week)
	}
	add := func(cuts []time.Duration, of policy.Text, set func(*policy.Practice, time.Duration)) {
		if len(cuts) == 0 {
			return
		}
		c := chain{kind: ofShare}
		c.add(policy.Text{}, nothing)
		for _, d := range cuts {
			c.add(
				policy.Text{FR: policy.FormatDuration(d) + of.FR, EN: policy.FormatDuration(d) + of.EN},
				func(q *policy.Question) { q.Member.Practice[0].Last = q.At; set(&q.Member.Practice[0], d) },
			)
		}
		s.chains = append(s.chains, c)
	}
	add(
		cutsOf(day),
		policy.Text{FR: " d’utilisation ce jour", EN: " used this day"},
		func(p *policy.Practice, d time.Duration) { p.Day = d },
	)
	add(
		cutsOf(week),
		policy.Text{FR: " d’utilisation cette semaine", EN: " used this week"},
		func(p *policy.Practice, d time.Duration) { p.Week = d },
	)
}

func (s *cases) circumstances(aes bool, fresh, answering []time.Duration) {
	if aes {
		c := chain{}
		c.add(policy.Text{}, func(q *policy.Question) { q.Card = policy.AES })
		c.add(
			policy.Text{FR: "une carte dont on ne connaît que le numéro", EN: "a card of which only the number is known"},
			nothing,
		)
		s.chains = append(s.chains, c)
	}
	if len(fresh) > 0 {
		c := chain{}
		c.add(policy.Text{}, nothing)
		for _, d := range fresh {
			c.add(
				policy.Text{
					FR: "un bundle de plus de " + policy.FormatDuration(d),
					EN: "a bundle older than " + policy.FormatDuration(d),
				},
				func(q *policy.Question) { q.Issued = q.At.Add(-d - time.Second) },
			)
		}
		s.chains = append(s.chains, c)
	}
	if len(answering) > 0 {
		c := chain{}
		c.add(policy.Text{}, nothing)
		for _, n := range answering {
			c.add(
				policy.Text{
					FR: fmt.Sprintf("un superviseur qui répond déjà de %d", n),
					EN: fmt.Sprintf("a supervisor who answers for %d already", n),
				},
				func(q *policy.Question) { q.Answering = int(n) },
			)
		}
		s.chains = append(s.chains, c)
	}
}

// ends adds a chain for badges that end one day, where one policy passes that over while the clock is not trusted and
// the other does not.
func (s *cases) ends(machines []*policy.Machine) {
	passes := map[policy.ClockPass]bool{}
	for _, m := range machines {
		if m != nil {
			passes[m.Pass&policy.PassEnds] = true
		}
	}
	if len(passes) < 2 {
		return
	}
	c := chain{}
	c.add(policy.Text{}, nothing)
	c.add(policy.Text{FR: "des badges qui ont une fin", EN: "badges that have an end"}, func(q *policy.Question) {
		for _, m := range []*policy.Member{q.Member, q.Supervisor} {
			for i := range m.Holdings {
				m.Holdings[i].Until = q.At.Add(24 * time.Hour)
			}
		}
	})
	s.chains = append(s.chains, c)
}

// bookings adds a chain for who has booked the machine: nobody that taps, and whoever it is that has.
func (s *cases) bookings(machines []*policy.Machine) {
	var lists [][]policy.Booking
	for _, m := range machines {
		if b := bookingsOf(m); len(b) > 0 {
			lists = append(lists, b)
		}
	}
	if len(lists) == 0 {
		return
	}
	words := []policy.Text{{FR: "qui l’a réservée", EN: "who has booked it"}}
	if len(lists) == 2 && !slices.EqualFunc(lists[0], lists[1], sameBooking) {
		words = []policy.Text{
			{FR: "qui l’avait réservée avant", EN: "who had booked it before"},
			{FR: "qui l’a réservée désormais", EN: "who has booked it now"},
		}
	}
	c := chain{}
	c.add(policy.Text{FR: "qui ne l’a pas réservée", EN: "who has not booked it"}, nothing)
	for i, w := range words {
		c.add(w, func(q *policy.Question) {
			if b := underWay(lists[i], q.At); b != nil {
				q.Member.ID = b.For
			}
		})
	}
	s.chains = append(s.chains, c)
}

func sameBooking(a, b policy.Booking) bool {
	return a.From.Equal(b.From) && a.To.Equal(b.To) && a.For == b.For
}

// underWay is the booking of a moment, or nil.
func underWay(all []policy.Booking, at time.Time) *policy.Booking {
	i := slices.IndexFunc(all, func(b policy.Booking) bool { return !b.From.After(at) && b.To.After(at) })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func bookingsOf(m *policy.Machine) []policy.Booking {
	if m == nil {
		return nil
	}
	return m.Bookings
}

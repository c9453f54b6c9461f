package analysis

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"portillon/policy"
)

// cases describes every combination of circumstances that a decision at one machine can depend on, apart from time.
// Each fact has a chain of levels, and a combination (a state) has one level of each chain. Level 0 of each chain is
// the ordinary level: the member does not hold the badge, has used nothing of the quota, the card proves a key, and the
// bundle was made today. A sentence mentions a higher level only if that level changes the answer.
type cases struct {
	id     policy.MachineID
	chains []chain
}

// chain is one fact about the member or the circumstances, divided into the levels that some rule distinguishes. In
// most chains each level is worth more than the level before. In a badge's chain, an older badge with a stronger
// assurance and a newer badge with a weaker one are not comparable.
type chain struct {
	words []policy.Text // text of each level for sentences; empty if sentences do not mention the level
	apply []func(*policy.Question)
	// for each level, the indices of the levels that are worth a little less, without levels between them
	under [][]int
	kind  chainKind
	whole policy.Text // text that names only the badge, used if all levels except «not held» give the same answer
}

// chainKind is the subject of a chain, for chains that the analyses treat differently.
type chainKind uint8

const (
	ofCircumstance chainKind = iota
	ofBadge                  // a badge of the member or the mentor: each level is worth more than those below it
	ofUse                    // the member's last use of the machine
	ofShare                  // time or sessions used of a quota
)

// maxCases limits the states of a machine times its time slots: 262,144 cases take a few seconds. A machine with more
// cases is not analysed at all, because a partial analysis could miss a case.
const maxCases = 1 << 18

// states is the number of states. Above maxCases, the result may be too small, but it is always above maxCases.
func (s *cases) states() int {
	n := 1
	for _, c := range s.chains {
		if n *= len(c.apply); n > maxCases {
			return n
		}
	}
	return n
}

// state returns, for each chain, the level of that chain in state number n. The number n must be less than states().
func (s *cases) state(n int) []int {
	out := make([]int, len(s.chains))
	for i, c := range s.chains {
		out[i], n = n%len(c.apply), n/len(c.apply)
	}
	return out
}

// under yields each state immediately below state n, with the index of the chain in which that state is lower. The
// numbers of the lower states are smaller than n, so a loop over increasing n visits them first.
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

// question returns the question that the evaluator answers when a member in the state with this number taps at the
// given moment. A member without practice last used the machine a hundred years before the moment, which counts as
// never.
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

// words returns the texts of the levels of a state on which the answer depends: with another level of the same chain,
// the answer would differ. The function same reports whether state number n gets the same answer as the state.
func (s *cases) words(state []int, same func(n int) bool) []policy.Text {
	var out []policy.Text
	alike := [][]int{state} // numbers of the states that agree with all texts chosen so far
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

// number returns the number of a state. The method state computes the state of a number again.
func (s *cases) number(state []int) (n int) {
	for i, level := range slices.Backward(state) {
		n = n*len(s.chains[i].apply) + level
	}
	return n
}

// possible reports whether a state can occur: a member who has used part of a quota today must also have used the
// machine lately.
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

// casesOf builds the chains whose levels at least one side distinguishes. The sides are one machine under one policy or
// under two policies.
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
	// The order of the chains is the order of the words in a sentence.
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

// leaves returns the needs of single badges inside a need, in the order of the policy file.
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

// cutsOf returns the distinct durations above zero, shortest first.
func cutsOf(all []time.Duration) []time.Duration {
	out := slices.DeleteFunc(slices.Clone(all), func(d time.Duration) bool { return d <= 0 })
	slices.Sort(out)
	return slices.Compact(out)
}

// add appends a level that is worth more than the level before it.
func (c *chain) add(word policy.Text, apply func(*policy.Question)) {
	n := len(c.apply)
	c.addOver(word, apply, n-1)
}

// addOver appends a level that is worth more than each of the levels in lower. addOver ignores negative indices in
// lower.
func (c *chain) addOver(word policy.Text, apply func(*policy.Question), lower ...int) {
	lower = slices.DeleteFunc(lower, func(l int) bool { return l < 0 })
	c.words, c.apply, c.under = append(c.words, word), append(c.apply, apply), append(c.under, lower)
}

// nothing is the change of level 0 to a question: no change.
func nothing(*policy.Question) {}

// someone is the person that a chain is about: the member, or the mentor who supervises.
type someone struct {
	of        func(*policy.Question) *policy.Member
	has, does policy.Text // prefixes of the text of a badge, and of the text of an action
	use       chainKind
}

var (
	theMember     = someone{of: func(q *policy.Question) *policy.Member { return q.Member }, use: ofUse}
	theSupervisor = someone{of: func(q *policy.Question) *policy.Member { return q.Supervisor },
		has: policy.Text{
			FR: "un mentor qui a ",
			EN: "a mentor with ",
		}, does: policy.Text{FR: "un mentor : ", EN: "a mentor: "}}
)

// badges adds a chain for each badge: not held, then held in each age and assurance that a rule distinguishes.
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

// badgeChain returns the chain of one badge of the policy itself.
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

// heldChain returns the chain of one badge, or of several badges with the same effect. The chain has a level for each
// age and assurance that the needs distinguish. The function hold adds the badge, with that age and assurance, to the
// member of a question.
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
			lower := []int{max(n-assurances, 0)} // lower level: the same badge, but older
			if a < int(weakest) {
				lower = append(lower, n-1) // lower level: the same badge with a weaker assurance
			}
			c.addOver(full, func(q *policy.Question) { hold(q, age, policy.Assurance(a)) }, lower...)
		}
	}
	// Add the oldest level first. For the level above the longest age, add one day to that age, because rules count
	// ages in whole days.
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

// practice adds a chain for the last use of the machine, and a chain for the hours logged on it.
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

// quotas adds chains for the time that the member used today and this week, and for the sessions begun today. Their
// levels are zero, and exactly the amount of each quota. A member who has used part of a quota used the machine just
// now, so the last use is set too.
func (s *cases) quotas(all []policy.Quota) {
	var day, week, sessions []time.Duration
	for _, q := range all {
		day, week, sessions = append(day, q.Day), append(week, q.Week), append(sessions, time.Duration(q.Sessions))
	}
	add := func(cuts []time.Duration, text func(time.Duration) policy.Text, set func(*policy.Practice, time.Duration)) {
		if len(cuts) == 0 {
			return
		}
		c := chain{kind: ofShare}
		c.add(policy.Text{}, nothing)
		for _, d := range cuts {
			c.add(text(d), func(q *policy.Question) { q.Member.Practice[0].Last = q.At; set(&q.Member.Practice[0], d) })
		}
		s.chains = append(s.chains, c)
	}
	long := func(fr, en string) func(time.Duration) policy.Text {
		return func(d time.Duration) policy.Text {
			return policy.Text{FR: policy.FormatDuration(d) + fr, EN: policy.FormatDuration(d) + en}
		}
	}
	add(
		cutsOf(day),
		long(" d’utilisation ce jour", " used this day"),
		func(p *policy.Practice, d time.Duration) { p.Day = d },
	)
	add(
		cutsOf(week),
		long(" d’utilisation cette semaine", " used this week"),
		func(p *policy.Practice, d time.Duration) { p.Week = d },
	)
	add(cutsOf(sessions), sessionsToday, func(p *policy.Practice, n time.Duration) { p.Sessions = int(n) })
}

// sessionsToday is the text of a level with n sessions on the day of the question.
func sessionsToday(n time.Duration) policy.Text {
	if n == 1 {
		return policy.Text{FR: "1 utilisation ce jour", EN: "1 session this day"}
	}
	return policy.Text{FR: fmt.Sprintf("%d utilisations ce jour", n), EN: fmt.Sprintf("%d sessions this day", n)}
}

// circumstances adds chains for the card (it proves a key, or the reader knows only its number), for the age of the
// bundle, and for the number of people whom the mentor already supervises.
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
					FR: fmt.Sprintf("un mentor qui encadre déjà %d personnes", n),
					EN: fmt.Sprintf("a mentor who already supervises %d", n),
				},
				func(q *policy.Question) { q.Answering = int(n) },
			)
		}
		s.chains = append(s.chains, c)
	}
}

// ends adds a chain for badges that have an end date, if one policy ignores end dates while the clock is not trusted
// (PassEnds) and the other does not.
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

// bookings adds a chain that distinguishes who taps while the machine is booked: the member who booked it, or somebody
// else.
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

// sameBooking reports whether two bookings are of one member at the same time.
func sameBooking(a, b policy.Booking) bool {
	return a.From.Equal(b.From) && a.To.Equal(b.To) && a.For == b.For
}

// underWay returns the booking in force at a moment, or nil.
func underWay(all []policy.Booking, at time.Time) *policy.Booking {
	i := slices.IndexFunc(all, func(b policy.Booking) bool { return !b.From.After(at) && b.To.After(at) })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// bookingsOf returns the bookings of a machine. A nil machine has no bookings.
func bookingsOf(m *policy.Machine) []policy.Booking {
	if m == nil {
		return nil
	}
	return m.Bookings
}

package oracle

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"portillon/policy"
)

var (
	policies = flag.Int("policies", 250, "random policies")
	requests = flag.Int("requests", 1_000_000, "random requests to Cedar")
	seed     = flag.Uint64("seed", 1, "of what is random")
)

var (
	badges = []policy.BadgeID{"a", "b", "c", "d", "e"}
	zone   = func() *time.Location { z, _ := time.LoadLocation("Europe/Paris"); return z }()
	day    = 24 * time.Hour
	grace  = 7 * day
)

type gen struct{ *rand.Rand }

// hours holds weekly hours that can be written both in a policy file and in Cedar.
type hours struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes since midnight; to may be on the next day
}

func (g gen) hours() hours {
	h := hours{from: g.IntN(24) * 60}
	h.to = h.from + 60 + g.IntN(10)*60
	for d := range h.days {
		h.days[d] = g.IntN(2) == 0
	}
	h.days[g.IntN(7)] = true
	return h
}

// text returns the hours as policy.yaml writes them.
func (h hours) text() string {
	var on []string
	for d, yes := range h.days {
		if yes {
			on = append(on, []string{"Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"}[d])
		}
	}
	return fmt.Sprintf("%s %02d:00-%02d:00", strings.Join(on, ","), h.from/60, h.to/60)
}

// cedar returns the hours as a Cedar condition on the day of the week and the minute of the day.
func (h hours) cedar() string {
	var or []string
	for d, yes := range h.days {
		if !yes {
			continue
		}
		or = append(
			or,
			fmt.Sprintf("(context.day == %d && context.minute >= %d && context.minute < %d)", d, h.from, min(h.to, 24*60)),
		)
		if h.to > 24*60 {
			or = append(or, fmt.Sprintf("(context.day == %d && context.minute < %d)", (d+1)%7, h.to-24*60))
		}
	}
	return "(" + strings.Join(or, " || ") + ")"
}

// site is one random policy, both as a policy.Model and in Cedar.
type site struct {
	model policy.Model
	cedar *cedar.PolicySet
	m     *policy.Machine
}

func (g gen) site(t testing.TB) site {
	m := policy.Model{
		Site:        "s",
		Zone:        zone,
		StatusGrace: grace,
		Issuers: []policy.Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}},
			{ID: "o", Profile: "did:y", Keys: []string{"l"}}},
	}
	for _, b := range badges {
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: b, Name: policy.Text{FR: string(b)}, Issuer: "i", Achievement: "urn:" + string(b)},
		)
	}
	m.Membership = g.membership()
	if g.IntN(3) > 0 {
		g.accepts(&m)
	}
	x := policy.Machine{ID: "m", Pass: policy.ClockPass(g.IntN(8)), Card: policy.CardStrength(g.IntN(4) / 3)}
	if g.IntN(3) == 0 {
		x.Fresh, x.Stale = time.Duration(1+g.IntN(30))*day, []policy.Role{policy.Maintainer, policy.Mentor}[:g.IntN(3)]
	}
	if g.IntN(3) == 0 {
		x.Bookings = []policy.Booking{
			{From: monday, To: monday.Add(day), For: "m-1"},
			{From: monday.Add(day), To: monday.Add(3 * day), For: "m-9"},
		}
	}
	var text strings.Builder
	text.WriteString(
		"forbid(principal, action, resource) when { context.blocked || context.fault || context.cardState != \"active\" };\n",
	)
	for i := range 1 + g.IntN(5) {
		grant, when, then := g.grant(&m, &x)
		then = answers(m.Membership, then)
		text.WriteString(lapse(m.Membership, i, grant.Role))
		x.Grants = append(x.Grants, grant)
		fmt.Fprintf(&text, "permit(principal, action == Action::\"ready-%d\", resource) when { %s };\n", i, when)
		fmt.Fprintf(&text, "permit(principal, action == Action::\"given-%d\", resource) when { %s && %s };\n", i, when, then)
		if grant.Role != policy.Maintainer {
			fmt.Fprintf(
				&text,
				"forbid(principal, action in [Action::\"ready-%d\", Action::\"given-%d\"], resource) when { context.tagged };\n",
				i,
				i,
			)
		}
	}
	m.Machines = []policy.Machine{x}
	ps, err := cedar.NewPolicySetFromBytes("policy.cedar", []byte(text.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	return site{m, ps, &m.Machines[0]}
}

// unless returns a rule on time in Cedar: judged while the clock is trusted, otherwise ignored (passed) or refused.
func unless(rule string, passed bool) string {
	return fmt.Sprintf("(if context.trusted then %s else %v)", rule, passed)
}

func (g gen) grant(site *policy.Model, m *policy.Machine) (x policy.Grant, when, then string) {
	x.Role = policy.Role(1 + g.IntN(5))
	var need string
	x.Needs, need = g.need(site, 0, "member", x.Role, m.Pass)
	and := []string{need, fmt.Sprintf("context.card >= %d", m.Card)}
	if g.IntN(2) == 0 {
		h := g.hours()
		x.Hours, _ = policy.ParseHours(h.text(), nil)
		and = append(and, unless(h.cedar(), m.Pass&policy.PassHours != 0))
	}
	if g.IntN(3) == 0 {
		x.Quota = policy.Quota{Day: time.Duration(g.IntN(3)) * time.Hour, Week: time.Duration(g.IntN(6)) * time.Hour,
			Sessions: g.IntN(4)}
		rule := "true"
		if x.Quota.Day > 0 {
			rule += fmt.Sprintf(" && context.usedToday < %d", x.Quota.Day/time.Second)
		}
		if x.Quota.Week > 0 {
			rule += fmt.Sprintf(" && context.usedThisWeek < %d", x.Quota.Week/time.Second)
		}
		if x.Quota.Sessions > 0 {
			rule += fmt.Sprintf(" && context.sessionsToday < %d", x.Quota.Sessions)
		}
		if x.Quota != (policy.Quota{}) {
			and = append(and, unless("("+rule+")", m.Pass&policy.PassHours != 0))
		}
	}
	x.Booked = g.IntN(6) == 0
	if x.Role != policy.Maintainer && (x.Booked || len(m.Bookings) > 0) {
		rule := `context.booking == "mine"`
		text := unless("("+rule+")", m.Pass&policy.PassHours != 0)
		if !x.Booked { // a booking that had ended when the bundle was made does not count
			text = `(!context.trusted && context.bookingsOver || ` + unless(
				`(context.booking != "other")`,
				m.Pass&policy.PassHours != 0,
			) + ")"
		}
		and = append(and, text)
	}
	if stale := false; m.Fresh > 0 {
		for _, r := range m.Stale {
			stale = stale || r == x.Role
		}
		if !stale {
			and = append(
				and,
				fmt.Sprintf(
					"(if context.trusted then context.bundleAge <= %d else (%v && context.bundleKnown))",
					m.Fresh/time.Second,
					m.Pass&policy.PassAges != 0,
				),
			)
		}
	}
	then = "true"
	if x.Role == policy.Learner || g.IntN(3) == 0 {
		n, text := g.need(site, 1, "supervisor", policy.Mentor, m.Pass)
		x.Supervisor = &n
		then = "(context.supervised && " + text
		if x.Learners = g.IntN(3); x.Learners > 0 {
			then += fmt.Sprintf(" && context.answering < %d", x.Learners)
		}
		then += ")"
	}
	return x, strings.Join(and, " && "), then
}

func (g gen) need(
	site *policy.Model,
	depth int,
	who string,
	as policy.Role,
	pass policy.ClockPass,
) (policy.Need, string) {
	if depth < 3 && g.IntN(3) == 0 {
		var list []policy.Need
		var texts []string
		for range 1 + g.IntN(3) {
			n, text := g.need(site, depth+1, who, as, pass)
			list, texts = append(list, n), append(texts, text)
		}
		if g.IntN(2) == 0 {
			return policy.Need{All: list}, "(" + strings.Join(texts, " && ") + ")"
		}
		return policy.Need{Any: list}, "(" + strings.Join(texts, " || ") + ")"
	}
	at := g.IntN(len(badges))
	n := policy.Need{Badge: badges[at], Assurance: policy.Assurance(g.IntN(3))}
	met := func(what func(held string) string) string { return ways(&site.Badges[at], n.Assurance, who, as, what) }
	text := met(func(string) string { return "" })
	if g.IntN(3) == 0 {
		n.Within = time.Duration(1+g.IntN(400)) * day
		text += " && " + unless(
			met(func(held string) string { return fmt.Sprintf(" && %s.age <= %d", held, n.Within/time.Second) }),
			pass&policy.PassAges != 0,
		)
	}
	if g.IntN(3) == 0 {
		n.UsedWithin = time.Duration(1+g.IntN(400)) * day
		text += " && " + unless(met(func(held string) string {
			return fmt.Sprintf(
				" && (%s.age <= %d || context.%s.sinceUse <= %d)",
				held,
				n.UsedWithin/time.Second,
				who,
				n.UsedWithin/time.Second,
			)
		}), pass&policy.PassAges != 0)
	}
	if g.IntN(4) == 0 {
		n.Hours = time.Duration(g.IntN(12)) * time.Hour
		text += fmt.Sprintf(" && context.%s.logged >= %d", who, n.Hours/time.Second)
	}
	return n, "(" + text + ")"
}

var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, zone)

func (g gen) holding(at time.Time) policy.Holding {
	h := policy.Holding{
		Badge:     badges[g.IntN(len(badges))],
		Standing:  policy.Verified,
		From:      at.Add(time.Duration(20-g.IntN(500)) * day),
		Assurance: policy.Assurance(g.IntN(6) / 2 % 3),
	}
	switch g.IntN(8) {
	case 0:
		h.Standing = policy.Standing(g.IntN(3))
	case 1, 2:
		h.Until = at.Add(time.Duration(200-g.IntN(400)) * day)
	case 3:
		h.Checked = at.Add(-time.Duration(g.IntN(14)) * day)
	}
	return h
}

func (g gen) member(s site, id policy.MemberID, at time.Time) *policy.Member {
	m := &policy.Member{ID: id, Blocked: g.IntN(25) == 0}
	g.terms(m, at)
	g.others(s, m, at)
	for range 2 + g.IntN(10) {
		m.Holdings = append(m.Holdings, g.holding(at))
	}
	if g.IntN(2) == 0 {
		last := []int{400, 10}[g.IntN(2)] // tenths of a day; the small number is for quotas of the day
		m.Practice = []policy.Practice{
			{Machine: "m", Last: at.Add(-time.Duration(g.IntN(last)) * day / 10), Logged: time.Duration(g.IntN(12)) * time.Hour,
				Day: time.Duration(g.IntN(3)) * time.Hour, Week: time.Duration(g.IntN(7)) * time.Hour, Sessions: g.IntN(4)},
		}
	}
	return m
}

func (g gen) question(s site) policy.Question {
	at := monday.Add(time.Duration(g.IntN(14*24*60)) * time.Minute)
	q := policy.Question{
		At:        at,
		Clock:     policy.Trusted,
		Machine:   "m",
		Member:    g.member(s, "m-1", at),
		Tagged:    g.IntN(10) == 0,
		Fault:     g.IntN(20) == 0,
		Card:      policy.CardStrength(g.IntN(4) % 3 % 2),
		Answering: g.IntN(4),
		Issued:    at.Add(-time.Duration(g.IntN(40)) * day),
	}
	if g.IntN(6) == 0 {
		q.Clock = policy.Untrusted
	}
	if g.IntN(10) == 0 {
		q.Issued = time.Time{}
	}
	g.circumstances(&q)
	if g.IntN(2) == 0 {
		q.Supervisor = g.member(s, []policy.MemberID{"m-2", "m-2", "m-1"}[g.IntN(3)], at)
	}
	return q
}

// request converts a question to Cedar's input. The code is written independently, from the documentation of the policy
// package.
func request(s site, q policy.Question) types.Record {
	local := q.At.In(zone)
	c := types.RecordMap{
		"blocked": types.Boolean(
			q.Member.Blocked,
		), "fault": types.Boolean(q.Fault), "tagged": types.Boolean(q.Tagged),
		"cardState": types.String(q.CardState.String()), "trusted": types.Boolean(q.Clock == policy.Trusted),
		"card": types.Long(
			q.Card,
		), "day": types.Long(local.Weekday()), "minute": types.Long(local.Hour()*60 + local.Minute()),
		"answering": types.Long(q.Answering),
		"bundleAge": seconds(
			q.At.Sub(q.Issued),
		), "bundleKnown": types.Boolean(!q.Issued.IsZero()), "booking": types.String(booking(s.m, q)),
		"bookingsOver": types.Boolean(over(s.m.Bookings, q.Issued)),
		"member": with(
			person(s.m, q, q.Member),
			daysOver(q, q.Member),
		), "usedToday": types.Long(0), "usedThisWeek": types.Long(0), "sessionsToday": types.Long(0),
	}
	sup := q.Supervisor
	c["supervised"] = types.Boolean(sup != nil && !sup.Blocked && sup.ID != q.Member.ID)
	if sup == nil {
		sup = &policy.Member{}
	}
	c["supervisor"] = with(person(s.m, q, sup), daysOver(q, sup))
	for _, p := range q.Member.Practice {
		last := p.Last.In(zone)
		if last.Format(time.DateOnly) == local.Format(time.DateOnly) {
			c["usedToday"], c["sessionsToday"] = seconds(p.Day), types.Long(p.Sessions)
		}
		if startOfWeek(last).Equal(startOfWeek(local)) {
			c["usedThisWeek"] = seconds(p.Week)
		}
	}
	return types.NewRecord(c)
}

func startOfWeek(t time.Time) time.Time {
	back := (int(t.Weekday()) + 6) % 7
	return time.Date(t.Year(), t.Month(), t.Day()-back, 0, 0, 0, 0, zone)
}

// seconds converts a duration to seconds, rounded up: with limits of whole seconds the comparison stays the same.
func seconds(d time.Duration) types.Long {
	n := types.Long(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	return n
}

func over(all []policy.Booking, at time.Time) bool {
	for _, b := range all {
		if at.Before(b.To) {
			return false
		}
	}
	return true
}

func booking(m *policy.Machine, q policy.Question) string {
	for _, b := range m.Bookings {
		if !q.At.Before(b.From) && q.At.Before(b.To) {
			if b.For == q.Member.ID {
				return "mine"
			}
			return "other"
		}
	}
	return "none"
}

// person converts a member to Cedar's input. For each badge (also of other issuers) and each assurance, it holds
// whether a badge counts, and the age of the newest badge that counts.
func person(m *policy.Machine, q policy.Question, who *policy.Member) types.Record {
	out := types.RecordMap{"logged": types.Long(0), "sinceUse": types.Long(1 << 40)}
	for _, p := range who.Practice {
		out["logged"], out["sinceUse"] = seconds(p.Logged), seconds(q.At.Sub(p.Last))
	}
	trusted := q.Clock == policy.Trusted
	for _, b := range names() {
		for k := range policy.Assurance(3) {
			counts, age := false, time.Duration(1<<61)
			for _, h := range who.Holdings {
				ended := !h.Until.IsZero() && (trusted && q.At.After(h.Until) || !trusted && m.Pass&policy.PassEnds == 0)
				old := trusted && !h.Checked.IsZero() && q.At.Sub(h.Checked) > grace
				if is(h, b) && h.Standing == policy.Verified && h.Assurance <= k && !ended && !old &&
					!(trusted && q.At.Before(h.From)) {
					counts, age = true, min(age, q.At.Sub(h.From))
				}
			}
			out[types.String(fmt.Sprintf("%s%d", b, k))] = types.NewRecord(
				types.RecordMap{"counts": types.Boolean(counts), "age": seconds(age)},
			)
		}
	}
	return types.NewRecord(out)
}

func ask(s site, context types.Record, action string, i int) bool {
	ok, _ := cedar.Authorize(
		s.cedar,
		types.EntityMap{},
		cedar.Request{
			Principal: types.NewEntityUID("Member", "m-1"),
			Action:    types.NewEntityUID("Action", types.String(fmt.Sprint(action, "-", i))),
			Resource:  types.NewEntityUID("Machine", "m"),
			Context:   context,
		},
	)
	return ok == cedar.Allow
}

func TestDecisionsAgreeWithCedar(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(*seed, 2))}
	asked, seen, accepted := 0, map[policy.Verdict]int{}, 0
	var decided tally
	each := *requests / *policies
	for range *policies {
		s := g.site(t)
		p, err := policy.New(s.model)
		if err != nil {
			t.Fatal(err)
		}
		for done := 0; done < each; {
			q := g.question(s)
			context := request(s, q)
			d := p.Decide(q)
			if len(d.Accepted) > 0 {
				accepted++
			}
			for i, o := range d.Outcomes {
				want := policy.Deny
				decided.count(o)
				done += 2
				if ask(s, context, "given", i) {
					want = policy.Allow
				} else if ask(s, context, "ready", i) {
					want = policy.Await
				}
				if seen[want]++; o.Verdict != want {
					t.Fatalf(
						"grant %d: %v, Cedar says %v\n%+v\nmachine %+v\nquestion %+v\nmember %+v\nsupervisor %+v\nmissing %+v",
						i,
						o.Verdict,
						want,
						s.m.Grants[i],
						s.m,
						q,
						q.Member,
						q.Supervisor,
						o.Missing(),
					)
				}
			}
			asked += 2 * len(d.Outcomes)
		}
	}
	t.Logf(
		"%d requests over %d policies: the same verdict (%d allow, %d await, %d deny); "+
			"%d decisions rest on an accepted badge",
		asked,
		*policies,
		seen[policy.Allow],
		seen[policy.Await],
		seen[policy.Deny],
		accepted,
	)
	decided.check(t, asked)
	if accepted < asked/2000 {
		t.Errorf("only %d decisions rest on a badge of another issuer: little was compared", accepted)
	}
	for v, n := range seen {
		if n < asked/200 {
			t.Errorf("only %d are %v: little was compared", n, v)
		}
	}
	if len(seen) != 3 || asked < *requests {
		t.Errorf("%d requests, %v", asked, seen)
	}
}

// BenchmarkSameQuestions asks both evaluators the same questions, and requires the same answer: the verdict of each of
// a machine's five grants. Before the measurement, the benchmark compiles the policy for Decide. For Cedar, it parses
// the policies and builds the contexts, which already contain the ages of badges and the minute of the week. Decide
// also chooses the grant and its limits, and finds all that is missing for each grant; reasons are not written out.
//
// The reported figures are those of the median round. The metrics ns-decide and times are for members that were
// prepared by Policy.Prepare, which finds out which of their badges may meet which need. The metrics ns-unprepared and
// times-unprepared are for members without Prepare, as a roster makes them when a card is tapped.
func BenchmarkSameQuestions(b *testing.B) {
	g := gen{rand.New(rand.NewPCG(7, 8))}
	type asked struct {
		s        site
		p        *policy.Policy
		q, ready policy.Question // the question with unprepared and with prepared members
		contexts types.Record
	}
	var all []asked
	for len(all) < 500 {
		s := g.site(b)
		if len(s.m.Grants) != 5 {
			continue
		}
		p, err := policy.New(s.model)
		if err != nil {
			b.Fatal(err)
		}
		for range 25 {
			q := g.question(s)
			ready := q
			for _, m := range []**policy.Member{&ready.Member, &ready.Supervisor} {
				if *m != nil {
					prepared := **m
					p.Prepare(q.Machine, &prepared)
					*m = &prepared
				}
			}
			all = append(all, asked{s, p, q, ready, request(s, q)})
		}
	}
	// round returns the time of a pass over all questions, in steady state: without the garbage of another part, and
	// with the caches warmed by one pass. One pass with Decide takes 1 ms. 32 such passes take about as long as one
	// pass with Cedar.
	round := func(passes int, pass func()) time.Duration {
		runtime.GC()
		pass()
		start := time.Now()
		for range passes {
			pass()
		}
		return time.Since(start) / time.Duration(passes)
	}
	var ours, unprepared, theirs []time.Duration
	for b.Loop() {
		ours = append(ours, round(32, func() {
			for i := range all {
				all[i].p.Decide(all[i].ready)
			}
		}))
		unprepared = append(unprepared, round(32, func() {
			for i := range all {
				all[i].p.Decide(all[i].q)
			}
		}))
		theirs = append(theirs, round(1, func() {
			for _, x := range all {
				for i := range 5 {
					if !ask(x.s, x.contexts, "given", i) {
						ask(x.s, x.contexts, "ready", i)
					}
				}
			}
		}))
	}
	// Report the median round, because other processes may interrupt single rounds of only one evaluator.
	median := func(rounds []time.Duration) float64 {
		slices.Sort(rounds)
		return float64(rounds[len(rounds)/2].Nanoseconds())
	}
	b.ReportMetric(median(ours)/float64(len(all)), "ns-decide")
	b.ReportMetric(median(theirs)/float64(len(all)), "ns-cedar")
	b.ReportMetric(median(unprepared)/float64(len(all)), "ns-unprepared")
	b.ReportMetric(median(theirs)/median(ours), "times")
	b.ReportMetric(median(theirs)/median(unprepared), "times-unprepared")
}

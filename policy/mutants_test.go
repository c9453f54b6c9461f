package policy

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var (
	tryMutants = flag.Bool(
		"mutants",
		false,
		"try every mutation of the list: each must be caught by a test (a few minutes)",
	)
	tryEvery = flag.Int("every", 1, "with -mutants: try every n-th only")
	tryFrom  = flag.Int("from", 0, "with -every: begin with this one")
)

// mutants are changes to the evaluator, and to what analyses policies by it, that would let someone in, keep someone
// out, or say the wrong thing. Each must be caught.
var mutants = []struct{ file, old, new string }{
	{"decide.go", "if j.q.Member.Blocked {", "if false {"},
	{"decide.go", "if j.q.Fault {", "if false {"},
	{"decide.go", "if j.q.Tagged && r != Maintainer {", "if j.q.Tagged && r < Mentor {"},
	{"decide.go", "if j.q.Card < j.m.Card {", "if j.q.Card > j.m.Card {"},
	{"decide.go", "j.m.Fresh > 0 && !slices.Contains(j.m.Stale, r)", "j.m.Fresh > 0 && slices.Contains(j.m.Stale, r)"},
	{"decide.go", "judged && j.q.At.Sub(j.q.Issued) > j.m.Fresh", "judged && j.q.At.Sub(j.q.Issued) >= j.m.Fresh"},
	{"decide.go", "case !judged && j.q.Issued.IsZero():", "case false:"},
	{"decide.go", "if j.m.Pass&rule == 0 {", "if j.m.Pass == 0 {"},
	{"decide.go", "if h == nil || !j.judges(PassHours) {", "if h == nil || !j.judges(PassAges) {"},
	{"decide.go", "if _, open := h.open(j.onWall()); !open {", "if _, open := h.open(j.onWall()); open {"},
	{"booking.go", "if g.Role == Maintainer || !g.Booked", "if g.Role >= Mentor || !g.Booked"},
	{"booking.go", "j.m.Bookings[n-1].To.After(j.q.Issued))", "j.m.Bookings[0].To.After(j.q.Issued))"},
	{"booking.go", "(j.q.Clock == Trusted || j.m", "(j.q.Clock != Trusted || j.m"},
	{"booking.go", "case now && !mine:", "case now && mine:"},
	{"booking.go", "case g.Booked && !mine:", "case false:"},
	{"booking.go", "return all[i].To.After(j.q.At) })", "return !all[i].To.Before(j.q.At) })"},
	{"booking.go", "return &all[i], !all[i].From.After(j.q.At), true", "return &all[i], all[i].From.Before(j.q.At), true"},
	{"decide.go", "if q.Day > 0 && day >= q.Day {", "if q.Day > 0 && day > q.Day {"},
	{"decide.go", "if q.Week > 0 && week >= q.Week {", "if q.Week > 0 && week > q.Week {"},
	{
		"decide.go",
		"if day = j.member.day; !sameDay(j.member.last, j.local) {",
		"if day = j.member.day; !sameWeek(j.member.last, j.local) {",
	},
	{"decide.go", `s.ID == "" || s.ID == j.q.Member.ID ||`, `s.ID == "" ||`},
	{"decide.go", "case s == nil || s.Blocked ||", "case s == nil ||"},
	{
		"decide.go",
		"case g.Learners > 0 && j.q.Answering >= g.Learners:",
		"case g.Learners > 0 && j.q.Answering > g.Learners:",
	},
	{"decide.go", "ok = j.need(&n.all[i], who) && ok", "ok = j.need(&n.all[i], who) || ok"},
	{"decide.go", "if who.logged < n.ask.Hours {", "if who.logged <= n.ask.Hours && n.ask.Hours > 0 {"},
	{"decide.go", "case j.q.At.Sub(since) > want:", "case j.q.At.Sub(since) >= want:"},
	{"decide.go", "if who.last.After(issued) {", "if who.last.Before(issued) {"},
	{"decide.go", "case h.Standing == Revoked:", "case false:"},
	{"decide.go", "case h.Standing != Verified:", "case h.Standing == Unverified && h.Checked.IsZero():"},
	{"decide.go", "case h.Assurance > least:", "case h.Assurance < least:"},
	{"decide.go", "case at.Before(h.From):", "case false:"},
	{"decide.go", "case !h.Until.IsZero() && at.After(h.Until):", "case !h.Until.IsZero() && !at.Before(h.Until):"},
	{
		"decide.go",
		"case !h.Checked.IsZero() && at.Sub(h.Checked) > j.grace:",
		"case !h.Checked.IsZero() && at.Sub(h.Checked) > 2*j.grace:",
	},
	{"choose.go", "if j.q.Clock != Trusted { // what could end it was passed over", "if j.q.Clock == Trusted {"},
	{"choose.go", "l.Most = j.leaves(g)", "l.Most = min(j.leaves(g), l.Max)"},
	{"choose.go", "if outlasts(l.Max, l.Most) {", "if outlasts(l.Most, l.Max) {"},
	{"choose.go", "return outlasts(a.Most, b.Most)", "return false"},
	{"choose.go", "atMost(g.Quota.Day - day)", "atMost(g.Quota.Day + day)"},
	{"booking.go", "case !mine && b.From.After(j.q.At):", "case b.From.After(j.q.At):"},
	{"choose.go", "!q.Member.Blocked && q.CardState == ActiveCard", "q.CardState == ActiveCard"},
	{"choose.go", "&& !q.Fault && !q.Tagged", "&& !q.Tagged"},
	{"choose.go", "&& !q.Tagged && q.Card >= j.m.Card", "&& q.Card >= j.m.Card"},
	{"choose.go", "&& !q.Tagged && q.Card >= j.m.Card", "&& !q.Tagged"},
	{"choose.go", "if j.q.As != NoRole && j.q.As != User {", "if j.q.As == User {"},
	{"choose.go", "all |= 1 << User\n", "\n"},
	{"choose.go", "(first || longer(g.Session, d.Limits))", "(first || longer(d.Limits, g.Session))"},
	{
		"choose.go",
		"d.Verdict, d.Role, d.Badges, d.Accepted = Allow, User, nil, nil",
		"d.Verdict, d.Role, d.Accepted = Allow, User, nil",
	},
	{
		"choose.go",
		"func outlasts(a, b time.Duration) bool { return b != 0 && (a == 0 || a > b) }",
		"func outlasts(a, b time.Duration) bool { return b != 0 && a > b }",
	},
	{"choose.go", "o.Verdict == Allow && m.Grants[i].Supervisor == nil:", "o.Verdict == Allow:"},
	// without the 1 it hangs
	{
		"hours.go",
		"if w.minute < s.to-day {\n\t\t\tleft, ok = max(left, s.to-day-w.minute)",
		"if w.minute <= s.to-day {\n\t\t\tleft, ok = max(left, s.to-day-w.minute, 1)",
	},
	{"hours.go", "if s.from <= w.minute && w.minute < s.to {", "if s.from < w.minute && w.minute < s.to {"},
	{"hours.go", "for i := len(h.rules) - 1; i >= 0; i-- {", "for i := range h.rules {"},
	{"hours.go", "!change.IsZero() && change.Before(end)", "!change.IsZero() && change.After(end)"},
	{"hours.go", "time.Duration(left)*time.Minute - intoMinute(at)", "time.Duration(left)*time.Minute"},
	{"hours.go", "time.Duration(h.horizon()+1) * day", "time.Duration(h.horizon()) * day"},
	{
		"dates.go",
		"return d.inYear() >= x.from.inYear() || d.inYear() <= x.to.inYear() // over the New Year",
		"return false",
	},
	{"person.go", "out.Day, out.Week = max(out.Day, x.Day), max(out.Week, x.Week)", "out.Day, out.Week = x.Day, x.Week"},
	{"model.go", "if !sameWeek(p.Last, end) {", "if !sameDay(p.Last, end) {"},
	{"model.go", "p.Day += min(took, end.Sub(dayBegan(end)))", "p.Day += took"},
	{"model.go", "p.Week += min(took, end.Sub(weekBegan(end)))", "p.Week += min(took, end.Sub(dayBegan(end)))"},
	{"model.go", "if change.IsZero() || began.After(change) {", "if true {"},
	{"model.go", "!sameDay(at, change)", "true"},
	{"accepts.go", "return r >= Learner && r <= Host", "return r >= Learner && r <= Mentor"},
	{"accepts.go", "return r >= Learner && r <= Host", "return r >= Learner && r <= User"},
	{"accepts.go", "if a := &b.Accepts[i]; a.For(as) {", "if a := &b.Accepts[i]; true || a.For(as) {"},
	{"accepts.go", "m.besides(a.With, n.Assurance)}", "m.besides(\"\", n.Assurance)}"},
	{"accepts.go", "m.besides(a.With, n.Assurance)}", "m.besides(a.With, Signed)}"},
	{"accepts.go", "w.ask.Badge == with && w.ask.Assurance == least", "w.ask.Badge == with"},
	{"accepts.go", "m.named |= sieve(with)", "_ = sieve(with)"},
	{"accepts.go", "a.entry.Issuer == o.Issuer && a.path == path(o.Achievement)", "a.path == path(o.Achievement)"},
	{"accepts.go", "a.entry.Issuer == o.Issuer && a.path == path(o.Achievement)", "a.entry.Issuer == o.Issuer"},
	{"accepts.go", "if l.code != counts || a.with == nil {", "if a.with == nil {"},
	{"accepts.go", "why.kind = Besides", "_ = Besides"},
	{"accepts.go", "if own.accepts = nil; j.quietly", "if j.quietly"},
	{
		"accepts.go",
		"met := func(x need) bool { return j.quietly(&x, &j.member) }",
		"met := func(need) bool { return true }",
	},
	{"accepts.go", "ok && i.Name != \"\"", "ok && false"},
	{"compile.go", "g.Supervisor, Mentor, 1)", "g.Supervisor, g.Role, 1)"},
	{"compile.go", "if !compiled.needs.besides() {", "if true {"},
	{
		"decide.go",
		"if l, known = j.accepted(l, n, h, who); !known {",
		"if l, known = j.accepted(l, n, h, who); false && !known {",
	},
	{"decide.go", ", l.code == noBadge && why.code == noBadge:", ":"},
	{"decide.go", "if lacks[i].kind == Besides {", "if false {"},
	{
		"choose.go",
		"d.Verdict, d.Role, d.Badges, d.Accepted = Allow, User, nil, nil",
		"d.Verdict, d.Role, d.Badges = Allow, User, nil",
	},
	{"person.go", "x.others = x.others || x.all[i].Other != nil", "x.others = false"},
	{"person.go", "x.n, x.others = len(x.few)+1, true", "x.n = len(x.few)+1"},
	{"acceptspace.go", "if !a.For(as) {", "if false {"},
	{"acceptspace.go", "at, n.Badge, as, a.With)", "at, n.Badge, as, \"\")"},
	{"acceptspace.go", "o.with = append(o.with, Need{Badge: a.With, Assurance: n.Assurance})", "_ = n"},
	{"acceptspace.go", "if !slices.Contains(x.as, n.Badge) {", "if len(x.as) == 0 {"},
	{"space.go", "s.accepted(accepted, theMember)", "s.accepted(foreignBadges{}, theMember)"},
	{"space.go", "s.accepted(answers, theSupervisor)", "s.accepted(foreignBadges{}, theSupervisor)"},
	{"space.go", "leaves(*g.Supervisor), Mentor)", "leaves(*g.Supervisor), g.Role)"},
	{"acceptnever.go", "case !a.For(r):", "case false:"},
	{"acceptnever.go", "case a.With == \"\":", "case a.With == \"\" && false:"},
	{"acceptnever.go", "case slices.Contains(rest, item{badge: a.With}):", "case false:"},
	{"acceptnever.go", "lacking(set, pairs[w]...))", "set)"},
	{"acceptnever.go", "func(x item) bool { return x.badge == w })", "func(x item) bool { return true })"},
	{"acceptnever.go", "return !named(x.badge) && !slices.Contains(with, x.badge)", "return !named(x.badge)"},
	{"never.go", "most = len(best.Holds) + len(best.Accepted) - 1", "most = len(best.Holds) - 1"},
	{"acceptlint.go", "if !x.Same(a.OtherBadge) || x.With == a.With {", "if !x.Same(a.OtherBadge) || x.With != a.With {"},
	{"acceptlint.go", "a.For(g.Role) && g.Needs.names(b.ID)", "g.Needs.names(b.ID)"},
	{"acceptlint.go", "a.For(Mentor) && g.Supervisor != nil", "a.For(g.Role) && g.Supervisor != nil"},
	{"who.go", "if g.Supervisor == nil {", "if g.Supervisor != nil {"},
	{"never.go", "if !supervised || !v.Alone {", "if true {"},
	{"never.go", "somebodyBeside MemberID = \"?supervisor\"", "somebodyBeside MemberID = \"supervisor\""},
	{"never.go", "most = len(best.Holds) + len(best.Accepted) - 1", "most = len(best.Holds) + len(best.Accepted) - 2"},
	{"never.go", "fmt.Sprint(t.role, t.supervised, t.clock, met, set)", "fmt.Sprint(t.role, t.supervised, t.clock, set)"},
	{"slots.go", "first+allYearsDays)", "first+4*aYearsDays)"},
	{"slots.go", "c.walk(max(end, edge-1), edge+8)", "c.walk(max(end, edge-1), edge+1)"},
	{
		"slots.go",
		"cuts = append(cuts, m.From.In(c.zone), m.To.In(c.zone))",
		"cuts = append(cuts, m.From.In(c.zone).Truncate(time.Minute), m.To.In(c.zone))",
	},
	{"slots.go", "if odd && len(marks) > 0 {", "if false {"},
	{"slots.go", "if odd && !c.last {", "if false {"},
	{"never.go", "if d.Would != d.Verdict {", "if false {"},
	{"laws.go", "if c.chains[i].kind != ofBadge {", "if c.chains[i].kind > ofBadge {"},
	{"space.go", "return lately || !shares", "return true || lately || !shares"},
	{"space.go", "if b := underWay(lists[i], q.At); b != nil {", "if b := underWay(lists[min(i, 0)], q.At); b != nil {"},
	{"least.go", "q.Issued = c.from //", "q.Issued = q.At //"},
	{"least.go", "!when.within(out.in(trusted))", "true"},
	{"least.go", "case longer(g.limits, out[k].limits):", "case longer(out[k].limits, g.limits):"},
	{"least.go", "both.has(i) && before[i] != after[i]", "both.has(i)"},
	{"least.go", "lesser.add(when)", "_ = when"},
	{"least.go", "if a.what != limited || ", "if true || "},
	{"space.go", "lower := []int{max(n-assurances, 0)}", "lower := []int{max(n-assurances, n-1)}"},
	{"space.go", "lower = append(lower, n-1) // the same", "_ = n // the same"},
	{"space.go", "if len(passes) < 2 {", "if true {"},
	{"times.go", "if len(except) < len(in) ||", "if false ||"},
	{"members.go", "h.Checked = time.Time{}", "_ = h"},
	{"lint.go", "return same(n.Badge, o.Badge)", "return true"},
	{"peers.go", "if e := &b.Accepts[i]; e.Same(other) && e.For(role) {", "if e := &b.Accepts[i]; e.Same(other) {"},
	{"peers.go", "return e.For(Mentor) && e.Same(x) &&", "return e.Same(x) &&"},
	{"peers.go", "(e.With == \"\" || e.With == own)", "true"},
	{"peers.go", "if b.Accepts[i].For(g.Role) {", "if true {"},
	{"peers.go", "held = append(held, b.Accepts[i].OtherBadge)", "_ = i"},
	{"peers.go", "has := []OtherBadge{other}", "has := []OtherBadge{}"},
	{"peers.go", "has = append(has, OtherBadge{h.Issuer, h.Achievement})", "_ = h"},
	{
		"lacks.go",
		"case l.code == badgeExpired, l.code == badgeRevoked, l.code == badgeUnverified, l.kind == OfAge:",
		"case false:",
	},
	{"membership.go", "case over > days24(x.Grace):", "case over >= days24(x.Grace):"},
	{"membership.go", "case over > 0:", "case over >= 0:"},
	{"membership.go", "case over >= -days24(x.Warn) && x.Warn > 0:", "case over > -days24(x.Warn) && x.Warn > 0:"},
	{"membership.go", "case over >= -days24(x.Warn) && x.Warn > 0:", "case over >= -days24(x.Warn):"},
	{"membership.go", "case q.LastTrusted.After(q.Issued):", "case q.LastTrusted.Before(q.Issued):"},
	{"membership.go", "case q.Clock == Trusted:\n\t\treturn q.At", "case true:\n\t\treturn q.At"},
	{"membership.go", "y, m, d := at.In(zone).Date()", "y, m, d := at.UTC().Date()"},
	{"membership.go", "return m != nil && m.Until != (Date{}) &&", "return m != nil && m.Until.Year != 0 &&"},
	{"membership.go", "c == LostCard || c == BlockedCard || c > ReplacedCard", "c == LostCard || c == BlockedCard"},
	{"membership.go", "if err != nil || s == \"\" {", "if err != nil {"},
	{"membership.go", "same := a.Grace == b.Grace", "same := true"},
	{"membership.go", "same = same && a.keeps(r) == b.keeps(r)", "_ = r"},
	{"membership.go", "plus(-days24(g) - 1)", "plus(-days24(g))"},
	{"membership.go", "q.LastTrusted = q.At //", "_ = q //"},
	{"decide.go", "if j.lapsed && !j.membership.keeps(r) {", "if j.lapsed && j.membership.keeps(r) {"},
	{"decide.go", "if s := j.q.CardState; s != ActiveCard {", "if s := j.q.CardState; s == LostCard {"},
	{"decide.go", "case !j.membership.keeps(Mentor) && j.hasLapsed(s):", "case j.hasLapsed(s):"},
	{"decide.go", "case !j.membership.keeps(Mentor) && j.hasLapsed(s):", "case !j.membership.keeps(Mentor) && j.lapsed:"},
	{"choose.go", "&& q.CardState == ActiveCard &&", "&&"},
	{"who.go", "j.lapsed = j.hasLapsed(who)", ""},
	{"members.go", "p.who(id, members, s.at, from)", "p.who(id, members, s.at, s.at)"},
	{"lacks.go", "if run[i].code == membershipLapsed {", "if false {"},
	{"code.go", "lastOfAll = int(membershipLapsed)", "lastOfAll = int(machineFault)"},
	{"compile.go", "c.bad(d >= 0 && d%(24*time.Hour) == 0,", "c.bad(d >= 0,"},
	{"explain.go", "return r.Kind == OfLapsed }", "return false }"},
	{"compile.go", "g.Booked || g.Quota != Quota{} || g.Learners > 0 || len(m.Bookings) > 0", "g.Booked"},
}

// notCaught are mutants that no test catches yet, with what each would need.
var notCaught = map[string]string{
	"at, n.Badge, as, \"\")":                 "two badges of others that are accepted alike but for what is asked for besides: a comparison that names both",
	"if e := &b.Accepts[i]; e.Same(other) {": "a grant whose learners could answer for each other by an accepted badge in a role where it does not count",
}

func TestEveryMutantOfTheEvaluatorIsCaught(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlays := make([]string, len(mutants))
	for i, m := range mutants { // that each applies is tried always
		text, err := os.ReadFile(m.file)
		if err != nil || strings.Count(string(text), m.old) != 1 {
			t.Errorf("mutant %d stands %d times in %s: %s", i, strings.Count(string(text), m.old), m.file, m.old)
			continue
		}
		changed := filepath.Join(t.TempDir(), m.file)
		if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, m.file): changed}})
		overlays[i] = filepath.Join(filepath.Dir(changed), "overlay.json")
		if err := os.WriteFile(overlays[i], overlay, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(mutants) < 40 {
		t.Errorf("%d mutants: the list has lost some", len(mutants))
	}
	if !*tryMutants || t.Failed() {
		return
	}
	var which []int
	for i := range overlays {
		if why := notCaught[mutants[i].new]; why != "" {
			t.Logf("left out, no test catches it: %s: %s: %s", mutants[i].file, mutants[i].new, why)
			continue
		}
		if i%*tryEvery == *tryFrom%*tryEvery {
			which = append(which, i)
		}
	}
	t.Logf("%d of %d mutants are caught; the list has %d", caught(t, overlays, which), len(which), len(mutants))
}

// caught runs this package's tests with each overlay, two at a time: the short form first, and all of it if that lets a
// mutant by.
func caught(t *testing.T, overlays []string, which []int) (n int) {
	var work sync.WaitGroup
	var mu sync.Mutex
	seats := make(chan struct{}, 2)
	for _, i := range which {
		o := overlays[i]
		seats <- struct{}{}
		work.Go(func() {
			defer func() { <-seats }()
			test := func(more ...string) ([]byte, error) {
				return exec.Command("go", append([]string{"test", "-failfast", "-timeout", "300s", "-overlay", o}, append(more, ".")...)...).
					CombinedOutput()
			}
			out, err := test("-short")
			if err == nil {
				out, err = test()
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				t.Errorf("mutant %d survives: %s: %s", i, mutants[i].file, mutants[i].new)
			case strings.Contains(string(out), "test timed out"): // a busy machine catches nothing
				t.Errorf("mutant %d is not caught within five minutes: %s", i, mutants[i].new)
			case strings.Contains(string(out), "[build failed]"):
				t.Errorf("mutant %d does not build: %s\n%s", i, mutants[i].new, out)
			default:
				n++
			}
		})
	}
	work.Wait()
	return n
}

package oracle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go/types"

	"portillon/policy"
)

// membership returns a random rule on memberships. Every third policy has no such rule.
func (g gen) membership() (x policy.Membership) {
	if g.IntN(3) == 0 {
		return x
	}
	x.Grace, x.Warn = time.Duration(g.IntN(4))*7*day, time.Duration(g.IntN(3))*30*day
	for _, r := range policy.Roles() {
		if g.IntN(4) == 0 {
			x.After = append(x.After, r)
		}
	}
	return x
}

// lapsed returns the rule in Cedar that tests whether the membership of "member" or "supervisor" has lapsed.
func lapsed(x policy.Membership, who string) string {
	return fmt.Sprintf("(context.%s.hasEnd && context.%s.daysOver > %d)", who, who, x.Grace/day)
}

// lapse returns Cedar that forbids the grants of a role that lapsed members do not keep.
func lapse(x policy.Membership, grant int, r policy.Role) string {
	if slices.Contains(x.After, r) {
		return ""
	}
	return fmt.Sprintf(
		"forbid(principal, action in [Action::\"ready-%d\", Action::\"given-%d\"], resource) when { %s };\n",
		grant,
		grant,
		lapsed(x, "member"),
	)
}

// answers adds to the condition on a supervisor that the supervisor's membership has not lapsed, except if lapsed
// mentors keep their role.
func answers(x policy.Membership, then string) string {
	if slices.Contains(x.After, policy.Mentor) || !strings.HasPrefix(then, "(context.supervised") {
		return then
	}
	return then + " && !" + lapsed(x, "supervisor")
}

// terms gives most members a membership without end, and the other members a membership that ends around a moment.
func (g gen) terms(m *policy.Member, at time.Time) {
	if g.IntN(3) == 0 {
		y, mon, d := at.AddDate(0, 0, 10-g.IntN(60)).In(zone).Date()
		m.Until = policy.Date{Year: y, Month: mon, Day: d}
	}
}

// circumstances sets the state of the card, and when the machine last had a trusted clock: never, or in the last weeks.
func (g gen) circumstances(q *policy.Question) {
	if g.IntN(15) == 0 {
		q.CardState = policy.CardState(1 + g.IntN(3))
	}
	if g.IntN(3) > 0 {
		q.LastTrusted = q.At.Add(-time.Duration(g.IntN(60*24)) * time.Hour)
	}
}

// daysOver counts the days since the last day of a membership one by one on a calendar. daysOver counts up to the
// question's time. While the clock is not trusted, daysOver counts up to the later of the bundle's time of issue and
// the last trusted record.
func daysOver(q policy.Question, who *policy.Member) types.Record {
	if who.Until == (policy.Date{}) {
		return types.NewRecord(types.RecordMap{"hasEnd": types.Boolean(false), "daysOver": types.Long(0)})
	}
	known := q.At
	if q.Clock != policy.Trusted {
		known = q.Issued
		if known.Before(q.LastTrusted) {
			known = q.LastTrusted
		}
	}
	today := known.In(zone).Format(time.DateOnly)
	last, n := time.Date(who.Until.Year, who.Until.Month, who.Until.Day, 12, 0, 0, 0, time.UTC), 0
	for ; last.Format(time.DateOnly) < today; last = last.AddDate(0, 0, 1) {
		n++
	}
	return types.NewRecord(types.RecordMap{"hasEnd": types.Boolean(true), "daysOver": types.Long(n)})
}

// with adds the fields of one record to another.
func with(r, more types.Record) types.Record {
	out := types.RecordMap{}
	for _, x := range []types.Record{r, more} {
		for k, v := range x.All() {
			out[k] = v
		}
	}
	return types.NewRecord(out)
}

// tally counts the grants that only a membership, or only the state of a card, refuses or leaves waiting.
type tally struct{ memberships, supervisors, cards, sessions int }

func (x *tally) count(o policy.Outcome) {
	if len(o.Missing()) != 1 {
		return
	}
	switch r := o.Missing()[0]; {
	case r.Code == policy.MembershipLapsed:
		x.memberships++
	case r.Kind == policy.OfLapsed:
		x.supervisors++
	case r.Kind == policy.OfLostCard || r.Kind == policy.OfBlockedCard || r.Kind == policy.OfReplacedCard:
		x.cards++
	case r.Kind == policy.OfSessions:
		x.sessions++
	}
}

func (x *tally) check(t *testing.T, asked int) {
	t.Logf(
		"refused by nothing else: %d by a membership, %d by a supervisor's membership, %d by the state of a card, "+
			"%d by a quota of sessions",
		x.memberships,
		x.supervisors,
		x.cards,
		x.sessions,
	)
	for _, n := range []int{x.memberships, x.supervisors, x.cards, x.sessions} {
		if n < asked/20_000 {
			t.Errorf("%d of %d requests: little was compared", n, asked)
		}
	}
}

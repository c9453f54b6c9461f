package file

import (
	"regexp"
	"strconv"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// membership reads { grace: 14d, warn: 30d, after: [maintainer] }.
func (r *reader) membership(n yamlfile.Node) {
	only(n, "grace", "warn", "after")
	r.m.Membership = policy.Membership{Grace: wholeDays(n.Get("grace")), Warn: wholeDays(n.Get("warn"))}
	for _, x := range entries(n.Get("after"), len(r.roles)) {
		if role, _ := policy.ParseRole(x.OneOf(r.roles...)); role != policy.NoRole {
			r.m.Membership.After = append(r.m.Membership.After, role)
		}
	}
}

// daysForm is a number of days, as the schema says it too: a membership ends with a day, not at an hour.
const daysForm = `^[0-9]{1,4}d$`

var daysAre = regexp.MustCompile(daysForm)

func wholeDays(n yamlfile.Node) time.Duration {
	s := n.Str()
	if !n.IsScalar() {
		return 0
	}
	if !daysAre.MatchString(s) {
		n.Fault("as 14d, at most 9999d", "%.80q is no number of days", s)
		return 0
	}
	days, _ := strconv.Atoi(s[:len(s)-1]) // at most four digits
	return time.Duration(days) * 24 * time.Hour
}

// lastDayForm is a day of one year, as the schema says it too; that a month has so many days it does not say.
const lastDayForm = `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`

var lastDayIs = regexp.MustCompile(lastDayForm)

// lastDay is the last day of a membership.
func lastDay(n yamlfile.Node) policy.Date {
	s := n.Str()
	if !n.IsScalar() {
		return policy.Date{}
	}
	d, err := policy.ParseDate(s)
	if err != nil || !lastDayIs.MatchString(s) {
		n.Fault("as 2026-09-30: the last day of the membership", "%.80q is no day of the calendar", s)
		return policy.Date{}
	}
	return d
}

// cardStates are the words for them.
var cardStates = []string{"active", "lost", "blocked", "replaced"}

// membershipPart is the section membership of the schema.
func membershipPart() thing {
	days := func(what string) thing { return thing{"type": "string", "pattern": daysForm, "description": what} }
	return object(nil, thing{
		"grace": days("how many days after the last day of a membership nothing is refused yet; without it, none"),
		"warn":  days("how many days before the last day the panel begins to tell the member; without it, it does not"),
		"after": say("the roles that a member keeps whose membership has ended; without it, none", list(ref("role"), 0, 5)),
	})
}

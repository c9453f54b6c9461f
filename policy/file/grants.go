package file

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

func (r *reader) machines(n yamlfile.Node) {
	for _, e := range n.Pairs() {
		if n.Enough() {
			break
		}
		only(e.Value, append([]string{"name", "grants", "bookings", "interventions", "maintenance", "vouch"}, machineKeys...)...)
		m := r.defaults
		m.ID, m.Name = policy.MachineID(r.machineIDs.add(e)), words(e.Value.Get("name").Required())
		r.rules(e.Value, &m)
		m.Bookings = r.bookings(e.Value.Get("bookings"))
		r.upkeep(e.Value, &m)
		grants := e.Value.Get("grants").Required()
		r.named = 0
		for _, g := range grants.List() {
			if n.Enough() {
				break
			}
			m.Grants = append(m.Grants, r.grant(g))
		}
		if grants.IsList() && len(m.Grants) == 0 {
			grants.Fault("as - { role: user, needs: BADGE }", "no grant: nobody could use the machine")
		}
		if r.named > policy.MaxNeeds {
			grants.Fault(fmt.Sprintf("at most %d", policy.MaxNeeds), "%d needs stand here", r.named)
		}
		r.m.Machines = append(r.m.Machines, m)
	}
}

// machineKeys are what a machine may say, and defaults: for all of them.
var machineKeys = []string{"when-idle", "cooldown", "mode", "card", "clock", "bundle"}

// usual reads what holds where a machine or a grant says nothing.
func (r *reader) usual(n yamlfile.Node) {
	only(n, append([]string{"session"}, machineKeys...)...)
	r.rules(n, &r.defaults)
	r.session = session(n.Get("session"), policy.Limits{})
}

// rules reads what n says of a machine; of the rest, m keeps what it has.
func (r *reader) rules(n yamlfile.Node, m *policy.Machine) {
	if v := n.Get("cooldown"); v.Present() {
		m.Cooldown = v.Duration()
	}
	if v := n.Get("when-idle").OneOf("off", "finish-job"); v != "" {
		m.WhenIdle = map[string]policy.WhenIdle{"finish-job": policy.FinishJob}[v]
	}
	if v := n.Get("mode").OneOf("enforce", "warn"); v != "" {
		m.Mode = map[string]policy.Mode{"warn": policy.Warn}[v]
	}
	if v := n.Get("card").OneOf("number", "aes"); v != "" {
		m.Card, _ = policy.ParseCardStrength(v)
	}
	if v := n.Get("clock"); v.Present() {
		m.Pass = clock(v)
	}
	if v := n.Get("bundle"); v.Present() {
		m.Fresh, m.Stale = r.bundle(v)
	}
}

// clockWords are the rules that a clock may pass over.
var clockWords = map[string]policy.ClockPass{"hours": policy.PassHours, "ages": policy.PassAges, "ends": policy.PassEnds}

// clock reads what is passed over while the clock is not trusted: { pass: [hours, ages, ends] }.
func clock(n yamlfile.Node) (out policy.ClockPass) {
	only(n, "pass")
	for _, x := range entries(n.Get("pass").Required(), len(clockWords)) {
		out |= clockWords[x.OneOf("hours", "ages", "ends")]
	}
	return out
}

// bundle reads { fresh: 7d, then: [maintainer] }, or any.
func (r *reader) bundle(n yamlfile.Node) (time.Duration, []policy.Role) {
	if n.IsScalar() {
		n.OneOf("any")
		return 0, nil
	}
	only(n, "fresh", "then")
	var stale []policy.Role
	for _, x := range entries(n.Get("then").Required(), len(r.roles)) {
		if role, _ := policy.ParseRole(x.OneOf(r.roles...)); role != policy.NoRole {
			stale = append(stale, role)
		}
	}
	return positive(n.Get("fresh").Required()), stale
}

// bookings are in the order of time; a booking system may write them.
func (r *reader) bookings(n yamlfile.Node) []policy.Booking {
	var out []policy.Booking
	for _, x := range n.List() {
		bare(x)
		only(x, "from", "to", "for")
		b := policy.Booking{From: r.minute(x.Get("from").Required()), To: r.minute(x.Get("to").Required()), For: policy.MemberID(x.Get("for").Required().Slug())}
		switch before := len(out) - 1; {
		case b.From.IsZero() || b.To.IsZero():
		case !b.From.Before(b.To):
			x.Get("to").Fault("", "ends before it begins")
		case before >= 0 && b.From.Before(out[before].To):
			x.Get("from").Fault("bookings stand in the order of time, and one machine has one at a time", "begins before the booking above it has ended")
		}
		out = append(out, b)
	}
	return out
}

func holidays(n yamlfile.Node) *policy.Holidays {
	if !n.Present() {
		return nil
	}
	var days []policy.Date
	for _, x := range entries(n, maxHolidays) {
		s, form := x.Str(), dateForm.FindString(x.Str())
		d, err := policy.ParseDate(form)
		if x.IsScalar() && (err != nil || form == "") {
			x.Fault("", "%.80q is no date, as in 2026-12-25, or 12-25 for every year", s)
		}
		days = append(days, d)
	}
	return policy.NewHolidays(days...)
}

// holidayForm is a date, as the schema says it too; that a month has so many days it does not say.
const holidayForm = `^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`

var dateForm = regexp.MustCompile(holidayForm)

func (r *reader) grant(n yamlfile.Node) policy.Grant {
	bare(n)
	only(n, "role", "needs", "supervisor", "learners", "hours", "booked", "quota", "session")
	g := policy.Grant{Session: session(n.Get("session"), r.session), Hours: hours(n.Get("hours"), r.m.Holidays), Booked: n.Get("booked").Bool(),
		Quota: quota(n.Get("quota")), Learners: n.Get("learners").Int(1, maxLearners)}
	role := n.Get("role").Required()
	if role.Present() {
		g.Role, _ = policy.ParseRole(role.OneOf(r.roles...)) // OneOf reports what is no role
	}
	g.Needs = r.need(n.Get("needs").Required(), 1)
	if s := n.Get("supervisor"); s.Present() {
		need := r.need(s, 1)
		g.Supervisor = &need
	} else if g.Role == policy.Learner {
		n.Fault("add supervisor: BADGE, what the mentor holds; or role: user", "a learner needs a supervisor")
	} else if l := n.Get("learners"); l.Present() {
		l.Fault("add supervisor: BADGE", "learners: says how many a supervisor may answer for, and there is none")
	}
	return g
}

// session reads limits; what n does not say is as in usual. «none» takes a limit away.
func session(n yamlfile.Node, usual policy.Limits) policy.Limits {
	only(n, "max", "idle", "warn", "extend")
	l := usual
	for _, limit := range []struct {
		key string
		to  *time.Duration
	}{{"max", &l.Max}, {"idle", &l.Idle}, {"warn", &l.Warn}, {"extend", &l.Extend}} {
		switch v := n.Get(limit.key); {
		case !v.Present():
		case v.IsScalar() && v.Str() == "none":
			*limit.to = 0
		default:
			*limit.to = positive(v)
		}
	}
	if l.Warn == 0 || l.Max == 0 || l.Warn < l.Max {
		return l
	}
	if w, m := n.Get("warn"), n.Get("max"); w.Present() {
		w.Fault("a warning comes before the end", "%.80q is not shorter than max", w.Str())
	} else if m.Present() {
		m.Fault("add warn: to the session, shorter than max, or warn: none", "the warning that is usual here, %v, is not shorter than max", l.Warn)
	}
	return l
}

func quota(n yamlfile.Node) policy.Quota {
	only(n, "day", "week")
	q := policy.Quota{Day: positive(n.Get("day")), Week: positive(n.Get("week"))}
	switch {
	case n.IsMap() && len(n.Pairs()) == 0:
		n.Fault("{ day: 2h } or { week: 6h }, or both", "a quota of nothing")
	case q.Day > 0 && q.Week > 0 && q.Week < q.Day:
		n.Get("week").Fault("", "a week's quota that is shorter than a day's")
	case q.Day > 24*time.Hour:
		n.Get("day").Fault("", "a day has 24 hours")
	}
	return q
}

func hours(n yamlfile.Node, holidays *policy.Holidays) *policy.Hours {
	if !n.Present() {
		return nil
	}
	if s := n.Str(); len(s) > maxHours {
		n.Fault(fmt.Sprintf("at most %d", maxHours), "hours of %d bytes", len(s))
		return new(policy.Hours)
	}
	h, err := policy.ParseHours(n.Str(), holidays)
	if err == nil {
		return h
	}
	if inner := errors.Unwrap(err); inner != nil && len(n.Str()) > 80 {
		err = inner // without the whole text, which stands in the line that is shown
	}
	if n.IsScalar() { // Str has reported anything else
		n.Fault(`as "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off"`, "%.300v", err)
	}
	return new(policy.Hours)
}

// maxHours bounds a text of hours, in bytes: 64 rules of 60.
const maxHours = 4000

// need reads a badge, all: […] or any: […].
func (r *reader) need(n yamlfile.Node, depth int) policy.Need {
	r.named++
	switch {
	case depth > policy.MaxNesting:
		n.Fault("write it flatter", "needs are nested more than %d deep", policy.MaxNesting)
	case n.IsScalar():
		return policy.Need{Badge: policy.BadgeID(r.badgeIDs.ref(n, "badge"))}
	case n.IsList():
		n.Fault("all: […] or any: […]", "a list alone does not say whether all are needed or any")
	case n.IsMap() && n.Get("all").Present() || n.Get("any").Present():
		return r.several(n, depth)
	case n.IsMap():
		return r.badgeNeed(n)
	default:
		bare(n)
	}
	return policy.Need{}
}

func (r *reader) several(n yamlfile.Node, depth int) policy.Need {
	only(n, "all", "any")
	all, either := n.Get("all"), n.Get("any")
	if all.Present() && either.Present() {
		n.Fault("nest one in the other: all: [A, { any: [B, C] }]", "all and any stand side by side")
	}
	return policy.Need{All: r.needs(all, depth), Any: r.needs(either, depth)}
}

func (r *reader) needs(n yamlfile.Node, depth int) []policy.Need {
	var out []policy.Need
	for _, x := range n.List() {
		out = append(out, r.need(x, depth+1))
	}
	if n.IsList() && len(out) == 0 {
		n.Fault("name at least one badge", "an empty list")
	}
	return out
}

func (r *reader) badgeNeed(n yamlfile.Node) policy.Need {
	only(n, "badge", "within", "used-within", "hours", "assurance")
	var least policy.Assurance
	if a := n.Get("assurance").OneOf("signed", "hosted", "attested"); a != "" {
		_ = least.UnmarshalText([]byte(a)) // OneOf has reported what is no word
	}
	return policy.Need{
		Badge:      policy.BadgeID(r.badgeIDs.ref(n.Get("badge").Required(), "badge")),
		Within:     positive(n.Get("within")),
		UsedWithin: positive(n.Get("used-within")),
		Hours:      time.Duration(n.Get("hours").Int(1, maxNeedHours)) * time.Hour,
		Assurance:  least,
	}
}

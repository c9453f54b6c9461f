package file

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// machines reads all machines.
func (r *reader) machines(n yamlfile.Node, model *policy.Model) {
	for _, e := range n.Pairs() {
		if n.Enough() {
			break
		}
		m := r.defaults
		m.ID = policy.MachineID(r.machineIDs.known(e))
		r.needs, r.kinds = 0, names{}
		fill(r, e.Value, r.tables.machine, &m)
		r.kinds.report()
		model.Machines = append(model.Machines, m)
	}
}

// grants reads the grants of a machine.
func (r *reader) grants(n yamlfile.Node, m *policy.Machine) {
	for _, g := range n.List() {
		if n.Enough() {
			break
		}
		m.Grants = append(m.Grants, r.grant(g))
	}
	if n.IsList() && len(m.Grants) == 0 {
		n.Fault("as - { role: user, needs: BADGE }", "no grant: nobody could use the machine")
	}
	if r.needs > policy.MaxNeeds {
		n.Fault(fmt.Sprintf("at most %d", policy.MaxNeeds), "%d needs stand here", r.needs)
	}
}

// clockWords contains the rules that can be ignored without a trusted clock.
var clockWords = map[string]policy.ClockPass{
	"hours": policy.PassHours,
	"ages":  policy.PassAges,
	"ends":  policy.PassEnds,
}

// clockPass reads the rules that are ignored while the clock is not trusted.
func clockPass(_ *reader, n yamlfile.Node) (out policy.ClockPass) {
	for _, x := range entries(n, len(clockWords)) {
		out |= clockWords[x.OneOf("hours", "ages", "ends")]
	}
	return out
}

// bookings reads the bookings of a machine and sorts them by time, since a booking system may write them in any order.
func (r *reader) bookings(n yamlfile.Node, m *policy.Machine) {
	out := m.Bookings
	for _, x := range n.List() {
		refuseEmpty(x)
		var b policy.Booking
		fill(r, x, r.tables.booking, &b)
		switch before := len(out) - 1; {
		case b.From.IsZero() || b.To.IsZero():
		case !b.From.Before(b.To):
			x.Get("to").Fault("", "ends before it begins")
		case before >= 0 && b.From.Before(out[before].To):
			x.Get("from").Fault("bookings stand in the order of time, and one machine has one at a time",
				"begins before the booking above it has ended")
		}
		out = append(out, b)
	}
	m.Bookings = out
}

// holidays reads the public holidays of the site.
func holidays(_ *reader, n yamlfile.Node) *policy.Holidays {
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

// holidayForm is the pattern of a date in the schema. Only the reader checks the number of days in a month.
const holidayForm = `^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`

var dateForm = regexp.MustCompile(holidayForm)

// grant reads one grant.
func (r *reader) grant(n yamlfile.Node) policy.Grant {
	refuseEmpty(n)
	g := policy.Grant{Session: r.session}
	fill(r, n, r.tables.grant, &g)
	switch l := n.Get("learners"); {
	case g.Supervisor != nil:
	case g.Role == policy.Learner:
		n.Fault("add supervisor: BADGE, what the mentor holds; or role: user", "a learner needs a supervisor")
	case l.Present():
		l.Fault("add supervisor: BADGE", "learners: says how many a supervisor may answer for, and there is none")
	}
	return g
}

// limits reads the limits of a session. Limits that are not given are copied from usual. «none» removes a limit.
func (r *reader) limits(n yamlfile.Node, usual policy.Limits) policy.Limits {
	l := usual
	fill(r, n, r.tables.session, &l)
	if l.Warn == 0 || l.Max == 0 || l.Warn < l.Max {
		return l
	}
	if w, m := n.Get("warn"), n.Get("max"); w.Present() {
		w.Fault("a warning comes before the end", "%.80q is not shorter than max", w.Str())
	} else if m.Present() {
		m.Fault("add warn: to the session, shorter than max, or warn: none",
			"the warning that is usual here, %v, is not shorter than max", l.Warn)
	}
	return l
}

// quota reads how long and how often a member may use the machine.
func (r *reader) quota(n yamlfile.Node) (q policy.Quota) {
	fill(r, n, r.tables.quota, &q)
	switch {
	case n.IsMap() && len(n.Pairs()) == 0:
		n.Fault("{ day: 2h }, { week: 6h } or { sessions: 2 }, or several of these", "a quota of nothing")
	case q.Day > 0 && q.Week > 0 && q.Week < q.Day:
		n.Get("week").Fault("", "a week's quota that is shorter than a day's")
	case q.Day > 24*time.Hour:
		n.Get("day").Fault("", "a day has 24 hours")
	}
	return q
}

// hours reads opening hours.
func hours(n yamlfile.Node, holidays *policy.Holidays) *policy.Hours {
	if s := n.Str(); len(s) > maxHours {
		n.Fault(fmt.Sprintf("at most %d", maxHours), "hours of %d bytes", len(s))
		return new(policy.Hours)
	}
	h, err := policy.ParseHours(n.Str(), holidays)
	if err == nil {
		return h
	}
	if inner := errors.Unwrap(err); inner != nil && len(n.Str()) > 80 {
		err = inner // leave out the whole text, because the fault shows the line
	}
	if n.IsScalar() { // s is empty here only after Str has reported a node of another kind
		n.Fault(`as "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off"`, "%.300v", err)
	}
	return new(policy.Hours)
}

// maxHours bounds a text of hours, in bytes: 64 rules of about 60 bytes.
const maxHours = 4000

// need reads a badge, all: […] or any: […].
func (r *reader) need(n yamlfile.Node) (out policy.Need) {
	r.needs++
	r.depth++
	defer func() { r.depth-- }()
	switch {
	case r.depth > policy.MaxNesting:
		n.Fault("write it flatter", "needs are nested more than %d deep", policy.MaxNesting)
	case n.IsScalar():
		return policy.Need{Badge: policy.BadgeID(r.badgeIDs.ref(n, "badge"))}
	case n.IsList():
		n.Fault("all: […] or any: […]", "a list alone does not say whether all are needed or any")
	case n.IsMap() && (n.Get("all").Present() || n.Get("any").Present()):
		if n.Get("all").Present() && n.Get("any").Present() {
			n.Fault("nest one in the other: all: [A, { any: [B, C] }]", "all and any stand side by side")
		}
		fill(r, n, r.tables.severalNeeds, &out)
	case n.IsMap():
		fill(r, n, r.tables.badgeNeed, &out)
	default:
		refuseEmpty(n)
	}
	return out
}

// listOfNeeds reads the needs in all: or any:.
func (r *reader) listOfNeeds(n yamlfile.Node) []policy.Need {
	var out []policy.Need
	for _, x := range n.List() {
		out = append(out, r.need(x))
	}
	if n.IsList() && len(out) == 0 {
		n.Fault("name at least one badge", "an empty list")
	}
	return out
}

package file

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// tests reads the examples. They are about invented members, whose plainly listed badges were issued at the moment of
// the question, verified, and have no end.
func (r *reader) tests(n yamlfile.Node) {
	for _, x := range n.List() {
		if n.Enough() {
			break
		}
		bare(x)
		only(x, "name", "at", "machine", "holds", "supervisor-holds", "last-used", "logged", "clock", "tagged", "fault", "as", "member", "until", "card", "card-state", "used", "answering", "bundle-age", "expect", "role", "because")
		r.m.Tests = append(r.m.Tests, r.test(x))
	}
}

func (r *reader) test(x yamlfile.Node) policy.Test {
	t := policy.Test{Name: x.Path()}
	if name := line(x.Get("name")); name != "" {
		t.Name = name
	}
	q := &t.Question
	q.At = r.moment(x.Get("at").Required())
	q.Clock = policy.Trusted
	if x.Get("clock").OneOf("trusted", "untrusted") == "untrusted" {
		q.Clock = policy.Untrusted
	}
	q.Machine = policy.MachineID(r.machineIDs.ref(x.Get("machine").Required(), "machine"))
	q.Tagged, q.Fault = x.Get("tagged").Bool(), x.Get("fault").Bool()
	q.As = role(x.Get("as"))
	q.Member = &policy.Member{ID: "member", Holdings: r.holds(x.Get("holds").Required(), q.At), Practice: []policy.Practice{{
		Machine: q.Machine, Last: r.moment(x.Get("last-used")), Logged: time.Duration(x.Get("logged").Int(0, maxRunning)) * time.Hour}}}
	r.circumstances(x, q)
	if s := x.Get("supervisor-holds"); s.Present() {
		q.Supervisor = &policy.Member{ID: "supervisor", Holdings: r.holds(s, q.At)}
	}
	t.Expect, _ = policy.ParseVerdict(x.Get("expect").Required().OneOf("allow", "deny", "await"))
	t.Role = role(x.Get("role"))
	t.Because = because(x.Get("because"), t.Expect)
	return t
}

// circumstances are what an example may say beside badges and time. Without bundle-age: the bundle is of that moment.
func (r *reader) circumstances(x yamlfile.Node, q *policy.Question) {
	q.Card, _ = policy.ParseCardStrength(x.Get("card").OneOf("number", "aes"))
	q.Answering = x.Get("answering").Int(0, maxLearners)
	q.Issued = q.At.Add(-x.Get("bundle-age").Duration())
	if id := x.Get("member"); id.Present() {
		q.Member.ID = policy.MemberID(id.Slug())
	}
	q.Member.Until = lastDay(x.Get("until"))
	if s := x.Get("card-state"); s.Present() {
		q.CardState, _ = policy.ParseCardState(s.OneOf(cardStates...)) // OneOf reports what is none
	}
	used := x.Get("used")
	only(used, "day", "week")
	here := &q.Member.Practice[0]
	here.Day, here.Week = used.Get("day").Duration(), used.Get("week").Duration()
	if used.Present() && here.Last.IsZero() {
		here.Last = q.At
	}
}

func role(n yamlfile.Node) policy.Role {
	out, _ := policy.ParseRole(n.OneOf(roleWords(policy.Roles())...)) // OneOf reports what is no role
	return out
}

func because(n yamlfile.Node, expect policy.Verdict) policy.Code {
	code := policy.Code(n.OneOf(codeWords()...))
	if code != "" && expect == policy.Allow {
		n.Fault("remove it", "allow needs no reason")
	}
	return code
}

// holds reads badges: an id, or { badge, issuer, issued, expires, revoked }.
func (r *reader) holds(n yamlfile.Node, at time.Time) []policy.Holding {
	var out []policy.Holding
	for _, x := range entries(n, maxHolds) {
		h := policy.Holding{Standing: policy.Verified, From: at}
		if !x.IsMap() {
			h.Badge = policy.BadgeID(r.badgeIDs.ref(x, "badge"))
			if x.IsList() {
				x.Fault("", "must be a badge")
			}
			out = append(out, h)
			continue
		}
		only(x, "badge", "issuer", "issued", "expires", "revoked")
		h.Badge = policy.BadgeID(r.badgeIDs.ref(x.Get("badge").Required(), "badge"))
		if issued := x.Get("issued"); issued.Present() {
			h.From = r.moment(issued)
		}
		h.Until = r.moment(x.Get("expires"))
		if x.Get("revoked").Bool() {
			h.Standing = policy.Revoked
		}
		if x.Get("issuer").Present() {
			out = append(out, r.heldOf(x, h)...)
			continue
		}
		out = append(out, h)
	}
	return out
}

// momentForm and minuteForm are how a moment is written, as the schema says it too; that a month has so many days they
// do not say.
const (
	momentForm = `^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?)?)?$`
	minuteForm = `^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?)?$`
)

var momentIs, minuteIs = regexp.MustCompile(momentForm), regexp.MustCompile(minuteForm)

// moment is a day or a minute on the wall of the site, or a time that names its offset.
func (r *reader) moment(n yamlfile.Node) time.Time {
	s := n.Str()
	if !n.IsScalar() {
		return time.Time{}
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02", time.RFC3339} {
		if t, err := time.ParseInLocation(form, strings.Replace(s, " ", "T", 1), r.m.Zone); err == nil && momentIs.MatchString(s) {
			return t
		}
	}
	n.Fault(`a day or a time at the site, as "2026-11-23T10:00"`, "%.80q is not a time", s)
	return time.Time{}
}

// minute is a moment that says more than the day: a booking to a day would leave open whether that day is part of it.
func (r *reader) minute(n yamlfile.Node) time.Time {
	t := r.moment(n)
	if s := n.Str(); !t.IsZero() && !minuteIs.MatchString(s) {
		n.Fault(`as "`+s+`T00:00"`, "%q is a day: a booking begins and ends at a time of it", s)
		return time.Time{}
	}
	return t
}

// Result is what became of an example.
type Result struct {
	Test     policy.Test
	Decision policy.Decision
	Problem  policy.Text // empty: as expected
}

// RunTests answers every example that stands in the file.
func RunTests(p *policy.Policy) []Result {
	out := make([]Result, 0, len(p.Tests))
	for _, t := range p.Tests {
		d := p.Decide(t.Question)
		out = append(out, Result{t, d, problem(t, d)})
	}
	return out
}

func problem(t policy.Test, d policy.Decision) policy.Text {
	switch {
	case d.Verdict != t.Expect:
		fr, en := also(d)
		return policy.Text{FR: fmt.Sprintf("attendu %v, obtenu %v%s", t.Expect, d.Verdict, fr), EN: fmt.Sprintf("expected %v, got %v%s", t.Expect, d.Verdict, en)}
	case t.Role != policy.NoRole && d.Role != t.Role:
		return policy.Text{FR: fmt.Sprintf("attendu le rôle %v, obtenu %v", t.Role, d.Role), EN: fmt.Sprintf("expected the role %v, got %v", t.Role, d.Role)}
	case t.Because != "" && !slices.Contains(d.Codes(), t.Because):
		return policy.Text{FR: fmt.Sprintf("attendu because %v, obtenu %v", t.Because, d.Codes()), EN: fmt.Sprintf("expected because %v, got %v", t.Because, d.Codes())}
	}
	return policy.Text{}
}

// also is what a verdict came with.
func also(d policy.Decision) (fr, en string) {
	if d.Verdict == policy.Allow {
		return fmt.Sprintf(" comme %v", d.Role), fmt.Sprintf(" as %v", d.Role)
	}
	return fmt.Sprintf(", à cause de %v", d.Codes()), fmt.Sprintf(", because %v", d.Codes())
}

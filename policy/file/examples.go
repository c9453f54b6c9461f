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

// tests reads the examples. The members of examples are invented. A badge that is listed only by its id is verified,
// was issued at the time of the question, and has no end.
func (r *reader) tests(n yamlfile.Node, m *policy.Model) {
	for _, x := range n.List() {
		if n.Enough() {
			break
		}
		refuseEmpty(x)
		m.Tests = append(m.Tests, r.test(x))
	}
}

// test reads one example. Without bundle-age the bundle was made at the time of the question.
func (r *reader) test(x yamlfile.Node) policy.Test {
	t := policy.Test{Name: x.Path()}
	q := &t.Question
	q.Clock = policy.Trusted
	q.Member = &policy.Member{ID: "member", Practice: make([]policy.Practice, 1)}
	fill(r, x, r.tables.test, &t)
	practice(&t).Machine = q.Machine
	if !x.Get("bundle-age").Present() {
		q.Issued = q.At
	}
	return t
}

// practice returns the practice that the member of an example has at the example's machine.
func practice(t *policy.Test) *policy.Practice { return &t.Question.Member.Practice[0] }

// used reads the time used at the machine today and this week, and today's sessions. If the example does not set the
// last use, used also sets the last use to the moment of the question.
func (r *reader) used(n yamlfile.Node, t *policy.Test) {
	var used policy.Quota
	fill(r, n, r.tables.used, &used)
	here := practice(t)
	here.Day, here.Week, here.Sessions = used.Day, used.Week, used.Sessions
	if here.Last.IsZero() {
		here.Last = t.Question.At
	}
}

// role reads a role. If role returns NoRole, it has reported a fault.
func role(n yamlfile.Node) policy.Role {
	out, _ := policy.ParseRole(n.OneOf(roleWords(policy.Roles())...)) // OneOf has already reported an unknown word
	return out
}

// because reads the code that an example expects. An example that expects «allow» has no code.
func because(n yamlfile.Node, expect policy.Verdict) policy.Code {
	code := policy.Code(n.OneOf(codeWords()...))
	if code != "" && expect == policy.Allow {
		n.Fault("remove it", "allow needs no reason")
	}
	return code
}

// holds reads the badges of a member: an id, or { badge, issuer, issued, expires, revoked }.
func (r *reader) holds(n yamlfile.Node, at time.Time) []policy.Holding {
	var out []policy.Holding
	for _, x := range entries(n, maxHolds) {
		h := heldBadge{Holding: policy.Holding{Standing: policy.Verified, From: at}}
		if !x.IsMap() {
			h.Badge = policy.BadgeID(r.badgeIDs.ref(x, "badge"))
			if x.IsList() {
				x.Fault("", "must be a badge")
			}
			out = append(out, h.Holding)
			continue
		}
		fill(r, x, r.tables.held, &h)
		if h.otherIssuer.Present() {
			out = append(out, r.heldOf(h.otherIssuer, h.Holding)...)
			continue
		}
		out = append(out, h.Holding)
	}
	return out
}

// momentForm and minuteForm are patterns of times for the reader and the schema. Only the reader checks the number of
// days in a month.
const (
	momentForm = `^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?)?)?$`
	minuteForm = `^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?)?$`
)

var momentIs, minuteIs = regexp.MustCompile(momentForm), regexp.MustCompile(minuteForm)

// moment reads a day or a minute in the site's time zone, or a time with an offset.
func (r *reader) moment(n yamlfile.Node) time.Time {
	s := n.Str()
	if !n.IsScalar() {
		return time.Time{}
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02", time.RFC3339} {
		t, err := time.ParseInLocation(form, strings.Replace(s, " ", "T", 1), r.m.Zone)
		if err == nil && momentIs.MatchString(s) {
			return t
		}
	}
	n.Fault(`a day or a time at the site, as "2026-11-23T10:00"`, "%.80q is not a time", s)
	return time.Time{}
}

// minute reads a moment with a time of day. It refuses a day without a time of day, because readers could not tell
// whether a booking includes that day.
func (r *reader) minute(n yamlfile.Node) time.Time {
	t := r.moment(n)
	if s := n.Str(); !t.IsZero() && !minuteIs.MatchString(s) {
		n.Fault(`as "`+s+`T00:00"`, "%q is a day: a booking begins and ends at a time of it", s)
		return time.Time{}
	}
	return t
}

// Result is the outcome of an example.
type Result struct {
	Test     policy.Test
	Decision policy.Decision
	Problem  policy.Text // empty if the decision is as expected
}

// RunTests answers every example in the file, in its order.
func RunTests(p *policy.Policy) []Result {
	out := make([]Result, 0, len(p.Tests))
	for _, t := range p.Tests {
		d := p.Decide(t.Question)
		out = append(out, Result{t, d, problem(t, d)})
	}
	return out
}

// problem describes how a decision differs from what the example expects, or returns an empty text if it does not
// differ.
func problem(t policy.Test, d policy.Decision) policy.Text {
	switch {
	case d.Verdict != t.Expect:
		fr, en := outcomeInWords(d)
		return policy.Text{
			FR: fmt.Sprintf("attendu %v, obtenu %v%s", t.Expect, d.Verdict, fr),
			EN: fmt.Sprintf("expected %v, got %v%s", t.Expect, d.Verdict, en),
		}
	case t.Role != policy.NoRole && d.Role != t.Role:
		return policy.Text{
			FR: fmt.Sprintf("attendu le rôle %v, obtenu %v", t.Role, d.Role),
			EN: fmt.Sprintf("expected the role %v, got %v", t.Role, d.Role),
		}
	case t.Because != "" && !slices.Contains(d.Codes(), t.Because):
		return policy.Text{
			FR: fmt.Sprintf("attendu because %v, obtenu %v", t.Because, d.Codes()),
			EN: fmt.Sprintf("expected because %v, got %v", t.Because, d.Codes()),
		}
	}
	return policy.Text{}
}

// outcomeInWords returns the role or the reasons of a decision, in French and in English.
func outcomeInWords(d policy.Decision) (fr, en string) {
	if d.Verdict == policy.Allow {
		return fmt.Sprintf(" comme %v", d.Role), fmt.Sprintf(" as %v", d.Role)
	}
	return fmt.Sprintf(", à cause de %v", d.Codes()), fmt.Sprintf(", because %v", d.Codes())
}

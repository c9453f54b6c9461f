package policy

import (
	"encoding/json"
	"slices"
	"time"
)

// Clock says whether the time of a question is trusted. The zero Clock is untrusted.
type Clock uint8

const (
	Untrusted Clock = iota
	Trusted
)

// Question is a tap: this member, at this machine, at this time.
type Question struct {
	At         time.Time
	Clock      Clock
	Machine    MachineID
	Member     *Member      // nil if the card belongs to no member
	Supervisor *Member      // the mentor who tapped for the member, or nil
	As         Role         // the requested role; NoRole for the least powerful possible role
	Card       CardStrength // what the member's card has proven
	CardState  CardState    // the state of the member's card at the site
	Answering  int          // number of other members' sessions that the mentor supervises at this machine
	Issued     time.Time    // when the bundle in force was made; zero if unknown
	Tagged     bool         // true while the machine is tagged out
	// LastTrusted is when the machine last wrote a record with a trusted clock. Zero means never. Memberships are judged
	// at a time that depends on it: see Known.
	LastTrusted time.Time
	Fault       bool // true while the relay has a fault
}

// Decision is the answer. The zero Decision denies.
type Decision struct {
	Verdict Verdict `json:"verdict"`
	Role    Role    `json:"role"` // NoRole if Verdict is Deny
	// Grant is the index of the grant that gives the role or comes nearest; in mode warn, the grant that enforcement
	// would choose.
	Grant int `json:"grant"`
	// limits of the session; Max is not longer than the time that hours, quotas and bookings permit
	Limits Limits    `json:"limits,omitzero"`
	Others []Role    `json:"others,omitempty"` // other roles that the member may take now without a mentor
	Badges []BadgeID `json:"badges,omitempty"` // the member's badges that meet the grant
	// badges of other issuers that the member holds instead of badges in Badges
	Accepted []Accepted `json:"accepted,omitempty"`
	Outcomes []Outcome  `json:"outcomes,omitempty"` // results of all grants, in the order of the policy
	Would    Verdict    `json:"would"`              // the answer of enforcement; differs from Verdict only in mode warn
}

// Outcome is the result for one grant.
type Outcome struct {
	Role     Role
	Verdict  Verdict
	grant    uint16    // index of the grant at the machine
	from, to uint32    // the part of found that is about this grant
	found    *findings // findings of the whole decision; nil if nothing is missing
}

// NewOutcome returns the outcome of a grant for which these reasons are missing.
func NewOutcome(r Role, v Verdict, missing ...Reason) Outcome {
	return Outcome{Role: r, Verdict: v, found: &findings{given: &missing}, to: uint32(len(missing))}
}

// Missing returns everything that is missing for the grant, in the order in which rules are judged. Each call computes
// the reasons from the member of the question, so the caller must not change this member after Decide.
func (o Outcome) Missing() []Reason {
	if o.from == o.to {
		return nil
	}
	return o.found.reasons(int(o.grant), o.from, o.to)
}

// MarshalJSON writes the role, the verdict and the reasons.
func (o Outcome) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Role    Role     `json:"role"`
		Verdict Verdict  `json:"verdict"`
		Missing []Reason `json:"missing,omitempty"`
	}{o.Role, o.Verdict, o.Missing()})
}

// Nearest returns the outcome of the grant that gave the role or came nearest. ok is false if the machine is unknown.
func (d Decision) Nearest() (o Outcome, ok bool) {
	if d.Grant < 0 || d.Grant >= len(d.Outcomes) {
		return Outcome{}, false
	}
	return d.Outcomes[d.Grant], true
}

// Codes returns the distinct reasons of the nearest grant, or none if the answer is allow.
func (d Decision) Codes() []Code {
	o, _ := d.Nearest()
	var out []Code
	for _, r := range o.Missing() {
		if !slices.Contains(out, r.Code) {
			out = append(out, r.Code)
		}
	}
	return out
}

// page contains the parts of a decision, so that a decision needs one allocation. Decide allocates separately what does
// not fit: in BenchmarkSameQuestions, 2 % of the questions find more than 32 missing things. A page of 504 bytes has
// the largest size that Go's allocator serves without a header (512 bytes); a test checks the size, because a larger
// page takes twice as long to allocate.
type page struct {
	found    findings
	outcomes [6]Outcome
	badges   [3]BadgeID
	room     [32]finding
}

// Decide judges every grant of the machine. Decide returns no error: it denies if a rule cannot be judged. For a
// machine that the policy does not name, Decide returns the zero Decision.
func (p *Policy) Decide(q Question) Decision {
	m := p.machines[q.Machine]
	if m == nil {
		return Decision{}
	}
	answer := &page{found: findings{machine: m, member: q.Member, zone: p.Zone}}
	answer.found.list = answer.room[:0]
	j := evaluator{q: q, zone: p.Zone, grace: p.StatusGrace, m: m.Machine, membership: &p.Membership, known: q.Known(),
		found: &answer.found}
	j.member.meet(m, q.Member)
	j.lapsed = j.hasLapsed(q.Member)
	j.supervisor.meet(m, q.Supervisor)
	d := Decision{Outcomes: answer.outcomes[:0]}
	for i := range m.grants {
		o := j.grant(&m.grants[i])
		o.grant = uint16(i)
		d.Outcomes = append(d.Outcomes, o)
	}
	j.choose(&d, p, m, answer.badges[:0])
	return d
}

// evaluator is the state of one decision. It stores what is missing as numbers (see findings).
type evaluator struct {
	q          Question
	m          *Machine
	zone       *time.Location
	grace      time.Duration
	member     person
	supervisor person
	membership *Membership
	known      time.Time // the time for judging memberships
	lapsed     bool      // whether the member's membership has lapsed
	found      *findings // findings of all grants, in order
	local      time.Time
	wall       moment
	shares     shares
}

// shares holds how long the member has used the machine on the day and in the week of the question, and how many
// sessions the member began on that day.
type shares struct {
	known     bool
	day, week time.Duration
	sessions  int
}

func (j *evaluator) missing(code uint8) { j.found.add(finding{code: code}) }

// grant judges one grant. The verdict is Await if only a mentor is missing.
func (j *evaluator) grant(g *grant) Outcome {
	o := Outcome{Role: g.Role, found: j.found, from: j.found.len()}
	if j.q.Member == nil {
		j.missing(unknownCard)
		o.to = j.found.len()
		return o
	}
	j.everyone(g.Role)
	j.need(&g.needs, &j.member)
	j.hours(g.Hours)
	j.booked(g.Grant)
	j.quota(g.Quota)
	ready := j.found.len() == o.from
	switch {
	case g.Supervisor != nil && !j.supervised(g):
		if ready {
			o.Verdict = Await
		}
	case ready:
		o.Verdict = Allow
	}
	o.to = j.found.len()
	return o
}

// everyone notes the reasons that stop a role independently of the member's badges.
func (j *evaluator) everyone(r Role) {
	if j.q.Member.Blocked {
		j.missing(cardBlocked)
	}
	if s := j.q.CardState; s != ActiveCard {
		j.found.add(finding{code: cardBlocked, kind: s.kind()})
	}
	if j.q.Fault {
		j.missing(machineFault)
	}
	if j.lapsed && !j.membership.Keeps(r) {
		j.missing(membershipLapsed)
	}
	if j.q.Card < j.m.Card {
		j.found.add(finding{code: cardBlocked, kind: WeakCard})
	}
	if j.m.Fresh > 0 && !slices.Contains(j.m.Stale, r) {
		j.fresh()
	}
	if j.q.Tagged && r != Maintainer {
		j.missing(taggedOut)
	}
}

// fresh adds a reason if the bundle is older than the policy allows at this machine.
func (j *evaluator) fresh() {
	switch judged := j.judges(PassAges); {
	case judged && j.q.At.Sub(j.q.Issued) > j.m.Fresh:
		j.missing(bundleStale)
	case !judged && j.q.Issued.IsZero():
		j.missing(bundleStale)
	}
}

// judges reports whether the evaluator can judge rules on time, which need a trusted clock. If a rule cannot be judged,
// and the machine does not ignore rules of this kind, judges adds the rule as a reason.
func (j *evaluator) judges(rule ClockPass) bool {
	if j.q.Clock == Trusted {
		return true
	}
	if j.m.Pass&rule == 0 {
		j.missing(clockUntrusted)
	}
	return false
}

func (j *evaluator) hours(h *Hours) {
	if h == nil || !j.judges(PassHours) {
		return
	}
	if _, open := h.open(j.onWall()); !open {
		j.missing(outsideHours)
	}
}

func (j *evaluator) onWall() moment {
	if j.local.IsZero() {
		j.local = j.q.At.In(j.zone)
		j.wall = onWall(j.local)
	}
	return j.wall
}

func (j *evaluator) quota(q Quota) {
	if q == (Quota{}) || !j.judges(PassHours) {
		return
	}
	day, week, sessions := j.used()
	if q.Day > 0 && day >= q.Day {
		j.found.add(finding{code: quotaUsed, kind: OfDay})
	}
	if q.Week > 0 && week >= q.Week {
		j.found.add(finding{code: quotaUsed, kind: OfWeek})
	}
	if q.Sessions > 0 && sessions >= q.Sessions {
		j.found.add(finding{code: quotaUsed, kind: OfSessions})
	}
}

// used is how long the member has used the machine today and this week, and in how many sessions today.
func (j *evaluator) used() (day, week time.Duration, sessions int) {
	if x := &j.shares; !x.known {
		j.onWall()
		x.known = true
		if sameDay(j.member.last, j.local) {
			x.day, x.sessions = j.member.day, j.member.sessions
		}
		if sameWeek(j.member.last, j.local) {
			x.week = j.member.week
		}
	}
	return j.shares.day, j.shares.week, j.shares.sessions
}

// supervised reports whether another member has tapped who meets the grant's need for a supervisor and may supervise
// one more person. It adds no reasons about this other member, because the first member cannot remedy them.
func (j *evaluator) supervised(g *grant) bool {
	s := j.q.Supervisor
	l := finding{code: needsSupervisor}
	switch {
	case s == nil || s.Blocked || s.ID == "" || s.ID == j.q.Member.ID || !j.meets(&g.supervisor, &j.supervisor):
	case !j.membership.Keeps(Mentor) && j.hasLapsed(s): // judge the supervisor as a mentor
		l.kind = OfLapsed
	case g.Learners > 0 && j.q.Answering >= g.Learners:
		l.kind = BusySupervisor
	default:
		return true
	}
	j.found.add(l)
	return false
}

// meets reports whether the person meets the need. meets adds no reasons to the findings.
func (j *evaluator) meets(n *need, who *person) bool {
	mark := j.found.len()
	ok := j.need(n, who)
	j.found.cutTo(mark)
	return ok
}

// need adds the reasons for which a need is not met. If no alternative of an «any» is met, need adds the reasons of the
// nearest alternative.
func (j *evaluator) need(n *need, who *person) bool {
	switch {
	case n.leaf > 0:
		return j.badge(n, who)
	case len(n.all) > 0:
		ok := true
		for i := range n.all {
			ok = j.need(&n.all[i], who) && ok
		}
		return ok
	default:
		return j.any(n.any, who)
	}
}

func (j *evaluator) any(list []need, who *person) bool {
	mark, hardest := j.found.len(), -1
	for i := range list {
		from := j.found.len()
		if j.need(&list[i], who) {
			j.found.cutTo(mark)
			return true
		}
		// keep the reasons of this alternative, and remove those of the previous alternative
		if e := ease(j.found.since(from)); e > hardest {
			hardest = e
			j.found.cut(mark, from)
		} else {
			j.found.cutTo(from)
		}
	}
	return false
}

// ease returns how easily the reasons can be remedied: twice the index of the hardest reason in the list of codes. For
// an empty list of reasons, ease returns a value above all others. Reasons that stop every grant are ignored. If the
// member lacks only the badge in «with:» of an accepted badge, ease adds one.
func ease(found []finding) int {
	out := 2 * len(codeList)
	for i := range found {
		if e := int(found[i].code); e > lastOfAll {
			e *= 2
			if found[i].kind == Besides {
				e++
			}
			out = min(out, e)
		}
	}
	return out
}

func (j *evaluator) badge(n *need, who *person) bool {
	mark := j.found.len()
	at, why := j.best(n, who)
	if at < 0 {
		j.found.add(why)
	} else {
		j.ages(n, who, at)
	}
	if who.logged < n.ask.Hours {
		j.found.add(finding{code: notEnoughHours, leaf: n.leaf})
	}
	return j.found.len() == mark
}

// ages checks the age of a usable badge, the last use and the logged hours.
func (j *evaluator) ages(n *need, who *person, at int) {
	issued := who.all[at].From
	l := finding{leaf: n.leaf, held: uint32(at)}
	if j.q.Clock != Trusted && j.m.Pass&PassAges != 0 {
		return
	}
	if n.ask.Within > 0 {
		l.kind = OfAge
		j.age(l, n.ask.Within, issued)
	}
	if n.ask.UsedWithin > 0 {
		if who.last.After(issued) {
			issued = who.last
		}
		l.kind = OfPractice
		j.age(l, n.ask.UsedWithin, issued)
	}
}

// age adds a reason if the time since is longer ago than want.
func (j *evaluator) age(l finding, want time.Duration, since time.Time) {
	switch {
	case j.q.Clock != Trusted:
		l.code = clockUntrusted
	case j.q.At.Sub(since) > want:
		l.code = notRecent
	default:
		return
	}
	j.found.add(l)
}

// Of the holdings that are usable now, best returns the index of the one that was issued last. If no holding is usable,
// best is -1, and why is the reason of the holding that is the easiest to remedy.
func (j *evaluator) best(n *need, who *person) (best int, why finding) {
	best, why = -1, finding{code: noBadge, leaf: n.leaf}
	for _, place := range who.held(n) {
		at := int(place)
		h := &who.all[at]
		l := finding{leaf: n.leaf, held: uint32(at)}
		l.code, l.kind = j.counts(h, n.ask.Assurance)
		if h.Other != nil {
			var known bool
			if l, known = j.accepted(l, n, h, who); !known {
				continue
			}
		}
		switch {
		case l.code == counts:
			if best < 0 || h.From.After(who.all[best].From) {
				best = at
			}
		// a member who lacks only the badge in «with:» comes nearer
		case l.code > why.code, l.code == noBadge && why.code == noBadge:
			why = l
		}
	}
	return best, why
}

// counts checks that a badge is usable now, and returns the reason if it is not.
func (j *evaluator) counts(h *Holding, least Assurance) (code uint8, kind ReasonKind) {
	at := j.q.At
	switch trusted := j.q.Clock == Trusted; {
	case h.Standing == Revoked:
		return badgeRevoked, 0
	case h.Standing != Verified:
		return badgeUnverified, 0
	case h.Assurance > least:
		return badgeUnverified, WeakAssurance
	case !trusted && !h.Until.IsZero() && j.m.Pass&PassEnds == 0:
		return clockUntrusted, 0
	case !trusted: // while the clock is not trusted, two dates are not judged; the package comment names both
		return counts, 0
	case at.Before(h.From):
		return badgeUnverified, NotYet
	case !h.Until.IsZero() && at.After(h.Until):
		return badgeExpired, 0
	case !h.Checked.IsZero() && at.Sub(h.Checked) > j.grace:
		return badgeUnverified, OldStatus
	}
	return counts, 0
}

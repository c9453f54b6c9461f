package policy

import "time"

// Clock says how far the time of a question can be believed. The zero Clock is not believed.
type Clock uint8

const (
	Untrusted Clock = iota
	Trusted
)

// Question is a tap: this member, at this machine, at this moment.
type Question struct {
	At         time.Time
	Clock      Clock
	Machine    MachineID
	Member     *Member // nil: nobody has this card
	Supervisor *Member // who taps to answer for the member; nil: nobody
	As         Role    // NoRole: the role to start in; else only this role will do
	Tagged     bool    // a tag hangs on the machine
	Fault      bool    // the relay cannot be trusted
}

// Decision is the answer. The zero Decision denies.
type Decision struct {
	Verdict  Verdict   `json:"verdict"`
	Role     Role      `json:"role"`               // NoRole where Verdict is Deny
	Grant    int       `json:"grant"`              // index of the grant that gives the role, or that came nearest
	Limits   Limits    `json:"limits,omitzero"`    // of the session; Max ends it no later than the grant's hours do
	Others   []Role    `json:"others,omitempty"`   // the member's other roles here and now, alone
	Badges   []BadgeID `json:"badges,omitempty"`   // the member's badges that the role rests on
	Outcomes []Outcome `json:"outcomes,omitempty"` // of every grant, in the policy's order
	Would    Verdict   `json:"would"`              // what enforcement answers; differs from Verdict only in mode warn
}

// Outcome is what became of one grant.
type Outcome struct {
	Role    Role     `json:"role"`
	Verdict Verdict  `json:"verdict"`
	Missing []Reason `json:"missing,omitempty"`
}

// Nearest is the outcome of the grant that gave the role or came nearest to it. ok is false where the machine is unknown.
func (d Decision) Nearest() (o Outcome, ok bool) {
	if d.Grant < 0 || d.Grant >= len(d.Outcomes) {
		return Outcome{}, false
	}
	return d.Outcomes[d.Grant], true
}

// Codes are the distinct reasons of the nearest grant: none where the answer is allow.
func (d Decision) Codes() []Code {
	o, _ := d.Nearest()
	var out []Code
next:
	for _, r := range o.Missing {
		for _, c := range out {
			if c == r.Code {
				continue next
			}
		}
		out = append(out, r.Code)
	}
	return out
}

// general is how many reasons a grant can get besides those of its needs: card-blocked, machine-fault, tagged-out,
// one for hours, needs-supervisor. perBadge is how many one badge can get: not-recent twice, not-enough-hours.
const (
	general  = 5
	perBadge = 3
)

// page holds what most decisions answer with, so that they need one allocation for it.
type page struct {
	outcomes [8]Outcome
	badges   [6]BadgeID
}

// Decide judges every grant of the machine. It never fails: what cannot be judged denies. A machine that the policy does not
// know gets the zero Decision.
func (p *Policy) Decide(q Question) Decision {
	m := p.machines[q.Machine]
	if m == nil {
		return Decision{}
	}
	j := judge{p: p, m: m, q: &q, reasons: make([]Reason, 0, m.reasons)}
	pg := new(page)
	d := Decision{Outcomes: pg.outcomes[:0], Badges: pg.badges[:0]}
	for i := range m.Grants {
		d.Outcomes = append(d.Outcomes, j.grant(&m.Grants[i]))
	}
	j.choose(&d)
	j.warn(&d)
	if len(d.Badges) == 0 {
		d.Badges = nil
	}
	return d
}

type judge struct {
	p       *Policy
	m       *machine
	q       *Question
	reasons []Reason // of all grants, one after the other; outcomes are slices of it
	local   time.Time
	wall    week
	used    Practice // of who, at this machine
	who     *Member
}

func (j *judge) miss(r Reason) { j.reasons = append(j.reasons, r) }

func (j *judge) grant(g *Grant) Outcome {
	from := len(j.reasons)
	alone := j.judge(g, from)
	o := Outcome{Role: g.Role, Missing: j.reasons[from:len(j.reasons):len(j.reasons)]}
	switch {
	case len(o.Missing) == 0:
		o.Missing, o.Verdict = nil, Allow
	case alone:
		o.Verdict = Await
	}
	return o
}

// judge appends all that is missing for g, and reports whether it is nothing but a supervisor.
func (j *judge) judge(g *Grant, from int) bool {
	q := j.q
	if q.Member == nil {
		j.miss(Reason{Code: UnknownCard})
		return false
	}
	if q.Member.Blocked {
		j.miss(Reason{Code: CardBlocked})
	}
	if q.Fault {
		j.miss(Reason{Code: MachineFault})
	}
	if q.Tagged && g.Role != Maintainer {
		j.miss(Reason{Code: TaggedOut})
	}
	j.need(&g.Needs, q.Member)
	j.hours(g.Hours)
	ready := len(j.reasons) == from
	if g.Supervisor != nil && !j.supervised(g.Supervisor) {
		j.miss(Reason{Code: NeedsSupervisor})
		return ready
	}
	return false
}

func (j *judge) hours(h *Hours) {
	if h == nil {
		return
	}
	if j.q.Clock != Trusted {
		j.miss(Reason{Code: ClockUntrusted})
		return
	}
	if _, open := h.open(j.onWall()); !open {
		j.miss(Reason{Code: OutsideHours})
	}
}

func (j *judge) onWall() week {
	if j.local.IsZero() {
		j.local = j.q.At.In(j.p.Zone)
		j.wall = onWall(j.local)
	}
	return j.wall
}

// supervised reports whether another member who meets n has tapped. What they lack is not the first member's business.
func (j *judge) supervised(n *Need) bool {
	s := j.q.Supervisor
	if s == nil || s.Blocked || s.ID == "" || s.ID == j.q.Member.ID {
		return false
	}
	return j.quietly(n, s)
}

// quietly judges n without a trace.
func (j *judge) quietly(n *Need, who *Member) bool {
	mark := len(j.reasons)
	ok := j.need(n, who)
	j.reasons = j.reasons[:mark]
	return ok
}

// need appends what is missing. Of an any that is not met, it is the alternative that comes nearest.
func (j *judge) need(n *Need, who *Member) bool {
	switch {
	case n.Badge != "":
		return j.badge(n, who)
	case len(n.All) > 0:
		ok := true
		for i := range n.All {
			ok = j.need(&n.All[i], who) && ok
		}
		return ok
	default:
		return j.any(n.Any, who)
	}
}

func (j *judge) any(list []Need, who *Member) bool {
	mark, hardest := len(j.reasons), -1
	for i := range list {
		from := len(j.reasons)
		if j.need(&list[i], who) {
			j.reasons = j.reasons[:mark]
			return true
		}
		if e := ease(j.reasons[from:]); e > hardest { // keep this one, drop what was kept
			hardest = e
			j.reasons = j.reasons[:mark+copy(j.reasons[mark:], j.reasons[from:])]
		} else {
			j.reasons = j.reasons[:from]
		}
	}
	return false
}

// ease is the place of the hardest reason in the list of codes: the greater, the nearer to yes. Of no reason it is the end of the list.
func ease(reasons []Reason) int {
	e := len(codeList)
	for i := range reasons {
		e = min(e, reasons[i].Code.ease())
	}
	return e
}

func (c Code) ease() int {
	for i := range codeList {
		if codeList[i] == c {
			return i
		}
	}
	return -1
}

func (j *judge) badge(n *Need, who *Member) bool {
	issued, why, ok := j.best(n.Badge, who)
	if !ok {
		j.miss(why)
		return false
	}
	mark := len(j.reasons)
	if n.Within > 0 {
		j.age(n, OfAge, n.Within, issued, issued)
	}
	if n.UsedWithin > 0 {
		last := j.practice(who).Last
		since := last
		if issued.After(since) {
			since = issued
		}
		j.age(n, OfPractice, n.UsedWithin, since, last)
	}
	if have := j.practice(who).Logged; have < n.Hours {
		j.miss(Reason{Code: NotEnoughHours, Badge: n.Badge, Want: n.Hours, Have: have})
	}
	return len(j.reasons) == mark
}

// age asks that since is not longer ago than want. tell is the date that the member hears about.
func (j *judge) age(n *Need, kind ReasonKind, want time.Duration, since, tell time.Time) {
	if j.q.Clock != Trusted {
		j.miss(Reason{Code: ClockUntrusted, Badge: n.Badge, Kind: kind})
	} else if j.q.At.Sub(since) > want {
		j.miss(Reason{Code: NotRecent, Badge: n.Badge, At: tell, Want: want, Kind: kind})
	}
}

// practice is what the member has done at this machine. Where it is told twice, the better counts.
func (j *judge) practice(who *Member) Practice {
	if j.who == who {
		return j.used
	}
	j.who, j.used = who, Practice{}
	for i := range who.Practice {
		x := &who.Practice[i]
		if x.Machine != j.m.ID {
			continue
		}
		if x.Last.After(j.used.Last) {
			j.used.Last = x.Last
		}
		j.used.Logged = max(j.used.Logged, x.Logged)
	}
	return j.used
}

// best looks for the badge that counts and was issued last. Where none counts, why is the reason of the one that came nearest.
func (j *judge) best(id BadgeID, who *Member) (issued time.Time, why Reason, ok bool) {
	why = Reason{Code: NoBadge, Badge: id}
	for i := range who.Holdings {
		h := &who.Holdings[i]
		if h.Badge != id {
			continue
		}
		switch r := j.counts(h); {
		case r.Code == "":
			if !ok || h.From.After(issued) {
				issued, ok = h.From, true
			}
		case !ok && r.Code.ease() > why.Code.ease():
			why = r
		}
	}
	return issued, why, ok
}

// counts says why a badge does not count; the zero Reason says that it does.
func (j *judge) counts(h *Holding) Reason {
	r := Reason{Badge: h.Badge}
	at := j.q.At
	switch trusted := j.q.Clock == Trusted; {
	case h.Standing == Revoked:
		r.Code = BadgeRevoked
	case h.Standing != Verified:
		r.Code = BadgeUnverified
	case !trusted && !h.Until.IsZero():
		r.Code = ClockUntrusted
	case !trusted: // see the package comment for the two dates that are not judged
		return Reason{}
	case at.Before(h.From):
		r.Code, r.Kind, r.At = BadgeUnverified, NotYet, h.From
	case !h.Until.IsZero() && at.After(h.Until):
		r.Code, r.At = BadgeExpired, h.Until
	case !h.Checked.IsZero() && at.Sub(h.Checked) > j.p.StatusGrace:
		r.Code, r.Kind, r.At = BadgeUnverified, OldStatus, h.Checked
	default:
		return Reason{}
	}
	return r
}

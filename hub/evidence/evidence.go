// Package evidence turns what a hub's ledger holds into progress towards a badge: which interventions count, which do
// not, and why. Judge is pure: the same records at the same time give the same progress.
//
// It accepts a badge's rule from the policy and the records of any machines, in any order. An intervention counts when
// it is the member's own, of a kind the rule names, on a machine the badge is for, not too old, and logged under the
// tap of somebody else whose session, as its own records say, rested on the endorsing badge in the role of maintainer;
// and when the member had tapped in to work along. It may be logged up to Late after that session: a form is good for
// ten minutes, and whoever gave the machine back has one more to open it. Whatever cannot be judged does not count. The
// zero Rule is never complete.
//
// Interventions cannot be stacked (stack.go): of one kind in one session one counts, their minutes together are at most
// the session's length, a rule may ask for different days, and it may ask that the endorser confirmed each one at the
// machine (wire.AttestBody).
//
// Progress can be exported as a file that the hub signs (Make, Verify): it carries the records that counted and those
// they rest on, with their salts and their paths to the machines' own signed checkpoints, so that whoever holds the
// keys of hub and machines can verify all of it again without the ledger. It refuses files that nobody trusted has
// signed, records that do not lead to a machine's checkpoint, and progress that does not come out when it is judged
// again.
package evidence

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// Rule is what earns a badge.
type Rule struct {
	Badge         policy.BadgeID     `json:"badge"`
	Machines      []policy.MachineID `json:"machines"`      // work on these counts
	Interventions int                `json:"interventions"` // how many must count; 0: never complete
	Kinds         []string           `json:"kinds"`         // these count
	Within        int64              `json:"within_s"`      // seconds; 0: any age
	EndorsedBy    policy.BadgeID     `json:"endorsed_by,omitempty"`
	AtTheTime     bool               `json:"at_the_time,omitempty"` // the endorser confirmed each one at the machine
	Spread        int                `json:"spread,omitempty"`      // on how many different days they must lie; 0: on any
	Zone          string             `json:"zone,omitempty"`        // whose days, by its IANA name; with Spread alone
}

// RuleOf reads the rule of a badge from a policy; false where the badge is not earned by work.
func RuleOf(p *policy.Policy, b policy.BadgeID) (Rule, bool) {
	r, ok := p.Evidence[b]
	if !ok {
		return Rule{}, false
	}
	out := Rule{Badge: b, Machines: p.MachinesOf(b), Interventions: r.Interventions, Kinds: r.Kinds,
		Within: int64(
			r.Within / time.Second,
		), EndorsedBy: r.EndorsedBy, AtTheTime: r.Endorsed == policy.AtTheTime, Spread: r.Spread}
	if r.Spread > 0 {
		out.Zone = p.Zone.String() // a nil *time.Location is UTC
	}
	return out, true
}

// Counted is an intervention that counts.
type Counted struct {
	Record  wire.Record
	What    wire.InterventionBody
	RestsOn []Ref  // the records that show who endorsed it, that the member was there, and how long the session lasted
	Minutes int    // at most what the session leaves, with what was counted in it before
	Day     string // at the site, as 2026-11-23; empty where the rule does not ask for different days
}

// Ref names a record.
type Ref struct {
	Machine    policy.MachineID
	Seq        uint64
	Generation wire.Generation `json:",omitempty"`
	Epoch      int             `json:",omitempty"` // of the generation
}

func refTo(r wire.Record) Ref { return Ref{r.Machine, r.Seq, r.Generation, r.Epoch} }

// sameJournal reports whether two records stand in one journal.
func sameJournal(a, b wire.Record) bool { return a.Machine == b.Machine && a.Epoch == b.Epoch }

// Rejected is an intervention of the member that does not count.
type Rejected struct {
	Record wire.Record
	What   wire.InterventionBody
	Why    []Why // all of them
}

// Progress is how far a member has come towards a badge.
type Progress struct {
	Member   policy.MemberID
	Badge    policy.BadgeID
	Counted  []Counted  // oldest first
	Rejected []Rejected // oldest first
	Needed   int        // interventions that the rule asks for
	Days     int        // different days on which Counted lie, where the rule asks for some
	Spread   int        // days that the rule asks for; 0: none
	Minutes  int        // of all that is counted
	Complete bool

	AlreadyHolds bool // the member holds the badge: the caller who knows the badges says so, Judge does not
}

// Missing is how many interventions are still to do.
func (p Progress) Missing() int { return max(0, p.Needed-len(p.Counted)) }

// MissingDays is on how many more days something is still to do.
func (p Progress) MissingDays() int { return max(0, p.Spread-p.Days) }

// Judge finds the member's interventions among the records and judges each one.
func Judge(rule Rule, member policy.MemberID, records []wire.Record, now time.Time) Progress {
	out := Progress{Member: member, Badge: rule.Badge, Needed: max(0, rule.Interventions), Spread: max(0, rule.Spread)}
	if member == "" {
		return out
	}
	j, k := newJudge(rule, now, records), newStack(rule)
	for _, s := range j.work[member] {
		what, why, rests := j.intervention(s)
		if len(why) == 0 && k.stacked(s, what) {
			why = []Why{SameSession}
		}
		if len(why) > 0 {
			out.Rejected = append(out.Rejected, Rejected{s.record, what, why})
			continue
		}
		c := k.count(s, what)
		c.RestsOn, out.Minutes = rests, out.Minutes+c.Minutes
		out.Counted = append(out.Counted, c)
	}
	out.Days = len(k.days)
	out.Complete = rule.Interventions > 0 && out.Missing() == 0 && out.MissingDays() == 0
	return out
}

// Members are the members who have logged interventions, sorted.
func Members(records []wire.Record) []policy.MemberID {
	var out []policy.MemberID
	for _, r := range records {
		if r.Kind == wire.Intervened && r.Member != "" {
			out = append(out, r.Member)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Kinds are the kinds of records that Judge looks at.
func Kinds() []wire.Kind {
	return []wire.Kind{wire.SessionStart, wire.SessionEnd, wire.RoleChanged, wire.Assisted, wire.Intervened, wire.Attested}
}

// judge is the records in order, and whose session each one falls into.
type judge struct {
	rule Rule
	now  time.Time
	work map[policy.MemberID][]seen

	attested map[attestedID]attestation
}

// seen is an intervention and the session that it was logged in, or just after, as the records up to then tell.
type seen struct {
	record wire.Record
	twice  bool
	in     *session // nil: no session of its id was running, or had ended just before
	over   *ended   // nil: it was running
}

// session is a session in the state that its records have given it. It is copied where it changes.
type session struct {
	id     string
	member policy.MemberID
	role   policy.Role
	badges []policy.BadgeID
	start  wire.Record
	rests  []Ref // start, and the last change of role
	came   []arrival
}

// arrival is a member who tapped in to work along. A form that they opened then stays theirs, whoever taps in after.
type arrival struct {
	member policy.MemberID
	at     Ref // the last time
}

func newJudge(rule Rule, now time.Time, records []wire.Record) *judge {
	j := &judge{rule: rule, now: now, work: map[policy.MemberID][]seen{}, attested: map[attestedID]attestation{}}
	sorted := slices.Clone(records)
	slices.SortStableFunc(sorted, func(a, b wire.Record) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
	})
	var m machine
	for i, r := range sorted {
		if i == 0 || !sameJournal(sorted[i-1], r) {
			m = machine{ended: map[string]ended{}}
		}
		in, over := m.session(r)
		switch r.Kind {
		case wire.Intervened:
			twice := i > 0 && sameJournal(sorted[i-1], r) && sorted[i-1].Seq == r.Seq
			j.work[r.Member] = append(j.work[r.Member], seen{record: r, twice: twice, in: in, over: over})
		case wire.Attested:
			j.attests(r, in)
		default:
			m.next(r)
		}
	}
	return j
}

// Late is how long after its session an intervention may be logged.
const Late = 15 * time.Minute

// machine is what one machine's records tell so far.
type machine struct {
	running *session
	ended   map[string]ended
}

// ended is a session that is over, and the record that said so.
type ended struct {
	session *session
	by      wire.Record
}

func (m *machine) next(r wire.Record) {
	was := m.running
	m.running = was.next(r)
	if was != nil && (r.Kind == wire.SessionEnd || r.Kind == wire.SessionStart) &&
		(m.running == nil || m.running.id != was.id) {
		m.ended[was.id] = ended{was, r}
	}
}

// session is the one that r was written in, or after its end; nil: there is none that it may name.
func (m *machine) session(r wire.Record) (*session, *ended) {
	if m.running != nil && m.running.id == r.Session {
		return m.running, nil
	}
	e, over := m.ended[r.Session]
	if after := between(e.by, r); !over || after > Late || after < 0 {
		return nil, nil
	}
	return e.session, &e
}

// between is how much time passed from a to b: in one boot the clock on the wall may have been set meanwhile.
func between(a, b wire.Record) time.Duration {
	if a.Boot == b.Boot && b.Boot != "" {
		return time.Duration(b.Mono-a.Mono) * time.Millisecond
	}
	return b.Wall.Sub(a.Wall)
}

// next is the session that runs after r. A body that cannot be read ends it: what cannot be judged does not count.
func (s *session) next(r wire.Record) *session {
	at := refTo(r)
	switch {
	case r.Kind == wire.SessionStart:
		var b wire.StartBody
		if json.Unmarshal(r.Body, &b) != nil || r.Session == "" {
			return nil
		}
		return &session{id: r.Session, member: r.Member, role: b.Role, badges: b.Badges, start: r, rests: []Ref{at}}
	case s == nil || s.id != r.Session:
		return s
	case r.Kind == wire.SessionEnd:
		return nil
	case r.Kind == wire.RoleChanged:
		var b wire.RoleBody
		if json.Unmarshal(r.Body, &b) != nil {
			return nil
		}
		n := *s
		n.role, n.badges, n.rests = b.Role, b.Badges, []Ref{s.rests[0], at}
		return &n
	case r.Kind == wire.Assisted:
		n := *s
		n.came = append(
			slices.DeleteFunc(slices.Clone(s.came), func(a arrival) bool { return a.member == r.Member }),
			arrival{r.Member, at},
		)
		return &n
	}
	return s
}

// intervention says what counts against s; nothing: it counts.
func (j *judge) intervention(s seen) (wire.InterventionBody, []Why, []Ref) {
	var what wire.InterventionBody
	if json.Unmarshal(s.record.Body, &what) != nil {
		return what, []Why{Unreadable}, nil
	}
	var why []Why
	add := func(w Why, when bool) {
		if when {
			why = append(why, w)
		}
	}
	add(Duplicate, s.twice)
	add(WrongMachine, !slices.Contains(j.rule.Machines, s.record.Machine))
	add(WrongKind, !slices.Contains(j.rule.Kinds, what.What))
	why = append(why, j.age(s.record)...)
	rests := s.rests()
	if j.rule.EndorsedBy != "" {
		ends, came := j.endorsed(s, what)
		why, rests = append(why, ends...), append(rests, came...)
	}
	if j.rule.AtTheTime {
		ref, ok := j.confirmed(s, what)
		add(NotAttested, !ok)
		rests = append(rests, ref...)
	}
	return what, why, rests
}

func (j *judge) age(r wire.Record) []Why {
	switch age := j.now.Sub(r.Wall); {
	case j.rule.Within <= 0 && j.rule.Spread <= 0:
		return nil
	case !r.Clock.Believed(): // neither its age nor its day is known
		return []Why{ClockUntrusted}
	case j.rule.Within <= 0:
		return nil
	case age > time.Duration(min(j.rule.Within, 1<<32))*time.Second:
		return []Why{TooOld}
	case age < -wire.Skew:
		return []Why{InFuture}
	}
	return nil
}

// endorsed looks at whose session the intervention was logged in, and for the record by which its member had tapped in.
func (j *judge) endorsed(s seen, what wire.InterventionBody) (why []Why, came []Ref) {
	switch {
	case what.Endorser == "":
		return []Why{NotEndorsed}, nil
	case what.Endorser == s.record.Member:
		return []Why{SelfEndorsed}, nil
	case s.in == nil || s.in.member != what.Endorser:
		return []Why{NoSession}, nil
	}
	if s.in.role != policy.Maintainer || !slices.Contains(s.in.badges, j.rule.EndorsedBy) {
		why = append(why, EndorserNotMaintainer)
	}
	i := slices.IndexFunc(s.in.came, func(a arrival) bool { return a.member == s.record.Member })
	if i < 0 {
		return append(why, NotAssisting), nil
	}
	return why, []Ref{s.in.came[i].at}
}

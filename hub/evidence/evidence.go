// Package evidence calculates a member's progress towards a badge from the records of a hub's ledger: which
// interventions count, which do not, and why. Judge is a pure function: the same records at the same time give the same
// progress.
//
// Judge takes a badge's rule from the policy and the records of any machines, in any order. An intervention counts if
// all of the following is true. The member did the intervention. The kind and the machine are named by the rule, and
// the intervention is not too old. The intervention was logged in the session of another member, the endorser. The
// session's records show that the endorser had the endorsing badge and the role of maintainer. The member had tapped a
// card to help. An intervention may be logged up to Late after the session: a form is valid for ten minutes, and the
// member who returned the machine has one more minute to open the form. An intervention that cannot be judged does not
// count. The zero Rule is never complete.
//
// The rules in stack.go prevent stacked interventions: In one session, each kind of intervention is counted once, and
// the minutes of all interventions are at most the session's length. A rule may require different days. A rule may also
// require that the endorser confirmed each intervention at the machine (wire.AttestBody).
//
// Progress can be exported as a file that the hub signs (Make, Verify). The file contains the records of the
// interventions that count, and the records that prove that they count. Each record comes with its salt and its Merkle
// path to the machine's signed checkpoint, so that anyone with the keys of hub and machines can verify the progress
// without the ledger. Verify refuses files without a trusted signature, records that no checkpoint of their machine
// covers, and progress that differs from a new judgement of the records.
package evidence

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// Rule is the condition for earning a badge.
type Rule struct {
	Badge    policy.BadgeID     `json:"badge"`
	Machines []policy.MachineID `json:"machines"` // the member's work on these machines counts
	// required number of interventions; 0: the rule is never complete
	Interventions int            `json:"interventions"`
	Kinds         []string       `json:"kinds"`    // kinds of interventions that count
	Within        int64          `json:"within_s"` // maximum age of an intervention in seconds; 0: any age
	EndorsedBy    policy.BadgeID `json:"endorsed_by,omitempty"`
	// true if the endorser must confirm each intervention at the machine
	AtTheTime bool `json:"at_the_time,omitempty"`
	Spread    int  `json:"spread,omitempty"` // required number of different days; 0: any days
	// IANA name of the time zone that separates days; set only if Spread is set
	Zone string `json:"zone,omitempty"`
}

// RuleOf returns the rule of a badge from a policy. The result is false if the policy does not award the badge for
// work.
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
		// a policy without a time zone would otherwise give the zone UTC, the name of a nil *time.Location
		out.Zone = p.Zone.String()
	}
	return out, true
}

// Counted is an intervention that counts.
type Counted struct {
	Record  wire.Record
	What    wire.InterventionBody
	RestsOn []Ref // the records that prove the endorser, the member's presence, and the length of the session
	// minutes of the intervention, at most the minutes of the session that are not counted for earlier interventions
	Minutes int
	Day     string // date at the site, as 2026-11-23; empty if the rule does not require different days
}

// Ref identifies a record.
type Ref struct {
	Machine    policy.MachineID
	Seq        uint64
	Generation wire.Generation `json:",omitempty"`
	Epoch      int             `json:",omitempty"` // index of the record's journal among the machine's journals
}

func refTo(r wire.Record) Ref { return Ref{r.Machine, r.Seq, r.Generation, r.Epoch} }

// sameJournal reports whether two records belong to one journal.
func sameJournal(a, b wire.Record) bool { return a.Machine == b.Machine && a.Epoch == b.Epoch }

// Rejected is an intervention of the member that does not count.
type Rejected struct {
	Record wire.Record
	What   wire.InterventionBody
	Why    []Why // all reasons
}

// Progress is a member's progress towards a badge.
type Progress struct {
	Member   policy.MemberID
	Badge    policy.BadgeID
	Counted  []Counted  // oldest first
	Rejected []Rejected // oldest first
	Needed   int        // number of interventions that the rule requires
	Days     int        // number of different days in Counted; 0 if the rule does not require different days
	Spread   int        // number of days that the rule requires; 0: any days
	Minutes  int        // sum of the minutes in Counted
	Complete bool

	AlreadyHolds bool // true if the member already has the badge; the caller sets this field, not Judge
}

// Missing returns the number of interventions that are still required.
func (p Progress) Missing() int { return max(0, p.Needed-len(p.Counted)) }

// MissingDays returns the number of further days that are still required.
func (p Progress) MissingDays() int { return max(0, p.Spread-p.Days) }

// Judge finds the member's interventions in the records, and decides for each intervention whether it counts at time
// now.
func Judge(rule Rule, member policy.MemberID, records []wire.Record, now time.Time) Progress {
	out := Progress{Member: member, Badge: rule.Badge, Needed: max(0, rule.Interventions), Spread: max(0, rule.Spread)}
	if member == "" {
		return out
	}
	j, k := newJudge(rule, now, records), newStack(rule)
	for _, s := range j.work[member] {
		what, why, rests := j.reasonsAgainst(s)
		if len(why) == 0 && k.isCounted(s, what) {
			why = []Why{SameSession}
		}
		if len(why) > 0 {
			out.Rejected = append(out.Rejected, Rejected{s.record, what, why})
			continue
		}
		c := k.add(s, what)
		c.RestsOn, out.Minutes = rests, out.Minutes+c.Minutes
		out.Counted = append(out.Counted, c)
	}
	out.Days = len(k.days)
	out.Complete = rule.Interventions > 0 && out.Missing() == 0 && out.MissingDays() == 0
	return out
}

// Members returns the members who logged interventions, sorted by id.
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

// Kinds returns the kinds of records that Judge needs.
func Kinds() []wire.Kind {
	return []wire.Kind{wire.SessionStart, wire.SessionEnd, wire.RoleChanged, wire.Assisted, wire.Intervened, wire.Attested}
}

// judge contains the records in the order of their journals, and the session of each record.
type judge struct {
	rule Rule
	now  time.Time
	work map[policy.MemberID][]loggedWork

	attested map[attestedID]attestation
}

// loggedWork is an intervention, with the session during or after which the intervention was logged.
type loggedWork struct {
	record wire.Record
	twice  bool
	in     *session // session of the record; nil: no session with this id was running or had just ended
	over   *ended   // end of the session, if it had ended before the record; nil: the session was running
}

// session is the state of a session after a record. session is never changed: the next record makes a changed copy.
type session struct {
	id     string
	member policy.MemberID
	role   policy.Role
	badges []policy.BadgeID
	start  wire.Record
	proof  []Ref // record of the session's start, and record of the last change of role
	came   []arrival
}

// arrival is a member who tapped a card to help in a session. If this member opened the form for an intervention, the
// form stays this member's form even if another member taps a card later.
type arrival struct {
	member policy.MemberID
	at     Ref // record of the member's last tap
}

func newJudge(rule Rule, now time.Time, records []wire.Record) *judge {
	j := &judge{rule: rule, now: now, work: map[policy.MemberID][]loggedWork{}, attested: map[attestedID]attestation{}}
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
			j.work[r.Member] = append(j.work[r.Member], loggedWork{record: r, twice: twice, in: in, over: over})
		case wire.Attested:
			j.storeConfirmation(r, in)
		default:
			m.next(r)
		}
	}
	return j
}

// Late is the maximum time between the end of a session and the log entry of an intervention in it.
const Late = 15 * time.Minute

// machine is the state of one machine according to its records so far.
type machine struct {
	running *session
	ended   map[string]ended
}

// ended is a session that has ended, and the record of the session's end.
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

// session returns the running session to which record r belongs, or the session that had just ended; nil: there is no
// such session.
func (m *machine) session(r wire.Record) (*session, *ended) {
	if m.running != nil && m.running.id == r.Session {
		return m.running, nil
	}
	e, over := m.ended[r.Session]
	if after := timeBetween(e.by, r); !over || after > Late || after < 0 {
		return nil, nil
	}
	return e.session, &e
}

// timeBetween returns the time from record a to record b. If the machine did not reboot between the two records,
// timeBetween uses the monotonic clock, because a person may have set the wall clock.
func timeBetween(a, b wire.Record) time.Duration {
	if a.Boot == b.Boot && b.Boot != "" {
		return time.Duration(b.Mono-a.Mono) * time.Millisecond
	}
	return b.Wall.Sub(a.Wall)
}

// next returns the session's state after record r. A record with an unreadable body ends the session, because work that
// cannot be judged does not count.
func (s *session) next(r wire.Record) *session {
	at := refTo(r)
	switch {
	case r.Kind == wire.SessionStart:
		var b wire.StartBody
		if json.Unmarshal(r.Body, &b) != nil || r.Session == "" {
			return nil
		}
		return &session{id: r.Session, member: r.Member, role: b.Role, badges: b.Badges, start: r, proof: []Ref{at}}
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
		n.role, n.badges, n.proof = b.Role, b.Badges, []Ref{s.proof[0], at}
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

// reasonsAgainst returns the reasons why intervention s does not count. If the result is empty, intervention s counts.
func (j *judge) reasonsAgainst(s loggedWork) (wire.InterventionBody, []Why, []Ref) {
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
		ends, came := j.checkEndorser(s, what)
		why, rests = append(why, ends...), append(rests, came...)
	}
	if j.rule.AtTheTime {
		ref, ok := j.isConfirmed(s, what)
		add(NotAttested, !ok)
		rests = append(rests, ref...)
	}
	return what, why, rests
}

func (j *judge) age(r wire.Record) []Why {
	switch age := j.now.Sub(r.Wall); {
	case j.rule.Within <= 0 && j.rule.Spread <= 0:
		return nil
	case !r.Clock.Believed(): // the clock was untrusted: neither the age nor the day of the intervention is known
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

// checkEndorser checks the session in which the intervention was logged, and finds the record of the tap of the member
// who logged it.
func (j *judge) checkEndorser(s loggedWork, what wire.InterventionBody) (why []Why, came []Ref) {
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

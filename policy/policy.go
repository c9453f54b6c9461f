// Package policy decides who may use a machine, and says why.
//
// It takes a Model (what a site's administrator wrote; package policy/file reads it from policy.yaml), checked and
// compiled by New, and a Question (a machine, a member with verified badges, a time), and answers with a Decision:
// allow, deny or await, and for every grant of the machine all that is missing. Explain turns that into a sentence and
// a next step for the member, in French and English. All is pure: no clock, no I/O, no network; the same question gets
// the same answer.
//
// It refuses by default. The zero Decision, Role and Holding open nothing. A rule that cannot be judged denies, with
// the code that says so: while the clock is not trusted, opening hours, ages and the ends of badges cannot be judged. A
// tag stops every role but maintainer (a mentor too: a mentor answers for people, not for the state of a machine); a
// fault stops everyone. Another badge never takes access away: of several badges of one kind the best counts, of
// several grants of one role the longest session.
//
// Two dates are not judged while the clock is untrusted, since every signed badge bears the first and every revocable
// one the second, and nobody could start a machine after a power cut without a network: the beginning of a badge's
// validity, and the age of its last known status. A revocation that the machine knows always counts. Nor does a booking
// that had ended when the bundle was made: whatever the clock shows, it is later than that.
package policy

import (
	"slices"
	"strings"
	"time"
)

// Model is a site's policy as it was written. New checks it.
type Model struct {
	Site     SiteID
	Language Language       // of the site: badge names are quoted in it, as issued
	Zone     *time.Location // hours are read in it; nil: UTC
	// SignedBindings says that the policy key signs each member's addresses, subjects, cards and restrictions too: a
	// machine that pins a policy key of its own takes no others.
	SignedBindings bool
	StatusGrace    time.Duration // how long a badge's last status counts; zero: DefaultStatusGrace
	Membership     Membership    // how the end of a membership counts
	Holidays       *Holidays     // what PH means in hours; nil: none are listed
	Names          Names         // of members, on the panels
	Look           Look          // of the panels
	Issuers        []Issuer
	Badges         []Badge
	Machines       []Machine
	Evidence       map[BadgeID]EvidenceRule
	Tests          []Test
	Never          []Invariant
}

// DefaultStatusGrace is how long a badge keeps its last verdict while its status cannot be read (design §4.3).
const DefaultStatusGrace = 7 * 24 * time.Hour

// Issuer is one whose badges count, and the only keys that count for it.
type Issuer struct {
	ID      IssuerID
	Name    string
	Profile string   // issuer.id as it stands in its credentials: a DID or a URL
	Keys    []string // did:key:z6Mk…, z6Mk…, did:web:host, https://… of a profile or JWKS, or a PEM public key

	StatusIssuers []IssuerID // who may sign the status lists of its badges, besides itself
}

// StatusProfiles are the ids, as they stand in credentials, of those who may sign the status lists of an issuer's
// badges besides it.
func StatusProfiles(all []Issuer, of Issuer) []string {
	var out []string
	for _, id := range of.StatusIssuers {
		for _, i := range all {
			if i.ID == id {
				out = append(out, i.Profile)
			}
		}
	}
	return out
}

// Badge is a kind of badge that grants may ask for.
type Badge struct {
	ID          BadgeID
	Name        Text // exactly as issued
	Issuer      IssuerID
	Achievement string   // achievement.id; matched without its query and fragment
	Accepts     []Accept // badges of other issuers that count as this one
}

// Machine is a machine and who may use it.
type Machine struct {
	ID       MachineID
	Name     Text
	Grants   []Grant
	WhenIdle WhenIdle
	Cooldown time.Duration // what serves the machine (extraction) runs on for this long after a session
	Mode     Mode
	Card     CardStrength  // what a card must prove here
	Pass     ClockPass     // rules that are passed over while the clock is not trusted; zero: none, they refuse
	Fresh    time.Duration // how old the bundle may be before only Stale roles start; zero: any age
	Stale    []Role        // roles that start from a bundle older than Fresh
	Bookings []Booking     // in order, and none begins before another has ended

	Interventions []Item   // kinds that may be logged, in the order of the panel's buttons
	Maintenance   []Upkeep // what comes due
	Vouch         []Item   // what a mentor may say that a learner did well
}

// ClockPass is a set of rules.
type ClockPass uint8

const (
	PassHours ClockPass = 1 << iota // opening hours, bookings and quotas
	PassAges                        // within, used-within and the bundle's age
	PassEnds                        // the ends of badges
)

// Booking keeps a machine for one member. Maintainers may work in anybody's.
type Booking struct {
	From, To time.Time
	For      MemberID
}

// Quota is how long a member may use the machine. Zero: no limit.
type Quota struct {
	Day, Week time.Duration // on the wall of the site's zone; a week begins on Monday
}

// WhenIdle says what becomes of the work under way when a session ends. The zero WhenIdle ends both at once.
type WhenIdle uint8

const (
	OffAtOnce WhenIdle = iota // off
	FinishJob                 // finish-job: a busy machine runs until its work is done
)

// Mode is how far decisions bind. The zero Mode binds.
type Mode uint8

const (
	Enforce Mode = iota
	Warn         // every member gets in; the decision says what enforcement would have answered
)

// Grant is one line of policy that gives a role.
type Grant struct {
	Role       Role
	Needs      Need
	Supervisor *Need  // what the supervisor must hold; nil: the member may be alone
	Hours      *Hours // nil: at any time
	Booked     bool   // only within a booking of the member's own
	// how many sessions a supervisor may answer for at once, of those that the machine knows; zero: any number
	Learners int
	Quota    Quota
	Session  Limits
}

// Need is what must be held: exactly one of Badge, All and Any is set. The zero Need is never met.
type Need struct {
	Badge      BadgeID
	Within     time.Duration // the badge was issued at most this long ago; zero: any age
	UsedWithin time.Duration // the machine was used, or the badge issued, at most this long ago; zero: any time
	Hours      time.Duration // running time logged on the machine; zero: none
	Assurance  Assurance     // the weakest that counts; zero: signed
	All        []Need
	Any        []Need
}

// EvidenceRule says which interventions earn a badge.
type EvidenceRule struct {
	Interventions int           // how many must count
	Kinds         []string      // which kinds count
	Within        time.Duration // how old they may be; zero: any age
	// each is logged under the tap of someone whose session rested on this badge; empty: nobody's
	EndorsedBy BadgeID
	Endorsed   Endorsed // how that person answers for the work
	Spread     int      // on how many different days of the site's zone they must lie; zero: on any
}

// Endorsed is how the maintainer answers for work that was logged under their tap. The zero Endorsed is by the tap
// alone.
type Endorsed uint8

const (
	ByTap     Endorsed = iota
	AtTheTime          // they confirm each intervention at the machine, with their own card and a touch
)

var endorsedWords = [...]string{"", "at-the-time"}

func (e Endorsed) String() string { return word(endorsedWords[:], int(e)) }

// ParseEndorsed reads at-the-time; "" is by the tap.
func ParseEndorsed(s string) (Endorsed, error) {
	n, err := number("way to endorse", endorsedWords[:], s)
	return Endorsed(n), err
}

// Test is an example that stands in the policy file.
type Test struct {
	Name     string // where it stands, for messages
	Question Question
	Expect   Verdict
	Role     Role // NoRole: any
	Because  Code // empty: any
}

// Invariant is something that the policy must never allow: package policy/analysis looks for cases against it.
type Invariant struct {
	Name    string      // where it stands, for messages
	Roles   []Role      // that nobody may have
	On      []MachineID // at these machines; none: at any
	Without []BadgeID   // while they hold none of these; none: whatever they hold
	At      *Hours      // at these times; nil: at any
	Alone   bool        // without a supervisor; false: with one or without
}

// Policy is a checked model, compiled for speed. It is never changed, and may be used by many goroutines at once.
// Its maps and slices are for reading only.
type Policy struct {
	Model
	machines     map[MachineID]*machine
	badges       map[BadgeID]*Badge
	achievements map[achievement]BadgeID
	matches      map[achievement][]Match
	roleSets     [1 << (Maintainer + 1)][]Role // the roles of each set, so that a decision needs no memory for them
}

type achievement struct {
	issuer IssuerID
	url    string
}

// Machine returns the settings of a machine.
func (p *Policy) Machine(id MachineID) (*Machine, bool) {
	m := p.machines[id]
	if m == nil {
		return nil, false
	}
	return m.Machine, true
}

// Badge returns a badge that the policy names.
func (p *Policy) Badge(id BadgeID) (*Badge, bool) {
	b := p.badges[id]
	return b, b != nil
}

// Issuer returns an issuer that the policy trusts.
func (p *Policy) Issuer(id IssuerID) (*Issuer, bool) {
	for i := range p.Issuers {
		if p.Issuers[i].ID == id {
			return &p.Issuers[i], true
		}
	}
	return nil, false
}

// BadgeByAchievement returns the badge that the issuer's achievement.id stands for. The query (cid, lang at Open Badge
// Factory) and the fragment do not count.
func (p *Policy) BadgeByAchievement(issuer IssuerID, url string) (BadgeID, bool) {
	id, ok := p.achievements[achievement{issuer, path(url)}]
	return id, ok
}

func path(url string) string {
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		return url[:i]
	}
	return url
}

// MachinesOf returns the machines whose grants name the badge for the member, in the policy's order.
func (p *Policy) MachinesOf(b BadgeID) []MachineID {
	var out []MachineID
	for i := range p.Machines {
		if slices.ContainsFunc(p.Machines[i].Grants, func(g Grant) bool { return g.Needs.Names(b) }) {
			out = append(out, p.Machines[i].ID)
		}
	}
	return out
}

// Names reports whether the badge stands anywhere in n.
func (n Need) Names(b BadgeID) bool {
	in := func(n Need) bool { return n.Names(b) }
	return n.Badge == b && b != "" || slices.ContainsFunc(n.All, in) || slices.ContainsFunc(n.Any, in)
}

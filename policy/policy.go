// Package policy decides who may use a machine, and says why.
//
// The package takes a Model (what a site's administrator wrote; package policy/file reads it from policy.yaml), checked
// and compiled by New, and a Question (a machine, a member with verified badges, a time), and answers with a Decision:
// allow, deny or await, and for every grant of the machine all that is missing. Explain writes the decision as a
// sentence and a next step for the member, in French and English. All functions are pure: they use no clock, no I/O and
// no network, and the same question gets the same answer.
//
// The package refuses by default. The zero Decision, the zero Role and the zero Holding give no access. If a rule
// cannot be judged, the policy denies with the code of that case: while the clock is not trusted, opening hours, ages
// and the ends of badges cannot be judged. A tag stops every role except maintainer. It also stops mentors, who are
// responsible for people and not for the state of a machine. A fault stops everyone. An additional badge never takes
// access away: of several badges of one kind, Decide uses the best badge, and of several grants of one role, the grant
// with the longest session.
//
// Two dates are not judged while the clock is untrusted, since every signed badge bears the first and every revocable
// one the second, and nobody could start a machine after a power cut without a network: the beginning of a badge's
// validity, and the age of its last known status. A revoked badge is refused as soon as the machine knows the
// revocation, also while the clock is not trusted. Decide ignores a booking that had ended when the bundle was made,
// because the present time is always later than that moment.
package policy

import (
	"slices"
	"strings"
	"time"
)

// Model is a site's policy as its author wrote it. New checks it.
type Model struct {
	Site     SiteID
	Language Language       // language of the site, in which badge names are quoted
	Zone     *time.Location // time zone of hours, bookings and quotas; nil means UTC
	// SignedBindings means that the policy key also signs each member's addresses, subjects, cards and restrictions. A
	// machine that pins a separate policy key then accepts only signed data.
	SignedBindings bool
	// how long a badge stays usable after its status was last read; zero means DefaultStatusGrace
	StatusGrace time.Duration
	Membership  Membership // rule about the end of a membership
	Holidays    *Holidays  // public holidays (PH in hours); nil for no holidays
	Names       Names      // how panels show members' names
	Look        Look       // whether panels are light or dark
	Issuers     []Issuer
	Badges      []Badge
	Machines    []Machine
	Evidence    map[BadgeID]EvidenceRule
	Tests       []Test
	Never       []Invariant
}

// DefaultStatusGrace is how long a badge stays usable while its status cannot be read. No standard sets this time; the
// project chose it.
const DefaultStatusGrace = 7 * 24 * time.Hour

// Issuer is an issuer whose badges the policy trusts. Only the keys in Keys are accepted for this issuer.
type Issuer struct {
	ID      IssuerID
	Name    string
	Profile string   // issuer.id in the issuer's credentials, a DID or a URL
	Keys    []string // did:key:z6Mk…, z6Mk…, did:web:host, https://… of a profile or JWKS, or a PEM public key

	StatusIssuers []IssuerID // other issuers that may sign the status lists of this issuer's badges
}

// StatusProfiles returns the issuer.id of each issuer that may sign the status lists of another issuer's badges.
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

// Badge is a kind of badge that grants may require.
type Badge struct {
	ID          BadgeID
	Name        Text // the name, exactly as issued
	Issuer      IssuerID
	Achievement string   // achievement.id, which is compared without query and fragment
	Accepts     []Accept // badges of other issuers that a member may hold instead of this badge
}

// Machine is a machine with the rules for its use.
type Machine struct {
	ID       MachineID
	Name     Text
	Grants   []Grant
	WhenIdle WhenIdle
	Cooldown time.Duration // how long the extraction runs after a session
	Mode     Mode
	Card     CardStrength  // what a card must prove to the reader of this machine
	Pass     ClockPass     // rules that Decide ignores while the clock is not trusted; zero: it ignores no rule
	Fresh    time.Duration // age of the bundle above which only roles in Stale may start; zero for any age
	Stale    []Role        // roles that may start with a bundle older than Fresh
	Bookings []Booking     // bookings sorted by time, without overlaps

	Interventions []Item   // kinds of intervention, in the order of the panel's buttons
	Maintenance   []Upkeep // recurring maintenance
	Vouch         []Item   // skills that a mentor may confirm for a learner
}

// ClockPass is a set of rules that are ignored while the clock is not trusted.
type ClockPass uint8

const (
	PassHours ClockPass = 1 << iota // ignore opening hours, bookings and quotas
	PassAges                        // ignore within, used-within and the bundle's age
	PassEnds                        // ignore the ends of badges
)

// Booking reserves a machine for one member. Maintainers may work during anybody's booking.
type Booking struct {
	From, To time.Time
	For      MemberID
}

// Quota is how long and how often a member may use the machine. Zero means no limit.
type Quota struct {
	Day, Week time.Duration // longest use in a local day and in a local week (from Monday) of the site
	Sessions  int           // most sessions in a local day of the site
}

// WhenIdle says what the machine does with running work when a session ends. The zero WhenIdle switches the machine off
// at once.
type WhenIdle uint8

const (
	OffAtOnce WhenIdle = iota // off
	FinishJob                 // a busy machine runs until its work is done
)

// Mode selects whether decisions are enforced. The zero Mode enforces them.
type Mode uint8

const (
	Enforce Mode = iota
	Warn         // every member is admitted, and Decision.Would is the answer of enforcement
)

// Grant is one rule of a machine that gives a role.
type Grant struct {
	Role       Role
	Needs      Need
	Supervisor *Need  // need of the mentor; nil if no mentor is needed
	Hours      *Hours // times of the grant; nil for any time
	Booked     bool   // true if the grant applies only during the member's own booking
	// Learners limits how many sessions one mentor may supervise at once at this machine. Zero means no limit.
	Learners int
	Quota    Quota
	Session  Limits
}

// Need is a requirement on badges. Exactly one of Badge, All and Any is set. The zero Need is never met.
type Need struct {
	Badge      BadgeID
	Within     time.Duration // largest age of the badge since its issue; zero for any age
	UsedWithin time.Duration // longest time since the last use of the machine or the issue of the badge; zero for any time
	Hours      time.Duration // required running time logged on the machine; zero for none
	Assurance  Assurance     // the weakest assurance that meets the need; zero means signed
	All        []Need
	Any        []Need
}

// EvidenceRule defines which interventions earn a badge.
type EvidenceRule struct {
	Interventions int           // required number of interventions
	Kinds         []string      // the kinds of intervention that the rule accepts
	Within        time.Duration // largest age of an intervention; zero for any age
	// EndorsedBy is the badge that gave the role to the maintainer who logged the intervention. If EndorsedBy is empty,
	// any badge is enough.
	EndorsedBy BadgeID
	Endorsed   Endorsed // how the maintainer endorses the work
	Spread     int      // smallest number of different local days of the interventions; zero for no rule
}

// Endorsed says how a maintainer endorses work that was logged after the maintainer's tap. The zero Endorsed requires
// only the tap.
type Endorsed uint8

const (
	ByTap     Endorsed = iota
	AtTheTime          // the maintainer confirms each intervention at the machine with card and touch
)

var endorsedWords = [...]string{"", "at-the-time"}

func (e Endorsed) String() string { return word(endorsedWords[:], int(e)) }

// ParseEndorsed parses the word at-the-time. For "" it returns the endorsement by the tap alone.
func ParseEndorsed(s string) (Endorsed, error) {
	n, err := number("way to endorse", endorsedWords[:], s)
	return Endorsed(n), err
}

// Test is an example in the policy file.
type Test struct {
	Name     string // position of the example in the policy file, for messages
	Question Question
	Expect   Verdict
	Role     Role // expected role; NoRole for any role
	Because  Code // expected code; empty for any code
}

// Invariant is a case that the policy must never allow. Package policy/analysis looks for members and times that break
// an invariant.
type Invariant struct {
	Name    string      // position of the rule in the policy file, for messages
	Roles   []Role      // roles that nobody may have
	On      []MachineID // machines of the rule; empty for all machines
	Without []BadgeID   // the rule is about members without these badges; empty for all members
	At      *Hours      // times of the rule; nil for all times
	Alone   bool        // true if the rule is only about use without a mentor
}

// Policy is a checked and compiled model. A Policy never changes, so many goroutines may use it at once. Callers must
// not change the maps and slices of a Policy.
type Policy struct {
	Model
	machines     map[MachineID]*machine
	badges       map[BadgeID]*Badge
	achievements map[achievement]BadgeID
	matches      map[achievement][]Match
	roleSets     [1 << (Maintainer + 1)][]Role // the roles in each set, so that a decision allocates no slice for them
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

// BadgeByAchievement returns the badge with this issuer and achievement.id. Query (cid and lang at Open Badge Factory)
// and fragment of the URL are ignored.
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

// MachinesOf returns the machines whose grants require the badge of the member, in the order of the policy.
func (p *Policy) MachinesOf(b BadgeID) []MachineID {
	var out []MachineID
	for i := range p.Machines {
		if slices.ContainsFunc(p.Machines[i].Grants, func(g Grant) bool { return g.Needs.Names(b) }) {
			out = append(out, p.Machines[i].ID)
		}
	}
	return out
}

// Names reports whether n or a need inside n requires the badge.
func (n Need) Names(b BadgeID) bool {
	in := func(n Need) bool { return n.Names(b) }
	return n.Badge == b && b != "" || slices.ContainsFunc(n.All, in) || slices.ContainsFunc(n.Any, in)
}

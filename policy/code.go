package policy

import (
	"slices"
	"time"
)

// Code is the reason why access is denied. The codes never change, because records and other programs store these
// words.
type Code string

const (
	UnknownCard  Code = "unknown-card"  // no member has this card
	CardBlocked  Code = "card-blocked"  // the site refuses this card, or every card of its member
	MachineFault Code = "machine-fault" // the relay has a fault, so nobody may start
	// MembershipLapsed: the membership and its days of grace have ended, and the policy does not let lapsed members
	// keep the role.
	MembershipLapsed Code = "membership-lapsed"
	TaggedOut        Code = "tagged-out"    // the machine is tagged out; only a maintainer may work
	NoBadge          Code = "no-badge"      // the badge is not held
	BadgeRevoked     Code = "badge-revoked" // the issuer has revoked the badge
	// BadgeUnverified: the proof is not verified, the status is too old, or the badge is not valid yet.
	BadgeUnverified Code = "badge-unverified"
	BadgeExpired    Code = "badge-expired"    // the end of the badge's validity has passed
	NotEnoughHours  Code = "not-enough-hours" // the member has logged less running time on this machine than required
	NotRecent       Code = "not-recent"       // the badge, or the last use of this machine, is older than required
	QuotaUsed       Code = "quota-used"       // the member's quota is used up
	BundleStale     Code = "bundle-stale"     // the machine's bundle is older than the policy allows
	ClockUntrusted  Code = "clock-untrusted"  // a rule on hours or dates cannot be judged without a trusted clock
	OutsideHours    Code = "outside-hours"    // the time is outside the grant's hours
	NeedsSupervisor Code = "needs-supervisor" // a mentor's card is needed
)

// Codes returns all codes, hardest to remedy first. The panel shows a member the first code that applies.
func Codes() []Code { return slices.Clone(codeList[:]) }

// codeList is the list that Codes returns. The nearest grant is the grant whose hardest reason is latest in this list.
var codeList = [...]Code{
	UnknownCard,
	CardBlocked,
	MachineFault,
	MembershipLapsed,
	NoBadge,
	BadgeRevoked,
	BadgeUnverified,
	BadgeExpired,
	NotEnoughHours,
	NotRecent,
	QuotaUsed,
	BundleStale,
	ClockUntrusted,
	TaggedOut,
	OutsideHours,
	NeedsSupervisor,
}

// These constants are the indices of the codes in codeList. The evaluator works with these numbers.
const (
	unknownCard uint8 = iota
	cardBlocked
	machineFault
	membershipLapsed
	noBadge
	badgeRevoked
	badgeUnverified
	badgeExpired
	notEnoughHours
	notRecent
	quotaUsed
	bundleStale
	clockUntrusted
	taggedOut
	outsideHours
	needsSupervisor
	counts uint8 = 255 // stands for no code: the badge counts

	// Codes up to lastOfAll stop every grant of a machine, except the roles that a lapsed member keeps.
	lastOfAll = int(membershipLapsed)
)

// Known reports whether c is in the list.
func (c Code) Known() bool { return slices.Contains(codeList[:], c) }

// ease returns the index of c in codeList.
func (c Code) ease() int { return slices.Index(codeList[:], c) }

// Reason is one thing that is missing for a grant.
type Reason struct {
	Code  Code        `json:"code"`
	Badge BadgeID     `json:"badge,omitempty"` // the badge concerned
	Other *OtherBadge `json:"other,omitempty"` // the accepted badge of the reason; nil if the reason is about Badge itself
	// badge-expired: its end; badge-unverified: when it begins to be valid, or when its status was last read;
	// not-recent: time of issue or last use; membership-lapsed: noon of its last day; outside-hours, booked: end of the
	// closure
	At time.Time `json:"at,omitzero"`
	// not-recent: the maximum age; not-enough-hours: the required running time; quota-used: the quota of time (ns)
	Want time.Duration `json:"want,omitempty"`
	// not-enough-hours: the running time logged; quota-used: the time used (ns)
	Have time.Duration `json:"have,omitempty"`
	// quota-used: the quota of sessions, and the sessions that the member began on the day
	WantSessions int        `json:"want_sessions,omitempty"`
	HaveSessions int        `json:"have_sessions,omitempty"`
	Kind         ReasonKind `json:"kind,omitempty"` // which rule gave the code, if several rules share it
}

// ReasonKind distinguishes rules that share a code. The zero kind is the ordinary rule of its code.
type ReasonKind uint8

const (
	_             ReasonKind = iota
	OfAge                    // not-recent, because of the badge's age
	OfPractice               // not-recent, because of the last use of this machine
	NotYet                   // badge-unverified, because the badge is not valid yet
	OldStatus                // badge-unverified, because the last status is older than status-grace
	WeakAssurance            // badge-unverified, because the assurance is weaker than required
	// card-blocked: the card's number can be copied, and this machine requires a card that authenticates itself
	WeakCard
	OfDay          // quota-used: the day's time
	OfWeek         // quota-used: the week's time
	Booked         // outside-hours: the machine is booked for someone else
	NotBooked      // outside-hours: allowed only during the member's own booking
	BusySupervisor // needs-supervisor: the mentor already supervises as many people as the policy permits
	OfLostCard     // card-blocked: the site has noted this card as lost
	OfBlockedCard  // card-blocked: the site has blocked this card
	OfReplacedCard // card-blocked: the member has another card instead
	OfLapsed       // needs-supervisor: the mentor's membership has lapsed
	Besides        // no-badge: an accepted badge is held, but not the badge that its entry asks for as well
	OfSessions     // quota-used: the day's sessions
)

var kindWords = [...]string{
	"",
	"within",
	"used-within",
	"not-yet",
	"status-age",
	"assurance",
	"card",
	"day",
	"week",
	"booked",
	"not-booked",
	"learners",
	"lost",
	"blocked",
	"replaced",
	"membership",
	"with",
	"sessions",
}

func (k ReasonKind) String() string { return word(kindWords[:], int(k)) }

func (k ReasonKind) MarshalText() ([]byte, error) { return text("kind", kindWords[:], int(k)) }

func (k *ReasonKind) UnmarshalText(b []byte) error {
	n, err := number("kind of reason", kindWords[:], string(b))
	*k = ReasonKind(n)
	return err
}

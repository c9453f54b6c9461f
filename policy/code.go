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
	NoBadge          Code = "no-badge"      // the member does not hold the badge
	BadgeRevoked     Code = "badge-revoked" // the issuer has revoked the badge
	// BadgeUnverified: the badge's proof is not verified, its last known status is too old, its assurance is too weak,
	// or the badge is not valid yet.
	BadgeUnverified Code = "badge-unverified"
	BadgeExpired    Code = "badge-expired"    // the badge's validity has ended
	NotEnoughHours  Code = "not-enough-hours" // the member has logged less running time on this machine than required
	// the badge was issued, or the member last used this machine, longer ago than the grant allows
	NotRecent       Code = "not-recent"
	QuotaUsed       Code = "quota-used"       // the member's quota is used up
	BundleStale     Code = "bundle-stale"     // the machine's bundle is older than the policy allows
	ClockUntrusted  Code = "clock-untrusted"  // a rule on hours or dates cannot be judged without a trusted clock
	OutsideHours    Code = "outside-hours"    // the time is outside the grant's hours
	NeedsSupervisor Code = "needs-supervisor" // a mentor must tap too
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
	counts uint8 = 255 // means "no code": nothing is wrong with the badge

	// The codes up to lastOfAll refuse every grant of a machine, except that a lapsed member may keep some roles.
	lastOfAll = int(membershipLapsed)
)

// Known reports whether c is in the list.
func (c Code) Known() bool { return slices.Contains(codeList[:], c) }

// ease returns the index of c in codeList: the higher the index, the easier the reason is to remedy.
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
	Kind         ReasonKind `json:"kind,omitempty"` // the rule that denied access, if several rules share the code
}

// ReasonKind distinguishes the rules that deny access with the same code. The zero kind stands for the main rule of a
// code.
type ReasonKind uint8

const (
	_             ReasonKind = iota
	OfAge                    // not-recent: the badge was issued too long ago
	OfPractice               // not-recent: the member last used this machine too long ago
	NotYet                   // badge-unverified: the badge is not valid yet
	OldStatus                // badge-unverified: the last status that was read is older than status-grace
	WeakAssurance            // badge-unverified: the badge's assurance is weaker than the grant requires
	// card-blocked: the card's number can be copied, and this machine requires a card that authenticates itself
	WeakCard
	OfDay          // quota-used: the member has used the time of the day
	OfWeek         // quota-used: the member has used the time of the week
	Booked         // outside-hours: the machine is booked for someone else
	NotBooked      // outside-hours: the grant applies only during the member's own booking
	BusySupervisor // needs-supervisor: the mentor already supervises as many people as the policy permits
	OfLostCard     // card-blocked: the site has noted this card as lost
	OfBlockedCard  // card-blocked: the site has blocked this card
	OfReplacedCard // card-blocked: the member has another card instead
	OfLapsed       // needs-supervisor: the mentor's membership has lapsed
	Besides        // no-badge: the member holds the accepted badge, but not the badge in With of its entry
	OfSessions     // quota-used: the member has begun all sessions of the day
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

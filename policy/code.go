package policy

import (
	"slices"
	"time"
)

// Code says why access is not given. The list is closed and stable: records and other programs keep these words.
type Code string

const (
	UnknownCard  Code = "unknown-card"  // no member has this card
	CardBlocked  Code = "card-blocked"  // the site refuses this card, or every card of its member
	MachineFault Code = "machine-fault" // the relay cannot be trusted; nobody starts
	// MembershipLapsed: the membership has ended, its days of grace have passed, and the policy does not keep the
	// role for lapsed members.
	MembershipLapsed Code = "membership-lapsed"
	TaggedOut        Code = "tagged-out"    // a tag lets only a maintainer work
	NoBadge          Code = "no-badge"      // the badge is not held
	BadgeRevoked     Code = "badge-revoked" // its issuer withdrew it
	// its proof is not verified, its status is too old to rely on, or it is not valid yet
	BadgeUnverified Code = "badge-unverified"
	BadgeExpired    Code = "badge-expired"    // its issuer gave it an end, which has passed
	NotEnoughHours  Code = "not-enough-hours" // less running time logged on this machine than asked
	NotRecent       Code = "not-recent"       // the badge, or the last use of this machine, is older than asked
	QuotaUsed       Code = "quota-used"       // the member's share is used up
	BundleStale     Code = "bundle-stale"     // the machine has had no news for too long
	ClockUntrusted  Code = "clock-untrusted"  // a rule on hours or dates cannot be judged
	OutsideHours    Code = "outside-hours"    // the grant does not hold at this time of the week
	NeedsSupervisor Code = "needs-supervisor" // a supervisor's card is wanted
)

// Codes are all codes, hardest to mend first: the order in which a member hears about them.
func Codes() []Code { return slices.Clone(codeList[:]) }

// codeList is Codes. Of several grants, the one whose hardest reason stands last here came nearest.
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

// The places of codes in codeList, for the evaluator.
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
	counts uint8 = 255 // no code: the badge counts

	// Up to here, codes stop every grant of a machine alike, but those whose role a lapsed member keeps.
	lastOfAll = int(membershipLapsed)
)

// Known reports whether c is in the list.
func (c Code) Known() bool { return slices.Contains(codeList[:], c) }

// ease is the place of c in the list.
func (c Code) ease() int { return slices.Index(codeList[:], c) }

// Reason is one thing that is missing.
type Reason struct {
	Code  Code        `json:"code"`
	Badge BadgeID     `json:"badge,omitempty"` // the badge that it concerns
	Other *OtherBadge `json:"other,omitempty"` // the badge that is held in its place, where the reason is about that one
	// badge-expired: its end; badge-unverified: when it begins to be valid, or when its status was last read; not-recent:
	// issue or last use; membership-lapsed: noon of its last day; outside-hours, booked: until when
	At time.Time `json:"at,omitzero"`
	// not-recent: the age asked for; not-enough-hours: the running time asked for; quota-used: the quota (ns)
	Want time.Duration `json:"want,omitempty"`
	// not-enough-hours: the running time logged; quota-used: the time used (ns)
	Have time.Duration `json:"have,omitempty"`
	Kind ReasonKind    `json:"kind,omitempty"` // which rule spoke, where a code has several
}

// ReasonKind tells apart the rules that share a code. The zero kind is the code's only or plain one.
type ReasonKind uint8

const (
	_              ReasonKind = iota
	OfAge                     // not-recent: the badge's age
	OfPractice                // not-recent: the last use of this machine
	NotYet                    // badge-unverified: valid only later
	OldStatus                 // badge-unverified: the status was read longer ago than status-grace
	WeakAssurance             // badge-unverified: what it rests on is weaker than asked
	WeakCard                  // card-blocked: the card's number can be copied, and this machine asks for more
	OfDay                     // quota-used: the day's
	OfWeek                    // quota-used: the week's
	Booked                    // outside-hours: the machine is booked for someone else
	NotBooked                 // outside-hours: only within a booking of one's own
	BusySupervisor            // needs-supervisor: the one who tapped answers for as many as the policy allows
	OfLostCard                // card-blocked: the site has noted this card as lost
	OfBlockedCard             // card-blocked: the site has blocked this card
	OfReplacedCard            // card-blocked: the member has another card instead
	OfLapsed                  // needs-supervisor: the membership of the one who tapped has lapsed
	Besides                   // no-badge: another issuer's badge is held and accepted, and this one is asked for with it
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
}

func (k ReasonKind) String() string { return word(kindWords[:], int(k)) }

func (k ReasonKind) MarshalText() ([]byte, error) { return text("kind", kindWords[:], int(k)) }

func (k *ReasonKind) UnmarshalText(b []byte) error {
	n, err := number("kind of reason", kindWords[:], string(b))
	*k = ReasonKind(n)
	return err
}

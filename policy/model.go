package policy

import "time"

// SiteID, MachineID, BadgeID, IssuerID and MemberID are slugs ([a-z0-9-], at most 64 bytes); they match whole and
// exactly.
type (
	SiteID    string
	MachineID string
	BadgeID   string
	IssuerID  string
	// MemberID is a pseudonym: the only name of a member in the journal and on MQTT.
	MemberID string
)

// Text is a sentence or a name in the languages that members read.
type Text struct{ FR, EN string }

// In returns the text in l, or in the other language where l has none.
func (t Text) In(l Language) string {
	if l == English && t.EN != "" || t.FR == "" {
		return t.EN
	}
	return t.FR
}

// Holding is one badge that a member holds, as it was verified ahead of time. The zero Holding counts for nothing.
type Holding struct {
	Badge     BadgeID
	Standing  Standing
	Assurance Assurance
	Other     *OtherBadge // what is held in its place, where Badge accepts it; nil: Badge itself
	From      time.Time   // valid from
	Until     time.Time   // valid until; zero: no end
	Checked   time.Time   // when the issuer's status was last read; zero: the badge has no status to read
}

// Assurance is what a badge's standing rests on. The zero Assurance is a signature, since every badge had one before
// others counted.
type Assurance uint8

const (
	Signed   Assurance = iota // a key that is pinned to the issuer
	Hosted                    // the issuer's own web address says so
	Attested                  // someone of the site has seen it; no machine can check
)

var assuranceWords = [...]string{"signed", "hosted", "attested"}

func (a Assurance) String() string { return word(assuranceWords[:], int(a)) }

func (a Assurance) MarshalText() ([]byte, error) { return text("assurance", assuranceWords[:], int(a)) }

func (a *Assurance) UnmarshalText(b []byte) error {
	n, err := number("assurance", assuranceWords[:], string(b))
	*a = Assurance(n)
	return err
}

// CardStrength is what a card has proven to the reader. The zero CardStrength is a number that anybody can copy.
type CardStrength uint8

const (
	NumberOnly CardStrength = iota
	AES                     // the card holds a key that the site gave it
)

var cardWords = [...]string{"number", "aes"}

func (c CardStrength) String() string { return word(cardWords[:], int(c)) }

// ParseCardStrength reads number or aes; "" is number.
func ParseCardStrength(s string) (CardStrength, error) {
	n, err := number("kind of card", cardWords[:], s)
	return CardStrength(n), err
}

// Standing is the verdict on a badge's proof and status.
type Standing uint8

const (
	Unverified Standing = iota // invalid, indeterminate, or not looked at
	Verified
	Revoked
)

// Practice is what a member has done at one machine.
type Practice struct {
	Machine MachineID
	Last    time.Time     // end of the last session
	Logged  time.Duration // running time logged in all
	Day     time.Duration // time used on the day of Last, on the wall of the site's zone: since its midnight
	Week    time.Duration // and in its week: since Monday's
}

// Used is the practice after one more session, which ended at a moment, in the site's zone. What of it lies before that
// day, or that week, counts for none that is still to come.
func (p Practice) Used(end time.Time, took time.Duration) Practice {
	if !sameDay(p.Last, end) {
		p.Day = 0
	}
	if !sameWeek(p.Last, end) {
		p.Week = 0
	}
	p.Day += min(took, end.Sub(dayBegan(end)))
	p.Week += min(took, end.Sub(weekBegan(end)))
	p.Last, p.Logged = end, p.Logged+took
	return p
}

// After is the practice p, which began to count anew, with what was practised before. Both have their Last in the
// site's zone.
func (p Practice) After(before Practice) Practice {
	first, last := before, p
	if last.Last.Before(first.Last) {
		first, last = last, first
	}
	last.Logged += first.Logged
	if sameDay(first.Last, last.Last) {
		last.Day += first.Day
	}
	if sameWeek(first.Last, last.Last) {
		last.Week += first.Week
	}
	return last
}

// dayBegan is the first moment of the day on the wall. Where the clock is changed in it, it has not 24 hours, and may
// not begin at midnight.
func dayBegan(at time.Time) time.Time {
	for {
		h, m, s := at.Clock()
		began := at.Add(-time.Duration(h*3600+m*60+s)*time.Second - time.Duration(at.Nanosecond()))
		change, _ := at.ZoneBounds()
		if change.IsZero() || began.After(change) {
			return began
		}
		if at = change.Add(-1); !sameDay(at, change) {
			return change
		}
	}
}

func weekBegan(at time.Time) time.Time {
	y, m, d := at.Date()
	back := (int(at.Weekday()) + 6) % 7 // from Monday
	return dayBegan(time.Date(y, m, d-back, 12, 0, 0, 0, at.Location()))
}

// dayLength is a day of 24 hours. Days on which clocks change are an hour or two longer, so the bounds are generous.
const dayLength = 24 * time.Hour

// sameDay compares days on the wall of b's zone.
func sameDay(a, b time.Time) bool {
	if d := b.Sub(a); d > 2*dayLength || d < -2*dayLength { // far apart: the calendar need not be asked
		return false
	}
	ay, am, ad := a.In(b.Location()).Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}

// sameWeek compares weeks from Monday to Sunday, as ISO 8601 counts them.
func sameWeek(a, b time.Time) bool {
	if d := b.Sub(a); d > 8*dayLength || d < -8*dayLength {
		return false
	}
	ay, aw := a.In(b.Location()).ISOWeek()
	by, bw := b.ISOWeek()
	return ay == by && aw == bw
}

// Member is what a decision may know of a person: a pseudonym and badges, never a name.
type Member struct {
	ID       MemberID
	Blocked  bool // every card of this member is refused
	Until    Date // the last day of the membership, in the site's zone; zero: it has no end
	Holdings []Holding
	Practice []Practice
	prepared *prepared // by Prepare; nil: each decision works it out
}

// Limits bound a session. A zero duration is no limit. In JSON they are nanoseconds.
type Limits struct {
	Max time.Duration `json:"max,omitempty"` // the session ends at the latest after this, unless it is extended
	// what hours, quotas and bookings leave, for extensions too; a grant's own session has none
	Most time.Duration `json:"most,omitempty"`
	Idle time.Duration `json:"idle,omitempty"` // ends when the machine has not worked for this long
	Warn time.Duration `json:"warn,omitempty"` // the member is warned this long before the end
	// what the member may add to what is left, each time they ask; zero: nothing
	Extend time.Duration `json:"extend,omitempty"`
}

// Extended is what is left of a session once its member has asked for more: what was left, and Extend on top, but no
// more than most, which is the Most of a fresh decision (zero: no limit). It never takes time away.
func (l Limits) Extended(left, most time.Duration) time.Duration {
	out := left + l.Extend
	if most > 0 && out > most {
		out = most
	}
	return max(out, left)
}

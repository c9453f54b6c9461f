package policy

import "time"

// SiteID, MachineID, BadgeID, IssuerID and MemberID are slugs ([a-z0-9-], at most 64 bytes). Slugs are compared
// exactly.
type (
	SiteID    string
	MachineID string
	BadgeID   string
	IssuerID  string
	// MemberID is a pseudonym, the only name of a member in the journal and on MQTT.
	MemberID string
)

// Text is a sentence or a name in both languages.
type Text struct{ FR, EN string }

// In returns the text in l, or in the other language if l has none.
func (t Text) In(l Language) string {
	if l == English && t.EN != "" || t.FR == "" {
		return t.EN
	}
	return t.FR
}

// Holding is one badge that a member holds, verified before the tap. The zero Holding meets no need.
type Holding struct {
	Badge     BadgeID
	Standing  Standing
	Assurance Assurance
	Other     *OtherBadge // the accepted badge that is held instead; nil if Badge itself is held
	From      time.Time   // start of validity
	Until     time.Time   // end of validity; zero for no end
	Checked   time.Time   // when the issuer's status was last read; zero if the badge has no status
}

// Assurance says how a badge was verified. The zero Assurance is a signature, the only kind in old records.
type Assurance uint8

const (
	Signed   Assurance = iota // the badge is signed with a key that the policy pins to the issuer
	Hosted                    // the badge was found at the issuer's own web address
	Attested                  // an administrator has seen the badge; no program can check it
)

var assuranceWords = [...]string{"signed", "hosted", "attested"}

func (a Assurance) String() string { return word(assuranceWords[:], int(a)) }

func (a Assurance) MarshalText() ([]byte, error) { return text("assurance", assuranceWords[:], int(a)) }

func (a *Assurance) UnmarshalText(b []byte) error {
	n, err := number("assurance", assuranceWords[:], string(b))
	*a = Assurance(n)
	return err
}

// CardStrength says what a card has proven to the reader. With the zero CardStrength only the number of the card is
// known, which anybody can copy.
type CardStrength uint8

const (
	NumberOnly CardStrength = iota
	AES                     // the card proved that it holds a key of the site
)

var cardWords = [...]string{"number", "aes"}

func (c CardStrength) String() string { return word(cardWords[:], int(c)) }

// ParseCardStrength parses one of the words number and aes. For "" it returns the strength of number.
func ParseCardStrength(s string) (CardStrength, error) {
	n, err := number("kind of card", cardWords[:], s)
	return CardStrength(n), err
}

// Standing is the verdict on a badge's signature and status.
type Standing uint8

const (
	Unverified Standing = iota // the badge is invalid, indeterminate or not examined
	Verified
	Revoked
)

// Practice is the record of a member's use of one machine.
type Practice struct {
	Machine MachineID
	Last    time.Time     // end of the last session
	Logged  time.Duration // total running time logged
	Day     time.Duration // time used on the day of Last, in the site's zone
	Week    time.Duration // time used in the week of Last, which begins on Monday
	// Sessions is how many sessions began on the day of Last. A session that continues past midnight counts only for
	// the day on which it began.
	Sessions int
}

// Used returns the practice after one more session, which ended at end, in the site's zone. For the time of the day and
// of the week, Used adds only the part of the session on that day and in that week. Used adds the session to the number
// of sessions of the day if the session began on that day.
func (p Practice) Used(end time.Time, took time.Duration) Practice {
	p = p.Using(end, took)
	if took <= end.Sub(dayBegan(end)) {
		p.Sessions++
	}
	return p
}

// Using returns the practice in a session that has lasted for took at now, in the site's zone. The time counts. Using
// does not add one to the number of sessions, because the policy has already admitted this session: Decide must not
// refuse to extend the last session of a quota because of that session itself.
func (p Practice) Using(now time.Time, took time.Duration) Practice {
	if !sameDay(p.Last, now) {
		p.Day, p.Sessions = 0, 0
	}
	if !sameWeek(p.Last, now) {
		p.Week = 0
	}
	p.Day += min(took, now.Sub(dayBegan(now)))
	p.Week += min(took, now.Sub(weekBegan(now)))
	p.Last, p.Logged = now, p.Logged+took
	return p
}

// After returns the practice p, which was counted from zero again, combined with an earlier practice. Last must be in
// the site's zone in both practices.
func (p Practice) After(before Practice) Practice {
	first, last := before, p
	if last.Last.Before(first.Last) {
		first, last = last, first
	}
	last.Logged += first.Logged
	if sameDay(first.Last, last.Last) {
		last.Day += first.Day
		last.Sessions += first.Sessions
	}
	if sameWeek(first.Last, last.Last) {
		last.Week += first.Week
	}
	return last
}

// dayBegan returns the first moment of a local day. A day with a clock change does not have 24 hours and may not begin
// at 0:00.
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
	back := (int(at.Weekday()) + 6) % 7 // days since Monday
	return dayBegan(time.Date(y, m, d-back, 12, 0, 0, 0, at.Location()))
}

// dayLength is the usual length of a day. Days with a clock change differ by an hour or two, so comparisons allow for a
// margin.
const dayLength = 24 * time.Hour

// sameDay reports whether both are on one local day of b's zone.
func sameDay(a, b time.Time) bool {
	// skip the calendar computation for times that are far apart
	if d := b.Sub(a); d > 2*dayLength || d < -2*dayLength {
		return false
	}
	ay, am, ad := a.In(b.Location()).Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}

// sameWeek reports whether both are in one week from Monday to Sunday (ISO 8601).
func sameWeek(a, b time.Time) bool {
	if d := b.Sub(a); d > 8*dayLength || d < -8*dayLength {
		return false
	}
	ay, aw := a.In(b.Location()).ISOWeek()
	by, bw := b.ISOWeek()
	return ay == by && aw == bw
}

// Member contains the facts about a person that a decision may use: a pseudonym and badges, never a name.
type Member struct {
	ID       MemberID
	Blocked  bool // every card of this member is refused
	Until    Date // last day of the membership in the site's zone; zero for a membership without an end
	Holdings []Holding
	Practice []Practice
	prepared *prepared // set by Prepare; if nil, computed at each decision
}

// Limits limit a session. A zero duration means no limit. In JSON the durations are nanoseconds.
type Limits struct {
	Max time.Duration `json:"max,omitempty"` // the session ends after this time unless it is extended
	// Most is the time that hours, quotas and bookings permit. Extensions cannot make a session longer than Most. In
	// the limits of a grant, Most is zero.
	Most time.Duration `json:"most,omitempty"`
	Idle time.Duration `json:"idle,omitempty"` // the session ends after the machine was idle for this time
	Warn time.Duration `json:"warn,omitempty"` // the member is warned this long before the end
	// Extend is the time that the member may add at each request. Zero means that the member may add none.
	Extend time.Duration `json:"extend,omitempty"`
}

// Extended returns the remaining time of a session after its member has extended it: left plus Extend, but at most the
// parameter most, which is the field Most of a new decision (zero means no limit). The result is never less than left.
func (l Limits) Extended(left, most time.Duration) time.Duration {
	out := left + l.Extend
	if most > 0 && out > most {
		out = most
	}
	return max(out, left)
}
